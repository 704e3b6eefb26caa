"""os.open and os.close in a loop, as deep in Python functions as the first argument says. Prints nanoseconds a pair."""

import os
import sys
import time


def loop(count):
    began = time.perf_counter_ns()
    for _ in range(count):
        os.close(os.open("/dev/null", os.O_RDONLY))
    return (time.perf_counter_ns() - began) / count


def deeper(levels, count):
    return loop(count) if levels <= 1 else deeper(levels - 1, count)


print(deeper(int(sys.argv[1]), int(sys.argv[2])))
