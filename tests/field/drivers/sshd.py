"""sshd: logins over loopback with a key of its own, as root and (privilege separation after the login too) as another
user, with and without a terminal; sftp, scp, forwarding, several sessions in one connection, a refused login, a reload."""

import os
import pathlib
import pwd
import signal
import subprocess
import time

from server import Failure, Server, answers, free_port, wait_for


def another_user():
    """Somebody who may log in and is not root."""
    shells = pathlib.Path("/etc/shells").read_text().split() if os.path.exists("/etc/shells") else []
    for entry in pwd.getpwall():
        if entry.pw_uid != 0 and entry.pw_shell in shells and os.path.isdir(entry.pw_dir):
            return entry.pw_name
    return None


class Driver(Server):
    needs = ("/usr/sbin/sshd", "ssh", "sftp", "scp", "ssh-keygen")
    root = True

    def prepare(self):
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        self.folder.chmod(0o755)
        for name in ("host", "key", "stranger"):
            self.client("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / name)
        (self.folder / "allowed").write_text((self.folder / "key.pub").read_text())
        (self.folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.folder}/host\nPidFile {self.folder}/pid\n"
            f"AuthorizedKeysFile {self.folder}/allowed\nStrictModes no\nPermitRootLogin yes\nUsePAM yes\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 100\nPrintMotd no\nPrintLastLog no\n"
            "Subsystem sftp /usr/lib/openssh/sftp-server\nAllowAgentForwarding yes\nLogLevel INFO\n")
        (self.folder / "ssh_config").write_text(
            f"Host *\n Port {self.port}\n HostName 127.0.0.1\n IdentityFile {self.folder}/key\n IdentitiesOnly yes\n"
            f" UserKnownHostsFile {self.folder}/known\n StrictHostKeyChecking no\n LogLevel ERROR\n BatchMode yes\n")

    def start(self):
        return ["/usr/sbin/sshd", "-D", "-e", "-f", self.folder / "sshd_config"]

    def daemon(self):
        return ["/usr/sbin/sshd", "-f", self.folder / "sshd_config", "-E", self.folder / "log"]

    def ssh(self, *words):
        return self.client("ssh", "-F", self.folder / "ssh_config", *words)

    def work(self, until):
        users = ["root"] + ([another_user()] if another_user() else [])
        config = self.folder / "ssh_config"
        (self.folder / "up").write_bytes(bytes(range(256)) * 4000)
        turn, said = 0, set()
        while turn == 0 or time.monotonic() < until:
            for user in users:
                host = f"{user}@there"
                said.add((user, self.ssh(host, "id -un; tty; ls /proc/self/fd | wc -l; seq 20000 | md5sum")))
                said.add((user, "tty", self.ssh("-tt", host, "tty | cut -d/ -f3; stty -a | wc -l").replace("\r", "")))
                self.client("scp", "-q", "-F", config, self.folder / "up", f"{host}:/tmp/fdaudit-up-{self.port}-{user}")
                self.client("sftp", "-q", "-F", config, "-b", "-", host, stdin=self.batch(user))
                said.add((user, "back", (self.folder / "down").read_bytes() == (self.folder / "up").read_bytes()))
                self.share(host)
            self.forward("root@there")
            stranger = subprocess.run(["ssh", "-F", config, "-i", self.folder / "stranger", "-o",
                                       f"IdentityFile={self.folder}/stranger", "-F", "/dev/null", "-p", str(self.port), "-o",
                                       "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o",
                                       f"UserKnownHostsFile={self.folder}/known", "root@127.0.0.1", "true"], capture_output=True)
            said.add(("stranger", stranger.returncode))
            turn += 1
        self.facts["said"] = sorted(map(str, said))

    def batch(self, user):
        script = self.folder / "batch"
        there = f"/tmp/fdaudit-up-{self.port}-{user}"
        script.write_text(f"ls /etc\nget {there} {self.folder}/down\nput {self.folder}/up {there}2\nrm {there}2\nrm {there}\n")
        return script.open()

    def share(self, host):
        """Several sessions in one connection."""
        path = self.folder / "mux"
        with subprocess.Popen(["ssh", "-F", self.folder / "ssh_config", "-M", "-S", path, "-N", host]) as master:
            wait_for(path.exists, 20, "the shared connection")
            for i in range(3):
                if self.ssh("-S", path, host, f"echo {i}") != f"{i}\n":
                    raise Failure("a shared session said something else")
            self.ssh("-S", path, "-O", "exit", host)
            master.wait(20)

    def forward(self, host):
        port = free_port()
        with subprocess.Popen(["ssh", "-F", self.folder / "ssh_config", "-N", "-L", f"{port}:127.0.0.1:{self.port}",
                               host]) as tunnel:
            wait_for(lambda: answers(port), 20, "the tunnel")
            self.client("ssh", "-F", self.folder / "ssh_config", "-p", str(port), host, "true")
            tunnel.terminate()

    def stop(self, pid):
        # SIGHUP makes it exec itself.
        os.kill(pid, signal.SIGHUP)
        wait_for(lambda: "SIGHUP" in self.log_file().read_text(), 20, "the reload")
        wait_for(self.ready, 20, "ready again")
        self.ssh("root@there", "true")
        os.kill(pid, signal.SIGTERM)

    def log_file(self):
        log = self.folder / "log"
        return log if log.exists() else self.folder / "out"

    def logs(self):
        text = self.log_file().read_text()
        return "\n".join(line for line in text.splitlines()
                         if any(word in line.lower() for word in ("error", "fatal", "fail", "mm_", "pam")))
