#!/usr/bin/env python3
"""Our unwind rules and frames against libunwind's (docs/unwinding.md).

usage: run.py REFEREE_RULES REFEREE_FRAMES FILE... [--only NAME]

For each FILE compares the rules of all its functions (rules.cc); then runs real programs under the frame referee
(frames.cc) and reports what it counted. The last line adds up files and programs.
"""

import os
import shutil
import struct
import subprocess
import sys
import tempfile

# frames.cc has the same list, and says what each means.
COUNTERS = ["walks", "frames", "hash_differs", "we_broke_off", "they_broke_off", "different_frame", "both_broke_off",
            "guessed_equal", "guessed_ours", "guessed_theirs", "other_register", "different_length", "threads"]
UNEXPLAINED = ["hash_differs", "we_broke_off", "they_broke_off", "different_frame", "different_length"]

PYTHON_PROGRAM = """
import json, os, subprocess, sqlite3, tempfile, threading, xml.dom.minidom, email.message, ctypes
def churn(n):
    for _ in range(n):
        with tempfile.TemporaryFile() as f:
            f.write(json.dumps(list(range(50))).encode())
            f.seek(0)
            json.load(f)
threads = [threading.Thread(target=churn, args=(40,)) for _ in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
subprocess.run(['ls', '/'], stdout=subprocess.DEVNULL)
db = sqlite3.connect(':memory:')
db.execute('create table t(x)')
sorted(range(9), key=lambda i: os.close(os.open('/dev/null', 0)) or -i)
callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: os.close(os.open('/dev/null', 0)) or x)
callback(3)
"""

BASH_PROGRAM = """
f() { [ "$1" -gt 0 ] && f $(($1 - 1)) || cat < /etc/hostname > /dev/null; }
for i in 1 2 3 4 5; do f 5; echo "$i" | sort | uniq -c; done > /dev/null
trap 'read x < /etc/hostname' USR1; kill -USR1 $$; x=$(grep -c . /etc/passwd); diff <(ls /) <(ls /usr) > /dev/null
true
"""

PERL_PROGRAM = """
use strict; use IO::File; use File::Find; use Socket; use POSIX;
$SIG{ALRM} = sub { open(my $f, '<', '/etc/hostname'); close($f); };
sub deep { my $n = shift; if ($n) { deep($n - 1) } else { my $f = IO::File->new('/etc/passwd'); my @l = <$f>; } }
deep($_) for 1 .. 30; find(sub { }, '/etc/apt'); kill 'ALRM', $$; print `echo x`;
my @s = sort { open(my $f, '<', '/dev/null'); $a <=> $b } 5, 3, 9;
"""

NODE_PROGRAM = """
const fs = require('fs'), zlib = require('zlib');
function deep(n) { return n ? deep(n - 1) : fs.readFileSync('/etc/hostname').length; }
for (let i = 0; i < 200; i++) deep(i % 20);
[3, 1, 2].sort((a, b) => { fs.closeSync(fs.openSync('/dev/null')); return a - b; });
fs.promises.readFile('/etc/passwd').then(b => zlib.gzip(b, () => {}));
require('child_process').execSync('true');
for (let i = 0; i < 20000; i++) if (i % 1000 == 0) JSON.parse('[1]', () => fs.statSync('/') && fs.readdirSync('/').length);
"""


def programs(work):
    source = os.path.join(work, "t.cc")
    with open(source, "w") as file:
        file.write("#include <map>\n#include <string>\nint main() { std::map<std::string, int> m; return m[\"a\"]; }\n")
    repository = os.path.join(work, "repository")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "init", "-q", repository], check=True)
    for i in range(5):
        with open(os.path.join(repository, f"f{i}"), "w") as file:
            file.write("x\n" * i)
        subprocess.run(["git", "-C", repository, "add", "."], check=True)
        subprocess.run(git + ["-C", repository, "commit", "-q", "-m", f"c{i}"], check=True)
    return {
        "git-log": ["git", "-C", repository, "log", "-p", "--stat"],
        "git-status": ["git", "-C", repository, "status"],
        "git-gc": ["git", "-C", repository, "gc", "-q"],
        "python3": ["/usr/bin/python3", "-c", PYTHON_PROGRAM],
        "bash": ["bash", "-c", BASH_PROGRAM],
        "g++": ["g++", "-O1", "-c", source, "-o", os.path.join(work, "t.o")],
        "perl": ["perl", "-e", PERL_PROGRAM],
        "node": ["node", "-e", NODE_PROGRAM],
        "sqlite3": ["sqlite3", os.path.join(work, "db"),
                    "create table t(x); insert into t values (1),(2); select * from t order by x desc;"],
        "make": ["make", "-rf", "/dev/null", "--eval=all:; @ls / > /dev/null"],
        "tar": ["tar", "-czf", os.path.join(work, "a.tgz"), repository],
    }


def run(library, work, name, command):
    counters = os.path.join(work, "counters")
    log = os.path.join(work, f"{name}.log")
    with open(counters, "wb") as file:
        file.write(bytes(8 * len(COUNTERS)))
    environment = dict(os.environ, LD_PRELOAD=library, REFEREE_COUNTERS=counters, REFEREE_LOG=log)
    result = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=300)
    with open(counters, "rb") as file:
        counted = dict(zip(COUNTERS, struct.unpack(f"<{len(COUNTERS)}Q", file.read())))
    print(f"{name:11} status {result.returncode}  " + "  ".join(f"{k} {v}" for k, v in counted.items() if v), flush=True)
    if result.returncode != 0:
        print(result.stderr.decode(errors="replace")[-500:])
    good = result.returncode == 0 and counted["walks"] > 0 and not any(counted[key] for key in UNEXPLAINED)
    if not good and os.path.exists(log):
        with open(log) as file:
            print("    " + "    ".join(file.readlines()[:40]))
    return good


def main():
    arguments = sys.argv[1:]
    only = None
    if "--only" in arguments:
        at = arguments.index("--only")
        only = arguments[at + 1]
        del arguments[at:at + 2]
    if len(arguments) < 2:
        sys.exit(__doc__)
    rules, library = os.path.abspath(arguments[0]), os.path.abspath(arguments[1])
    passed = failed = skipped = 0
    for file in arguments[2:] if only is None else []:
        good = subprocess.run([rules, file], timeout=600).returncode == 0
        passed, failed = passed + good, failed + (not good)
    with tempfile.TemporaryDirectory() as work:
        for name, command in programs(work).items():
            if only not in (None, name):
                continue
            if shutil.which(command[0]) is None:
                print(f"{name}: not installed")
                skipped += 1
                continue
            good = run(library, work, name, command)
            passed, failed = passed + good, failed + (not good)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(0 if failed == 0 else 1)


if __name__ == "__main__":
    main()
