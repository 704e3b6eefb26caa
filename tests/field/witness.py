#!/usr/bin/env python3
"""strace as the second witness: what it saw of descriptors, against what the report says.

    tests/field/witness.py -- git gc                 a command, run once, with the shim, under strace

Of each process image strace's lines show which descriptors it opened itself and left open, which numbers it closed that
were not open (EBADF), and what was open at its end. The report must come to the same numbers: leaks, and EBADF reported as
double-close, wrong-close or bad-close. What differs is printed, and is a bug in one of the two, or coverage.

Known limits of this witness: lines of threads that share a table are in the order in which strace wrote them; clone
with CLONE_FILES between processes is one table; ioctl may open descriptors that it does not know of (TIOCGPTPEER it does).
"""

import argparse
import collections
import json
import os
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import harness  # noqa: E402
import known  # noqa: E402

ONE = ("open openat openat2 creat open_by_handle_at memfd_create memfd_secret socket accept accept4 epoll_create "
       "epoll_create1 eventfd eventfd2 signalfd signalfd4 timerfd_create inotify_init inotify_init1 fanotify_init "
       "userfaultfd perf_event_open io_uring_setup bpf pidfd_open pidfd_getfd open_tree fsopen fsmount fspick "
       "landlock_create_ruleset dup mq_open").split()
PAIR = ["pipe", "pipe2", "socketpair"]
OTHERS = ("dup2 dup3 fcntl recvmsg recvmmsg close close_range execve execveat clone clone3 fork vfork exit exit_group "
          "unshare ioctl").split()
ALWAYS_CLOSE_ON_EXEC = {"pidfd_open", "pidfd_getfd", "landlock_create_ruleset", "mq_open", "io_uring_setup", "memfd_secret"}


class Descriptor:
    def __init__(self, call, line, close_on_exec, own=True):
        self.call, self.line, self.close_on_exec, self.own = call, line, close_on_exec, own


class Image:
    """One program in one process, until exec or the end."""

    def __init__(self, pid, table, program):
        self.pid, self.table, self.program = pid, table, program
        self.bad_closes, self.end, self.left, self.threads = [], None, {}, {pid}


class Witness:
    """Reads strace's lines in order."""

    def __init__(self, ignore):
        self.ignore = ignore      # a folder: what is opened in it is the shim's own
        self.image_of = {}        # by thread
        self.images = []
        self.unfinished = {}

    def feed(self, line):
        match = re.match(r"(\d+) +(.*)", line)
        if not match:
            return
        thread, text = int(match[1]), match[2]
        image = self.image_of.get(thread)
        if image is None:
            image = self.begin(thread, {n: Descriptor("", "", False, False) for n in range(3)}, "?")
        ended = re.match(r"\+\+\+ (exited with|killed by) (\S+)", text)
        if ended:
            self.finish(thread, image, "exit" if ended[1] == "exited with" else "signal")
            return
        if text.endswith("<unfinished ...>"):
            self.unfinished[thread] = text[:-len("<unfinished ...>")]
            return
        resumed = re.match(r"<\.\.\. (\w+) resumed>(.*)", text)
        if resumed:
            text = self.unfinished.pop(thread, resumed[1] + "(") + resumed[2]
        match = re.match(r"(\w+)\((.*)\) += (-?\d+|0x[0-9a-f]+|\?)(.*)$", text)
        if match:
            self.call(thread, image, match[1], match[2], match[3], match[4])
        elif text.startswith("exit_group("):
            self.leave(image, "exit")

    def begin(self, thread, table, program):
        image = Image(thread, table, program)
        self.image_of[thread] = image
        self.images.append(image)
        return image

    def leave(self, image, how):
        if image.end is None:
            image.end, image.left = how, dict(image.table)

    def finish(self, thread, image, how):
        image.threads.discard(thread)
        self.image_of.pop(thread, None)
        if not image.threads:
            self.leave(image, how)

    # --- calls

    def call(self, thread, image, name, arguments, result, rest):
        value = -1 if result == "?" else int(result, 0)
        method = getattr(self, "on_" + name, None)
        if method:
            method(thread, image, arguments, value, rest)
        elif name in ONE and value >= 0:
            path = re.match(r"[^\"]*\"([^\"]*)\"", arguments)
            if self.ignore and path and path[1].startswith(self.ignore):
                image.shims_own = value
                return
            close_on_exec = "CLOEXEC" in arguments or name in ALWAYS_CLOSE_ON_EXEC
            if name.startswith("signalfd") and not arguments.startswith("-1"):
                return
            self.put(image, value, name, arguments, close_on_exec)
        elif name in PAIR and value == 0:
            for number in re.findall(r"(\d+)(?:<(?:[^<>]|->)*>)?", re.search(r"\[(.*)\]", arguments)[1]):
                self.put(image, int(number), name, arguments, "CLOEXEC" in arguments)

    def put(self, image, number, call, arguments, close_on_exec):
        image.table[number] = Descriptor(call, arguments[:100], close_on_exec)

    def on_close(self, thread, image, arguments, value, rest):
        number = int(re.match(r"-?\d+", arguments)[0])
        if "EBADF" in rest:
            image.bad_closes.append(number)
        elif getattr(image, "shims_own", None) == number and self.ignore in arguments:
            image.shims_own = None
        else:
            image.table.pop(number, None)

    def on_close_range(self, thread, image, arguments, value, rest):
        first, last, flags = (a.strip() for a in arguments.split(",")[:3])
        if value != 0:
            return
        if "UNSHARE" in flags:
            image.table = dict(image.table)
        for number in list(image.table):
            if int(first) <= number <= int(last):
                if "CLOEXEC" in flags:
                    image.table[number].close_on_exec = True
                else:
                    del image.table[number]

    def on_dup2(self, thread, image, arguments, value, rest):
        source = int(re.match(r"-?\d+", arguments)[0])
        if value >= 0 and source != value:
            self.put(image, value, "dup2", arguments, "CLOEXEC" in arguments)

    on_dup3 = on_dup2

    def on_fcntl(self, thread, image, arguments, value, rest):
        number = int(re.match(r"-?\d+", arguments)[0])
        if value >= 0 and "F_DUPFD" in arguments:
            self.put(image, value, "fcntl", arguments, "CLOEXEC" in arguments)
        elif value == 0 and "F_SETFD" in arguments and number in image.table:
            image.table[number].close_on_exec = "FD_CLOEXEC" in arguments

    def on_ioctl(self, thread, image, arguments, value, rest):
        number = int(re.match(r"-?\d+", arguments)[0])
        if "TIOCGPTPEER" in arguments and value >= 0:
            self.put(image, value, "ioctl", arguments, "CLOEXEC" in arguments)
        elif value == 0 and number in image.table and re.search(r", FION?CLEX", arguments):
            image.table[number].close_on_exec = "FIOCLEX" in arguments

    def on_recvmsg(self, thread, image, arguments, value, rest):
        for rights in re.findall(r"SCM_RIGHTS, cmsg_data=\[(.*?)\]", arguments) if value >= 0 else []:
            for number in re.findall(r"(?:^|, )(\d+)", re.sub(r"<(?:[^<>]|->)*>", "", rights)):
                self.put(image, int(number), "recvmsg", arguments, "MSG_CMSG_CLOEXEC" in arguments)

    on_recvmmsg = on_recvmsg

    def on_execve(self, thread, image, arguments, value, rest):
        if value != 0:
            return
        image.end, image.left = "exec", {}
        table = {n: Descriptor(d.call, d.line, False, False) for n, d in image.table.items() if not d.close_on_exec}
        program = re.search(r"\"([^\"]*)\"", arguments)
        self.begin(thread, table, program[1] if program else "?")

    on_execveat = on_execve

    def on_clone(self, thread, image, arguments, value, rest):
        if value <= 0 or value in self.image_of and self.image_of[value].program != "?":
            return
        early = self.image_of.get(value)  # strace may show the child's first calls before its parent's return
        if "CLONE_THREAD" in arguments or "CLONE_FILES" in arguments:
            self.image_of[value] = image
            image.threads.add(value)
            if early:
                self.images.remove(early)
            return
        table = {n: Descriptor(d.call, d.line, d.close_on_exec, False) for n, d in image.table.items()}
        if early is None:
            self.begin(value, table, image.program)
        else:
            early.table, early.program = {**table, **{n: d for n, d in early.table.items() if d.own}}, image.program

    on_clone3 = on_fork = on_vfork = on_clone


def fork_early(lines):
    """The lines with each fork's return moved before its child's first line: the child begins with its parent's table."""
    lines = list(lines)
    first = {}
    for index, line in enumerate(lines):
        pid = line.split(" ", 1)[0]
        first.setdefault(pid, index)
    moved = {}
    for index, line in enumerate(lines):
        match = re.search(r"\b(?:clone|clone3|fork|vfork)(?:\(| resumed>).* = (\d+)(?:<.*>)?$", line.rstrip())
        if match and first.get(match[1], index) < index:
            moved[index] = first[match[1]]
    out = []
    before = collections.defaultdict(list)
    for index, target in moved.items():
        before[target].append(lines[index])
    for index, line in enumerate(lines):
        out += before.get(index, [])
        if index not in moved:
            out.append(line)
    return out


def without_sweeps(numbers):
    """Numbers closed in vain one after another, upwards or downwards, are a loop over all of them, and no finding."""
    left, run = [], []
    for number in numbers + [None]:
        if run and number is not None and abs(number - run[-1]) == 1 and (len(run) < 2 or number - run[-1] == run[1] - run[0]):
            run.append(number)
            continue
        if len(run) < 4:
            left += run
        run = [number]
    return left


def compare(witness, report):
    """Where the two differ, as text."""
    leaks = collections.Counter()
    for image in witness.images:
        if image.end != "exec":
            leaks[known.program_of({"exe": image.program})] += sum(d.own and n > 2 for n, d in image.left.items())
    reported = collections.Counter()
    programs = {p["id"]: known.program_of(p) for p in report["processes"]}
    bad_reported = 0
    for finding in report["findings"]:
        if finding["kind"] == "leak":
            reported[programs[finding["processes"][0]]] += finding["count"]
        elif finding["kind"] in ("double-close", "bad-close"):
            bad_reported += finding["count"]
    bad = sum(len(without_sweeps(image.bad_closes)) for image in witness.images)
    unseen = sum(p["coverage"]["untracked_opens"] for p in report["processes"])
    print(f"images {len(witness.images)} / {len(report['processes'])}   leaks {sum(leaks.values())} / {sum(reported.values())} "
          f"(unseen opens {unseen})   EBADF {bad} / {bad_reported}")
    for program in sorted(leaks.keys() | reported.keys()):
        if leaks[program] != reported[program]:
            print(f"  {program}: {leaks[program]} left open, {reported[program]} reported")
    return leaks == reported and bad == bad_reported


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", help="put strace's lines and the report into this folder")
    parser.add_argument("-v", action="store_true", help="print what each image left open, and its EBADF closes")
    parser.add_argument("--timeout", type=float, default=600)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    with harness.Folder("witness") as folder:
        trace, lines = folder / "trace", folder / "strace"
        ran = harness.run(["strace", "-f", "-q", "-s", "512", "-o", lines, "-e", "trace=" + ",".join(ONE + PAIR + OTHERS),
                           "-E", f"LD_PRELOAD={harness.SHIM}", "-E", f"FDAUDIT_OPTIONS=trace={trace}", *options.command],
                          cwd=folder, env=harness.clean_environment(), timeout=options.timeout)
        read = harness.report_of(trace, folder)
        text = lines.read_text(errors="replace").splitlines()
        if options.keep:
            keep = pathlib.Path(options.keep)
            keep.mkdir(parents=True, exist_ok=True)
            (keep / "strace").write_text("\n".join(text))
            (keep / "report.json").write_text(json.dumps(read.report))
    if read.report is None:
        sys.exit(read.report_problem + ran.err[-500:] + read.err[-500:])
    witness = Witness(str(trace))
    for line in fork_early(text):
        witness.feed(line)
    same = compare(witness, read.report)
    if options.v:
        for image in witness.images:
            left = {n: f"{d.call}({d.line})" for n, d in image.left.items() if d.own and n > 2}
            if image.bad_closes or (left and image.end != "exec"):
                print(f"  {image.pid} {image.program} {image.end}: EBADF {without_sweeps(image.bad_closes)}, left {left}")
    print(f"status {ran.status}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
