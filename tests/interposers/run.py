#!/usr/bin/env python3
"""Every intercepted function: it behaves as without the shim, and it is recorded under its name.

The functions are those that build/libfdaudit.so exports, and each must have its line in calls.c.
"""

import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import harness  # noqa: E402

# They change no descriptor, so the journal has no event that would name them.
UNRECORDED = {"dlopen", "dlclose", "prctl", "_exit", "_Exit", "quick_exit"}
# Asked by the AddressSanitizer runtime at its start; no call of the program's.
NOT_FUNCTIONS = {"__asan_default_options"}


def exported():
    lines = subprocess.run(["nm", "-D", "--defined-only", harness.SHIM], capture_output=True, text=True,
                           check=True).stdout.splitlines()
    return {line.split()[2].split("@")[0] for line in lines if line.split()[1] in "TtWwi"} - NOT_FUNCTIONS


def each_exported_function_has_its_line(listed):
    names = exported()
    return [f"exported, and no line in calls.c: {name}" for name in sorted(names - listed)] + \
           [f"in calls.c, and not exported: {name}" for name in sorted(listed - names)]


def behaves(program, name, which):
    """Result, errno and open numbers are the same with the shim and without."""
    with harness.Folder(name) as bare, harness.Folder(name) as audited, harness.Folder(name) as trace:
        command = [program, name, which]
        expected = harness.run(command, cwd=bare, env=harness.clean_environment())
        if expected.status == 77:
            return []
        got = harness.preload(command, trace, cwd=audited)
        complaints = [] if (got.status, got.out, got.err) == (expected.status, expected.out, expected.err) else [
            f"without the shim: {expected.status} {expected.out}{expected.err}",
            f"with the shim:    {got.status} {got.out}{got.err}"]
        if which == "ok":
            complaints += recorded(trace, name)
        return complaints


def recorded(trace, name):
    """The dump has an event that names the function."""
    if name in UNRECORDED:
        return []
    dump = harness.run([harness.FDAUDIT, "dump", trace], env=harness.clean_environment())
    calls = {json.loads(line).get("call") for line in dump.out.splitlines()}
    return [] if name in calls else [f"no event names {name}, only {sorted(map(str, calls))} {dump.err}"]


def described(program, name, kind):
    """What the call opened is of the right type in the report."""
    with harness.Folder(name) as folder:
        ran = harness.audit([program, name, "ok"], folder)
        if ran.report is None:
            return [ran.report_problem, ran.err]
        leaks = [f for f in ran.report["findings"] if f["kind"] == "leak" and
                 any(event["call"] == name for event in f["events"])]
        if not leaks:
            return [f"no leak that {name} opened; findings: {[f['message'] for f in ran.report['findings']]}"]
        types = {d["type"] for leak in leaks for d in leak["descriptors"]}
        return [] if types == {kind} else [f"type {types}, not {kind}"]


def load():
    suite = harness.Suite("interposers")
    program = harness.build(HERE / "calls.c")
    listed = dict(line.split() for line in
                  subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines())
    suite.add("each_exported_function_has_its_line", each_exported_function_has_its_line, set(listed))
    for name, kind in listed.items():
        suite.add(f"{name}.ok", behaves, program, name, "ok")
        suite.add(f"{name}.fails", behaves, program, name, "fails")
        if kind != "-":
            suite.add(f"{name}.type", described, program, name, kind)
    return suite


if __name__ == "__main__":
    harness.standard_main(load())
