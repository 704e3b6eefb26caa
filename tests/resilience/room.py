"""What takes a trace's room never takes the room of errors, and what is lost is said."""

import pathlib
import resource

import families
import harness

HERE = pathlib.Path(__file__).resolve().parent


def program():
    return harness.build(HERE / "room.c", flags=["-O1"])


def limited(size):
    """Before the exec: no file may become larger, so that the trace's tables are small."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def audited(what, times, size):
    """The report of the program in a small trace, and complaints where an error is missing or an image was lost."""
    with harness.Folder() as folder:
        ran = harness.audit([program(), what, str(times)], folder, preexec_fn=limited(size))
    if ran.report is None:
        return None, [f"{ran.status} {ran.err} {ran.report_problem}"]
    return ran.report, missing(ran.report) + harness.schema_errors(ran.report)


def missing(report):
    found = {(f["kind"], (f["location"] or {}).get("function")) for f in report["findings"]}
    wanted = {("leak", "leak"), ("double-close", "close_twice")}
    return [f"missing: {wanted - found} of {found}"] if wanted - found else []


def images(what):
    """Records of images with nothing to report are used again: far more processes than the table has room for."""
    def check():
        report, complaints = audited(what, 300, 1 << 20)
        if report is None:
            return complaints
        folded, lost = report["session"]["folded"], report["coverage"]["lost"]
        known = len(report["processes"])
        if lost["images"] or folded["processes"] + known < 300 or known > 100:
            complaints.append(f"{known} processes, folded: {folded}, lost: {lost}")
        orphans = [p for p in report["processes"][1:] if p["parent"] is None]
        return complaints + ([f"orphans: {orphans[:3]}"] if orphans else [])
    return check


def notes():
    """One descriptor that crosses a hundred execs is one note about one descriptor, and an error finds its room."""
    report, complaints = audited("notes", 100, 1 << 20)
    if report is None:
        return complaints
    counts = [f["count"] for f in report["findings"] if f["kind"] == "exec-leak"]
    return complaints + ([f"notes: {counts}"] if counts != [1] else []) + \
        ([str(report["coverage"])] if report["coverage"]["lost"]["findings"] else [])


def paths():
    """A full table of call paths: eight functions that leave one file each open are eight leaks, each with its place."""
    report, complaints = audited("paths", 12, 1 << 20)
    if report is None:
        return complaints
    if report["coverage"]["lost"]["stacks"] == 0 or report["coverage"]["lost"]["since_s"] is None:
        complaints.append(f"nothing lost: {report['coverage']}")
    leaks = sorted((f["location"]["function"], f["count"], f["growing"]) for f in report["findings"] if f["kind"] == "leak")
    wanted = sorted([(f"hold_{n}", 1, False) for n in range(1, 9)] + [("leak", 1, False)])
    return complaints + ([str(leaks)] if leaks != wanted else [])


def small_memory():
    """A tmpfs of 16 MB, such as small containers have: the journal leaves the room of findings alone."""
    with harness.Folder() as place, harness.Folder() as folder:
        out = folder / "report.json"
        script = (f"mkdir -m 700 {place}/t; LD_PRELOAD={harness.SHIM} FDAUDIT_OPTIONS=trace={place}/t {program()} pairs 200000; "
                  f"{harness.FDAUDIT} report -f json -o {out} {place}/t")
        ran = harness.run(families.with_mounts(f"mount -t tmpfs -o size=16m none {place}", "/bin/sh", "-c", script),
                          env=harness.clean_environment())
        harness.load_report(ran, out)
        if ran.report is None:
            return [f"{ran.status} {ran.out} {ran.err}"]
        lost = ran.report["coverage"]["lost"]
        return missing(ran.report) + ([f"lost: {lost}"] if any(lost.values()) else [])


def pid_namespaces():
    """The kernel gives a pid namespace's inode to the next one: who was pid 1 in it before is another process."""
    families.as_user(0)
    script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do unshare --pid --fork /bin/sh -c '/bin/true; /bin/true; exit 0'; done"
    with harness.Folder() as folder:
        ran = harness.audit(["/bin/sh", "-c", script], folder)
    if ran.report is None:
        return [f"{ran.status} {ran.err}"]
    if ran.status != 0:
        raise harness.Skip("needs the right to make pid namespaces")
    orphans = [p["argv"] for p in ran.report["processes"][1:] if p["parent"] is None]
    reasons = sorted({r for p in ran.report["processes"] for r in p["coverage"]["reasons"]})
    return ([f"orphans: {orphans}"] if orphans else []) + ([f"reasons: {reasons}"] if reasons else [])


CHECKS = {
    "forks": images("fork"),
    "execs": images("exec"),
    "forks-and-execs": images("both"),
    "notes": notes,
    "paths": paths,
    "small-memory": small_memory,
    "pid-namespaces": pid_namespaces,
}


def add_to(suite):
    for name, check in CHECKS.items():
        suite.add(f"room.{name}", check)
