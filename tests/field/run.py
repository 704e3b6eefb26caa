#!/usr/bin/env python3
"""Real programs doing real work: is the ledger what the kernel's table is when each of them ends?

At its end every audited process compares its ledger with the kernel's table, and what no recorded call explains is
counted as coverage. A row runs one job, prints processes, descriptors opened, differences and findings, and fails where
a difference is not explained (known.py), or where a finding comes that nobody expects from so well-worn a program.
"""

import os
import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import harness  # noqa: E402
import known  # noqa: E402

MAKE_TREE = "mkdir -p d/e/f && for i in $(seq 200); do echo $i > d/e/$i; done && "

JOBS = {
    "bash": "for i in 1 2 3 4 5 6 7 8 9 10; do x=$(echo $i | cat); read -r y < <(echo $x); done; "
            "exec 5>log; echo hi >&5; exec 5>&-; { cat <<<word; } | while read -r l; do echo $l; done",
    "git": MAKE_TREE + "git init -q . && git config user.email a@b && git config user.name n && git add d && "
           "git commit -qm one && git rm -rqf d/e/1 && git commit -qm two && git log --stat -p >/dev/null && git gc -q && "
           "git fsck --no-progress && git clone -q . ../$(basename $PWD)/clone && git -C clone status && "
           "git archive HEAD | tar t >/dev/null && git grep -c 7 HEAD >/dev/null",
    "python3": "/usr/bin/python3 -c 'import subprocess, tempfile, socket, json, sqlite3, threading, os\n"
               "for i in range(200): open(\"/etc/passwd\").read()\n"
               "with tempfile.TemporaryDirectory() as d: [open(f\"{d}/{i}\", \"w\").close() for i in range(50)]\n"
               "subprocess.run([\"ls\", \"/\"], stdout=subprocess.PIPE, check=True)\n"
               "a, b = socket.socketpair(); a.send(b\"x\"); b.recv(1); a.close(); b.close()\n"
               "t = [threading.Thread(target=lambda: open(\"/etc/group\").read()) for _ in range(8)]\n"
               "[x.start() for x in t]; [x.join() for x in t]'",
    "python3-http": "/usr/bin/python3 -c 'import http.server, threading, urllib.request\n"
                    "s = http.server.ThreadingHTTPServer((\"127.0.0.1\", 0), http.server.SimpleHTTPRequestHandler)\n"
                    "threading.Thread(target=s.serve_forever, daemon=True).start()\n"
                    "[urllib.request.urlopen(f\"http://127.0.0.1:{s.server_port}/\").read() for _ in range(20)]\n"
                    "s.shutdown(); s.server_close()' 2>/dev/null",
    "gcc": "printf '#include <stdio.h>\\n#include <vector>\\nint main(){std::vector<int> v(3); return (int)v.size();}' > "
           "a.cc && g++ -O1 -g -c a.cc && g++ -o a a.o && ! ./a && ar cr l.a a.o && nm l.a >/dev/null",
    "find": MAKE_TREE + "find d -type f -name '1*' -exec grep -l 1 {} + >/dev/null && find /usr/include -name '*.h' "
            "| head -n 500 >/dev/null && find d -delete",
    "tar": MAKE_TREE + "tar czf t.tgz d && tar tzf t.tgz >/dev/null && mkdir x && tar xzf t.tgz -C x && diff -r d x/d",
    "sqlite3": "sqlite3 db 'create table t(a, b); begin; with recursive c(i) as (select 1 union all select i + 1 from c "
               "where i < 20000) insert into t select i, i * i from c; commit; create index n on t(b); "
               "select count(*) from t where b > 1000; vacuum; pragma journal_mode=wal; delete from t where a % 3 = 0;' "
               ">/dev/null && sqlite3 db .dump | sqlite3 copy",
    "perl": MAKE_TREE + "perl -e 'for (glob \"d/e/*\") { open my $f, \"<\", $_ or die; <$f>; close $f } "
            "opendir my $d, \"/etc\"; readdir $d; closedir $d; my $o = `ls /`; pipe R, W; if (!fork) { print W \"x\"; exit } "
            "close W; <R>; system \"true\"; open my $p, \"-|\", \"ls\"; my @l = <$p>; close $p'",
    "node": "node -e 'const fs = require(\"fs\"), cp = require(\"child_process\");"
            "for (let i = 0; i < 100; ++i) { fs.writeFileSync(\"f\" + i, \"x\"); fs.readFileSync(\"f\" + i); }"
            "cp.execSync(\"ls\"); require(\"http\").createServer((q, r) => r.end(\"ok\")).listen(0, function () {"
            "require(\"http\").get({host: \"127.0.0.1\", port: this.address().port}, (r) => { r.resume(); r.on(\"end\", () => this.close()); }); });'",
    "make": "printf 'all: $(foreach i,1 2 3 4 5 6,t$i)\\nt%%:\\n\\tcat /etc/passwd > $@\\n' > Makefile && make -sj3",
}

# The whole: tests/field/python_tests.py
SHORT_PYTHON_TESTS = ["test_select", "test_epoll", "test_pty", "test_fileio", "test_tempfile", "test_posix"]

# The compilers themselves, not what a developer may have put before them.
PLAIN_PATH = ":".join(p for p in os.environ.get("PATH", "/usr/bin:/bin").split(":") if not p.endswith("/ccache"))

table, tables = [], []


def job(name, line):
    needed = name.split("-")[0]
    if not shutil.which(needed):
        raise harness.Skip(f"{needed} is not installed")
    with harness.Folder(name) as folder:
        ran = harness.audit(["/bin/bash", "-c", line], folder,
                            harness.clean_environment(HOME=str(folder), GIT_CONFIG_NOSYSTEM="1", PATH=PLAIN_PATH))
    if ran.status != 0:
        return [f"status {ran.status}: {ran.err[-500:]}"]
    if ran.report is None:
        return [ran.report_problem, ran.err]
    table.append((name, known.sums_of(ran.report)))
    return harness.schema_errors(ran.report) + known.unexplained(ran.report)


def script(*command):
    """Another script of this folder, which prints a table, what it complains about, and a suite's last line."""
    ran = harness.run([sys.executable, *command], env=harness.clean_environment(
        FDAUDIT=harness.FDAUDIT, SHIM=harness.SHIM), timeout=600)
    skipped = [line.split(": ", 1)[1] for line in ran.out.splitlines() if line.startswith("skipped ")]
    if skipped:
        raise harness.Skip(skipped[0])
    tables.append(ran.out.rsplit("\n", 2)[0])
    return [] if ran.status == 0 else [ran.out + ran.err]


def load():
    suite = harness.Suite("field")
    for name, line in JOBS.items():
        suite.add(name, job, name, line)
    for server in sorted(p.stem for p in (HERE / "drivers").glob("[a-z]*.py")):
        suite.add(f"server-{server}", script, HERE / "servers.py", "--seconds", "0", server)
    suite.add("chromium", script, HERE / "chromium.py")
    suite.add("python-tests", script, HERE / "python_tests.py", *SHORT_PYTHON_TESTS)
    suite.before_summary = show
    return suite


def show():
    print(known.table_of(table))
    for more in tables:
        print(more)


if __name__ == "__main__":
    harness.standard_main(load())
