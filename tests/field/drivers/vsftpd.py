"""vsftpd: anonymous sessions, each in a chroot and with 200 MB of address space; uploads, downloads,
listings, passive and active transfers, a refused login."""

import ftplib
import io
import os
import pathlib
import shutil
import time

from server import Server, answers, wait_for

CONFIGURATION = """listen=YES
listen_address=127.0.0.1
listen_port={port}
background={background}
anonymous_enable=YES
local_enable=NO
write_enable=YES
anon_upload_enable=YES
anon_umask=022
no_anon_password=YES
anon_root={folder}/files
secure_chroot_dir={folder}/empty
nopriv_user=nobody
seccomp_sandbox=NO
connect_from_port_20=NO
xferlog_enable=YES
vsftpd_log_file={folder}/log
"""


class Driver(Server):
    needs = ("vsftpd",)
    root = True

    def prepare(self):
        (self.folder / "empty").mkdir(mode=0o555)
        files = self.folder / "files"
        (files / "in").mkdir(parents=True)
        for name in ("NO", "YES"):
            (self.folder / f"background-{name}.conf").write_text(
                CONFIGURATION.format(port=self.port, folder=self.folder, background=name))
        (files / "large").write_bytes(bytes(range(256)) * 4096)
        shutil.chown(files / "in", "ftp")
        files.chmod(0o555)
        os.chmod(self.folder, 0o755)

    def start(self):
        return ["vsftpd", self.folder / "background-NO.conf"]

    def daemon(self):
        return ["vsftpd", self.folder / "background-YES.conf"]

    def has_pid(self):
        return answers(self.port)

    def main_pid(self):
        wanted = str(self.folder / "background-YES.conf").encode()
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if wanted in (entry / "cmdline").read_bytes() and (entry / "stat").read_text().rsplit(")", 1)[1].split()[1] == str(os.getpid()):
                    return int(entry.name)
            except OSError:
                continue
        return 0

    def session(self, number):
        found = []
        with ftplib.FTP() as ftp:
            ftp.connect("127.0.0.1", self.port, timeout=30)
            found.append(ftp.login())
            ftp.set_pasv(number % 2 == 0)
            received = io.BytesIO()
            ftp.retrbinary("RETR large", received.write)
            found.append(len(received.getvalue()))
            ftp.cwd("in")
            found.append(ftp.storbinary(f"STOR up{number}", io.BytesIO(b"x" * 70000)))
            found.append(ftp.size(f"up{number}"))
            found.append(len(ftp.nlst()) > 0)
            try:
                ftp.retrbinary("RETR nothing", received.write)
            except ftplib.error_perm as error:
                found.append(str(error))
        return found

    def work(self, until):
        seen, turn = set(), 0
        while turn < 4 or time.monotonic() < until:
            seen.add(str(self.session(turn)))
            turn += 1
        try:
            with ftplib.FTP() as ftp:
                ftp.connect("127.0.0.1", self.port, timeout=30)
                ftp.login("root", "wrong")
        except ftplib.error_perm as error:
            seen.add(str(error))
        self.facts["sessions"] = sorted(seen)
        wait_for(lambda: b"vsftpd" not in b"".join(self.sessions()), 30, "the sessions' ends")

    def sessions(self):
        """Command lines of what serves a client."""
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                line = (entry / "cmdline").read_bytes()
                if line.startswith(b"vsftpd") and b"background" not in line:
                    yield line
            except OSError:
                continue
