"""nginx: two workers serve files and proxy to themselves, under ab and single requests; reload, reopening of logs,
change of the executable on the fly, graceful quit."""

import os
import re
import shutil
import signal
import subprocess
import time

from server import Failure, Server, free_port, gone, wait_for

CONFIGURATION = """
{user}
worker_processes 2;
pid {folder}/pid;
error_log {folder}/error.log notice;
events {{ worker_connections 512; }}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  proxy_cache_path {folder}/cache keys_zone=one:1m;
  client_max_body_size 64m; sendfile on; gzip on; open_file_cache max=100 inactive=2s;
  upstream back {{ server 127.0.0.1:{back}; keepalive 4; }}
  server {{
    listen 127.0.0.1:{port}; root {folder}/files; autoindex on;
    location /proxy/ {{ proxy_pass http://back/; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    location /cached/ {{ proxy_pass http://back/; proxy_cache one; proxy_cache_valid 1s; }}
    location /put/ {{ client_body_in_file_only clean; proxy_pass http://back/; }}
  }}
  server {{ listen 127.0.0.1:{back}; root {folder}/files; }}
}}
"""
# Not [error]: a kept connection that a retiring worker closes while the other one uses it is one, bare too.
WORDS = ("reconfiguring", "reopening", "gracefully", "exited on signal", "changing binary", "[emerg]", "[alert]", "[crit]")


class Driver(Server):
    needs = ("nginx", "ab", "curl")

    def prepare(self):
        self.back = free_port()
        files = self.folder / "files"
        files.mkdir()
        (files / "small").write_text("hello\n")
        (files / "large").write_bytes(bytes(range(256)) * 40000)
        for path in (files, files / "small", files / "large"):
            path.chmod(0o755)
        user = "user www-data;" if os.getuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(
            CONFIGURATION.format(folder=self.folder, port=self.port, back=self.back, user=user))

    def start(self):
        return [*self.daemon(), "-g", "daemon off;"]

    def daemon(self):
        return [shutil.which("nginx"), "-c", self.folder / "nginx.conf"]

    def master(self):
        return int((self.folder / "pid").read_text())

    def work(self, until):
        base = f"http://127.0.0.1:{self.port}"
        replies, turn = set(), 0
        while turn == 0 or time.monotonic() < until:
            loads = [subprocess.Popen(["ab", "-q", "-r", *more, "-n", "1500", "-c", "20", base + path],
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                     for more, path in ((["-k"], "/small"), ([], "/proxy/small"), ([], "/cached/small"))]
            for path in ("/small", "/large", "/proxy/large", "/cached/large", "/"):
                replies.add((path, len(self.fetch(base + path))))
            self.client("curl", "-sf", "-o", "/dev/null", "--data-binary", f"@{self.folder}/files/large", base + "/put/large",
                        "-X", "GET")
            os.kill(self.master(), signal.SIGHUP if turn % 2 == 0 else signal.SIGUSR1)
            for load in loads:
                said = load.communicate(timeout=120)[0]
                numbers = dict(re.findall(r"(Complete|Failed) requests: +(\d+)", said))
                # A worker that was asked to exit shuts idle kept connections, and ab may just be using one.
                may_fail = "-k" in load.args
                if load.returncode != 0 or numbers.get("Complete") != "1500" or (numbers["Failed"] != "0" and not may_fail):
                    raise Failure(said)
            turn += 1
        self.facts["replies"] = sorted(replies)

    def stop(self, pid):
        # On the fly: the old master starts a new one, which inherits the listening sockets by their numbers.
        if (self.folder / "out").exists():
            os.kill(pid, signal.SIGQUIT)
            return
        os.kill(pid, signal.SIGUSR2)
        wait_for(lambda: (self.folder / "pid.oldbin").exists() and (self.folder / "pid").exists(), 20, "a new master")
        new = self.master()
        os.kill(pid, signal.SIGQUIT)
        wait_for(lambda: gone(pid), 30, "the old master's end")
        self.facts["after the change"] = len(self.fetch(f"http://127.0.0.1:{self.port}/small"))
        os.kill(new, signal.SIGQUIT)
        wait_for(lambda: gone(new), 30, "the new master's end")

    def logs(self):
        text = (self.folder / "error.log").read_text()
        return "\n".join(re.sub(r"^\S+ \S+ ", "", line) for line in text.splitlines() if any(w in line for w in WORDS))
