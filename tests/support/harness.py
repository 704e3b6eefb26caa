"""What the suites written in Python share: building test programs, auditing them, judging reports, keeping count.

Where things are comes from the environment that the Makefile sets (FDAUDIT, SHIM, BUILD, CC, CXX); run by hand, a suite
takes what lies in build/. EXTRA_OPTIONS are options of the shim that each audit gets besides its own: with quarantine=1, say,
a suite that knows nothing of quarantines shows what they change.
"""

import atexit
import collections
import concurrent.futures
import contextlib
import functools
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD") or ROOT / "build").resolve()
FDAUDIT = os.environ.get("FDAUDIT") or str(BUILD / "fdaudit")
SHIM = os.environ.get("SHIM") or str(BUILD / "libfdaudit.so")

def _for_every_user(*files):
    """The files, or copies of them where another user cannot reach the build folder (a checkout in root's home): tests
    that drop root's rights run them too."""
    folders = [folder for file in files for folder in pathlib.Path(file).resolve().parents]
    if os.getuid() != 0 or all(folder.stat().st_mode & stat.S_IXOTH for folder in folders if folder.exists()):
        return files
    within_reach = pathlib.Path(tempfile.mkdtemp(prefix="fdaudit-built-"))
    atexit.register(shutil.rmtree, within_reach, ignore_errors=True)
    within_reach.chmod(0o755)
    return [shutil.copy(file, within_reach) for file in files]


if os.path.exists(FDAUDIT) and os.path.exists(SHIM):
    FDAUDIT, SHIM = _for_every_user(FDAUDIT, SHIM)
CC = os.environ.get("CC") or "gcc"
CXX = os.environ.get("CXX") or "g++"
# For a `make` inside a test: with another compiler it would build all anew.
MAKE_VARIABLES = [f"BUILD={BUILD}", f"CC={CC}", f"CXX={CXX}"]
SCHEMA = ROOT / "docs" / "report.schema.json"
PYTHON = "/usr/bin/python3"
EXTRA_OPTIONS = os.environ.get("EXTRA_OPTIONS", "")

# Seconds after which something hangs. No test may come near it, however slow and busy the machine.
PATIENCE = 180

_build_locks = collections.defaultdict(threading.Lock)  # by program


class BuildError(Exception):
    pass


@functools.lru_cache(maxsize=None)
def determined(compiler):
    """The compiler's flag that gives variables without a value always the same one: a test that reads such a variable
    then fails on every machine, or on none. Empty for compilers that don't have it (gcc before 12)."""
    flag = "-ftrivial-auto-var-init=pattern"
    asked = subprocess.run([compiler, flag, "-E", "-x", "c", "/dev/null"], capture_output=True)
    return [flag] if asked.returncode == 0 else []


def build(source, name=None, flags=(), compiler=None):
    """Compiles one C or C++ file with debug information, unless that was done already, and returns the program."""
    source = pathlib.Path(source)
    program = BUILD / "tests" / "programs" / (name or f"{source.parent.name}-{source.stem}")
    compiler = compiler or (CC if source.suffix == ".c" else CXX)
    command = [compiler, "-g", "-Wall", *determined(compiler), "-o", str(program), str(source), *flags]
    stamp = program.with_name(program.name + ".command")
    headers = [p.stat().st_mtime for p in source.parent.glob("*.h")]
    with _build_locks[program]:
        newest = max([source.stat().st_mtime, *headers])
        if program.exists() and stamp.exists() and stamp.read_text() == " ".join(command) \
                and program.stat().st_mtime >= newest:
            return program
        program.parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise BuildError(f"{' '.join(command)}\n{done.stderr}")
        stamp.write_text(" ".join(command))
    return program


class Ran:
    """How a program ended: status (negative = signal), what it printed, whether the watchdog had to end it."""

    def __init__(self, pid, status, out, err, hung):
        self.pid, self.status, self.out, self.err, self.hung = pid, status, out, err, hung
        self.report = None
        self.report_problem = None


def run(command, cwd=None, env=None, timeout=PATIENCE, stdin=subprocess.DEVNULL, binary=False, **more):
    """Runs a command in a process group of its own, under a watchdog."""
    kind = {} if binary else {"text": True, "errors": "backslashreplace"}
    process = subprocess.Popen([str(c) for c in command], cwd=cwd, env=env, stdin=stdin, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, start_new_session=True, **kind, **more)
    hung = False
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        hung = True
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
    return Ran(process.pid, process.returncode, out, err, hung)


def clean_environment(**more):
    """What a program needs of the caller's environment, in one language, and with what the caller adds. Nothing else: how
    somebody has set up Python, make, a CI job or the language must not decide a test."""
    env = {name: os.environ[name] for name in ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "TMPDIR")
           if name in os.environ}
    env["LC_ALL"] = "C.UTF-8"
    env.update(more)
    return env


def audit(command, cwd, env=None, options="", arguments=(), **more):
    """Runs a command under `fdaudit run` and reads the JSON report."""
    out = pathlib.Path(cwd) / ".report.json"
    out.unlink(missing_ok=True)
    env = dict(env if env is not None else clean_environment())
    if options or EXTRA_OPTIONS:
        env["FDAUDIT_OPTIONS"] = ":".join(o for o in (options, EXTRA_OPTIONS) if o)
    ran = run([FDAUDIT, "run", "-f", "json", "-o", out, *arguments, "--", *command], cwd=cwd, env=env, **more)
    load_report(ran, out)
    return ran


def load_report(ran, path):
    try:
        ran.report = json.loads(pathlib.Path(path).read_bytes().decode("utf-8"))
    except (OSError, ValueError) as error:
        ran.report_problem = f"no report: {error}"


def preload(command, trace, options="", env=None, **more):
    """Runs a command with the shim alone, as a user without the analyzer would."""
    env = dict(env if env is not None else clean_environment())
    env["LD_PRELOAD"] = SHIM
    env["FDAUDIT_OPTIONS"] = ":".join(o for o in (f"trace={trace}", options, EXTRA_OPTIONS) if o)
    return run(command, env=env, **more)


def report_of(trace, cwd, *arguments):
    """Runs `fdaudit report -f json` on a trace."""
    out = pathlib.Path(cwd) / ".report.json"
    out.unlink(missing_ok=True)
    ran = run([FDAUDIT, "report", "-f", "json", "-o", out, *arguments, trace], cwd=cwd, env=clean_environment())
    load_report(ran, out)
    return ran


_validator = None


def schema_errors(report):
    """Violations of docs/report.schema.json, as text."""
    global _validator
    if not SCHEMA.exists():
        return [f"{SCHEMA} is missing"]
    if _validator is None:
        import jsonschema
        if not hasattr(jsonschema, "Draft202012Validator"):
            return []  # Debian 11's does not know what the schema is written in
        schema = json.loads(SCHEMA.read_text())
        _validator = jsonschema.Draft202012Validator(schema)
    return [f"schema: at /{'/'.join(map(str, e.absolute_path))}: {e.message[:200]}"
            for e in list(_validator.iter_errors(report))[:5]]


POINTER = b"fdaudit trace in memory\n"


def place_of(trace):
    """Where the trace file lies: for one that is recorded in memory, what the pointer in its folder says."""
    path = pathlib.Path(trace)
    with contextlib.suppress(OSError):
        if path.is_file() and path.stat().st_size < 2048 and path.read_bytes().startswith(POINTER):
            return pathlib.Path(os.fsdecode(path.read_bytes()[len(POINTER):]))
    return path


class Folder:
    """An empty folder for one test, removed afterwards. It is open to everyone, as programs drop privileges in it."""

    def __init__(self, name="t", parent=None):
        safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
        self.path = pathlib.Path(tempfile.mkdtemp(prefix=f"fdaudit-{safe}-", dir=parent))
        self.path.chmod(0o777)

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        for pointer in self.path.rglob("*.fdaudit"):
            place = place_of(pointer)
            if place != pointer:
                place.unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # others' files are in it
                    place.parent.rmdir()
        shutil.rmtree(self.path, ignore_errors=True)


def data_of(path):
    """What a file holds, as {offset: bytes}, without its holes: of a trace's hundreds of megabytes these are the most."""
    data, at = {}, 0
    with open(path, "rb") as file:
        while True:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:  # none further on
                return data
            end = os.lseek(file.fileno(), at, os.SEEK_HOLE)
            data[at] = os.pread(file.fileno(), end - at, at)
            at = end


class Skip(Exception):
    """Raised by a test that cannot run here; says why."""


class Suite:
    """Runs named checks, several at a time, prints what failed and the summary line.

    A check is a function that returns a list of complaints (empty = passed), or raises Skip.
    """

    def __init__(self, name):
        self.name = name
        self.checks = []
        self.passed, self.failed, self.skipped = [], [], []
        self.seconds = []  # (how long, name) of each check
        self.before_summary = lambda: None

    def add(self, name, function, *arguments):
        self.checks.append((name, function, arguments))

    def check(self, function):
        """Decorator: the function is a check named after itself."""
        self.add(function.__name__, function)
        return function

    def _one(self, name, function, arguments):
        began = time.monotonic()
        try:
            return function(*arguments) or [], None
        except Skip as why:
            return [], str(why)
        except BuildError as error:
            return [f"does not build: {error}"], None
        except Exception as error:  # a broken check is a failed check, and the others still run
            return [f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-3)}"], None
        finally:
            self.seconds.append((time.monotonic() - began, name))

    def main(self, jobs=None, only="", repeat=1, verbose=False, slowest=0):
        chosen = [c for c in self.checks if only in c[0]] * repeat
        jobs = jobs or os.cpu_count() or 1
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            running = [(name, pool.submit(self._one, name, function, arguments)) for name, function, arguments in chosen]
            for name, future in running:
                complaints, skipped = future.result()
                if skipped is not None:
                    self.skipped.append(name)
                    print(f"skipped {name}: {skipped}", flush=True)
                elif complaints:
                    self.failed.append(name)
                    print(f"FAILED  {name}", flush=True)
                    for complaint in complaints:
                        print("        " + str(complaint).rstrip().replace("\n", "\n        "), flush=True)
                else:
                    self.passed.append(name)
                    if verbose:
                        print(f"passed  {name}", flush=True)
        self.before_summary()
        for seconds, name in sorted(self.seconds, reverse=True)[:slowest]:
            print(f"{seconds:7.2f} s  {name}", flush=True)
        print(f"{len(self.passed)} passed, {len(self.failed)} failed, {len(self.skipped)} skipped", flush=True)
        return 1 if self.failed else 0


@contextlib.contextmanager
def busy_processors(nice=0):
    """Keeps every processor busy meanwhile: nothing that wakes up finds an idle one. With `nice` the tests have most of
    the time all the same (10: nine tenths)."""
    spin = f"import os; os.nice({nice})\nwhile True: pass"
    spinning = [subprocess.Popen([PYTHON, "-c", spin]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def standard_main(suite):
    """The command line that every suite has."""
    for built in (FDAUDIT, SHIM):
        if not os.path.exists(built):
            sys.exit(f"{built} is not there: make builds it")
    import argparse
    parser = argparse.ArgumentParser()
    parser.add_argument("only", nargs="?", default="", help="run the tests whose name contains this")
    parser.add_argument("-j", type=int, default=None, help="tests at a time")
    parser.add_argument("-v", action="store_true", help="name the passed ones too")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--stress", action="store_true", help="keep every processor busy meanwhile")
    parser.add_argument("--slowest", nargs="?", type=int, const=10, default=0, help="name the slowest ones (10)")
    options = parser.parse_args()
    with busy_processors() if options.stress else contextlib.nullcontext():
        sys.exit(suite.main(options.j, options.only, options.repeat, options.v, options.slowest))
