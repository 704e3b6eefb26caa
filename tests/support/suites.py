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


class Result:
    """What one suite did: how many tests passed, failed and were skipped, how long it took, what it printed."""

    def __init__(self, counts, seconds, text):
        self.passed, self.failed, self.skipped = counts
        self.seconds, self.text = seconds, text


def run(name, command, shown=True):
    """Runs one suite, and prints what it prints where that is `shown`."""
    def say(text, end="\n"):
        lines.append(text + end)
        if shown:
            print(text, end=end, flush=True)

    lines = []
    say(f"--- {name}")
    began = time.monotonic()
    process = subprocess.Popen(command, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, errors="replace")
    for line in process.stdout:
        say(line, end="")
    status = process.wait()
    counts = results_in("".join(lines), status)
    if counts is None:
        counts = [0, 1, 0]
        say(f"{name}: ended with status {status} and without a result")
    elif status != 0 and counts[1] == 0:
        counts[1] += 1
        say(f"{name}: ended with status {status}")
    seconds = time.monotonic() - began
    say(f"--- {name}: {seconds:.1f} s\n")
    return Result(counts, seconds, "".join(lines))


def main():
    passed = found = skipped = 0
    failed = []
    for argument in sys.argv[1:]:
        name, command = argument.split("=", 1)
        result = run(name, command)
        passed, found, skipped = passed + result.passed, found + result.failed, skipped + result.skipped
        if result.failed:
            failed.append(name)
    if failed:
        print("failed suites: " + ", ".join(failed))
    print(f"{passed} passed, {found} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
