"""Signal handlers that never return: what they interrupt is left for ever, wherever it was."""

import pathlib

import harness

HERE = pathlib.Path(__file__).resolve().parent
CHILDREN = 300


def out_of_the_first_recording():
    """A forked child begins its image in its first recorded call. A handler may leave that by siglongjmp."""
    program = harness.build(HERE / "jumps.c", flags=["-lrt"])
    with harness.Folder("jumps") as folder:
        ran = harness.audit([program, CHILDREN], folder, timeout=120)
    if ran.status != 0 or ran.report is None:
        return [f"{ran.status} {ran.err} {ran.report_problem}"]
    if int(ran.out) == 0:
        raise harness.Skip("no signal came in time")
    children = [p for p in ran.report["processes"] if p["parent"] is not None]
    silent = [p for p in children if p["end"]["how"] != "exit" or p["descriptors"]["open_at_end"] < 6]
    complaints = [f"{len(children)} children are known, not {CHILDREN}"] if len(children) != CHILDREN else []
    return complaints + ([f"{len(silent)} of them are silent, like {silent[0]}"] if silent else [])


def add_to(suite):
    suite.add("jumps.out_of_the_first_recording", out_of_the_first_recording)
