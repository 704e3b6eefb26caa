#!/usr/bin/env python3
"""Runs a GoogleTest program in as many processes as there are processors, each with its share of the tests, and prints
what failed and the sum of it all. A process that ends without a result counts as one failure."""

import os
import subprocess
import sys

import suites


def main():
    count = os.cpu_count() or 1
    running = [subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                                env={**os.environ, "GTEST_TOTAL_SHARDS": str(count), "GTEST_SHARD_INDEX": str(index)})
               for index in range(count)]
    sums = [0, 0, 0]
    for process in running:
        text, _ = process.communicate()
        counts = suites.results_in(text, process.returncode)
        if counts is None or (process.returncode != 0 and counts[1] == 0):
            text += f"ended with status {process.returncode}\n"
            counts = [*(counts or [0, 0, 0])]
            counts[1] += 1
        sums = [a + b for a, b in zip(sums, counts)]
        print(text, end="", flush=True)
    print(f"{sums[0]} passed, {sums[1]} failed, {sums[2]} skipped")
    return 1 if sums[1] else 0


if __name__ == "__main__":
    sys.exit(main())
