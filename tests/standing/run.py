#!/usr/bin/env python3
"""report --pid and --core: where threads stand, on what they wait, who holds the other end; and nobody notices."""

import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import harness  # noqa: E402

suite = harness.Suite("standing")
READ, WAIT4 = 0, 61  # on x86-64


def environment(trace):
    return harness.clean_environment(LD_PRELOAD=harness.SHIM, FDAUDIT_OPTIONS=f"trace={trace}")


def call_of(pid, tid=None):
    text = pathlib.Path(f"/proc/{pid}/task/{tid or pid}/syscall").read_text()
    return -1 if text.startswith("running") else int(text.split()[0])


def state_of(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0]


def until(condition, what):
    deadline = time.monotonic() + harness.PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"in vain: {what}")
        time.sleep(0.01)


def report(*arguments, preload=None):
    return harness.run([harness.FDAUDIT, "report", *arguments], env=harness.clean_environment())


class Hang:
    """The three processes, once they hang."""

    def __init__(self, folder):
        self.trace = pathlib.Path(folder) / "trace"
        self.trace.mkdir()
        self.parent = subprocess.Popen([harness.build(HERE / "hang.c")], stdout=subprocess.PIPE,
                                       env=environment(self.trace))
        self.reader, self.keeper = map(int, self.parent.stdout.readline().split())

    def __enter__(self):
        until(lambda: call_of(self.reader) == call_of(self.keeper) == READ, "reader and keeper read")
        until(lambda: call_of(self.parent.pid) == WAIT4, "the parent waits")
        return self

    def end(self):
        """The parent's status: 0 where nobody's read has failed."""
        try:
            os.kill(self.keeper, 9)
        except ProcessLookupError:
            pass
        self.parent.send_signal(signal.SIGCONT)
        return self.parent.wait(harness.PATIENCE)

    def __exit__(self, *_):
        self.end()
        self.parent.stdout.close()


@suite.check
def a_hang_of_three_fits_a_screen():
    with harness.Folder() as folder, Hang(folder) as hang:
        ran = report("--pid", hang.reader, hang.trace)
        screen = ran.out.split("\n\n")[0].splitlines()
        wanted = [f"where process {hang.reader} (standing-hang) stands:",
                  f"thread {hang.reader} (standing-hang) waits in read of descriptor 3", "descriptor 3 is pipe",
                  f"main (hang.c:", f"in process {hang.parent.pid} (standing-hang)",
                  f"its other end is held by process {hang.keeper} (standing-hang) as descriptor 4, "
                  "which waits in read of descriptor 5", "drain (hang.c:"]
        complaints = [f"'{text}' is missing" for text in wanted if not any(text in line for line in screen)]
        if len(screen) > 24 or max(map(len, screen)) > 160:
            complaints.append("more than a screen")
        if sum("other end is held" in line for line in screen) != 1:
            complaints.append("others hold that end too")
        if hang.end() != 0:
            complaints.append("a read failed")
        return complaints and complaints + [ran.out[:3000] + ran.err]


@suite.check
def the_page_tells_it_too():
    with harness.Folder() as folder, Hang(folder) as hang:
        ran = report("--pid", hang.reader, "-f", "html", hang.trace)
        text = ran.out
        hang.end()
    wanted = ["<section id=\"threads\"", f"its other end is held by process {hang.keeper}", "as descriptor 4",
              "waits in <code>read</code>"]
    return [f"'{one}' is missing" for one in wanted if one not in text]


@suite.check
def the_chain_can_be_followed():
    """From the reader to the keeper, from the keeper to the parent."""
    with harness.Folder() as folder, Hang(folder) as hang:
        complaints, expected = [], {hang.reader: ("read", hang.keeper, 4), hang.keeper: ("read", hang.parent.pid, 6),
                                    hang.parent.pid: ("wait4", None, None)}
        for pid, (call, holder, fd) in expected.items():
            ran = report("-f", "json", "--pid", pid, hang.trace)
            document = json.loads(ran.out)
            complaints += harness.schema_errors(document)
            thread = document["threads"][0]
            holders = [(h["pid"], h["fd"]) for w in thread["waits_for"] for h in w["other_end"]]
            if thread["call"] != call or holders != ([(holder, fd)] if holder else []):
                complaints.append(f"{pid}: {json.dumps(thread)[:1500]}")
            if "main" not in [f["function"] for f in thread["frames"]]:
                complaints.append(f"{pid}: no stack down to main: {thread['frames']}")
            if not all(h["confirmed"] and h["process"] for w in thread["waits_for"] for h in w["other_end"]):
                complaints.append(f"{pid}: not confirmed, or not known: {thread['waits_for']}")
        return complaints


@suite.check
def threads_notice_nothing():
    """Neither poll nor futex, which are stopped, nor epoll_wait and a socket with a timeout, which are not."""
    with harness.Folder() as folder:
        trace = folder / "trace"
        trace.mkdir()
        program = subprocess.Popen([harness.build(HERE / "waits.c", flags=["-pthread"])], stdin=subprocess.PIPE,
                                   env=environment(trace))
        try:
            tasks = pathlib.Path(f"/proc/{program.pid}/task")
            until(lambda: len(list(tasks.iterdir())) == 5 and
                  sorted(call_of(program.pid, t.name) for t in tasks.iterdir()) == [7, 45, 202, 202, 232], "all wait")
            for _ in range(10):
                ran = report("-f", "json", "--pid", program.pid, trace)
            document = json.loads(ran.out)["threads"]
            calls = sorted(t["call"] for t in document)
            complaints = [] if calls == ["epoll_wait", "futex", "futex", "poll", "recvfrom"] else [f"calls: {calls}"]
            for thread in document:
                functions = [f["function"] for f in thread["frames"]]
                wanted = {"epoll_wait": "in_epoll", "poll": "in_poll", "recvfrom": "in_recv"}.get(thread["call"])
                if wanted and (wanted not in functions or len(thread["waits_for"]) != 1):
                    complaints.append(f"{thread['call']}: {functions} {thread['waits_for']}")
                if thread["call"] == "epoll_wait" and "watches 0" not in (thread["waits_for"][0]["watches"] or ""):
                    complaints.append(f"the set watches: {thread['waits_for']}")
            if any("TracerPid:\t0" not in (t / "status").read_text() for t in tasks.iterdir()):
                complaints.append("still traced")
            program.stdin.close()
            status = program.wait(harness.PATIENCE)
            return complaints + ([] if status == 0 else [f"a call failed: status {status}"])
        finally:
            program.kill()
            program.wait()


@suite.check
def what_cannot_be_looked_at_is_reported():
    with harness.Folder() as folder, Hang(folder) as hang:
        complaints = []
        for arguments, status, text in [(("--pid", "4194303"), 2, "no process"), (("--pid", "0"), 2, "--pid"),
                                        (("--core", "/nowhere"), 3, "/nowhere"),
                                        (("--core", "/bin/true"), 3, "no core file"),
                                        (("--core", "/bin/true", "--pid", "1"), 2, "--pid"),
                                        (("--pid", hang.reader, "-f", "sarif"), 2, "json")]:
            ran = report(*arguments, hang.trace)
            if ran.status != status or text not in ran.err:
                complaints.append(f"{arguments}: status {ran.status}: {ran.err}")
        if os.getuid() == 0:
            # Somebody else, who may read the trace and not the process.
            for path in (hang.trace, *hang.trace.iterdir()):
                path.chmod(0o755)
            ran = harness.run([harness.FDAUDIT, "report", "--pid", hang.reader, hang.trace],
                              env=harness.clean_environment(), user=65534, group=65534, extra_groups=[])
            if ran.status == 0 and "may not be read" not in ran.out:
                complaints.append(f"as nobody: status {ran.status}: {ran.out[:1500]}{ran.err}")
        stranger = report("--pid", os.getpid(), hang.trace)
        if stranger.status != 0 or "do not know this process" not in stranger.out:
            complaints.append(f"a stranger: {stranger.out[:800]}{stranger.err}")
        return complaints


@suite.check
def without_the_right_to_trace():
    """As in a container without CAP_SYS_PTRACE: the threads are listed, with the reason why there is no more of them."""
    if os.getuid() != 0 or not shutil.which("setpriv"):
        raise harness.Skip("only root can give up a capability")
    with harness.Folder() as folder, Hang(folder) as hang:
        ran = harness.run(["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace", harness.FDAUDIT, "report",
                           "--pid", hang.reader, hang.trace], env=harness.clean_environment())
        texts = [f"thread {hang.reader}", "Operation not permitted", "CAP_SYS_PTRACE"]
        missing = [text for text in texts if text not in ran.out]
        return [f"{ran.status}: {missing} {ran.out[:800]} {ran.err}"] if ran.status != 0 or missing else []


@suite.check
def a_process_that_ends_meanwhile_is_no_error():
    """Its stat can be opened, and no longer be read."""
    if not shutil.which("strace"):
        raise harness.Skip("no strace")
    with harness.Folder() as folder, Hang(folder) as hang:
        injected = ["strace", "-f", "-o", "/dev/null", "-e", "trace=read", "-e", "inject=read:error=ESRCH"]
        complaints = []
        for file in ("stat", f"task/{hang.reader}/syscall", f"task/{hang.reader}/stat", "maps", "comm"):
            for arguments in ((), ("--pid", str(hang.reader))):
                ran = harness.run([*injected, "-P", f"/proc/{hang.reader}/{file}", harness.FDAUDIT, "report", *arguments,
                                   hang.trace], env=harness.clean_environment())
                if ran.status != 0:
                    complaints.append(f"{file} {arguments}: {ran.status} {ran.err[-300:]}")
        return complaints


@suite.check
def a_thousand_threads_take_a_moment():
    """What is quadratic in threads or descriptors needs minutes here, and is ended."""
    program = harness.build(HERE / "threads.c", flags=["-pthread"])
    with harness.Folder() as folder:
        hung = subprocess.Popen([program], stdout=subprocess.PIPE, env=environment(folder / "trace"))
        try:
            hung.stdout.readline()
            ran = harness.run(["prlimit", "--cpu=10", harness.FDAUDIT, "report", "--pid", hung.pid, folder / "trace"],
                              env=harness.clean_environment())
        finally:
            hung.kill()
            hung.wait()
            hung.stdout.close()
        return [] if ran.status == 0 else [f"{ran.status} {ran.err[-300:]}"]


def waits_in_pipe(ran, thread, wanted):
    complaints = harness.schema_errors(json.loads(ran.out))
    functions = [f["function"] for f in thread["frames"]]
    if thread["call"] != "read" or wanted not in functions:
        complaints.append(f"{thread['call']}: {functions}")
    waited = thread["waits_for"][0] if thread["waits_for"] else {}
    if waited.get("type") != "pipe" or waited["opened"]["call"] != "pipe":
        complaints.append(f"waits for {waited}")
    return complaints


@suite.check
def a_core_of_the_hang_tells_the_holder():
    gcore = shutil.which("gcore")
    if not gcore:
        raise harness.Skip("no gcore to write a core file with")
    with harness.Folder() as folder, Hang(folder) as hang:
        made = harness.run([gcore, "-o", folder / "core", hang.reader], env=harness.clean_environment())
        core = folder / f"core.{hang.reader}"
        if not core.exists():
            raise harness.Skip(f"gcore wrote no core file: {made.err[-200:]}")
        # The reader is gone, as what makes core files has it, and the others still hang.
        hang.parent.send_signal(signal.SIGSTOP)
        until(lambda: state_of(hang.parent.pid) == "T", "the parent is stopped")
        os.kill(hang.reader, signal.SIGKILL)
        until(lambda: state_of(hang.reader) == "Z", "the reader is dead")
        ran = report("-f", "json", "--core", core, hang.trace)
        thread = json.loads(ran.out)["threads"][0]
        complaints = waits_in_pipe(ran, thread, "drain")
        holders = [(h["pid"], h["fd"]) for h in thread["waits_for"][0]["other_end"]]
        if (hang.keeper, 4) not in holders:
            complaints.append(f"holders: {holders}")
        return complaints


@suite.check
def a_crash_is_reported_by_its_core():
    pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text().strip()
    if pattern.startswith("|") or "/" in pattern:
        raise harness.Skip(f"core files go elsewhere: {pattern}")
    with harness.Folder() as folder:
        trace = folder / "trace"
        trace.mkdir()
        subprocess.run([harness.build(HERE / "crash.c", flags=["-pthread"])], cwd=folder, env=environment(trace),
                       preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2))
        cores = list(folder.glob("core*"))
        if not cores:
            raise harness.Skip("the kernel wrote no core file here")
        ran = report("-f", "json", "--core", cores[0], trace)
        document = json.loads(ran.out)
        complaints = [] if document["standing"]["signal"] == 6 else [f"standing: {document['standing']}"]
        if "fail" not in [f["function"] for f in document["threads"][0]["frames"]]:
            complaints.append(f"the one that failed: {document['threads'][0]}")
        waiting = [t for t in document["threads"] if t["call"] == "read"]
        complaints += waits_in_pipe(ran, waiting[0], "wait_for_word") if waiting else ["nobody waits in read"]
        text = report("--core", cores[0], trace).out
        return complaints + ([] if "stood:" in text and "ended by signal 6" in text else [text[:1500]])


@suite.check
def damaged_cores_are_refused():
    """Cut anywhere, no crash of ours: reported as it is, or as far as it goes."""
    with harness.Folder() as folder, Hang(folder) as hang:
        gcore = shutil.which("gcore")
        if not gcore:
            raise harness.Skip("no gcore to write a core file with")
        harness.run([gcore, "-o", folder / "core", hang.reader], env=harness.clean_environment())
        whole = (folder / f"core.{hang.reader}").read_bytes()
        complaints = []
        for size in (0, 10, 64, 100, 500, 2000, 4000, len(whole) // 2):
            (folder / "cut").write_bytes(whole[:size])
            ran = report("--core", folder / "cut", hang.trace)
            if ran.status not in (0, 3):
                complaints.append(f"{size} bytes: status {ran.status}: {ran.err[-300:]}")
        for at in range(0, 4000, 97):
            (folder / "cut").write_bytes(whole[:at] + b"\xff\xff\xff\xff\xff" + whole[at + 5:])
            ran = report("--core", folder / "cut", hang.trace)
            if ran.status not in (0, 3):
                complaints.append(f"bytes at {at}: status {ran.status}: {ran.err[-300:]}")
        return complaints


if __name__ == "__main__":
    harness.standard_main(suite)
