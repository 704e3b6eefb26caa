"""redis-server: redis-benchmark, background saves and rewrites of the append-only file under load, a replica that is
fed through a pipe, a restart that loads what was saved."""

import signal
import os
import subprocess
import time

from server import Server, free_port, wait_for


class Driver(Server):
    needs = ("redis-server", "redis-cli", "redis-benchmark")

    def prepare(self):
        self.replica_port = free_port()
        (self.folder / "redis.conf").write_text(
            f"bind 127.0.0.1\nport {self.port}\ndir {self.folder}\nappendonly yes\nappendfsync everysec\nsave ''\n"
            f"pidfile {self.folder}/pid\nunixsocket {self.folder}/socket\nrepl-diskless-sync yes\n"
            "repl-diskless-sync-delay 0\nlogfile ''\n")

    def start(self):
        return ["redis-server", self.folder / "redis.conf"]

    def daemon(self):
        return [*self.start(), "--daemonize", "yes", "--logfile", self.folder / "log"]

    def ask(self, *words, port=None):
        return self.client("redis-cli", "-p", str(port or self.port), *words).strip()

    def info(self, field, port=None):
        lines = dict(line.split(":", 1) for line in self.ask("info", port=port).splitlines() if ":" in line)
        return lines.get(field, "").strip()

    def ready(self):
        return subprocess.run(["redis-cli", "-p", str(self.port), "ping"], capture_output=True).stdout == b"PONG\n"

    def work(self, until):
        replica = subprocess.Popen(["redis-server", "--port", str(self.replica_port), "--save", "", "--dir", str(self.folder),
                                    "--dbfilename", "replica.rdb", "--replicaof", "127.0.0.1", str(self.port)],
                                   stdout=subprocess.DEVNULL)
        turn = 0
        try:
            while turn == 0 or time.monotonic() < until:
                load = subprocess.Popen(["redis-benchmark", "-q", "-p", str(self.port), "-n", "10000", "-c", "30", "-r", "1000",
                                         "-t", "set,get,lpush,lpop,mset"], stdout=subprocess.DEVNULL)
                if turn % 2 == 0:
                    self.ask("bgsave")
                    wait_for(lambda: self.info("rdb_bgsave_in_progress") == "0", 60, "the background save")
                else:
                    self.ask("bgrewriteaof")
                    wait_for(lambda: self.info("aof_rewrite_in_progress") == "0", 60, "the rewrite")
                self.ask("config", "set", "maxclients", str(500 + turn % 2))
                self.client("redis-cli", "-s", str(self.folder / "socket"), "ping")
                self.facts["benchmark"] = load.wait(120)
                turn += 1
            self.facts["saves"] = self.info("rdb_last_bgsave_status"), self.info("aof_last_bgrewrite_status")
            self.ask("flushall")
            for i in range(200):
                self.ask("set", f"key{i}", f"value {i}") if i < 20 else None
            wait_for(lambda: self.info("master_link_status", self.replica_port) == "up" and
                     self.ask("dbsize", port=self.replica_port) == "20", 30, "the replica")
            self.facts["keys"] = self.ask("dbsize"), self.ask("debug", "digest") , self.ask("get", "key7")
        finally:
            replica.send_signal(signal.SIGTERM)
            replica.wait(30)

    def stop(self, pid):
        if (self.folder / "out").exists():
            self.client("redis-cli", "-p", str(self.port), "shutdown", "save")
        else:
            os.kill(pid, signal.SIGTERM)

    def logs(self):
        log = self.folder / "log"
        text = (log if log.exists() else self.folder / "out").read_text()
        # Warnings and worse, which '#' marks.
        return "\n".join(line.split("#", 1)[1] for line in text.splitlines() if " # " in line)
