#!/usr/bin/env python3
"""fdaudit watch, on a terminal of our own: what it draws, what keys do, and that the terminal is as it was afterwards."""

import fcntl
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import harness  # noqa: E402

suite = harness.Suite("watch")
ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"
UP, DOWN, ESCAPE = "\x1b[A", "\x1b[B", "\x1b"


class Leaky:
    """A program that leaks when it is asked to."""

    def __init__(self, folder):
        self.trace = pathlib.Path(folder) / "trace"
        self.trace.mkdir()
        self.process = subprocess.Popen(
            [harness.build(HERE / "leaky.c")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
            env=harness.clean_environment(LD_PRELOAD=harness.SHIM, FDAUDIT_OPTIONS=f"trace={self.trace}"))
        self.leak(1)

    def leak(self, count):
        for _ in range(count):
            self.process.stdin.write(b"x")
            self.process.stdout.read(1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(harness.PATIENCE)
        self.process.stdout.close()


class Screen:
    """`fdaudit watch` on a pseudo-terminal, and the text that it shows."""

    def __init__(self, trace, rows=24, columns=100):
        self.master, slave = pty.openpty()
        self.slave = slave
        self.resize(rows, columns)
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen([harness.FDAUDIT, "watch", trace], stdin=slave, stdout=slave, stderr=slave,
                                        env=harness.clean_environment(TERM="xterm"), start_new_session=True)
        self.bytes = ""

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        while select.select([self.master], [], [], 0.05)[0]:
            self.bytes += os.read(self.master, 65536).decode("utf-8", "replace")

    def frame(self):
        """The lines of the last whole frame."""
        frames = [f for f in self.bytes.split("\x1b[H") if f.endswith("\x1b[J") or "\x1b[J" in f]
        last = frames[-1].split("\x1b[J")[0] if frames else ""
        return [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line) for line in last.split("\r\n")]

    def until(self, condition, what):
        """Waits until the newest frame fulfils the condition, and returns it."""
        deadline = time.monotonic() + harness.PATIENCE
        while time.monotonic() < deadline:
            self.read()
            frame = self.frame()
            if condition(frame):
                return frame
        raise RuntimeError(f"in vain: {what}\n" + "\n".join(self.frame()))

    def type(self, keys):
        os.write(self.master, keys.encode())

    def marked(self):
        """The row that is shown reversed."""
        found = re.findall(r"\x1b\[7m([^\x1b]*)", self.bytes.split("\x1b[H")[-1])
        return found[-1] if found else ""

    def is_restored(self):
        self.read()
        return termios.tcgetattr(self.slave) == self.before and self.bytes.count(ENTER) == self.bytes.count(LEAVE) >= 1 \
            and self.bytes.rindex("\x1b[?25h") > self.bytes.rindex("\x1b[?25l") \
            and self.bytes.rindex("\x1b[?7h") > self.bytes.rindex("\x1b[?7l")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


def has(text):
    return lambda frame: any(text in line for line in frame)


def row_of(frame, text):
    return next((line.split() for line in frame if text in line), [])


@suite.check
def numbers_change_while_a_program_leaks():
    with harness.Folder() as folder, Leaky(folder) as leaky, Screen(leaky.trace) as screen:
        pid = str(leaky.process.pid)
        frame = screen.until(has("leak_one (leaky.c:"), "the first frame")
        complaints = [f"'{text}' is missing" for text in ("fdaudit watch: ", "PID", "TIME LEFT", "q quit", "running")
                      if not any(text in line for line in frame)]
        open_before = int(row_of(frame, pid)[1])
        if open_before != len(os.listdir(f"/proc/{pid}/fd")):
            complaints.append(f"{open_before} open")
        leaky.leak(20)
        frame = screen.until(lambda f: row_of(f, pid) and int(row_of(f, pid)[1]) == open_before + 20, "20 more")
        process, path = row_of(frame, pid), row_of(frame, "leak_one")
        if float(process[4]) <= 0 or process[5] == "-" or path[0] != "21" or float(path[1]) <= 0:
            complaints.append(f"no growth: {process} {path}")
        if not any("leak" in line and "21 descriptors" in line for line in frame):
            complaints.append("the finding is missing")
        rows = [row_of(frame, "leak_one"), row_of(frame, "keep_other")]
        if frame.index(next(l for l in frame if "leak_one (" in l)) > frame.index(next(l for l in frame if "keep_other" in l)):
            complaints.append(f"what grows does not come first: {rows}")
        return complaints and complaints + frame


@suite.check
def keys_filter_select_and_quit():
    with harness.Folder() as folder, Leaky(folder) as leaky, Screen(leaky.trace) as screen:
        screen.until(has("keep_other"), "the first frame")
        screen.type("/KEEP_q")
        screen.until(has("/KEEP_q_"), "what is typed, q too")
        screen.type("\x7f")
        frame = screen.until(lambda f: has("keep_other")(f) and has("/KEEP_")(f) and not has("leak_one (")(f), "filtered")
        complaints = [] if has("OPENED AT")(frame) else ["headings are gone"]
        screen.type("\r")
        screen.until(has("filter: KEEP_"), "the filter stays")
        screen.type(ESCAPE)
        screen.until(has("leak_one ("), "all again")
        screen.type(DOWN)
        screen.until(lambda f: str(leaky.process.pid) in screen.marked(), "down: the process")
        screen.type(UP)
        screen.until(lambda f: "PID" in screen.marked(), "up: the heading")
        screen.type("q")
        status = screen.process.wait(harness.PATIENCE)
        if status != 0 or not screen.is_restored():
            complaints.append(f"status {status}, or the terminal is not as it was: {screen.bytes[-200:]!r}")
        return complaints


@suite.check
def the_terminal_is_restored_by_signals():
    complaints = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        with harness.Folder() as folder, Leaky(folder) as leaky, Screen(leaky.trace) as screen:
            screen.until(has("keep_other"), "the first frame")
            screen.process.send_signal(number)
            status = screen.process.wait(harness.PATIENCE)
            if status != -number or not screen.is_restored():
                complaints.append(f"{number}: status {status}, or not as it was: {screen.bytes[-200:]!r}")
    return complaints


@suite.check
def stopping_gives_the_terminal_back():
    with harness.Folder() as folder, Leaky(folder) as leaky, Screen(leaky.trace) as screen:
        screen.until(has("keep_other"), "the first frame")
        screen.process.send_signal(signal.SIGTSTP)
        os.waitid(os.P_PID, screen.process.pid, os.WSTOPPED | os.WNOWAIT)
        complaints = [] if screen.is_restored() else [f"stopped: {screen.bytes[-200:]!r}"]
        screen.process.send_signal(signal.SIGCONT)
        leaky.leak(3)
        screen.until(lambda f: row_of(f, "leak_one (")[:1] == ["4"], "it goes on")
        screen.type("q")
        return complaints + ([] if screen.process.wait(harness.PATIENCE) == 0 and screen.is_restored() else ["the end"])


@suite.check
def small_screens_scroll():
    with harness.Folder() as folder, Leaky(folder) as leaky, Screen(leaky.trace, rows=24) as screen:
        screen.until(has("keep_other"), "the first frame")
        screen.resize(5, 40)
        frame = screen.until(lambda f: len(f) == 5, "five lines")
        complaints = ["the end is in sight"] if has("leak_one (")(frame) else []
        screen.type(DOWN * 12)
        screen.until(lambda f: len(f) == 5 and has("leak_one (")(f), "scrolled")
        screen.type("\x1b[H")
        screen.until(lambda f: "PID" in screen.marked(), "home")
        screen.type("q")
        return complaints + ([] if screen.process.wait(harness.PATIENCE) == 0 else ["the end"])


@suite.check
def without_a_terminal_it_prints_once():
    with harness.Folder() as folder, Leaky(folder) as leaky:
        ran = harness.run([harness.FDAUDIT, "watch", leaky.trace], env=harness.clean_environment())
        complaints = [f"'{text}' is missing" for text in ("TIME LEFT", "leak_one (leaky.c:") if text not in ran.out]
        if ran.status != 0 or "\x1b" in ran.out:
            complaints.append(f"status {ran.status}")
        missing = harness.run([harness.FDAUDIT, "watch", folder / "nowhere"], env=harness.clean_environment())
        if missing.status != 3:
            complaints.append(f"no trace: status {missing.status}: {missing.err}")
        return complaints and complaints + [ran.out + ran.err]


@suite.check
def a_trace_that_goes_away_is_reported():
    with harness.Folder() as folder, Leaky(folder) as leaky, Screen(leaky.trace) as screen:
        screen.until(has("keep_other"), "the first frame")
        for file in leaky.trace.iterdir():
            file.rename(folder / "elsewhere")
        frame = screen.until(has("no longer there"), "it is reported")
        screen.type("q")
        return ([] if has("keep_other")(frame) else ["what was seen is gone"]) + \
            ([] if screen.process.wait(harness.PATIENCE) == 0 else ["the end"])


if __name__ == "__main__":
    harness.standard_main(suite)
