#!/usr/bin/env python3
"""Python's own tests with the shim and without: does each pass, fail or get skipped as in the bare run?

    tests/field/python_tests.py                 all of MODULES
    tests/field/python_tests.py test_os         these
    … --as nobody                               as another user (from root); some tests only run so
    … --python /usr/bin/python3.11-dbg --leaks           with a debug build: the tests' own hunt for leaked descriptors (-R)

Debian has the tests in libpython3.11-testsuite, the debug build in python3.11-dbg. A test that came out differently is
run again, alone, both ways, until the two have shown the same outcome or AGAIN runs have gone by: what remains is a
difference. The last line is a suite's.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import harness  # noqa: E402

PYTHON = "/usr/bin/python3.11"
MODULES = ("test_os test_posix test_subprocess test_fork1 test_io test_fileio test_socket test_socketserver test_select "
           "test_selectors test_epoll test_pty test_tempfile test_shutil test_signal test_threading "
           "test_multiprocessing_fork test_multiprocessing_spawn test_asyncio").split()
# Not run, on either side: where a hypervisor has VSOCK without a peer, accept waits for ever.
IGNORED = ["*VSOCK*"]
AGAIN = 6
LONGEST = 1200  # seconds; test_asyncio takes a few minutes on a busy machine


class Outcome:
    """What one run of one module said: its verdict, and each test's."""

    def __init__(self):
        self.verdict, self.tests, self.leaks, self.report, self.seconds, self.log = "?", {}, [], None, 0.0, ""

    def count(self, *names):
        return sum(outcome in names for outcome in self.tests.values())


def has_tests(python):
    return shutil.which(python) is not None and subprocess.run(
        [python, "-c", "import test.test_os"], capture_output=True).returncode == 0


def outcomes_of(path):
    """Each test's outcome from the JUnit file that the tests write."""
    found = {}
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        kinds = {child.tag for child in case}
        outcome = next((k for k in ("error", "failure", "skipped") if k in kinds), None)
        if outcome is None:
            outcome = "expected failure" if "output" in kinds else case.get("outcome", "passed").lower()
        # A class that is skipped or fails in its set-up stands under that name, and may do so more than once.
        found[case.get("name")] = outcome
    return found


def run_module(module, folder, audited, python=PYTHON, only=(), user=None, leaks=False):
    """One run. Everything that it leaves behind lies in `folder`."""
    folder = pathlib.Path(folder)
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    junit, report = folder / "junit.xml", folder / "report.json"
    command = [python, "-m", "test", "-v", "-u", "network,subprocess", "--junit-xml", str(junit), "--timeout", str(LONGEST // 2)]
    for pattern in IGNORED:
        command += ["--ignore", pattern]
    for name in only:
        command += ["--match", name]
    command += (["-R", "3:3"] if leaks else []) + [module]
    if audited:
        command = [harness.FDAUDIT, "run", "-f", "json", "-o", str(report), "--"] + command
    if user:
        command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] + command
    # As in the foreground of a terminal: a shell that starts something in the background has it ignore SIGINT.
    command = ["env", "--default-signal=INT,QUIT,HUP", *command]
    outcome = Outcome()
    began = time.monotonic()
    environment = harness.clean_environment(TMPDIR=str(folder), HOME=str(folder))
    ran = harness.run(command, cwd=folder, env=environment, timeout=LONGEST)
    outcome.seconds = time.monotonic() - began
    outcome.log = ran.out + ran.err
    said = re.findall(r"^== Tests result: (.*) ==$", outcome.log, re.M)
    outcome.verdict = "hung" if ran.hung else said[-1].lower() if said else f"status {ran.status}"
    outcome.leaks = re.findall(r"^\S+ leaked \[.*\] file descriptors.*$", outcome.log, re.M)
    if junit.exists():
        outcome.tests = outcomes_of(junit)
    if audited:
        harness.load_report(ran, report)
        outcome.report = ran.report
    return outcome


def matching_name(test):
    """What --match takes: of "setUpClass (test.test_x.Class)" the class."""
    inside = re.fullmatch(r"\w+ \((.*)\)", test)
    return (inside.group(1) if inside else test) + ("*" if inside else "")


def differences(module, folder, bare, audited, **how):
    """Tests that come out differently however often they run: [(test, bare outcomes, audited outcomes)]."""
    seen = {t: ({bare.tests.get(t)}, {audited.tests.get(t)}) for t in bare.tests.keys() | audited.tests.keys()}
    unlike = {t: s for t, s in seen.items() if s[0] != s[1]}
    for again in range(AGAIN):
        unlike = {t: s for t, s in unlike.items() if not s[0] & s[1]}
        if not unlike:
            break
        names = sorted(matching_name(t) for t in unlike)
        for side in (0, 1):
            one = run_module(module, pathlib.Path(folder) / f"again-{again}-{side}", side == 1, only=names, **how)
            for test, outcomes in unlike.items():
                outcomes[side].add(one.tests.get(test))
    return [(t, *unlike[t]) for t in sorted(unlike)]


def compare(module, folder, **how):
    """Both runs. Returns them and what is wrong, as text."""
    folder = pathlib.Path(folder)
    bare = run_module(module, folder / "bare", False, **how)
    audited = run_module(module, folder / "audited", True, **how)
    complaints = []
    for again in range(AGAIN):
        if bare.verdict == audited.verdict and bare.leaks == audited.leaks:
            break
        if again == AGAIN - 1:
            complaints.append(f"verdict: {bare.verdict} {bare.leaks}, audited: {audited.verdict} {audited.leaks}")
            break
        bare, audited = (run_module(module, folder / f"whole-{again}-{side}", side == 1, **how) for side in (0, 1))
    complaints += [f"{test}: {sorted(map(str, a))}, audited: {sorted(map(str, b))}"
                   for test, a, b in differences(module, folder, bare, audited, **how)]
    if audited.report is None:
        complaints.append("no report")
    else:
        complaints += harness.schema_errors(audited.report)
    return bare, audited, complaints


def row(module, bare, audited, complaints):
    findings = collections.Counter()
    unseen = collections.Counter()
    for finding in (audited.report or {}).get("findings", []):
        findings[finding["kind"]] += 1
    for process in (audited.report or {}).get("processes", []):
        for key in ("untracked_opens", "untracked_closes", "events_dropped"):
            unseen[key] += process["coverage"][key]
    return (f"{module:28} {bare.verdict:12} {len(bare.tests):6} {bare.count('passed'):6} "
            f"{bare.count('failure', 'error'):6} {bare.count('skipped'):7} {bare.seconds:7.1f} {audited.seconds:7.1f} "
            f"{'DIFFERS' if complaints else 'same':8} {unseen['untracked_opens']:6} {unseen['untracked_closes']:6} "
            f"{unseen['events_dropped']:4}  " + ", ".join(f"{n} {k}" for k, n in sorted(findings.items())))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", default=MODULES)
    parser.add_argument("--python", default=PYTHON)
    parser.add_argument("--as", dest="user", help="run as this user")
    parser.add_argument("--leaks", action="store_true", help="with -R 3:3 (needs a debug build)")
    parser.add_argument("--keep", help="put what each run left (log, report) into this folder")
    options = parser.parse_args()
    if not has_tests(options.python):
        print(f"skipped python-tests: {options.python} has no tests here (libpython3.11-testsuite)\n0 passed, 0 failed, 1 skipped")
        return 0
    print(f"{'module':28} {'verdict':12} {'tests':>6} {'passed':>6} {'failed':>6} {'skipped':>7} {'bare s':>7} "
          f"{'audited':>7} {'outcome':8} {'opens':>6} {'closes':>6} {'lost':>4}  findings", flush=True)
    failed = 0
    for module in options.modules:
        with harness.Folder(module) as folder:
            bare, audited, complaints = compare(module, folder, python=options.python, user=options.user,
                                                leaks=options.leaks)
            print(row(module, bare, audited, complaints), flush=True)
            for complaint in complaints + bare.leaks:
                print("    " + complaint, flush=True)
            failed += bool(complaints)
            if options.keep:
                keep = pathlib.Path(options.keep)
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{module}.bare.log").write_text(bare.log)
                (keep / f"{module}.audited.log").write_text(audited.log)
                (keep / f"{module}.json").write_text(json.dumps(audited.report, indent=1))
    print(f"{len(options.modules) - failed} passed, {failed} failed, 0 skipped", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
