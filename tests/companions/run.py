#!/usr/bin/env python3
"""What else lives in the audited process: sanitizers, allocators, other preloaded libraries, functions of libc's names in
the program itself, other namespaces, tiny stacks, very many threads and descriptors.

Each program runs as it would without the shim, and its findings name its own lines. What is not installed is skipped.
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import harness  # noqa: E402
import limits  # noqa: E402
import neighbours  # noqa: E402
import sanitizers  # noqa: E402


def load():
    suite = harness.Suite("companions")
    for part in (sanitizers, neighbours, limits):
        part.add_to(suite)
    return suite


if __name__ == "__main__":
    harness.standard_main(load())
