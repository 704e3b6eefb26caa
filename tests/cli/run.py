#!/usr/bin/env python3
"""The command line: exit statuses, bad input, options, what goes where, and what `make install` puts in place."""

import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import harness  # noqa: E402

suite = harness.Suite("cli")
LEAKS = HERE.parent / "scenarios" / "leaks.c"


def fdaudit(*arguments, cwd="/", **more):
    return harness.run([harness.FDAUDIT, *arguments], cwd=cwd, env=more.pop("env", harness.clean_environment()), **more)


def expect(ran, status, err=None, out=None):
    """Complaints where the status differs, or a text is missing from standard error or output."""
    complaints = []
    if ran.hung:
        complaints.append("hung")
    if ran.status != status:
        complaints.append(f"status {ran.status}, expected {status}")
    for text in [err] if isinstance(err, str) else err or []:
        if text not in ran.err:
            complaints.append(f"standard error lacks {text!r}")
    for text in [out] if isinstance(out, str) else out or []:
        if text not in ran.out:
            complaints.append(f"standard output lacks {text!r}")
    return complaints and complaints + [f"out: {ran.out[-800:]}", f"err: {ran.err[-800:]}"]


def leaky():
    return harness.build(LEAKS)


def static():
    return harness.build(HERE / "static.c", flags=["-static"])


def a_trace(folder):
    """A good trace of a small leaky program: the folder that holds it, and its one file."""
    trace = pathlib.Path(folder) / "trace"
    trace.mkdir()
    harness.preload([leaky(), "leak_open"], trace, cwd=folder)
    fdaudit("report", trace)  # moves it there from memory
    files = [p for p in trace.rglob("*") if p.is_file()]
    assert len(files) == 1, f"trace files: {files}"
    return trace, files[0]


# --- bad input --------------------------------------------------------------------------------------------------------

READERS = ["report", "dump"]


@suite.check
def others_code_is_reported_in_brief():
    """bash closes its pipes twice: one line each beside a leak of one's own, the whole story where there is nothing else."""
    leaky = harness.build(HERE.parent / "demo" / "leaky.c")
    beside = fdaudit("run", "--", "bash", "-c", f"true | true; {leaky}").err
    alone = fdaudit("run", "--", "bash", "-c", "true | true").err
    complaints = []
    if "not in your own code (-f json" not in beside or beside.count("  fix  ") != 2:
        complaints.append(f"beside own findings: {beside}")
    if "closed-again" not in alone or "not in your own code (-f json" in alone:
        complaints.append(f"alone: {alone}")
    return complaints


@suite.check
def an_archive_keeps_names_after_a_rebuild():
    complaints = []
    with harness.Folder() as folder:
        source, program, trace = folder / "app.c", folder / "app", folder / "trace"

        def build(text):
            source.write_text("#include <fcntl.h>\n" + text)
            harness.run([harness.CC, "-g", "-o", program, source])

        build('static int load(void) { return open("/etc/hostname", O_RDONLY); }\nint main(void) { return load() < 0; }\n')
        complaints += expect(fdaudit("run", "--trace", trace, "--", program), 0, err="load (app.c:2)")
        complaints += expect(fdaudit("archive", trace), 0, out=["archived in", ".build-id"])
        complaints += expect(fdaudit("archive", trace), 0, out="0 files (0.0 MB)")
        build("int main(void) { return 0; }\n")
        complaints += expect(fdaudit("report", trace), 0, out="load (app.c:2)")
        shutil.rmtree(trace / ".build-id")
        complaints += expect(fdaudit("report", trace), 0, out="build ID differs")
        complaints += expect(fdaudit("archive", trace), 0, err="another build took its place")
        again = folder / "again"
        complaints += expect(fdaudit("run", "--trace", again, "--archive", "--", program), 0, err="archived in")
        complaints += expect(fdaudit("run", "--archive", "--", program), 125, err="--trace")
    return complaints


@suite.check
def missing_trace():
    return [c for r in READERS for c in expect(fdaudit(r, "/nowhere/trace"), 3, "/nowhere/trace")]


@suite.check
def empty_trace_folder():
    with harness.Folder() as folder:
        return [c for r in READERS for c in expect(fdaudit(r, folder), 3, str(folder))]


@suite.check
def foreign_files():
    """Neither text nor ELF nor an empty file is a trace; the message names the file."""
    complaints = []
    with harness.Folder() as folder:
        for name, content in {"empty": b"", "text": b"hello\n" * 5000, "elf": pathlib.Path("/bin/true").read_bytes(),
                              "zeros": b"\0" * 100000, "one": b"f"}.items():
            (folder / name).write_bytes(content)
            for reader in READERS:
                complaints += expect(fdaudit(reader, folder / name), 3, name)
    return complaints


@suite.check
def newer_major_version():
    """Both versions are in the message."""
    with harness.Folder() as folder:
        _, file = a_trace(folder)
        with open(file, "r+b") as f:
            f.seek(8)
            f.write(struct.pack("<H", 9))
        return [c for r in READERS for c in expect(fdaudit(r, file), 3, [file.name, "9", "1"])]


@suite.check
def truncated_anywhere():
    """Cut at any place: a report of what is left, or status 3 with the reason. Never a crash."""
    complaints = []
    with harness.Folder() as folder:
        _, file = a_trace(folder)
        size = file.stat().st_size
        cut = folder / "cut.fdaudit"
        for length in [0, 7, 8, 12, 100, 1000, 4095, 4096, 5000, 8192, 16384, 65536, size // 3, size // 2, size - 1]:
            with open(file, "rb") as source, open(cut, "wb") as target:
                left = min(length, 4 << 20)
                target.write(source.read(left))
                target.truncate(length)
            for reader in READERS:
                ran = fdaudit(reader, cut)
                if ran.status not in (0, 3) or (ran.status == 3 and "cut" not in ran.err):
                    complaints.append(f"{reader} of {length} of {size} bytes: {ran.status} {ran.err[-300:]}")
    return complaints


@suite.check
def garbage_behind_the_header():
    complaints = []
    with harness.Folder() as folder:
        _, file = a_trace(folder)
        with open(file, "r+b") as f:
            for offset in range(8192, 300000, 977):
                f.seek(offset)
                f.write(b"\xff\x01\x80\x7f")
        for reader in READERS:
            ran = fdaudit(reader, file)
            if ran.status not in (0, 3):
                complaints.append(f"{reader}: {ran.status} {ran.err[-300:]}")
    return complaints


@suite.check
def unreadable_trace():
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        raise harness.Skip("root reads everything")
    with harness.Folder() as folder:
        _, file = a_trace(folder)
        file.chmod(0)
        prefix = ["setpriv", "--reuid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        ran = harness.run([*prefix, harness.FDAUDIT, "report", file], cwd="/", env=harness.clean_environment())
        if prefix and ran.status == 126 or ran.status == 127:
            raise harness.Skip("this build folder is closed to others")
        return expect(ran, 3, file.name)


@suite.check
def usage_errors():
    complaints = []
    for arguments in (["nonsense"], ["report"], ["report", "--nonsense", "x"], ["report", "-f", "nonsense", "/tmp"],
                      ["dump"], ["explain", "nonsense"]):
        complaints += [f"{arguments}: {c}" for c in expect(fdaudit(*arguments), 2)]
    for arguments in (["run"], ["run", "--nonsense", "--", "/bin/true"], ["run", "-f", "nonsense", "--", "/bin/true"]):
        complaints += [f"{arguments}: {c}" for c in expect(fdaudit(*arguments), 125)]
    return complaints


@suite.check
def the_program_is_the_first_word_that_is_no_option():
    """What stands behind it is its own, whatever it looks like. Values of options are no programs."""
    complaints = []
    for options in ([], ["-f", "text"], ["-ftext"], ["--format=text"], ["--depth", "8"], ["--depth=8"], ["--summary"],
                    ["--summary", "0"], ["--quarantine", "64"], ["--gate", "--fail-on", "error"],
                    ["--last_use", "stack"]):
        ran = fdaudit("run", *options, "printf", "%s|", "-f", "json", "--", "--depth")
        complaints += [f"{options}: {c}" for c in expect(ran, 0, out="-f|json|--|--depth|")]
    complaints += expect(fdaudit("run", "--", "printf", "%s|", "--depth"), 0, out="--depth|")
    return complaints + expect(fdaudit("run", "--no-such-option", "true"), 125, err="--no-such-option")


@suite.check
def no_arguments_and_help():
    return expect(fdaudit("--help"), 0, out=["run", "report", "dump", "doctor", "explain"]) + \
        expect(fdaudit("--version"), 0, out="1.0.0") + expect(fdaudit("run", "--help"), 0, out="--trace")


@suite.check
def spelling_suggestion():
    return expect(fdaudit("reprot", "/tmp"), 2, "report")


@suite.check
def explain_every_kind():
    """The list has all kinds of the report's schema, each explanation its weaknesses, and so has docs/findings.md."""
    schema = json.loads((harness.ROOT / "docs" / "report.schema.json").read_text())
    kinds = schema["properties"]["summary"]["properties"]["by_kind"]["required"]
    sections = (harness.ROOT / "docs" / "findings.md").read_text().split("\n## ")
    complaints = expect(fdaudit("explain"), 0, out=kinds)
    for kind in kinds:
        explained = fdaudit("explain", kind)
        weaknesses = explained.out.strip().splitlines()[-1].strip()
        complaints += expect(explained, 0, out=[kind, "CWE-"])
        if not any(section.startswith(f"{kind}\n") and f"**Weakness.** {weaknesses}." in section for section in sections):
            complaints.append(f"docs/findings.md: no section {kind} with {weaknesses}")
    return complaints


# --- programs that cannot be run or audited ---------------------------------------------------------------------------


@suite.check
def program_not_found():
    return expect(fdaudit("run", "--", "/nowhere/program"), 127, "/nowhere/program") + \
        expect(fdaudit("run", "--", "no-such-program-anywhere"), 127, "no-such-program-anywhere")


@suite.check
def program_not_executable():
    with harness.Folder() as folder:
        (folder / "plain").write_text("text")
        return expect(fdaudit("run", "--", folder / "plain"), 126, "plain") + \
            expect(fdaudit("run", "--", folder), 126)


@suite.check
def static_program():
    return expect(fdaudit("run", "--", static()), 126, "static") + \
        expect(fdaudit("run", "--force", "--", static()), 5)


@suite.check
def set_user_id_program():
    if os.geteuid() != 0:
        raise harness.Skip("only root can make a program that is set-user-ID for someone else")
    with harness.Folder() as folder:
        program = folder / "suid"
        shutil.copy("/bin/true", program)
        os.chown(program, 65534, 65534)
        program.chmod(0o4755)
        return expect(fdaudit("run", "--", program), 126, "set-user-ID")


@suite.check
def doctor_tells():
    ran = fdaudit("doctor", static())
    complaints = [] if "static" in ran.out + ran.err else [f"doctor of a static program: {ran.out}{ran.err}"]
    return complaints + expect(fdaudit("doctor", "/bin/ls"), 0) + expect(fdaudit("doctor"), 0)


# --- what `run` passes on ---------------------------------------------------------------------------------------------


@suite.check
def exit_statuses():
    complaints = []
    for status in (0, 1, 2, 3, 42, 125, 126, 127, 255):
        complaints += expect(fdaudit("run", "-o", "/dev/null", "--", "/bin/sh", "-c", f"exit {status}"), status)
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGUSR1):
        complaints += expect(fdaudit("run", "-o", "/dev/null", "--", "/bin/sh", "-c", f"kill -{int(number)} $$"),
                             128 + number)
    return complaints


@suite.check
def signals_reach_the_program():
    """SIGTERM sent to `fdaudit run` ends the program as the program wishes."""
    script = "trap 'echo caught; exit 9' TERM; echo ready; while :; do read -r x; done"
    process = subprocess.Popen([harness.FDAUDIT, "run", "-o", "/dev/null", "--", "/bin/bash", "-c", script],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               env=harness.clean_environment(), start_new_session=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    try:
        # The line lets a bash go on that waits to have read one; communicate() bears it that another has gone already.
        out, _ = process.communicate("\n", timeout=harness.PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return ["the program was not informed"]
    return [] if (out, process.returncode) == ("caught\n", 9) else [f"{out!r}, status {process.returncode}"]


@suite.check
def streams_stay_apart():
    """The program's output is its own; the text report goes to standard error, after it."""
    ran = fdaudit("run", "--", leaky(), "leak_open", cwd="/tmp")
    complaints = expect(ran, 0, ["leak_open", "leaks.c"])
    complaints += [] if ran.out == "" else [f"standard output: {ran.out}"]
    ran = fdaudit("run", "--", "/bin/sh", "-c", "echo out; echo err >&2")
    return complaints + ([] if ran.out == "out\n" and ran.err.startswith("err\n") else [f"{ran.out!r} {ran.err!r}"])


@suite.check
def no_colour_off_a_terminal():
    ran = fdaudit("run", "--", leaky(), "leak_open", cwd="/tmp")
    return ["escape sequences"] if "\x1b" in ran.err else []


@suite.check
def report_to_file_and_trace_kept():
    with harness.Folder() as folder:
        trace, out = folder / "kept", folder / "out.txt"
        ran = fdaudit("run", "--trace", trace, "-o", out, "--", leaky(), "leak_open", cwd=folder)
        complaints = expect(ran, 0)
        if ran.err or "leak_open" not in out.read_text():
            complaints.append(f"stderr {ran.err!r}, file {out.read_text()!r}")
        fdaudit("report", trace)  # moves it there from memory
        files = [p for p in trace.rglob("*") if p.is_file()]
        modes = {oct(p.stat().st_mode & 0o777) for p in files}
        if len(files) != 1 or modes != {"0o600"}:
            complaints.append(f"trace files {files} {modes}")
        complaints += expect(fdaudit("report", trace), 0, out="leak_open")
        complaints += expect(fdaudit("report", files[0]), 0, out="leak_open") if files else []
        return complaints
    return complaints


@suite.check
def unwritable_output():
    return expect(fdaudit("run", "-o", "/nowhere/report", "--", "/bin/true"), 125, "/nowhere/report") + \
        expect(fdaudit("run", "--trace", "/proc/nowhere", "--", "/bin/true"), 125, "/proc/nowhere")


@suite.check
def trace_read_while_it_runs():
    with harness.Folder() as folder:
        trace = folder / "trace"
        trace.mkdir()
        env = harness.clean_environment(LD_PRELOAD=harness.SHIM, FDAUDIT_OPTIONS=f"trace={trace}")
        # Python's interpreter changes its own call path after a few rounds, hence the many.
        script = "import os\nfor i in range(50): os.open('/dev/null', 0)\nos.write(1, b'x'); os.read(0, 1)"
        process = subprocess.Popen([harness.PYTHON, "-c", script], env=env, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
        process.stdout.read(1)
        ran = harness.report_of(trace, folder)
        process.communicate(b"y")
        if ran.report is None:
            return [ran.report_problem, ran.err]
        found = [(f["kind"], f["certainty"], f["growing"]) for f in ran.report["findings"]]
        how = [p["end"]["how"] for p in ran.report["processes"]]
        return [] if found == [("leak", "likely", True)] and how == ["running"] else [f"{found} {how}"]


@suite.check
def trace_moved_elsewhere():
    """A trace copied to another place, its program gone, still names functions that it can."""
    with harness.Folder() as folder:
        _, file = a_trace(folder)
        moved = folder / "elsewhere.fdaudit"
        shutil.copy(file, moved)
        return expect(fdaudit("report", moved), 0, out=["leak_open", "leaks.c"])


@suite.check
def separate_debug_file():
    """Stripped, with the debug file beside it (.gnu_debuglink), or in --debug-dir by build ID."""
    with harness.Folder() as folder:
        program, debug = folder / "leaks", folder / "leaks.debug"
        shutil.copy(leaky(), program)
        subprocess.run(["objcopy", "--only-keep-debug", program, debug], check=True)
        subprocess.run(["strip", program], check=True)
        subprocess.run(["objcopy", f"--add-gnu-debuglink={debug}", program], check=True, cwd=folder)
        trace = folder / "trace"
        fdaudit("run", "--trace", trace, "-o", "/dev/null", "--", program, "leak_open", cwd=folder)
        complaints = [f"by link: {c}" for c in expect(fdaudit("report", trace), 0, out=["leak_open", "leaks.c"])]
        note = subprocess.run(["readelf", "-n", program], capture_output=True, text=True, check=True).stdout
        build_id = note.split("Build ID:")[1].split()[0] if "Build ID:" in note else ""
        if build_id:
            place = folder / "symbols" / ".build-id" / build_id[:2]
            place.mkdir(parents=True)
            debug.rename(place / (build_id[2:] + ".debug"))
            complaints += [f"no debug file: {c}" for c in expect(fdaudit("report", trace), 0)]
            complaints += [f"by ID: {c}" for c in expect(
                fdaudit("report", "--debug-dir", folder / "symbols", trace), 0, out=["leak_open", "leaks.c"])]
        return complaints


@suite.check
def json_of_odd_bytes():
    """Paths and arguments that are not UTF-8 are shown escaped, and the JSON is good."""
    with harness.Folder() as folder:
        odd = os.fsencode(folder) + b"/odd\xff\"\\\n\xc3("
        script = f"import os; os.open({odd!r}, os.O_CREAT | os.O_RDWR)"
        out = folder / "report.json"
        subprocess.run([harness.FDAUDIT, "run", "-f", "json", "-o", out, "--", harness.PYTHON, "-c", script, b"a\xfe"],
                       env=harness.clean_environment(), check=True, stdin=subprocess.DEVNULL)
        report = json.loads(out.read_bytes().decode("utf-8"))
        targets = [d["target"] for f in report["findings"] for d in f["descriptors"]]
        complaints = harness.schema_errors(report)
        if not any(r"odd\xff" in t and r"\\" in t and r"\xc3" in t for t in targets):
            complaints.append(f"targets {targets}")
        if r"a\xfe" not in report["session"]["command"][-1]:
            complaints.append(f"command {report['session']['command']}")
        return complaints


@suite.check
def dump_is_one_object_a_line():
    with harness.Folder() as folder:
        trace, _ = a_trace(folder)
        ran = fdaudit("dump", trace)
        events = [json.loads(line) for line in ran.out.splitlines()]
        times = [e["time_s"] for e in events]
        return expect(ran, 0, out="open") + ([] if times == sorted(times) and events else [f"times {times}"])


@suite.check
def unknown_options_are_reported_once():
    with harness.Folder() as folder:
        trace = folder / "t"
        trace.mkdir()
        ran = harness.preload(["/bin/sh", "-c", "/bin/true; /bin/true"], trace, "nonsense=1:depth=pony")
        complaints = [] if ran.status == 0 and "nonsense" in ran.err and "depth" in ran.err else [ran.err]
        return complaints + ([f"said {ran.err.count('nonsense')} times"] if ran.err.count("nonsense") > 1 else [])


@suite.check
def depth_option():
    """depth=N keeps N frames."""
    frames = HERE.parent / "scenarios" / "frames.cc"
    with harness.Folder() as folder:
        program = harness.build(frames, "scenario-frames__O2", ["-O2"])
        for depth in (1, 5, 256):
            ran = harness.audit([program, "deep"], folder, options=f"depth={depth}")
            if ran.report is None:
                return [ran.report_problem, ran.err]
            lengths = [len(ran.report["stacks"][e["stack"]]) for f in ran.report["findings"] for e in f["events"]]
            if not lengths or not (max(lengths) == depth if depth < 100 else 100 < max(lengths) < 120):
                return [f"depth={depth}: stacks of {lengths}"]
    return []


@suite.check
def journal_can_be_off():
    """Findings never depend on the journal."""
    with harness.Folder() as folder:
        ran = harness.audit([leaky(), "leak_open"], folder, options="journal=0")
        return [] if ran.report and len(ran.report["findings"]) == 1 else [ran.report_problem, ran.err]


@suite.check
def follow_can_be_off():
    """What the program starts runs unaudited; a child that was about to exec may still say so."""
    with harness.Folder() as folder:
        ran = harness.audit(["/bin/sh", "-c", "/bin/true; /bin/true; exit 3"], folder, options="follow=0")
        if ran.status != 3 or ran.report is None:
            return [f"{ran.status} {ran.err}"]
        exes = {p["exe"] for p in ran.report["processes"]}
        followed = [p["argv"] for p in ran.report["processes"] if p["started_by"] == "exec"]
        return [f"audited: {exes} {followed}"] if followed or exes != {"/bin/sh"} else []


@suite.check
def skipped_program():
    """skip=NAME: it runs unaudited, and what it starts is audited again."""
    with harness.Folder() as folder:
        ran = harness.audit(["/bin/sh", "-c", "dash -c '/bin/true; exit 0'"], folder, options="skip=dash")
        exes = [pathlib.PurePath(p["exe"]).name for p in ran.report["processes"]] if ran.report else [ran.err]
        return [] if "true" in exes and "dash" not in exes[1:] else [f"{exes}"]


@suite.check
def second_rule_source():
    """unwinder=libunwind reports the same call paths."""
    with harness.Folder() as folder:
        seen = []
        for unwinder in ("own", "libunwind"):
            ran = harness.audit([leaky(), "leak_open"], folder, options=f"unwinder={unwinder}")
            seen.append(ran.report and sorted(
                [frame["function"] for frame in stack] for stack in ran.report["stacks"].values()))
        return [] if seen[0] and seen[0] == seen[1] else [f"own {seen[0]}", f"libunwind {seen[1]}"]


@suite.check
def fingerprints_are_stable():
    """The same cause has the same id in another run."""
    with harness.Folder() as folder:
        ids = [[f["id"] for f in harness.audit([leaky(), "leak_pipe"], folder).report["findings"]] for _ in range(2)]
        return [] if ids[0] == ids[1] and ids[0] else [f"{ids}"]


def install(folder, *targets):
    return harness.run(["make", "-s", "-C", harness.ROOT, *targets, f"DESTDIR={folder}", "PREFIX=/opt/fdaudit",
                        *harness.MAKE_VARIABLES], env=harness.clean_environment())


@suite.check
def installed_tree():
    """`make install` under a PREFIX and a DESTDIR gives a tree that works from where it lies."""
    with harness.Folder() as folder:
        made = install(folder, "install")
        if made.status != 0:
            return expect(made, 0)
        complaints = []
        binary = folder / "opt/fdaudit/bin/fdaudit"
        ran = harness.run([binary, "run", "--", leaky(), "leak_open"], cwd=folder, env=harness.clean_environment())
        return complaints + expect(ran, 0, "leak_open") + \
            ([] if (folder / "opt/fdaudit/lib/fdaudit/libfdaudit.so").exists() else ["no shim"])


def readelf(*arguments):
    return subprocess.run(["readelf", "-W", *arguments], capture_output=True, text=True, check=False,
                          env=dict(os.environ, LC_ALL="C")).stdout


def build_id(file):
    return next((line.split()[-1] for line in readelf("-n", file).splitlines() if "Build ID" in line), "")


@suite.check
def installed_binaries_are_stripped():
    """Debug information is installed apart, where debuggers look for it: by the build ID, which both files bear."""
    with harness.Folder() as folder:
        made = install(folder, "install", "install-debug")
        complaints = expect(made, 0) or []
        for built, place in ((harness.FDAUDIT, "bin/fdaudit"), (harness.SHIM, "lib/fdaudit/libfdaudit.so")):
            file = folder / "opt/fdaudit" / place
            sections = readelf("-S", file)
            number = build_id(file)
            debug = folder / f"opt/fdaudit/lib/debug/.build-id/{number[:2]}/{number[2:]}.debug"
            if ".debug_" in sections or ".symtab" in sections or ".gnu_debuglink" not in sections:
                complaints.append(f"{place} is not stripped, or names no debug file")
            if file.stat().st_size * 2 > os.path.getsize(built):
                complaints.append(f"{place} is as large as before: {file.stat().st_size} bytes")
            if not number or number != build_id(built) or not debug.exists() or build_id(debug) != number:
                complaints.append(f"{place}: no {debug}")
            elif ".debug_info" not in readelf("-S", debug):
                complaints.append(f"{debug} has no debug information")
        return complaints


@suite.check
def shim_needs_libc_alone():
    needed = subprocess.run(["readelf", "-d", harness.SHIM], capture_output=True, text=True, check=True).stdout
    libraries = [line.split("[")[1].rstrip("]") for line in needed.splitlines() if "NEEDED" in line]
    return [] if set(libraries) <= {"libc.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"} else [f"{libraries}"]


@suite.check
def shim_thread_local_storage_is_small():
    lines = subprocess.run(["readelf", "-lW", harness.SHIM], capture_output=True, text=True, check=True).stdout
    sizes = [int(line.split()[5], 16) for line in lines.splitlines() if line.split()[:1] == ["TLS"]]
    return [] if sum(sizes) < 8192 else [f"{sizes} bytes"]


if __name__ == "__main__":
    harness.standard_main(suite)
