#!/usr/bin/env python3
"""Runs the test suites one after the other and adds up their results.

Each argument is NAME=COMMAND. A suite ends with the line "N passed, N failed, N skipped", or is a GoogleTest binary. A
suite that ends without saying so (it crashed) counts as one failure. The last line printed here is the sum; the exit
status is 1 if anything failed.
"""

import re
import subprocess
import sys
import time

SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.M)
GTEST = re.compile(r"^\[ +(PASSED|FAILED|SKIPPED) +\] (\d+) tests?\b", re.M)


def results_in(text, status):
    """What the suite's output says: (passed, failed, skipped), or None where it says nothing."""
    summaries = SUMMARY.findall(text)
    if summaries:
        return [int(n) for n in summaries[-1]]
    gtest = {word: int(n) for word, n in GTEST.findall(text)}
    if gtest:
        return [gtest.get("PASSED", 0), gtest.get("FAILED", 0), gtest.get("SKIPPED", 0)]
    return None


def run(name, command):
    print(f"--- {name}", flush=True)
    began = time.monotonic()
    process = subprocess.Popen(command, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, errors="replace")
    lines = []
    for line in process.stdout:
        lines.append(line)
        print(line, end="", flush=True)
    status = process.wait()
    counts = results_in("".join(lines), status)
    if counts is None:
        counts = [0, 1, 0]
        print(f"{name}: ended with status {status} and without a result", flush=True)
    elif status != 0 and counts[1] == 0:
        counts[1] += 1
        print(f"{name}: ended with status {status}", flush=True)
    print(f"--- {name}: {time.monotonic() - began:.1f} s\n", flush=True)
    return counts


def main():
    total = [0, 0, 0]
    failed = []
    for argument in sys.argv[1:]:
        name, command = argument.split("=", 1)
        counts = run(name, command)
        total = [a + b for a, b in zip(total, counts)]
        if counts[1]:
            failed.append(name)
    if failed:
        print("failed suites: " + ", ".join(failed))
    print("{} passed, {} failed, {} skipped".format(*total))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
