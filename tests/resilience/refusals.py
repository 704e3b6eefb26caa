"""What the kernel refuses to the program, by a filter that was there before it: libc's way out is the one recorded."""

import ctypes
import os
import struct

import harness

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
TIOCSCTTY = 0x540E
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERROR = 0x7FFF0000, 0x00050000


def no_controlling_terminals():
    """Makes ioctl(TIOCSCTTY) fail in this process and what it starts."""
    ioctl = 16
    code = [(LOAD, 0, 0, 0), (EQUAL, 0, 3, ioctl), (LOAD, 0, 0, 24), (EQUAL, 0, 1, TIOCSCTTY),
            (RETURN, 0, 0, ERROR | 1), (RETURN, 0, 0, ALLOW)]
    filters = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *line) for line in code))
    program = ctypes.create_string_buffer(struct.pack("<H6xQ", len(code), ctypes.addressof(filters)))
    prctl = ctypes.CDLL(None).prctl
    if prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0):
        os._exit(125)


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
