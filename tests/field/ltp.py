#!/usr/bin/env python3
"""The Linux Test Project's programs, bare and audited: the same status, and as many passes, failures and skips.

    tests/field/ltp.py LTP [DIRECTORY...]

LTP is a built source tree (https://github.com/linux-test-project/ltp: `make autotools && ./configure && make -C lib`, then
`make -C testcases/kernel/syscalls/NAME` for the directories wanted); DIRECTORY names some of testcases/kernel/syscalls,
by default all of the below. A program whose outcome differs is run three times more each way: one that differs from
itself without the shim is counted as unsteady. Run it as root, on a machine that may be disturbed. Prints a table;
status 1 where an audited program differs. Not part of `make test`: Debian has no package of these tests.
"""

import collections
import os
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import harness  # noqa: E402

DIRECTORIES = """close close_range dup dup2 dup3 pipe pipe2 open openat openat2 creat fcntl eventfd eventfd2 epoll_create
    epoll_create1 epoll_ctl epoll_pwait epoll_wait signalfd signalfd4 timerfd inotify inotify_init memfd_create pidfd_getfd
    pidfd_open pidfd_send_signal socketpair socket accept accept4 fork vfork clone clone3 execl execle execlp execv execve
    execveat execvp exit exit_group wait wait4 waitid waitpid kill poll ppoll select pselect fanotify recvmsg sendmsg
    mlockall setrlimit getrlimit seccomp prctl splice tee vmsplice sendfile open_by_handle_at open_tree fsopen fspick
    fsmount perf_event_open userfaultfd unshare setns""".split()
RESULT = re.compile(r"\b(TPASS|TFAIL|TBROK|TCONF|TWARN)\b")
PATIENCE = 120
REPEATS = 3


def is_program(path):
    return path.is_file() and os.access(path, os.X_OK) and path.read_bytes()[:4] == b"\x7fELF" and \
        not re.search(r"_child\d*$|_helper$", path.name)


def outcome(program, audited):
    """The status, and how many results of each sort."""
    with harness.Folder("ltp") as folder:
        folder.chmod(0o777)
        env = harness.clean_environment(TMPDIR=str(folder), LTPROOT=str(program.parents[4]), LTP_TIMEOUT_MUL="4",
                                        PATH=f"{program.parent}:{os.environ['PATH']}", LTP_COLORIZE_OUTPUT="n")
        command = [program]
        if audited:
            command = [harness.FDAUDIT, "run", "-f", "json", "-o", folder / ".report.json", "--", program]
        ran = harness.run(command, cwd=program.parent, env=env, timeout=PATIENCE)
    results = collections.Counter(RESULT.findall(ran.out + ran.err))
    return ("timeout" if ran.hung else ran.status), tuple(sorted(results.items()))


def judge(program):
    """`equal`, `unsteady` or what differs."""
    bare, audited = outcome(program, False), outcome(program, True)
    if bare == audited:
        return "equal"
    again = [outcome(program, False) for _ in range(REPEATS)]
    audited_again = [outcome(program, True) for _ in range(REPEATS)]
    if audited in again or bare in audited_again:
        return "unsteady"
    return f"bare {bare}, audited {audited}"


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    tests = pathlib.Path(sys.argv[1]).resolve() / "testcases/kernel/syscalls"
    differing, sums = [], collections.Counter()
    print(f"{'directory':20} {'programs':>8} {'equal':>6} {'unsteady':>8} {'differ':>6}")
    for directory in sys.argv[2:] or DIRECTORIES:
        programs = sorted(p for p in (tests / directory).glob("*") if is_program(p)) if (tests / directory).is_dir() else []
        verdicts = {p.name: judge(p) for p in programs}
        count = collections.Counter(v if v in ("equal", "unsteady") else "differ" for v in verdicts.values())
        differing += [f"{directory}/{name}: {v}" for name, v in verdicts.items() if v not in ("equal", "unsteady")]
        sums.update(count, programs=len(programs))
        print(f"{directory:20} {len(programs):8} {count['equal']:6} {count['unsteady']:8} {count['differ']:6}", flush=True)
    print(f"{'all':20} {sums['programs']:8} {sums['equal']:6} {sums['unsteady']:8} {sums['differ']:6}")
    print("\n".join(differing))
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
