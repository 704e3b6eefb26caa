"""What others may do to the trace: write into the mapping that they share, put folders and files in its place."""

import os
import pathlib
import shutil
import subprocess
import time

import harness

HERE = pathlib.Path(__file__).resolve().parent
WORDS = 1000000


def leaks(trace=None, **variables):
    """A program that leaves a descriptor open, audited; without `trace` in one of the usual places."""
    env = harness.clean_environment(LD_PRELOAD=harness.SHIM, **variables)
    if trace is not None:
        env["FDAUDIT_OPTIONS"] = f"trace={trace}"
    return harness.run(["/bin/sh", "-c", "exec 5</dev/null; echo fine"], cwd="/", env=env)


def traces_in(folder):
    return sorted(pathlib.Path(folder).glob("*.fdaudit"))


def wait_until(is_so):
    end = time.monotonic() + harness.PATIENCE
    while not is_so() and time.monotonic() < end:
        time.sleep(0.005)


def another_user():
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        raise harness.Skip("only root can become another user")
    return 65534


def add_to(suite):
    @suite.check
    def random_words_in_the_shared_trace():
        """No crash, no hang, no store outside of it, no other result, whatever a child writes into the mapping."""
        program = harness.build(HERE / "scribble.c", flags=["-pthread"])
        with harness.Folder() as folder:
            ran = harness.preload([program, str(WORDS)], folder / "trace", cwd=folder)
            for left in pathlib.Path(f"/dev/shm/fdaudit-{os.geteuid()}").glob(f"*-{ran.pid}-*.fdaudit"):
                left.unlink()
            wanted = (0, "failed 0, changed 0, scribbler 0\n")
            complaints = [] if (ran.status, ran.out) == wanted else [f"{ran.status} {ran.out!r} {ran.err!r}"]
            return complaints + ([] if "1 mappings\n" in ran.err else [f"the trace was not found: {ran.err!r}"])

    @suite.check
    def folder_of_another_user():
        """Neither used nor touched; the usual places follow, and it is said."""
        user = another_user()
        with harness.Folder("theirs") as theirs, harness.Folder("state") as state:
            os.chown(theirs, user, user)
            ran = leaks(theirs, XDG_STATE_HOME=str(state))
            there = traces_in(state / "fdaudit")
            complaints = [] if (ran.status, ran.out) == (0, "fine\n") else [f"{ran.status} {ran.out!r}"]
            if "is not used" not in ran.err or str(state) not in ran.err:
                complaints.append(f"not said: {ran.err!r}")
            return complaints + ([] if len(there) == 1 and not list(theirs.iterdir()) else [f"traces: {there}"])

    @suite.check
    def usual_folder_of_another_user():
        """A service without HOME: whoever made /tmp/fdaudit-UID before it gets no trace."""
        user = another_user()
        with harness.Folder("home") as home:
            own = home / ".local" / "state" / "fdaudit"
            own.mkdir(parents=True)
            os.chown(own, user, user)
            squatted = pathlib.Path(f"/tmp/fdaudit-{os.geteuid()}")
            before = set(traces_in(squatted))
            ran = leaks(HOME=str(home))
            made = set(traces_in(squatted)) - before
            for trace in made:
                trace.unlink()
            return [] if ran.out == "fine\n" and not list(own.iterdir()) and made else [f"{ran.err!r}, made {made}"]

    @suite.check
    def folder_that_others_may_write_to():
        """The user may name one, and files in it are safe; it is no usual place."""
        with harness.Folder("state") as state, harness.Folder("home") as home:
            complaints = []
            (state / "fdaudit").mkdir()
            usual, other = state / "fdaudit", home / ".local" / "state" / "fdaudit"
            for named, mode, is_used in ((False, 0o700, True), (False, 0o755, True), (False, 0o777, False),
                                         (True, 0o777, True), (True, 0o1777, True)):
                usual.chmod(mode)
                before = len(traces_in(usual)), len(traces_in(other))
                ran = leaks(usual if named else None, XDG_STATE_HOME=str(state), HOME=str(home))
                made = len(traces_in(usual)) - before[0], len(traces_in(other)) - before[1]
                if made != ((1, 0) if is_used else (0, 1)) or ran.out != "fine\n" or ran.err:
                    complaints.append(f"mode {mode:o}, named {named}: traces {made}, said {ran.err!r}")
            return complaints

    @suite.check
    def file_of_another_user_in_the_traces_place():
        """The trace is replaced while the program runs: what it starts then does not join the stranger's file."""
        user = another_user()
        with harness.Folder("trace") as folder:
            script = "read line; /bin/ls -d /etc; echo ended $?"
            env = harness.clean_environment(LD_PRELOAD=harness.SHIM, FDAUDIT_OPTIONS=f"trace={folder}")
            with subprocess.Popen(["/bin/sh", "-c", script], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True) as program:
                wait_until(lambda: traces_in(folder))
                [trace] = traces_in(folder)
                kept = trace.with_suffix(".kept")
                wait_until(lambda: trace.open("rb").read(8) == b"fdaudit\n")
                subprocess.run(["cp", trace, kept], check=True)  # it leaves holes out
                before = harness.data_of(kept)
                trace.unlink()
                kept.rename(trace)
                os.chown(trace, user, user)
                trace.chmod(0o600)
                out, _ = program.communicate("go\n", timeout=harness.PATIENCE)
            after = harness.data_of(trace)
            for left in pathlib.Path("/dev/shm/fdaudit-0").glob(f"{trace.stem}+*"):
                left.unlink()
            complaints = [] if out == "/etc\nended 0\n" else [f"printed {out!r}"]
            return complaints + ([] if before == after else ["the stranger's file was written to"])
