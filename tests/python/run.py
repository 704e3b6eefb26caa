#!/usr/bin/env python3
"""Python frames: those recorded against those that Python itself reports at the same moment."""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import harness  # noqa: E402

DEPTH = 256  # frames kept at most

suite = harness.Suite("python")


def recorded(trace, calls):
    """{number: [stack, …]} of the events of these calls, in the order of their times."""
    stacks = {call: {} for call in calls}
    dump = harness.run([harness.FDAUDIT, "dump", "--raw", trace], timeout=300, env=harness.clean_environment())
    for line in dump.out.splitlines():
        event = json.loads(line)
        if event["call"] in stacks and event["event"] in ("duplicated", "closed") and event["fd"] >= 100:
            frames = [[f["file"], f["function"], f["line"]] for f in event["frames"] if f["language"] == "python"]
            stacks[event["call"]].setdefault(str(event["fd"]), []).append(frames)
    return stacks


def compare(expected, found, call, complaints):
    compared = 0
    for number, stacks in expected.items():
        theirs = found.get(number, [])
        if len(theirs) != len(stacks):
            complaints.append(f"{call} of {number}: {len(stacks)} calls, {len(theirs)} events")
        for index, (mine, other) in enumerate(zip(stacks, theirs)):
            compared += 1
            mine = mine[:DEPTH]
            if mine == other or len(complaints) > 3:
                continue
            at = next((i for i, (a, b) in enumerate(zip(mine, other)) if a != b), min(len(mine), len(other)))
            complaints.append(f"{call} of {number}, no. {index}, {len(mine)} frames against {len(other)}: frame {at} is "
                              f"{mine[at:at + 2]}, recorded {other[at:at + 2]}")
    return compared


def one_tree(seed, leaves, depth=200):
    complaints = []
    with harness.Folder(f"tree{seed}") as folder:
        trace = folder / "trace"
        out = folder / "expected.json"
        ran = harness.preload([harness.PYTHON, HERE / "trees.py", str(seed), str(leaves), str(depth), out], trace,
                              options=f"depth={DEPTH}:journal=64M", cwd=folder, timeout=300)
        if ran.status != 0:
            return 0, [f"seed {seed}: status {ran.status}: {ran.err[-2000:]}"]
        expected = json.loads(out.read_text())
        found = recorded(trace, ("dup2", "close"))
        compared = sum(compare(expected, found[call], call, complaints) for call in found)
    return compared, [f"seed {seed}: {c}" for c in complaints]


@suite.check
def frames_equal_pythons_own():
    return [c for seed in range(4) for c in one_tree(seed, 400)[1]]


def at_length(count):
    """run.py --stacks N: as many, of fresh seeds."""
    compared, seed, complaints = 0, 1000, []
    while compared < count and not complaints:
        more, complaints = one_tree(seed, 2000)
        compared, seed = compared + more, seed + 1
        print(f"seed {seed - 1}: {compared} stacks compared", flush=True)
    print("\n".join(complaints) or f"no difference in {compared} stacks")
    return 1 if complaints else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--stacks"]:
        sys.exit(at_length(int(sys.argv[2])))
    harness.standard_main(suite)
