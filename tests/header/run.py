#!/usr/bin/env python3
"""fdaudit.h and what `make install` lays beside it: programs that use it run alike with the shim and without, built
either way; the listeners of docs/examples report each test; pkg-config and CMake find what is installed.

What declared owners and checkpoints mean for the report is tests/scenarios/declared.c.
"""

import json
import os
import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import harness  # noqa: E402

EXAMPLES = harness.ROOT / "docs" / "examples"
INCLUDE = f"-I{harness.ROOT / 'shim'}"
WARNINGS = ["-Wall", "-Wextra", "-Werror", "-pedantic"]

# Name, source, flags, whether the shim is reached.
BUILDS = {
    "c": ("uses.c", ["-std=c99"], True),
    "c-optimized": ("uses.c", ["-std=gnu11", "-O2"], True),
    "c-fixed-place": ("uses.c", ["-fno-pic", "-no-pie"], harness.CC != "clang"),
    "c-static": ("uses.c", ["-static"], False),
    "c++": ("uses.cc", ["-std=c++11"], True),
    "c++-optimized": ("uses.cc", ["-std=c++20", "-O2"], True),
}

CATCH3 = os.path.exists("/usr/include/catch2/catch_all.hpp")
LISTENERS = {
    "googletest": (["-lgtest", "-lpthread"], "/usr/include/gtest/gtest.h", "Config.Forgets"),
    "catch2": (["-lCatch2Main", "-lCatch2"] if CATCH3 else [], "/usr/include/catch2", "config forgets"),
    "doctest": ([], "/usr/include/doctest", "config forgets"),
}


def programs_run_alike(name):
    source, flags, reached = BUILDS[name]
    program = harness.build(HERE / source, f"header-{name}", [INCLUDE, *WARNINGS, *flags])
    with harness.Folder(name) as folder:
        plain = harness.run([program], cwd=folder, env=harness.clean_environment())
        with_shim = harness.preload([program], folder / "trace", cwd=folder)
        complaints = []
        for what, ran in (("without", plain), ("with", with_shim)):
            if (ran.status, ran.out, ran.err) != (0, "done\n", ""):
                complaints.append(f"{what} the shim: status {ran.status}, {ran.out}{ran.err}")
        if not reached or complaints:
            return complaints
        report = harness.report_of(folder / "trace", folder).report
        found = [f for f in report["findings"] if f["kind"] != "bad-close"]
        if [(f["kind"], f["context"]) for f in found] != [("wrong-close", "the test")] or \
                "careless" not in found[0]["location"]["function"]:
            complaints.append(f"findings: {[f['message'] for f in found]}")
        return complaints


def listeners_report_each_test(name):
    flags, needed, test = LISTENERS[name]
    if not os.path.exists(needed):
        raise harness.Skip(f"{needed} is missing")
    program = harness.build(EXAMPLES / f"{name}.cc", f"header-{name}", ["-std=c++17", INCLUDE, *flags], harness.CXX)
    with harness.Folder(name) as folder:
        plain = harness.run([program], cwd=folder, env=harness.clean_environment())
        ran = harness.audit([program], folder)
        complaints = [] if plain.status == ran.status == 0 else [f"status {plain.status}, {ran.status}: {ran.err}"]
        leaks = [(f["kind"], f["context"], f["count"]) for f in ran.report["findings"]]
        left = [(c["context"], c["left_open"]) for c in ran.report["contexts"]]
        if leaks != [("leak", test, 1)] or left != [(test, 1)]:
            complaints.append(f"findings {leaks}, contexts {left}")
        return complaints + harness.schema_errors(ran.report)


def a_report_from_inside():
    """Live: it shows the context that runs. The reporter is no child, no process of the report, and opens nothing."""
    program = harness.build(HERE / "reports.c", "header-reports", [INCLUDE, *WARNINGS])
    complaints = []
    with harness.Folder("now") as folder:
        ran = harness.audit([program], folder)
        if ran.status != 0 or ran.out != "reported\n":
            return [f"status {ran.status}: {ran.out}{ran.err}"]
        now = json.loads((folder / "now.json").read_text())
        complaints += harness.schema_errors(now)
        left = [(c["context"], c["left_open"], c["ended_s"]) for c in now["contexts"]]
        if left != [("half way", 2, None)]:
            complaints.append(f"now: {now['contexts']}")
        if now["processes"][0]["end"]["how"] != "running":
            complaints.append(f"now: {now['processes'][0]['end']}")
        for which, report in (("now", now), ("in the end", ran.report)):
            if len(report["processes"]) != 1:
                complaints.append(f"{which}: {[p['argv'] for p in report['processes']]}")
        if not (folder / "now.txt").read_text().startswith("fdaudit: "):
            complaints.append("now.txt is no text report")
        if ran.report["findings"]:
            complaints.append(f"findings: {[f['message'] for f in ran.report['findings']]}")
        plain = harness.run([program, "alone"], cwd=folder, env=harness.clean_environment())
        if plain.status != 0:
            complaints.append(f"without the shim: {plain.status} {plain.err}")
    return complaints


def installed(folder):
    made = harness.run(["make", "-s", "-C", harness.ROOT, "install", f"DESTDIR={folder}", "PREFIX=/fd",
                        *harness.MAKE_VARIABLES], env=harness.clean_environment(), timeout=300)
    if made.status != 0:
        raise harness.BuildError(made.err)
    return folder / "fd"


def pkg_config_finds_it():
    with harness.Folder("pc") as folder:
        prefix = installed(folder)
        env = harness.clean_environment(PKG_CONFIG_PATH=str(prefix / "lib" / "pkgconfig"))

        def ask(*question):
            return harness.run(["pkg-config", *question, "fdaudit"], env=env).out.strip()
        shim, flags = ask("--variable=shim"), ask("--cflags").split()
        built = harness.run([harness.CC, *flags, "-o", folder / "uses", HERE / "uses.c"], env=env)
        complaints = [] if built.status == 0 else [built.err]
        if not pathlib.Path(shim).samefile(prefix / "lib" / "fdaudit" / "libfdaudit.so"):
            complaints.append(f"shim: {shim}")
        version = harness.run([harness.FDAUDIT, "--version"]).out
        if not ask("--modversion") or ask("--modversion") not in version:
            complaints.append(f"version: {ask('--modversion')}, not {version}")
        return complaints


def cmake_runs_tests_under_the_gate():
    """docs/examples/ctest: what closes passes, what forgets fails, what warms up is left out."""
    if not shutil.which("cmake"):
        raise harness.Skip("no cmake")
    with harness.Folder("cmake") as folder:
        prefix = installed(folder)
        env = harness.clean_environment(CC=harness.CC)
        for step in (["cmake", "-S", EXAMPLES / "ctest", "-B", folder / "b", f"-DCMAKE_PREFIX_PATH={prefix}",
                      "-DCMAKE_BUILD_TYPE=Debug"], ["cmake", "--build", folder / "b"]):
            done = harness.run(step, env=env)
            if done.status != 0:
                return [done.out + done.err]
        ran = harness.run(["ctest", "--test-dir", folder / "b", "--output-on-failure"], env=env)
        complaints = [] if ran.status != 0 else ["ctest passes, though a test leaks"]
        for test, fate in (("closes", "Passed"), ("forgets", "***Failed"), ("warms_up", "Passed")):
            if not any(test in line and fate in line for line in ran.out.splitlines()):
                complaints.append(f"{test}: not {fate}\n{ran.out}")
        if "1 descriptor opened at open_config (config.c:" not in ran.out:
            complaints.append(f"the leak is not reported: {ran.out}")
        return complaints


def what_came_before_is_left_out():
    """--ignore-before: by option and by configuration, for run, report and gate; a name that is never reached."""
    program = harness.build(EXAMPLES / "ctest" / "config.c", "header-config", [INCLUDE])
    complaints = []

    def expect(what, ran, status, *texts):
        output = ran.out + ran.err
        if ran.status != status or any(text not in output for text in texts):
            complaints.append(f"{what}: status {ran.status}, not {status}; expected {texts} in\n{output}")

    with harness.Folder("before") as folder:
        env = harness.clean_environment()

        def fdaudit(*arguments):
            return harness.run([harness.FDAUDIT, *arguments], cwd=folder, env=env)
        command = ["--", program, "warms_up"]
        expect("run", fdaudit("run", "--trace", "t", "--gate", *command), 1, "gate failed: 1 new finding")
        left_out = '1 descriptor is left out: before the checkpoint "ready"'
        expect("run, ignoring", fdaudit("run", "--gate", "--ignore-before", "ready", *command), 0, left_out,
               "nothing found")
        expect("gate", fdaudit("gate", "--ignore-before", "ready", "t"), 0, left_out, "gate passed")
        never = 'nothing is left out: no process reached the checkpoint "steady"'
        expect("gate, never reached", fdaudit("gate", "--ignore-before", "steady", "t"), 1, never)
        expect("gate, its own", fdaudit("gate", "--ignore-before", "warms_up", "t"), 1, "0 descriptors are left out")
        report = harness.report_of(folder / "t", folder, "--ignore-before", "ready").report
        summary = report["summary"]
        if (summary["findings"], summary["left_out"], summary["ignore_before"]) != (0, 1, "ready"):
            complaints.append(f"report: {summary}")
        expect("stored", fdaudit("gate", "--ignore-before", "ready", ".report.json"), 2, "for traces")
        (folder / ".fdaudit.toml").write_text('[report]\nignore-before = "ready"\n')
        expect("configured", fdaudit("gate", "t"), 0, left_out)
    return complaints


def load():
    suite = harness.Suite("header")
    for name in LISTENERS:  # the longest first: catch2 compiles for ten seconds
        suite.add(f"listener.{name}", listeners_report_each_test, name)
    for name in BUILDS:
        suite.add(f"alike.{name}", programs_run_alike, name)
    for check in (a_report_from_inside, pkg_config_finds_it, cmake_runs_tests_under_the_gate,
                  what_came_before_is_left_out):
        suite.add(check.__name__, check)
    return suite


if __name__ == "__main__":
    harness.standard_main(load())
