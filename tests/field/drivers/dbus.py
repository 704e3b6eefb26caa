"""dbus-daemon: a session bus of its own, with clients by dbus-send and busctl, a monitor, a service that it starts, and a
reload of its configuration."""

import os
import pathlib
import signal
import subprocess
import time

from server import Failure, Server, wait_for

CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><keep_umask/><listen>unix:path={folder}/bus</listen><auth>EXTERNAL</auth>
<pidfile>{folder}/pid</pidfile><servicedir>{folder}/services</servicedir>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
"""


class Driver(Server):
    needs = ("dbus-daemon", "dbus-send", "busctl", "dbus-monitor")

    def prepare(self):
        (self.folder / "services").mkdir()
        (self.folder / "bus.conf").write_text(CONFIGURATION.format(folder=self.folder))
        # It is started, and ends without having asked for its name: the caller gets that error.
        (self.folder / "services" / "own.Test.service").write_text(
            f"[D-BUS Service]\nName=own.Test\nExec=/bin/sh -c 'ls /proc/self/fd > {self.folder}/listed; exit 3'\n")
        self.address = f"unix:path={self.folder}/bus"
        # busctl status asks for the control group too, and fails where none is mounted (a chroot).
        self.has_control_groups = any(pathlib.Path("/sys/fs/cgroup").glob("*"))

    def start(self):
        return ["dbus-daemon", f"--config-file={self.folder}/bus.conf", "--nofork", "--nosyslog"]

    def daemon(self):
        return ["dbus-daemon", f"--config-file={self.folder}/bus.conf", "--fork", "--nosyslog"]

    def ready(self):
        return (self.folder / "bus").exists() and (self.folder / "pid").exists()

    def call(self, method, *arguments, destination="org.freedesktop.DBus"):
        return ["dbus-send", f"--bus={self.address}", f"--dest={destination}", "--print-reply", "/org/freedesktop/DBus",
                method, *arguments]

    def work(self, until):
        said, turn = set(), 0
        while turn == 0 or time.monotonic() < until:
            monitor = subprocess.Popen(["dbus-monitor", "--address", self.address], stdout=subprocess.DEVNULL)
            waiting = [subprocess.Popen(["busctl", f"--address={self.address}", "monitor"], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL) for _ in range(3)]
            for _ in range(20):
                said.add(self.client(*self.call("org.freedesktop.DBus.GetId")).count("string"))
                self.client("busctl", f"--address={self.address}", "list", "--no-pager")
                if self.has_control_groups:
                    self.client("busctl", f"--address={self.address}", "status", "--no-pager", "org.freedesktop.DBus")
            self.client("dbus-send", f"--bus={self.address}", "--type=signal", "/a", "own.Signal.Happened", "string:x")
            started = subprocess.run(self.call("own.Test.Do", destination="own.Test"), capture_output=True, text=True)
            said.add((started.returncode, "exited with status 3" in started.stderr))
            said.add((self.folder / "listed").read_text())
            self.client(*self.call("org.freedesktop.DBus.ReloadConfig"))
            os.kill(self.main_pid(), signal.SIGHUP)
            for process in [monitor, *waiting]:
                process.kill()
                process.wait()
            turn += 1
        self.facts["said"] = sorted(map(str, said))
