"""Which session a trace belongs to, and which process is which: by tokens, boots, namespaces and starts, never by a bare
pid; and never by the order in which a command gets its traces."""

import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
import time

import harness

HERE = pathlib.Path(__file__).resolve().parent


def fdaudit(*arguments, **more):
    return harness.run([harness.FDAUDIT, *map(str, arguments)], cwd="/", env=harness.clean_environment(), **more)


def start(*arguments):
    return subprocess.Popen([harness.FDAUDIT, *map(str, arguments)], cwd="/", env=harness.clean_environment(),
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def concurrent_runs_judge_their_own():
    """A clean program that runs while leaking ones come and go in the same folder: each run judges its own trace, and writes
    its program's end into no other."""
    work = harness.build(HERE / "work.c")
    complaints = []
    with harness.Folder() as folder:
        trace = folder / "trace"
        clean = start("run", "--gate", "--trace", trace, "--", "sh", "-c", "read line; exit 0")
        while not list(trace.glob("*.fdaudit")):
            assert clean.poll() is None
            time.sleep(0.01)
        others = [start("run", "--gate", "--trace", trace, "-f", "json", "--", work, "leak", *words)
                  for words in ([], ["fail"], ["twice"])]
        for other, status, kinds in zip(others, (1, 3, 1), ({"leak"}, {"leak"}, {"leak", "double-close"})):
            out, err = other.communicate(timeout=harness.PATIENCE)
            report = json.loads(out)
            found = {finding["kind"] for finding in report["findings"]}
            ends = [process["end"] for process in report["processes"]]
            if other.returncode != status or found != kinds or len(ends) != 1:
                complaints.append(f"{other.returncode} {found} {ends} {err}")
            if ends[0] != {"how": "exit", "status": 3 if status == 3 else 0}:
                complaints.append(f"{ends}")
        out, err = clean.communicate("now\n", timeout=harness.PATIENCE)
        if clean.returncode != 0 or "gate passed" not in err:
            complaints.append(f"{clean.returncode} {err}")
        ends = [process["end"]["status"] for process in json.loads(fdaudit("report", "--all", "-f", "json", trace).out)["processes"]
                if process["parent"] is None]
        if sorted(ends) != [0, 0, 0, 3]:
            complaints.append(f"all together: {ends}")
    return complaints


def containers_traces(folder):
    """Two traces whose programs had the same pid, each in a namespace of its own, at the same time. One was killed."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        raise harness.Skip("only root can make pid namespaces")
    unshare = ["unshare", "-pf", "--mount-proc"]
    tried = harness.run([*unshare, "true"], env=harness.clean_environment())
    if tried.status != 0:  # in a chroot, whose / is no mount point
        raise harness.Skip(f"no pid namespace with a /proc of its own here: {tried.err.strip()}")
    work = harness.build(HERE / "work.c")
    container = [*unshare, harness.FDAUDIT, "run", "-o", "/dev/null", "--trace"]
    long = subprocess.Popen([*container, folder / "killed", "--", "sh", "-c", f"{work} leak twice; read line; kill -9 $$"],
                            env=harness.clean_environment(), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    while not list((folder / "killed").glob("*.fdaudit")):
        assert long.poll() is None
        time.sleep(0.01)
    harness.run([*container, folder / "quick", "--", "sh", "-c", f"{work} leak other"], env=harness.clean_environment())
    long.communicate(b"now\n", timeout=harness.PATIENCE)
    return [folder / "killed", folder / "quick"]


def the_order_of_traces_does_not_matter():
    """Every command that takes several says the same of all their orders, and of one that is given twice."""
    complaints = []
    with harness.Folder() as folder:
        traces = containers_traces(folder)
        stored = folder / "stored.json"
        fdaudit("run", "-f", "json", "-o", stored, "--", harness.build(HERE / "work.c"), "more")
        for command in (["gate"], ["gate", "-f", "json"], ["report"], ["report", "-f", "json"], ["report", "-f", "sarif"],
                        ["dump"], ["view", "-o", "-"]):
            inputs = [*traces, stored] if command[0] in ("gate", "view") else traces
            answers = {}
            for order in itertools.permutations(inputs):
                ran = fdaudit(*command, *order)
                answers[(ran.status, re.sub(r"nonce-\S+", "", ran.out))] = [path.name for path in order]
            if len(answers) != 1:
                complaints.append(f"{command}: {[(status, order) for (status, _), order in answers.items()]}")
            twice = fdaudit(*command, *inputs, inputs[0])
            if (twice.status, re.sub(r"nonce-\S+", "", twice.out)) not in answers:
                complaints.append(f"{command}: one that is given twice is another")
        report = json.loads(fdaudit("report", "-f", "json", *traces).out)
        ends = [process["end"] for process in report["processes"] if process["parent"] is None]
        if ends != [{"how": "signal", "status": 9}, {"how": "exit", "status": 0}]:
            complaints.append(f"{ends}")
    return complaints


def add_to(suite):
    for check in (concurrent_runs_judge_their_own, the_order_of_traces_does_not_matter):
        suite.check(check)
