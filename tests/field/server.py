"""What the drivers of servers (drivers/NAME.py) have in common."""

import os
import pathlib
import re
import shlex
import signal
import socket
import time
import urllib.request

import harness


class Failure(Exception):
    """The server or a client did what it must not do, bare or audited."""


class Server:
    """What a driver inherits. It has NEEDS (programs), START and DAEMON (methods that return the command), READY, WORK
    and STOP; `folder` is its own, and `facts` what it observed and should be equal."""

    needs = ()
    root = False  # must be started by root
    user = None   # runs as this one, if root starts it

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.facts = {}
        self.prepare()

    def prepare(self):
        """Configuration and keys."""

    def start(self):
        """The command that runs it in the foreground."""
        raise NotImplementedError

    def daemon(self):
        """The command that starts it in the background and returns."""
        raise NotImplementedError

    def main_pid(self):
        """After daemon()."""
        return int((self.folder / "pid").read_text().split()[0])

    def has_pid(self):
        """It listens before it has written that."""
        try:
            return self.main_pid() > 0
        except (OSError, IndexError, ValueError):
            return False

    def ready(self):
        """True when it can be worked upon."""
        return answers(self.port)

    def work(self, until):
        """Loads it until that time (time.monotonic), and notes facts."""
        raise NotImplementedError

    def stop(self, pid):
        """Asks it to end. SIGTERM by default."""
        os.kill(pid, signal.SIGTERM)

    def logs(self):
        """What it wrote about itself; compared by normal()."""
        out = self.folder / "out"
        return out.read_text(errors="replace") if out.exists() else ""

    # --- for drivers

    def as_user(self, command):
        if self.user and os.getuid() == 0:
            return ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--init-groups", *command]
        return command

    def client(self, *command, **more):
        """Runs a client, bare, and returns its output. It must succeed."""
        more.setdefault("timeout", 120)
        ran = harness.run(command, cwd=self.folder, env=harness.clean_environment(**more.pop("env", {})), **more)
        if ran.status != 0:
            raise Failure(f"{shlex.join(map(str, command))[:200]}: status {ran.status}: {(ran.out + ran.err)[-600:]}")
        return ran.out

    def fetch(self, url):
        with urllib.request.urlopen(url, timeout=30) as reply:
            return reply.read()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failure(f"waited {seconds} s for: {what}")
        time.sleep(0.05)


def gone(pid):
    """Ended, whichever process has to wait for it."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def normal(text):
    """A log's distinct lines in order of the alphabet, without what differs from run to run in any case: words with a
    digit in them, which are times, ports, process numbers, keys and folders."""
    lines = {re.sub(r"\S*\d\S*", "N", line).strip() for line in text.splitlines()}
    return sorted(lines - {""})
