#!/usr/bin/env python3
"""The audited program never notices: whatever the shim lacks, the program's own doings are as without it.

Each check runs work.c bare and audited under the same restriction, compares what it wrote down, printed and returned,
and then looks at what was recorded. Where it had to be less, the report must say so.
"""

import itertools
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import families  # noqa: E402
import harness  # noqa: E402
import hostile  # noqa: E402
import jumps  # noqa: E402
import memory  # noqa: E402
import refusals  # noqa: E402
import room  # noqa: E402
import unaudited  # noqa: E402

suite = harness.Suite("resilience")
ROOT = os.geteuid() == 0


def work():
    return harness.build(HERE / "work.c")


class Pair:
    """The program run bare and audited, each in a folder of its own."""

    def __init__(self, arguments=(), trace=None, prefix=(), options="", via_run=False, **more):
        self.complaints = []
        self.report = None
        with harness.Folder("bare") as bare, harness.Folder("shim") as audited, harness.Folder("trace") as kept:
            self.trace = trace or kept
            command = [work(), *arguments]
            expected = harness.run([*prefix, *command], cwd=bare, env=harness.clean_environment(), **more)
            if via_run:
                got = harness.run([*prefix, harness.FDAUDIT, "run", "--trace", self.trace, "-o", "/dev/null", "--",
                                   *command], cwd=audited, env=harness.clean_environment(), **more)
            else:
                env = harness.clean_environment(
                    FDAUDIT_OPTIONS=f"trace={self.trace}" + (f":{options}" if options else ""))
                # The shim goes into the program alone, not into what sets up the restriction.
                inner = [*prefix, "env", f"LD_PRELOAD={harness.SHIM}", *command]
                got = harness.run(inner, cwd=audited, env=env, **more)
            self.ran = got
            self.compare(expected, got, (bare / "seen"), (audited / "seen"))
            if pathlib.Path(self.trace).is_dir() and any(pathlib.Path(self.trace).iterdir()):
                judged = harness.report_of(self.trace, kept)
                self.report = judged.report
                if judged.report is None:
                    self.complaints.append(f"report: {judged.status} {judged.err[-400:]}")

    def compare(self, expected, got, a, b):
        if got.hung or expected.hung:
            self.complaints.append("hung")
        if got.status != expected.status:
            self.complaints.append(f"status {got.status}, without the shim {expected.status}: {got.err[-300:]}")
        if got.out != expected.out:
            self.complaints.append(f"printed {got.out!r}, without the shim {expected.out!r}")
        strange = [line for line in got.err.splitlines() if not line.startswith("fdaudit: ")]
        if strange != expected.err.splitlines():
            self.complaints.append(f"standard error {got.err!r}, without the shim {expected.err!r}")
        saw = [p.read_text() if p.exists() else None for p in (a, b)]
        if saw[0] != saw[1]:
            differ = [f"{x} / {y}" for x, y in zip((saw[0] or "").splitlines(), (saw[1] or "").splitlines()) if x != y]
            self.complaints.append(f"it saw something else (bare / audited): {differ[:10]}")

    def recorded_all(self):
        """Complaints unless the report has the double close and the leak."""
        if self.report is None:
            return self.complaints + ["nothing was recorded"]
        kinds = {f["kind"] for f in self.report["findings"]}
        return self.complaints + [f"no {kind} in the report" for kind in ("double-close", "leak") if kind not in kinds]

    def said_so(self):
        """Complaints where less was recorded and neither the report nor standard error says so."""
        if not self.recorded_all() or "fdaudit: " in self.ran.err:
            return self.complaints
        if self.report is None:
            return self.complaints + ["nothing was recorded, and nobody said so"]
        reported = any(p["coverage"]["events_dropped"] or p["coverage"]["reasons"] for p in self.report["processes"])
        return self.complaints + ([] if reported else ["less was recorded, and the report does not say so"])


def limited(*limits):
    """Keyword for a run under resource limits."""
    def apply():
        for which, value in limits:
            resource.setrlimit(which, (value, value))
    return {"preexec_fn": apply}


@suite.check
def unrestricted():
    return Pair().recorded_all()


@suite.check
def trace_folder_missing():
    """It is made."""
    with harness.Folder() as folder:
        return Pair(trace=folder / "not" / "there").recorded_all()


@suite.check
def trace_folder_cannot_be_made():
    return Pair(trace="/proc/nowhere").said_so()


@suite.check
def trace_folder_is_a_file():
    with harness.Folder() as folder:
        (folder / "file").write_text("precious")
        pair = Pair(trace=folder / "file")
        return pair.said_so() + ([] if (folder / "file").read_text() == "precious" else ["it was written to"])


@suite.check
def home_missing():
    """The default place, with neither HOME nor XDG_STATE_HOME that could be written to."""
    env = harness.clean_environment(HOME="/proc/nowhere", XDG_STATE_HOME="/proc/nowhere")
    with harness.Folder() as folder:
        bare = harness.run([work()], cwd=folder, env=env)
        got = harness.run([work()], cwd=folder, env={**env, "LD_PRELOAD": harness.SHIM})
        for left in pathlib.Path(f"/tmp/fdaudit-{os.geteuid()}").glob(f"*-{got.pid}-*.fdaudit"):
            left.unlink()
        return [] if (bare.status, bare.out) == (got.status, got.out) else [f"{got.status} {got.out} {got.err}"]


def in_mount_namespace(script):
    """Prefix that runs a command with own mounts, or a skip."""
    prefix = ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", script + '; exec "$@"', "sh"]
    if not ROOT or subprocess.run([*prefix, "/bin/true"], capture_output=True).returncode != 0:
        raise harness.Skip("needs the right to mount")
    return prefix


@suite.check
def disk_full():
    """The trace folder is a file system of a few kilobytes. Traces within it are read in the same namespace."""
    complaints = []
    for size in ("4k", "64k", "512k"):
        with harness.Folder() as folder, harness.Folder("small") as small:
            prefix = in_mount_namespace(f"mount -t tmpfs -o size={size} none {small}")
            script = f"env LD_PRELOAD={harness.SHIM} FDAUDIT_OPTIONS=trace={small} {work()} many; echo status $?; " \
                     f"{harness.FDAUDIT} report -f json -o {folder}/r.json {small} >/dev/null 2>{folder}/err; echo $?"
            bare = harness.run([work(), "many"], cwd=folder, env=harness.clean_environment())
            seen = (folder / "seen").read_text()
            ran = harness.run([*prefix, "/bin/sh", "-c", script], cwd=folder, env=harness.clean_environment())
            if f"status {bare.status}\n" not in ran.out or (folder / "seen").read_text() != seen:
                complaints.append(f"{size}: {ran.out} {ran.err}")
            harness.load_report(ran, folder / "r.json")
            if ran.report is None and "fdaudit: " not in ran.err:
                complaints.append(f"{size}: no report, and nobody said so: {(folder / 'err').read_text()}")
            if ran.report and not any(p["coverage"]["events_dropped"] or p["coverage"]["reasons"]
                                      for p in ran.report["processes"]):
                complaints += [f"{size}: not said: {p['coverage']}" for p in ran.report["processes"]]
    return complaints


@suite.check
def file_size_limit():
    """RLIMIT_FSIZE: growing a file beyond it is SIGXFSZ."""
    complaints = []
    for size in (0, 4096, 100000):
        complaints += Pair(**limited((resource.RLIMIT_FSIZE, size))).said_so()
    return complaints


@suite.check
def descriptor_limit():
    complaints = []
    for count in (4, 5, 6, 8, 12):
        complaints += [f"limit {count}: {c}" for c in Pair(**limited((resource.RLIMIT_NOFILE, count))).said_so()]
    return complaints


@suite.check
def address_space_limit():
    """RLIMIT_AS: from twice what the bare program needs."""
    least = next(size for size in range(1 << 20, 1 << 30, 1 << 20) if harness.run(
        [work()], cwd="/tmp", env=harness.clean_environment(), **limited((resource.RLIMIT_AS, size))).status == 6)
    complaints = []
    for size in (2 * least, 4 * least, 100 * least):
        complaints += [f"{size >> 20} MB: {c}" for c in Pair(**limited((resource.RLIMIT_AS, size))).said_so()]
    return complaints


def memory_group(limit):
    """A new memory cgroup with a limit: the files that move a process into it, or a skip."""
    name = f"fdaudit-test-{os.getpid()}-{limit}"
    for base, knob in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        group = pathlib.Path(base) / name
        try:
            group.mkdir()
            (group / knob).write_text(str(limit))
            return group
        except OSError:
            try:
                group.rmdir()
            except OSError:
                pass
    raise harness.Skip("no memory cgroup can be made here")


@suite.check
def memory_group_small():
    """The trace must not bring the out-of-memory killer upon the program."""
    complaints = []
    for limit in (4 << 20, 16 << 20):
        group = memory_group(limit)
        try:
            prefix = ["/bin/sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh"]
            complaints += [f"{limit >> 20} MB: {c}" for c in Pair(["many"], prefix=prefix).said_so()]
        finally:
            group.rmdir()
    return complaints


@suite.check
def chroot_and_privileges_dropped():
    """All that happens afterwards is recorded: the mapping needs no path and no right."""
    if not ROOT:
        raise harness.Skip("only root can")
    return Pair(["drop"]).recorded_all()


@suite.check
def exec_after_privileges_dropped():
    """The next image may not open the trace file: it joins another one, or runs unaudited and its predecessor says so."""
    if not ROOT or not shutil.which("setpriv"):
        raise harness.Skip("only root can")
    with harness.Folder() as folder, harness.Folder() as trace:
        command = ["setpriv", "--reuid=65534", "--clear-groups", "/bin/sh", "-c", "id -u; ls /proc/self/fd; exit 4"]
        ran = harness.preload(command, trace, cwd=folder)
        judged = harness.report_of(trace, folder)
        if (ran.status, ran.out) != (4, "65534\n0\n1\n2\n3\n") or judged.report is None:
            return [f"{ran.status} {ran.out} {ran.err} {judged.err}"]
        names = [pathlib.PurePath(p["argv"][0]).name for p in judged.report["processes"] if p["argv"]]
        reported = any(p["coverage"]["reasons"] for p in judged.report["processes"])
        return [] if "ls" in names or reported else [f"the shell is neither audited nor missed: {names}"]


def missing_explained(report):
    """The reasons that processes give for what is missing."""
    return [reason for process in report["processes"] for reason in process["coverage"]["reasons"]]


@suite.check
def exec_where_the_shim_is_out_of_reach():
    """The next image cannot load the shim: it runs as ever, without a word of the dynamic linker's, and is missed."""
    if not ROOT or not shutil.which("setpriv"):
        raise harness.Skip("only root can")
    with harness.Folder() as folder, harness.Folder("private") as private, harness.Folder() as trace:
        shim = shutil.copy(harness.SHIM, private)
        private.chmod(0o700)
        env = harness.clean_environment(LD_PRELOAD=shim, FDAUDIT_OPTIONS=f"trace={trace}")
        ran = harness.run(["setpriv", "--reuid=65534", "--clear-groups", "/bin/sh", "-c", "id -u; exit 4"],
                          cwd=folder, env=env)
        judged = harness.report_of(trace, folder)
        if (ran.status, ran.out, ran.err) != (4, "65534\n", "") or judged.report is None:
            return [f"{ran.status} {ran.out} {ran.err} {judged.err}"]
        return [] if missing_explained(judged.report) else ["the report does not say that the shell was not audited"]


@suite.check
def exec_of_a_static_program():
    static = harness.build(HERE.parent / "cli" / "static.c", flags=["-static"])
    with harness.Folder() as folder:
        ran = harness.audit(["/bin/sh", "-c", f"{static}; exit $?"], folder)
        if ran.status != 5 or ran.report is None:
            return [f"{ran.status} {ran.err}"]
        return [] if missing_explained(ran.report) else ["the report does not say that the static program was not audited"]


@suite.check
def exec_of_a_program_of_another_libc():
    """musl's dynamic linker obeys LD_PRELOAD too: the program runs as ever, and what it starts is audited again."""
    if not shutil.which("musl-gcc"):
        raise harness.Skip("musl-gcc is not installed")
    with harness.Folder() as folder:
        source = folder / "a.c"
        source.write_text('#include <fcntl.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\n'
                          'int main(void) { int fd = open("/dev/null", O_RDONLY); FILE* file = fdopen(fd, "r");\n'
                          'fclose(file); system("ls /dev/null"); quick_exit(5); }\n')
        subprocess.run(["musl-gcc", "-o", folder / "a", source], check=True)
        ran = harness.audit(["/bin/sh", "-c", f"{folder / 'a'}; exit $?"], folder)
        if (ran.status, ran.out, ran.err) != (5, "/dev/null\n", "") or ran.report is None:
            return [f"{ran.status} {ran.out} {ran.err}"]
        audited = [pathlib.Path(process["exe"]).name for process in ran.report["processes"]]
        return [] if "ls" in audited and missing_explained(ran.report) else [f"audited: {audited}, {missing_explained(ran.report)}"]


@suite.check
def standard_streams_closed():
    """Every combination of 0, 1 and 2 closed at the start, with the shim alone and under `fdaudit run`."""
    complaints = []
    for count in range(1, 4):
        for closed in itertools.combinations((0, 1, 2), count):
            redirections = " ".join(f"{fd}>&-" for fd in closed)
            for via_run in (False, True):
                prefix = ["/bin/sh", "-c", f'exec "$@" {redirections}', "sh"]
                pair = Pair(prefix=prefix, via_run=via_run)
                complaints += [f"{redirections} {'run' if via_run else 'shim'}: {c}" for c in pair.recorded_all()]
    return complaints


@suite.check
def no_message_into_the_programs_file():
    """Descriptor 2 was closed at the start and is the program's own file now: the shim's complaint stays unsaid."""
    with harness.Folder() as folder, harness.Folder() as trace:
        script = f"exec 2>&-; exec env LD_PRELOAD={harness.SHIM} /bin/bash -c 'exec 2>own; exec 5</dev/null'"
        env = harness.clean_environment(FDAUDIT_OPTIONS=f"trace={trace}:nonsense=1:summary=1")
        harness.run(["/bin/sh", "-c", script], cwd=folder, env=env)
        text = (folder / "own").read_text()
        return [f"the file holds {text!r}"] if text else []


@suite.check
def balanced_pairs_cost_no_room():
    """A hundred thousand pairs leave a trace no larger than a thousand, but for the journal's fixed room."""
    loops = harness.build(HERE.parent / "bench" / "loops.c", flags=["-O2", "-pthread"])
    sizes, many = {}, 100000
    for journal in ("0", "4M"):
        for count in (1000, many):
            with harness.Folder() as trace:
                ran = harness.preload([loops, "open_close", 5, count], trace, f"journal={journal}")
                if ran.status != 0:
                    return [f"{count} pairs: status {ran.status}: {ran.err}"]
                sizes[journal, count] = sum(p.stat().st_blocks * 512 for p in trace.rglob("*") if p.is_file())
    room = (4 << 20) + 4096
    return [] if 0 < sizes["0", many] <= sizes["0", 1000] and sizes["4M", many] <= sizes["4M", 1000] + room \
        else [f"bytes on disk, by journal and pairs: {sizes}"]


@suite.check
def read_only_root():
    prefix = in_mount_namespace("mount -o remount,ro,bind / 2>/dev/null || mount --bind / / && mount -o remount,ro,bind /")
    with harness.Folder() as folder:
        ran = harness.run([*prefix, "env", f"LD_PRELOAD={harness.SHIM}", "/bin/sh", "-c", "echo fine; exit 3"],
                          cwd=folder, env=harness.clean_environment())
        return [] if (ran.status, ran.out) == (3, "fine\n") else [f"{ran.status} {ran.out} {ran.err}"]


@suite.check
def home_with_a_colon():
    """The usual place of a trace may have in its name what ends an option: children find it all the same."""
    with harness.Folder() as folder:
        env = harness.clean_environment(HOME=f"{folder}/a:b%3A", LD_PRELOAD=harness.SHIM)
        env.pop("XDG_STATE_HOME", None)
        ran = harness.run(["/bin/sh", "-c", "/bin/true; /bin/true"], env=env)
        reported = harness.report_of(folder / "a:b%3A" / ".local" / "state" / "fdaudit", folder)
        if ran.err or reported.report is None:
            return [f"{ran.err} {reported.err}"]
        names = [pathlib.Path(p["exe"]).name for p in reported.report["processes"] if p["end"]["how"] == "exit"]
        return [] if names.count("true") == 2 else [str(names)]


@suite.check
def run_within_run():
    """A program that audits others, and is audited itself: both have their report, of their own sessions, and the outer
    one says that there is another."""
    complaints = []
    with harness.Folder() as folder:
        inner = folder / "inner.json"
        for place in ([], ["--trace", folder / "apart"]):
            inner.unlink(missing_ok=True)
            command = [harness.FDAUDIT, "run", *place, "-f", "json", "-o", inner, "--", "/bin/sh", "-c", "/bin/true; exit 3"]
            outer = harness.audit(command, folder)
            if outer.report is None or not inner.exists():
                return [f"{place}: {outer.status} {outer.out} {outer.err}"]
            within = json.loads(inner.read_text())
            found = [reason for p in outer.report["processes"] for reason in p["coverage"]["reasons"]]
            complaints += harness.schema_errors(outer.report) + harness.schema_errors(within)
            if outer.status != 3 or within["session"]["command"][0] != "/bin/sh" or found != ["exec-own-session"]:
                complaints.append(f"{place}: {outer.status} {within['session']} {found}")
    return complaints


unaudited.add_to(suite)
families.add_to(suite)
refusals.add_to(suite)
jumps.add_to(suite)
memory.add_to(suite)
room.add_to(suite)
hostile.add_to(suite)

if __name__ == "__main__":
    harness.standard_main(suite)
