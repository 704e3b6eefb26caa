#!/usr/bin/env python3
"""Servers at work with the shim and without: do they behave alike, and is each difference and finding explained?

    tests/field/servers.py                    all of them, two minutes each way
    tests/field/servers.py --seconds 20 nginx
    … --keep DIR                              reports and logs

A server (drivers/NAME.py) is started, worked upon by its own clients, made to reload, save or whatever it can do
under load, and asked to quit. That happens four times: in the foreground, bare and under `fdaudit run --trace`; and
the way a service manager's script would start it, which is without a terminal, with next to no environment and in the
background, bare and with the shim preloaded alone. What the driver observed (replies, counts, exit status, the log
without its times) has to be equal. The last line is a suite's.
"""

import argparse
import ctypes
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import harness  # noqa: E402
import known  # noqa: E402
from server import Failure, normal, wait_for  # noqa: E402

NAMES = sorted(p.stem for p in (HERE / "drivers").glob("[a-z]*.py"))
MINIMAL = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


class Round:
    """One start, work and stop of a server."""

    def __init__(self, driver, folder, seconds, audited, service):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(mode=0o777)
        self.folder.chmod(0o777)
        # Open to everyone, as /tmp is: programs that other users start begin a file of their own there.
        self.trace = self.folder / "trace"
        self.trace.mkdir()
        self.trace.chmod(0o1777)
        self.report = None
        self.server = driver(self.folder)
        self.seconds, self.audited = seconds, audited
        try:
            (self.serve_daemon if service else self.serve)()
        finally:
            end_children()
        self.server.facts["log"] = normal(self.server.logs())

    def command(self, command):
        return self.server.as_user([str(c) for c in command])

    def load(self, pid):
        wait_for(self.server.ready, 30, "ready")
        self.server.work(time.monotonic() + self.seconds)
        self.server.stop(pid)

    def serve(self):
        out = self.folder / "out"
        command = self.server.start()
        if self.audited:
            command = [harness.FDAUDIT, "run", "--trace", self.trace, "-f", "json", "-o", self.folder / "report.json",
                       "--", *command]
        with out.open("wb") as stream:
            process = subprocess.Popen(self.command(command), cwd=self.folder, env=harness.clean_environment(**MINIMAL),
                                       stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True)
        # fdaudit run is the program's parent; the server gets the signal itself.
        self.load(child_of(process.pid) if self.audited else process.pid)
        status = process.wait(60)
        self.server.facts["status"] = 128 - status if status < 0 else status  # as `fdaudit run` passes a signal on
        if self.audited:
            self.report = json.loads((self.folder / "report.json").read_text())

    def serve_daemon(self):
        environment = dict(MINIMAL)
        if self.audited:
            environment |= {"LD_PRELOAD": harness.SHIM, "FDAUDIT_OPTIONS": f"trace={self.trace}"}
        settings = [f"{k}={v}" for k, v in environment.items()]
        started = harness.run(self.command(["env", "-i", *settings, *self.server.daemon()]), cwd="/", timeout=60)
        self.server.facts["start"] = (started.status, normal(started.out + started.err))
        if started.status != 0:
            raise Failure(f"does not start: {started.err[-500:]}")
        wait_for(self.server.has_pid, 30, "its process number")
        pid = self.server.main_pid()
        waiting = os.pidfd_open(pid)
        self.load(pid)
        if not select.select([waiting], [], [], 60)[0]:
            raise Failure("does not end")
        os.close(waiting)
        if self.audited:
            read = harness.report_of(self.trace, self.folder)
            if read.report is None:
                raise Failure(f"{read.report_problem}: {read.err[-300:]}")
            self.report = read.report


def adopt_orphans():
    """Daemons become children of this process, not of init, so that none is left behind."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def end_children():
    own = pathlib.Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    while children := own.read_text().split():
        for child in map(int, children):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def child_of(pid):
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    wait_for(lambda: children.read_text().split(), 10, "the program under fdaudit run")
    return int(children.read_text().split()[0])


def driver_of(name):
    sys.path.insert(0, str(HERE / "drivers"))
    return __import__(name).Driver


def missing(driver):
    for program in driver.needs:
        if not shutil.which(program):
            return f"{program} is not installed"
    if driver.root and os.getuid() != 0:
        return "only root can start it"
    return None


def unlike(bare, audited):
    """Facts that differ, as text."""
    complaints = []
    for key in sorted(bare.keys() | audited.keys()):
        a, b = bare.get(key), audited.get(key)
        if a == b:
            continue
        if isinstance(a, list) and isinstance(b, list):
            a, b = [x for x in a if x not in b], [x for x in b if x not in a]
        complaints.append(f"{key}: {json.dumps(a)[:1500]}, audited: {json.dumps(b)[:1500]}")
    return complaints


def compare(name, seconds, keep=None):
    """All rounds of one server. Returns its rows for the table and what is wrong, as text. No seconds: the audited ones
    alone, as short as can be."""
    driver = driver_of(name)
    why_not = missing(driver)
    if why_not:
        raise harness.Skip(why_not)
    rows, complaints = [], []
    for service in (False, True):
        kind = "service" if service else "run"
        with harness.Folder(f"{name}-{kind}") as folder:
            try:
                bare = Round(driver, folder / "bare", seconds, False, service) if seconds else None
                audited = Round(driver, folder / "audited", seconds, True, service)
            except Failure as failure:
                logs = [p for p in folder.glob("*/*") if p.is_file() and p.name in ("out", "log", "error.log")]
                complaints.append(f"{kind}: {failure}" + "".join(f"\n{p}: {p.read_text()[-400:]}" for p in logs))
                continue
            finally:
                if keep:
                    shutil.copytree(folder, pathlib.Path(keep) / f"{name}-{kind}", dirs_exist_ok=True,
                                    ignore=shutil.ignore_patterns("data", "trace"), ignore_dangling_symlinks=True,
                                    copy_function=copy_plain)
        complaints += [f"{kind}: {c}" for c in (unlike(bare.server.facts, audited.server.facts) if bare else []) +
                       harness.schema_errors(audited.report) + known.unexplained(audited.report)]
        rows.append((f"{name} {kind}", known.sums_of(audited.report)))
    return rows, complaints


def copy_plain(source, target):
    if pathlib.Path(source).is_file():
        shutil.copy2(source, target)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--seconds", type=float, default=120, help="of load, each way; 0: only the audited runs, briefly")
    parser.add_argument("--keep", help="copy what each round left into this folder")
    options = parser.parse_args()
    adopt_orphans()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    count = {"passed": 0, "failed": 0, "skipped": 0}
    table = []
    for name in options.names or NAMES:
        try:
            rows, complaints = compare(name, options.seconds, options.keep)
        except harness.Skip as why:
            count["skipped"] += 1
            print(f"skipped {name}: {why}", flush=True)
            continue
        table += rows
        count["failed" if complaints else "passed"] += 1
        print(f"{'FAILED ' if complaints else 'passed '} {name}", flush=True)
        for complaint in complaints:
            print("        " + complaint.replace("\n", "\n        "), flush=True)
    print(known.table_of(table))
    print(", ".join(f"{n} {what}" for what, n in count.items()), flush=True)
    return 1 if count["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
