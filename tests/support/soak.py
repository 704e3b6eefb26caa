#!/usr/bin/env python3
"""Runs all suites again and again, as on many machines: in another order each round, half of the rounds with every
processor busy. What fails once in a hundred is to be seen here, and not by the one whose machine it is.

Each argument is NAME=COMMAND, as of suites.py. By the environment: SOAK_ROUNDS (20), SOAK_SEED (the order of the suites
and which rounds are busy; a random one is printed), SOAK_BUSY (how many of the rounds; half). What a suite with a failure
printed is kept in BUILD/soak/. The last line is the sum; the exit status is 1 if anything failed.
"""

import contextlib
import os
import pathlib
import random
import re
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import harness  # noqa: E402
import suites  # noqa: E402

KEPT = harness.BUILD / "soak"
FAILED = re.compile(r"^(?:FAILED +|\[ +FAILED +\] )(?!\d+ tests?\b)([^\s,:]+)", re.M)


class Record:
    """What has become of one suite so far."""

    def __init__(self):
        self.seconds, self.failures, self.skipped = [], 0, 0

    def add(self, result):
        self.seconds.append(result.seconds)
        self.failures += result.failed > 0
        self.skipped = max(self.skipped, result.skipped)


def setting(name, default):
    return int(os.environ.get(name) or default)


def play(number, order, busy, records):
    """One round; returns what failed in it, in words."""
    failures = []
    with harness.busy_processors(nice=10) if busy else contextlib.nullcontext():
        for name, command in order:
            result = suites.run(name, command, shown=False)
            records[name].add(result)
            if not result.failed:
                continue
            file = KEPT / f"{number:03}-{name}.log"
            file.write_text(result.text)
            tests = sorted(set(FAILED.findall(result.text))) or ["no test is named"]
            failures.append(f"round {number}{' (busy)' if busy else ''}: {name}: {', '.join(tests)}: {file}")
            print(failures[-1], flush=True)
    return failures


def main():
    rounds, seed = setting("SOAK_ROUNDS", 20), setting("SOAK_SEED", random.randrange(1 << 32))
    busy_rounds = min(rounds, setting("SOAK_BUSY", rounds // 2))
    print(f"soak: {rounds} rounds, {busy_rounds} of them with every processor busy, SOAK_SEED={seed}", flush=True)
    chance = random.Random(seed)
    busy = chance.sample([True] * busy_rounds + [False] * (rounds - busy_rounds), rounds)
    order = [tuple(argument.split("=", 1)) for argument in sys.argv[1:]]
    records = {name: Record() for name, _ in order}
    KEPT.mkdir(parents=True, exist_ok=True)
    for old in KEPT.glob("*.log"):
        old.unlink()
    failures, done = [], 0
    try:
        for number in range(1, rounds + 1):
            chance.shuffle(order)
            began = time.monotonic()
            failures += play(number, order, busy[number - 1], records)
            done = number
            print(f"round {number}{' (busy)' if busy[number - 1] else ''}: {time.monotonic() - began:.0f} s", flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    print("\n".join(["", "failures:", *failures] if failures else [""]))
    print(f"{'suite':14} {'rounds':>6} {'failed':>6} {'skipped':>7} {'median':>8}")
    for name, record in records.items():
        if record.seconds:
            print(f"{name:14} {len(record.seconds):6} {record.failures:6} {record.skipped:7} "
                  f"{statistics.median(record.seconds):6.1f} s")
    print(f"soak: {done} rounds, {len(failures)} failures")
    return 1 if failures or done < rounds else 0


if __name__ == "__main__":
    sys.exit(main())
