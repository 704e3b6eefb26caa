"""What the kernel refuses to the program, by a filter that was there before it: libc's way out is the one recorded."""

import ctypes
import os
import struct

import harness

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
TIOCSCTTY = 0x540E
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERROR, KILL = 0x7FFF0000, 0x00050000, 0x80000000
CHROOT = 161
CALLS = {"poll": 7, "ppoll": 271, "madvise": 28, "fstatfs": 138, "getcwd": 79, "gettid": 186, "uname": 63, "getpid": 39,
         "fcntl": 72, "mkdirat": 258, "ftruncate": 77, "readlinkat": 267, "clock_gettime": 228, "mremap": 25}


def no_controlling_terminals():
    """Makes ioctl(TIOCSCTTY) fail in this process and what it starts."""
    ioctl = 16
    installed([(LOAD, 0, 0, 0), (EQUAL, 0, 3, ioctl), (LOAD, 0, 0, 24), (EQUAL, 0, 1, TIOCSCTTY),
               (RETURN, 0, 0, ERROR | 1), (RETURN, 0, 0, ALLOW)])


def installed(code):
    """A filter for this process and what it starts; for preexec_fn."""
    filters = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *line) for line in code))
    program = ctypes.create_string_buffer(struct.pack("<H6xQ", len(code), ctypes.addressof(filters)))
    prctl = ctypes.CDLL(None).prctl
    if prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0):
        os._exit(125)


def killing(number):
    """Death for one system call."""
    return lambda: installed([(LOAD, 0, 0, 0), (EQUAL, 0, 1, number), (RETURN, 0, 0, KILL), (RETURN, 0, 0, ALLOW)])


def bare_preload():
    """Under a filter that may kill, the shim alone makes no call that could meet it."""
    if os.uname().machine != "x86_64":
        raise harness.Skip("the calls' numbers are x86-64's")
    complaints = []
    with harness.Folder() as folder:
        preloaded = harness.clean_environment(LD_PRELOAD=str(harness.SHIM), FDAUDIT_OPTIONS=f"trace={folder}")
        for name, number in CALLS.items():
            ends = [harness.run(["/bin/true"], env=env, preexec_fn=killing(number)).status
                    for env in (harness.clean_environment(), preloaded)]
            if ends[0] != ends[1]:
                complaints.append(f"{name} forbidden: status {ends[1]}, not {ends[0]}")
    return complaints


def run_under_filter():
    """`fdaudit run` tries: it refuses what would be killed, and records what would not."""
    if os.uname().machine != "x86_64":
        raise harness.Skip("the calls' numbers are x86-64's")
    with harness.Folder() as folder:
        refused = harness.audit(["/bin/true"], folder, preexec_fn=killing(CALLS["madvise"]))
        recorded = harness.audit(["/bin/true"], folder, preexec_fn=killing(CHROOT))
    return [f"refused with {refused.status}: {refused.err}"] * (refused.status != 126 or "seccomp" not in refused.err) + \
        ["nothing was recorded under a harmless filter"] * (not recorded.report or recorded.status != 0)


def forkpty():
    """The child of forkpty that cannot have its terminal exits with 1 inside libc: it was not killed."""
    if os.uname().machine != "x86_64":
        raise harness.Skip("the filter is x86-64's")
    with harness.Folder() as folder:
        source = folder / "a.c"
        source.write_text("#include <pty.h>\n#include <sys/wait.h>\nint main(void) {\nint master, status;\n"
                          "pid_t child = forkpty(&master, 0, 0, 0);\nif (child == 0) return 9;\n"
                          "return waitpid(child, &status, 0) == child ? WEXITSTATUS(status) : 8;\n}\n")
        program = folder / "a"
        built = harness.run([harness.CC, "-o", program, source, "-lutil"])
        if built.status != 0:
            return [built.err]
        ends = []
        for refused in (True, False):
            more = {"preexec_fn": no_controlling_terminals} if refused else {}
            ran = harness.audit([program], folder, **more)
            ends.append((ran.status, [p["end"] for p in (ran.report or {"processes": []})["processes"]]))
        exits = [(status, [{"how": "exit", "status": status}] * 2) for status in (1, 9)]
        return [] if ends == exits else [f"{ends}, not {exits}"]


def add_to(suite):
    suite.add("refusals.forkpty", forkpty)
    suite.add("refusals.bare_preload", bare_preload)
    suite.add("refusals.run_under_filter", run_under_filter)
