"""What is known of other people's programs: which differences between ledger and kernel are explained, which findings
are true. Everything else is a bug, theirs or ours, and has to be looked at.
"""

import collections
import json
import os
import pathlib
import re

DIFFERENCES = ("untracked_opens", "untracked_closes", "events_dropped")

# Differences, by the program's file name: at most so many opens and closes unseen in one process, and why. Everything
# else must be zero. Empty since all that these programs call is intercepted.
EXPLAINED = {}
# Findings that are true, by program and kind, and why. None of them gates: these programs are not the user's own.
KNOWN_FINDINGS = {
    ("bash", "double-close"): "after a pipeline bash closes both ends of its pipes once more",
    ("bash", "leak"): "it leaves the descriptor of the script it runs to the exit",
    ("find", "leak"): "killed by SIGPIPE in the midst of a walk (`| head`): a note",
    ("tar", "leak"): "it keeps its working folder open to the end",
    ("make", "leak"): "the broken standard input that it hands to parallel jobs stays open",
    ("node", "leak"): "libuv's signal pipe and its timers stay open to the end",
    ("perl", "leak"): "a global file handle of the script's: the interpreter's end closes it, a note",
    ("collect2", "leak"): "the linker plugin library keeps the object open to the end",
    ("nm", "leak"): "likewise",
    ("ar", "leak"): "likewise",
    ("vsftpd", "leak"): "each session's process leaves its sockets and the log to its exit",
    ("nginx", "leak"): "workers and master leave their log files to the exit",
    ("redis-check-rdb", "leak"): "redis-server leaves its event pipe, its append-only file and its clients to the exit",
    ("postgres", "leak"): "each process leaves its cache of open files, and its latch, to the exit",
    ("sshd", "leak"): "each process leaves the connection and the socket to its monitor to the exit",
    ("dash", "leak"): "it leaves the descriptor of the script it runs to the exit",
    ("dbus-daemon", "leak"): "it, and the process that watches each service it starts, leave their pipes to the exit",
}


def program_of(process):
    """The program's plain name: x86_64-linux-gnu-gcc-12 is gcc, python3.11 is python3."""
    name = pathlib.PurePath(os.path.realpath(process["exe"])).name
    return re.sub(r"^\w+-linux-gnu-|(-|(?<=python3)\.)\d+$", "", name)


def sums_of(report):
    """Processes, descriptors opened and differences, added up."""
    sums = collections.Counter()
    for process in report["processes"]:
        sums["processes"] += 1
        sums["opened"] += process["descriptors"]["opened"]
        for key in DIFFERENCES:
            sums[key] += process["coverage"][key]
    sums["findings"] = len(report["findings"])
    return sums


def unexplained(report):
    """Differences and findings that the lists above do not hold, as text."""
    complaints, unseen = [], {}
    for process in report["processes"]:
        coverage, program = process["coverage"], program_of(process)
        opens, closes, _ = EXPLAINED.get(program, (0, 0, ""))
        if coverage["untracked_opens"] > opens or coverage["untracked_closes"] > closes or coverage["events_dropped"]:
            unseen.setdefault(program, []).append(process)
    for program, processes in sorted(unseen.items()):
        worst = max(processes, key=lambda p: sum(p["coverage"][k] for k in DIFFERENCES))
        complaints.append(f"{program}: differences in {len(processes)} processes, the most in {worst['id']} "
                          f"{' '.join(worst['argv'])[:80]}: {json.dumps(worst['coverage'])}")
    programs = {p["id"]: program_of(p) for p in report["processes"]}
    unknown = {}
    for finding in report["findings"]:
        where = sorted({programs[p] for p in finding["processes"]})
        if finding["kind"] == "exec-leak":
            continue  # a note by nature; true of most programs that start others
        if finding["gates"] or any((program, finding["kind"]) not in KNOWN_FINDINGS for program in where):
            key = ", ".join(where), finding["severity"], finding["kind"]
            unknown.setdefault(key, []).append(finding)
    for (where, severity, kind), findings in sorted(unknown.items()):
        worst = max(findings, key=lambda f: f["count"])
        complaints.append(f"{where}: {severity} {kind}, {len(findings)} findings, the largest {worst['fds'][:5]}: "
                          f"{worst['message']}")
    return complaints


def table_of(rows):
    """Rows of (name, sums), as text."""
    lines = [f"{'':18} {'processes':>9} {'opened':>9} {'unseen opens':>13} {'unseen closes':>14} {'lost':>5} {'findings':>9}"]
    lines += [f"{name:18} {sums['processes']:9} {sums['opened']:9} {sums['untracked_opens']:13} "
              f"{sums['untracked_closes']:14} {sums['events_dropped']:5} {sums['findings']:9}"
              for name, sums in sorted(rows)]
    return "\n".join(lines)
