"""How everyday.c must behave and what the report must say of it, whatever runs beside it."""

import pathlib
import re

import harness

SOURCE = pathlib.Path(__file__).resolve().parent / "everyday.c"

# Marker of the line → the call that is reported for it.
LEAKS = {"open": "open", "openat": "openat", "fopen": "fopen", "opendir": "opendir", "socket": "socket", "pipe": "pipe",
         "dup": "dup", "thread": "open"}


def lines():
    found = {}
    for number, line in enumerate(SOURCE.read_text().splitlines(), 1):
        for name in re.findall(r"// @([\w-]+)", line):
            found[name] = number
    return found


def expected():
    at = lines()
    leaks = [("leak", call, at[name], "leak_in_thread" if name == "thread" else "leak_" + name)
             for name, call in LEAKS.items()]
    return sorted(leaks + [("double-close", "close", at["twice-again"], "close_twice")])


def reported_rows(report):
    """The program's own findings as (kind, call of the deciding event, line, function)."""
    rows = []
    for finding in report["findings"]:
        if finding["gates"]:
            location = finding["location"] or {}
            event = finding["events"][0 if finding["kind"] == "leak" else -1]
            rows.append((finding["kind"], event["call"], location.get("line"), location.get("function")))
    return sorted(rows, key=str)


def judge(report, others=0):
    """Complaints about a report on everyday.c. `others`: how many descriptors a companion may open for itself."""
    complaints = harness.schema_errors(report)
    rows, wanted = reported_rows(report), expected()
    complaints += [f"missing: {row}" for row in wanted if row not in rows]
    complaints += [f"unexpected: {row}" for row in rows if row not in wanted]
    main = report["processes"][0]
    opened = main["descriptors"]["opened"]
    if not OPENED <= opened <= OPENED + others:
        complaints.append(f"{opened} opened, not {OPENED}: lost, or recorded twice")
    for process in report["processes"]:
        lost = {k: v for k, v in process["coverage"].items() if v}
        if lost:
            complaints.append(f"coverage of {process['argv']}: {lost}")
    return complaints


# Twenty rounds of open, dup2, fopen, opendir and socketpair; popen's; what leaks, both ends of the pipe; the one that
# is closed twice.
OPENED = 20 * 6 + 1 + len(LEAKS) + 1 + 1


def compare(command, folder, env=None, prefix=(), **more):
    """Runs bare, with the shim alone and under `fdaudit run`. Returns complaints and the report of the last."""
    env = harness.clean_environment(**(env or {}))
    bare = harness.run([*prefix, *command], cwd=folder, env=env, **more)
    if bare.status < 0 or bare.hung:
        raise harness.Skip(f"does not run here without the shim either: status {bare.status} {bare.err[-200:]}")
    complaints = []
    ran = harness.audit([*prefix, *command], folder, env, **more)
    alone = harness.preload([*prefix, *command], folder / "trace", env=env, cwd=folder, **more)
    for how, got in (("under fdaudit run", ran), ("with the shim alone", alone)):
        complaints += [f"{how}: {what} {b!r}, without the shim {a!r}"
                       for what, a, b in (("status", bare.status, got.status), ("output", bare.out, got.out),
                                          ("errors", normal(bare.err), normal(got.err))) if a != b]
    if ran.report is None:
        complaints.append(ran.report_problem)
    return complaints, ran.report


def normal(text):
    """Without what differs from run to run: numbers of processes and threads, addresses."""
    text = re.sub(r"==\d+==", "==PID==", text)
    text = re.sub(r"\b(pid|tid)=\d+", r"\1", text)
    text = re.sub(r"(, (finished|running))\)", ")", text)
    return re.sub(r"0x[0-9a-f]+", "ADDRESS", text)
