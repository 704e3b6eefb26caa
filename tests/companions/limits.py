"""Tiny stacks, very many threads, very many descriptors."""

import json
import os
import pathlib

import harness

HERE = pathlib.Path(__file__).resolve().parent
# Bytes of stack that a call may take more than without the shim (docs/architecture.md says what was measured).
DEEPEST = 3072
MILLION = 1_000_000


def stack_program():
    # Bound at the start: the dynamic linker's own way to a function takes 3 KB when it is first called.
    return harness.build(HERE / "stack.c", "stack", ["-O1", "-pthread", "-Wl,-z,now"])


def many(folder, *arguments, library=None, **more):
    program = harness.build(HERE / "many.c", "many", ["-O1", "-pthread"])
    command = [program, *arguments]
    if library:
        # Behind the shim; and not in `fdaudit run` itself.
        command = ["/bin/sh", "-c", 'LD_PRELOAD="$LD_PRELOAD:$0" exec "$@"', library, *command]
    bare = harness.run(command, cwd=folder, env=harness.clean_environment())
    if bare.status == 77:
        raise harness.Skip(f"not allowed here: {bare.out.strip()}")
    ran = harness.audit(command, folder, arguments=["--trace", folder / "trace"], **more)
    size = sum(f.stat().st_blocks * 512 for f in (folder / "trace").iterdir())
    return json.loads(bare.out), json.loads(ran.out or "{}"), ran, size


def tiny_stacks():
    """Every kind of call in threads with the smallest stack there is, which overflows into a guard page."""
    with harness.Folder("stack") as folder:
        ran = harness.audit([stack_program(), "tiny"], folder)
        return [] if (ran.status, ran.out) == (0, "done\n") else [f"{ran.status} {ran.out} {ran.err}"]


def stack_use():
    with harness.Folder("stack") as folder:
        used = []
        for ran in (harness.run([stack_program()], env=harness.clean_environment()),
                    harness.audit([stack_program()], folder)):
            used.append({line.split()[0]: int(line.split()[1]) for line in ran.out.splitlines()})
        more = {name: used[1][name] - used[0][name] for name in used[0]}
        return [f"{name} takes {size} bytes" for name, size in more.items() if size > DEEPEST]


def threads_churn():
    with harness.Folder("threads") as folder:
        _, _, ran, size = many(folder, "churn", "2000", "as-is", "50")
        process = ran.report["processes"][0]
        wanted = 2000 * 50 + 1  # and the one that its memory is read from
        complaints = [] if not ran.report["findings"] else [f"findings: {ran.report['findings']}"]
        counts = process["descriptors"]
        if (counts["opened"], counts["closed"]) != (wanted, wanted) or any(process["coverage"].values()):
            complaints.append(f"{counts} {process['coverage']}, not {wanted}")
        return complaints + ([f"the trace takes {size} bytes"] if size > 24 << 20 else [])


def threads_leave():
    with harness.Folder("threads") as folder:
        bare, audited, ran, _ = many(folder, "leave", "2000", "as-is")
        found = [(f["kind"], f["count"], f["growing"]) for f in ran.report["findings"]]
        complaints = [] if found == [("leak", 2000, True)] else [f"findings: {found}"]
        # A page or two of each thread's stack more.
        each = (audited["kilobytes"] - bare["kilobytes"]) / 2000
        return complaints + ([f"{each:.1f} KB a thread"] if each > 12 else [])


def few_of_many():
    """Memory and trace are for the descriptors that are used, not for those that are allowed."""
    with harness.Folder("few") as folder:
        bare, audited, ran, size = many(folder, "close", "10", "raised")
        more = audited["kilobytes"] - bare["kilobytes"]
        return [f"{more} KB of memory, {size} bytes of trace"] if more > 1024 or size > 1 << 20 else []


def million(*arguments, library=None):
    with harness.Folder("million") as folder:
        bare, audited, ran, size = many(folder, *arguments, library=library)
        process = ran.report["processes"][-1]
        opened = process["descriptors"]["opened"]
        complaints = [] if MILLION <= opened <= MILLION + 1 else [f"{process['descriptors']}"]
        if process["coverage"]["events_dropped"]:
            complaints.append(f"{process['coverage']}")
        if size > 400 << 20:
            complaints.append(f"the trace takes {size} bytes")
        found = [(f["kind"], f["count"], f["growing"]) for f in ran.report["findings"]
                 if f["kind"] != "exhausted"]  # the picture of a table that is nearly full
        wanted = [] if arguments[0] == "close" else [("leak", MILLION, True)]
        return complaints + ([] if found == wanted else [f"findings: {found}"])


def room():
    """A trace of 300 MB is not for every machine."""
    status = os.statvfs(harness.Folder("room").path.parent)
    if status.f_bavail * status.f_frsize < 4 << 30:
        raise harness.Skip("less than 4 GB free for temporary files")


def real_million_closed():
    room()
    return million("close", str(MILLION), "raised")


def real_million_kept():
    room()
    return million("keep", str(MILLION), "raised")


def counted_million(what):
    room()
    library = str(harness.build(HERE / "counter.c", "libcounter.so", ["-shared", "-fPIC"]))
    return million(what, str(MILLION), "as-is", library=library)


def add_to(suite):
    for check in (tiny_stacks, stack_use, threads_churn, threads_leave, few_of_many, real_million_closed,
                  real_million_kept):
        suite.add(check.__name__, check)
    for what in ("close", "killed"):
        suite.add(f"counted_million.{what}", counted_million, what)
