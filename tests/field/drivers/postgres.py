"""PostgreSQL: initdb, pgbench with kept and with new connections, a backup, a parallel query, a reload and a fast stop,
as its own user."""

import os
import pathlib
import pwd
import signal
import time

from server import Server, wait_for

BIN = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), default=pathlib.Path("/nowhere"))


def exists(user):
    try:
        return bool(pwd.getpwnam(user))
    except KeyError:
        return False


class Driver(Server):
    needs = (str(BIN / "initdb"), str(BIN / "postgres"), "pgbench", "psql")
    user = "postgres" if exists("postgres") else None

    def prepare(self):
        self.data = self.folder / "data"

    def script(self, last):
        """initdb and the server are audited both."""
        return ["/bin/sh", "-c", f"""{BIN}/initdb -D {self.data} -A trust --no-sync -U someone > {self.folder}/initdb.log 2>&1 &&
          printf '%s\\n' 'port = {self.port}' "unix_socket_directories = '{self.folder}'" "listen_addresses = '127.0.0.1'" \\
          'max_wal_senders = 4' 'min_parallel_table_scan_size = 0' 'parallel_setup_cost = 0' 'fsync = off' \\
          'logging_collector = off' 'max_files_per_process = 64' >> {self.data}/postgresql.conf && {last}"""]

    def start(self):
        return self.script(f"exec {BIN}/postgres -D {self.data}")

    def daemon(self):
        return self.script(f"{BIN}/pg_ctl -D {self.data} -s -w -l {self.folder}/log start")

    def main_pid(self):
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def connection(self):
        return ["-h", "127.0.0.1", "-p", str(self.port), "-U", "someone"]

    def ready(self):
        status = self.data / "postmaster.pid"
        return status.exists() and "ready" in status.read_text()

    def ask(self, sql, database="postgres"):
        return self.client("psql", *self.connection(), "-XAtq", "-d", database, "-c", sql).strip()

    def work(self, until):
        self.ask("create database bench")
        bench = ["pgbench", *self.connection(), "-q"]
        self.client(*bench, "-i", "-s", "2", "bench")
        turn = 0
        while turn == 0 or time.monotonic() < until:
            self.client("pgbench", *self.connection(), "-c", "8", "-j", "2", "-t", "200", "bench")
            self.client("pgbench", *self.connection(), "-C", "-S", "-c", "4", "-t", "10", "bench")
            rows = self.ask("set max_parallel_workers_per_gather = 2; set parallel_tuple_cost = 0; "
                            "select count(*), sum(length(filler)) from pgbench_accounts", "bench")
            os.kill(self.main_pid(), signal.SIGHUP)
            self.ask("create temp table t as select generate_series(1, 50000) i; create index on t(i); "
                     "set work_mem = '64kB'; select count(*) from (select i, row_number() over (order by -i) from t) x", "bench")
            self.ask("vacuum analyze", "bench")
            self.ask("checkpoint", "bench")
            self.client("pg_dump", *self.connection(), "-f", "/dev/null", "bench")
            turn += 1
        backup = self.folder / "backup"
        if (BIN / "pg_basebackup").exists():
            self.client(BIN / "pg_basebackup", *self.connection(), "-D", backup, "-X", "stream", "-c", "fast")
            self.facts["backup"] = (backup / "backup_manifest").exists()
        self.facts["rows"] = rows
        self.facts["consistent"] = self.ask("select (select sum(abalance) from pgbench_accounts) = "
                                            "(select sum(bbalance) from pgbench_branches)", "bench")

    def stop(self, pid):
        if (self.folder / "out").exists():
            pid = self.main_pid()
        os.kill(pid, signal.SIGINT)
        wait_for(lambda: not (self.data / "postmaster.pid").exists(), 60, "the fast stop")

    def logs(self):
        log = self.folder / "log"
        text = (log if log.exists() else self.folder / "out").read_text()
        initdb = (self.folder / "initdb.log").read_text()
        return initdb + "\n".join(line for line in text.splitlines() if "checkpoint" not in line and "administrator command" not in line)
