#!/usr/bin/env python3
"""The same program with the shim and without: output, standard error, exit status, errno, numbers, listings are equal.

view.c shows all that a program can see of itself; the one-liners are programs that are on every machine. Each runs
bare, with the shim preloaded alone, and under `fdaudit run`, in an empty folder of its own.
"""

import os
import pathlib
import pty
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import harness  # noqa: E402

VIEWS = ["numbers", "errors", "environment", "signals", "processes", "streams"]

# Printed times, process numbers and addresses differ from run to run in any case: none of these has one.
ONE_LINERS = {
    "true": "/bin/true",
    "false": "/bin/false",
    "not-found": "/nowhere/at/all",
    "killed": "kill -9 $$",
    "segfault": "kill -SEGV $$",
    "fd-listing": "ls /proc/self/fd; bash -c 'ls /proc/self/fd'",
    "fd-listing-find": "find /proc/self/fd -printf '%f %Y\\n' 2>/dev/null | sort",
    "fd-listing-many": "exec 5</dev/null 9>&1; ls /proc/self/fd; ls /proc/$$/fd; exec 5<&-; ls /proc/self/fd",
    "pipeline": "seq 1000 | grep 7 | sort -rn | head -n 3; echo ${PIPESTATUS[*]}",
    "here-document": "cat <<X\nline\nX",
    "process-substitution": "diff <(seq 3) <(seq 4); echo $?; echo <(:)",
    "coprocess": "coproc cat; echo hello >&${COPROC[1]}; read -r x <&${COPROC[0]}; echo $x; echo ${COPROC[*]}",
    "redirections": "exec 3>f; echo a >&3; exec 4>&3 3>&-; echo b >&4; cat f; echo c 2>&1 >/dev/null; (echo d >&7) 2>&1",
    "trap": "trap 'echo caught' USR1; kill -USR1 $$; echo after",
    "ulimit": "ulimit -n 12; for i in 3 4 5 6 7; do eval \"exec $i</dev/null\"; done; cat /etc/hostname | wc -l; ls /proc/$$/fd",
    "ls": "ls -d / /etc /nowhere",
    "sed-awk": "printf 'a b\\nc d\\n' | sed s/b/x/ | awk '{print $2; print > \"out\"}'; cat out",
    "tee": "echo hello | tee a b c; cat a b c",
    "xargs": "printf '%s\\n' 1 2 3 4 | xargs -n1 -P2 true; echo $?",
    "env-cleared": "env -i /bin/sh -c 'echo $HOME; ls /proc/self/fd'",
    "dash": "dash -c 'exec 3<&0; ls /proc/$$/fd; echo x | cat'",
    "git": "git init -q r && cd r && git config user.email a@b && git config user.name n && echo 1 > f && git add f && "
           "GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' git commit -q -m m && "
           "git log --stat | cat && git status --short && git fsck 2>&1 && git gc -q && git show nothing",
    "python": "python3 -c 'import os,subprocess; print(os.listdir(\"/proc/self/fd\")); "
              "print(subprocess.run([\"ls\",\"/proc/self/fd\"],capture_output=True).stdout); print(os.pipe()); os.close(99)'"
              " 2>&1",
    "python-threads": "python3 -c 'import concurrent.futures as f\nwith f.ThreadPoolExecutor(4) as p: "
                      "print(sum(p.map(lambda i: len(open(\"/etc/passwd\").read()) > 0, range(100))))'",
    "python-multiprocessing": "python3 -c 'import multiprocessing as m\nif __name__ == \"__main__\":\n"
                              " with m.Pool(2) as p: print(p.map(abs, range(-5, 5)))'",
    "perl": "perl -e 'open F, \"<\", \"/etc/passwd\"; print fileno(F), \"\\n\"; print `ls /proc/self/fd`; "
            "open G, \"<\", \"/nowhere\" or print \"$!\\n\"; pipe R, W; print fileno(R), fileno(W), \"\\n\"; exit 5'",
    "tar": "mkdir d; echo 1 > d/a; echo 2 > d/b; tar cf t.tar d && tar tf t.tar | sort && tar xf t.tar -O | sort; "
           "tar xf nothing.tar",
    "find-exec": "mkdir -p a/b; touch a/b/c; find a -type f -exec ls {} +; find a -type f -exec ls {} ';'",
    "sqlite": "sqlite3 db 'create table t(a); insert into t values (1),(2); select sum(a) from t;'; sqlite3 db 'bad'",
    "gcc": "printf 'int main(){return 6;}' > a.c; ${CC:-gcc} -o a a.c && ./a; echo $?; ${CC:-gcc} nothing.c 2>&1 | head -n 1",
    # Its runtime wants to be the first library, also in a program that the audited one starts.
    "asan-child": "printf '#include <stdio.h>\\nint main(){return fclose(fopen(\"/dev/null\",\"r\"));}' > a.c; "
                  "${CC:-gcc} -fsanitize=address -o a a.c && ./a; echo $?; env -i ./a; echo $?; "
                  "ASAN_OPTIONS=detect_leaks=0 ./a; echo $?",
    "asan-finds": "printf '#include <stdlib.h>\\nint main(){char*p=malloc(1);free(p);return*p;}' > a.c; "
                  "${CC:-gcc} -fsanitize=address -o a a.c && ./a 2>&1 | grep -o 'heap-use-after-free on'; echo $?",
    "tsan-child": "printf '#include <stdio.h>\\nint main(){return fclose(fopen(\"/dev/null\",\"r\"));}' > a.c; "
                  "${CC:-gcc} -fsanitize=thread -o a a.c && ./a; echo $?",
    "node": "node -e 'const fs=require(\"fs\"); console.log(fs.readdirSync(\"/proc/self/fd\").length); "
            "console.log(fs.openSync(\"/dev/null\")); "
            "console.log(require(\"child_process\").execSync(\"ls /proc/self/fd\").toString()); process.exit(4)'",
    "make": "printf 'all: a b\\n\\techo all\\na b:\\n\\techo $@ > $@\\n' > Makefile; make -j2 2>&1 | sort; make 2>&1",
    "closed-stdin": "ls /proc/self/fd <&-; cat <&-",
    "closed-stdout": "ls / >&-; echo $?",
    "closed-stderr": "ls /nowhere 2>&-; echo $?",
    "closed-all": "(ls /proc/self/fd; echo x; cat) <&- >&- 2>&-; echo $?",
}


# These print numbers that a quarantine changes.
PRINT_NUMBERS = {"python", "perl", "node"}


def needs(name):
    program = {"sqlite": "sqlite3", "python-threads": "python3", "python-multiprocessing": "python3"}.get(name, name)
    if program in ("node", "sqlite3", "make", "git", "perl", "gcc") and not shutil.which(program):
        raise harness.Skip(f"{program} is not installed")


def differences(expected, got, how):
    return [f"{how}: {what} {b!r}\nwithout the shim: {a!r}"
            for what, a, b in (("status", expected.status, got.status), ("standard output", expected.out, got.out),
                               ("standard error", expected.err, got.err)) if a != b]


def same(command, name=""):
    needs(name)
    # Equal lengths of folder names: some programs print them.
    with harness.Folder("a") as bare, harness.Folder("b") as preloaded, harness.Folder("c") as audited, \
            harness.Folder("t") as trace:
        env = harness.clean_environment(LC_ALL="C", HOME="/nonexistent")
        expected = harness.run(command, cwd=bare, env=env)
        with_shim = harness.preload(command, trace, cwd=preloaded, env=env)
        under_run = harness.run([harness.FDAUDIT, "run", "-o", trace / "report", "--", *command], cwd=audited, env=env)
        complaints = differences(expected, with_shim, "with the shim alone")
        if expected.status < 0:
            expected.status = 128 - expected.status  # what a shell, and `fdaudit run`, make of a signal
        complaints += differences(expected, under_run, "under fdaudit run")
        return complaints


def same_or_refused(command):
    """As same(), for a program that ends with 77 where it is not allowed what it shows."""
    with harness.Folder("a") as bare:
        ran = harness.run(command, cwd=bare, env=harness.clean_environment())
        if ran.status == 77:
            raise harness.Skip("not allowed here")
        if "LOST" in ran.out:
            raise harness.Skip(f"somebody else looks too: {ran.out}")
    return same(command)


def asked_only(command):
    """A process that has only asked about seccomp is in none: it and its children are recorded to their ends."""
    with harness.Folder("a") as folder:
        report = harness.audit(command, folder).report
        asking = [p for p in report["processes"] if "seccomp" in p["coverage"]["reasons"]]
        leaks = sum(f["count"] for f in report["findings"] if f["kind"] == "leak" and "leak" in f["message"])
        return [f"{len(asking)} processes are taken to be in seccomp, not the two in strict mode and the one with a filter"] * (len(asking) != 3) + \
            [f"{leaks} leaks, not 2"] * (leaks != 2)


def same_under_quarantine(command, name):
    """Closed numbers rest: programs don't notice."""
    needs(name)
    with harness.Folder("a") as bare, harness.Folder("b") as preloaded, harness.Folder("t") as trace:
        env = harness.clean_environment(LC_ALL="C", HOME="/nonexistent")
        expected = harness.run(command, cwd=bare, env=env)
        return differences(expected, harness.preload(command, trace, "quarantine=1", cwd=preloaded, env=env),
                           "with quarantine=1")


def on_terminal():
    """On a terminal: still the foreground, still a terminal of the same size, the same bytes."""
    shown = []
    script = "tty >/dev/null && echo terminal; stty size; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo three; cat /dev/null"
    for prefix in ([], [harness.FDAUDIT, "run", "-o", "/dev/null", "--"]):
        leader, follower = pty.openpty()
        process = subprocess.Popen([*prefix, "/bin/bash", "-ic", script + "; exit 3"],
                                   stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
                                   env=harness.clean_environment(TERM="dumb", PS1=""),
                                   preexec_fn=lambda: __import__("fcntl").ioctl(0, 0x540E, 0))
        os.close(follower)
        text = b""
        try:
            while True:
                piece = os.read(leader, 4096)
                if not piece:
                    break
                text += piece
        except OSError:
            pass
        os.close(leader)
        shown.append((process.wait(), text))
    return [] if shown[0] == shown[1] else [f"bare: {shown[0]}", f"audited: {shown[1]}"]


def load():
    suite = harness.Suite("transparency")
    view = harness.build(HERE / "view.c", flags=["-pthread"])
    for name in VIEWS:
        suite.add(f"view.{name}", same, [view, name])
    suite.add("pointers", same, [harness.build(HERE / "pointers.c")])
    suite.add("monitors", same_or_refused, [harness.build(HERE / "monitors.c")])
    suite.add("seccomp", same, [harness.build(HERE / "seccomp.c")])
    suite.add("seccomp-questions", asked_only, [harness.build(HERE / "seccomp.c")])
    environments = harness.build(HERE / "environments.c", flags=["-pthread"])
    for entries in ("0", "1000", "5000"):
        suite.add(f"environments.{entries}", same, [environments, entries])
    # Bound at the start: the dynamic linker looks at the thread-local storage when it binds a function at its first call.
    suite.add("foreign-storage", same, [harness.build(HERE / "foreign.c", flags=["-Wl,-z,now"])])
    for name, script in ONE_LINERS.items():
        suite.add(name, same, ["/bin/bash", "-c", script], name)
        if name not in PRINT_NUMBERS:
            suite.add(f"quarantine.{name}", same_under_quarantine, ["/bin/bash", "-c", script], name)
    suite.add("on_terminal", on_terminal)
    return suite


if __name__ == "__main__":
    harness.standard_main(load())
