#!/usr/bin/env python3
"""What the shim costs: the same job with it and without, in turn, the median of the ratios of the pairs.

Beside each row the same job under Valgrind --track-fds=yes, strace -f and, where it ends within its time, strace -f -k.
Prints a table in Markdown, and ends with status 1 where a bound is not kept. The trace lies in memory, as under
`fdaudit run`.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import harness  # noqa: E402

MEMORY = pathlib.Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None
VALGRIND = ["valgrind", "--track-fds=yes", "--log-file=/dev/null"]
STRACE = ["strace", "-f", "-o", "/dev/null"]


class Row:
    """A job and how it is measured. `loop` jobs print their own nanoseconds; others are timed from outside."""

    def __init__(self, name, command, bound, loop=False, count=0, depth=None, cwd=None):
        self.name, self.command, self.bound = name, command, bound
        self.loop, self.count, self.depth, self.cwd = loop, count, depth, cwd

    def once(self, prefix=(), env=None, divide=1, timeout=300):
        """Seconds for the job, or for one operation of it; None where it does not end in time."""
        command = [str(c) for c in self.command]
        if self.loop:
            command.append(str(max(self.count // divide, 30)))
        began = time.perf_counter()
        try:
            done = subprocess.run([*prefix, *command], cwd=self.cwd, env=env or harness.clean_environment(),
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                  timeout=timeout)
        except subprocess.TimeoutExpired:
            return None
        took = time.perf_counter() - began
        if done.returncode != 0:
            raise SystemExit(f"{self.name}: status {done.returncode}")
        return float(done.stdout) / 1e9 if self.loop else took


def loop(name, what, depth, count, bound):
    return Row(name, [harness.build(HERE / "loops.c", flags=["-O2", "-pthread"]), what, depth], bound, True, count, depth)


def git_repository(folder, commits):
    """A repository of many commits, made in one go: 200 files in 10 folders, three of them changed by each commit."""
    versions = {}
    stream = []

    def write(number):
        version = versions[number] = versions.get(number, 0) + 1
        text = "".join(f"line {i} of file {number}, as of change {version if i % 20 == version % 20 else i}\n"
                       for i in range(60))
        stream.append(f"M 100644 inline dir{number % 10}/file{number}\ndata {len(text)}\n{text}\n")

    for i in range(commits):
        message = f"commit {i}"
        stream.append(f"commit refs/heads/main\ncommitter A <a@b> {1500000000 + i} +0000\ndata {len(message)}\n"
                      f"{message}\n")
        for number in range(200) if i == 0 else [(i * step) % 200 for step in (7, 31, 113)]:
            write(number)
    subprocess.run(["git", "init", "-q", "-b", "main", folder], check=True)
    subprocess.run(["git", "fast-import", "--quiet"], cwd=folder, input="".join(stream).encode(), check=True)
    return folder


def files_to_read(folder, count):
    folder.mkdir()
    for i in range(count):
        (folder / str(i)).write_text("some text\n")
    return folder


def rows(scratch, quick):
    scale = 10 if quick else 1
    commits, files = (2000, 20000)
    read_all = "import os,sys\nfor name in os.listdir(sys.argv[1]):\n with open(sys.argv[1]+'/'+name) as f: f.read()"
    return [
        loop("open + close, 5 calls deep", "open_close", 5, 300000 // scale, 1.5),
        loop("open + close, 20 calls deep", "open_close", 20, 300000 // scale, 1.5),
        Row("python3: os.open + os.close, 20 calls deep", ["/usr/bin/python3", HERE / "python_loop.py", 20], 1.25, True,
            300000 // scale, 20),
        loop("open + close, 60 calls deep", "open_close", 60, 300000 // scale, 1.6),
        loop("open + close, 20 deep, two threads", "two_threads", 20, 200000 // scale, None),
        loop("dup + close, 20 calls deep", "dup_close", 20, 600000 // scale, 2.5),
        loop("socketpair + 2 closes, 20 deep", "socketpair", 20, 100000 // scale, 1.25),
        loop("fopen + fclose, 20 deep", "fopen_fclose", 20, 200000 // scale, 1.5),
        loop("accept4 on loopback + closes, 20 deep", "accept_close", 20, 30000 // scale, 1.25),
        loop("recvmsg with SCM_RIGHTS + close, 20 deep", "receive_close", 20, 150000 // scale, 1.6),
        loop("recvmsg without, 20 deep", "send_receive", 20, 300000 // scale, 1.1),
        loop("epoll_ctl add + delete, 20 deep", "epoll", 20, 300000 // scale, 1.5),
        loop("write + read of a byte, 20 deep", "write_read", 20, 900000 // scale, 1.03),
        loop("the same in a process that has forked", "write_read_forked", 20, 900000 // scale, 1.2),
        loop("posix_spawn of /bin/true + wait", "spawn_wait", 5, 3000 // scale, 1.3),
        loop("fork + exit + wait", "fork_wait", 5, 6000 // scale, 1.15),
        Row("/bin/true from a shell loop", ["/bin/sh", "-c", f"i=0; while [ $i -lt {600 // min(scale, 3)} ]; do "
                                            "/bin/true; i=$((i+1)); done"], 1.3),
        Row("git log --stat, 2,000 commits", ["git", "-c", "core.pager=cat", "log", "--stat"], 1.05,
            cwd=git_repository(scratch / "repository", commits)),
        Row("python3 reading 20,000 files", [harness.PYTHON, "-c", read_all, files_to_read(scratch / "files", files)],
            1.15),
    ]


def with_shim(trace):
    return harness.clean_environment(LD_PRELOAD=harness.SHIM, FDAUDIT_OPTIONS=f"trace={trace}")


def measure(row, pairs, scratch):
    """Medians of both and of the pairs' ratios; the order within a pair changes."""
    bare, audited = [], []
    for i in range(pairs):
        trace = scratch / "trace"
        trace.mkdir()
        steps = [lambda: bare.append(row.once()), lambda t=trace: audited.append(row.once(env=with_shim(t)))]
        for step in steps if i % 2 == 0 else reversed(steps):
            step()
        shutil.rmtree(trace)
    ratios = [b / a for a, b in zip(bare, audited)]
    return statistics.median(bare), statistics.median(audited), statistics.median(ratios)


def both_stacks_recorded(row, scratch):
    """Complaints unless the report shows both the opening and the closing stack of the loop, as deep as the row says."""
    trace = scratch / "check"
    trace.mkdir()
    command = [str(c) for c in row.command] + ["300", "twice"]
    subprocess.run(command, env=with_shim(trace), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    report = harness.report_of(trace, scratch).report
    dump = subprocess.run([harness.FDAUDIT, "dump", trace], capture_output=True, text=True,
                          env=harness.clean_environment()).stdout
    shutil.rmtree(trace)
    events = [json.loads(line) for line in dump.splitlines()]
    unseen = [e for e in events if e.get("call") in ("open", "close", "dup", "socketpair", "fopen", "fclose")
              and not e.get("stack")]
    complaints = [f"{row.name}: {len(unseen)} of {len(events)} events without a stack"] if unseen else []
    twice = [f for f in (report or {"findings": []})["findings"] if f["kind"] == "double-close"]
    if not twice:
        return complaints + [f"{row.name}: the double close is not in the report"]
    for role in ("opened", "closed", "closed-again"):
        stacks = [report["stacks"][e["stack"]] for e in twice[0]["events"] if e["role"] == role]
        depth = max([sum(f.get("function") == "path_a" for f in s) for s in stacks] or [0])
        if depth != row.depth:
            complaints.append(f"{row.name}: the {role} stack has {depth} of {row.depth} frames")
    return complaints


def trace_blocks(folder):
    return sum(p.stat().st_blocks * 512 for p in folder.rglob("*") if p.is_file())


def trace_sizes(scratch):
    """Bytes on disk after a thousand and after a million balanced pairs, with the journal and without."""
    program = harness.build(HERE / "loops.c", flags=["-O2", "-pthread"])
    sizes = {}
    for journal in ("16M", "0"):
        for count in (1000, 1000000):
            trace = scratch / f"size-{journal}-{count}"
            trace.mkdir()
            env = harness.clean_environment(LD_PRELOAD=harness.SHIM, FDAUDIT_OPTIONS=f"trace={trace}:journal={journal}")
            subprocess.run([program, "open_close", "5", str(count), "twice"], env=env, check=True, stdout=subprocess.DEVNULL)
            sizes[journal, count] = trace_blocks(trace)
            if (journal, count) != ("16M", 1000000):
                shutil.rmtree(trace)
    return sizes, scratch / "size-16M-1000000"


def cost_of(*arguments):
    """Seconds, megabytes and status of a run of the analyzer."""
    process = subprocess.Popen([harness.FDAUDIT, *arguments], env=harness.clean_environment(),
                               stdout=subprocess.DEVNULL)
    began = time.perf_counter()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    return time.perf_counter() - began, usage.ru_maxrss / 1024, status


def times(ratio):
    return "—" if ratio is None else f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


def duration(seconds):
    return f"{seconds * 1e9:.0f} ns" if seconds < 1e-5 else f"{seconds * 1e6:.0f} µs" if seconds < 1e-2 else \
        f"{seconds * 1e3:.0f} ms"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--no-others", action="store_true", help="leave Valgrind and strace out")
    parser.add_argument("--pairs", type=int, default=None)
    parser.add_argument("only", nargs="?", default="")
    options = parser.parse_args()
    pairs = options.pairs or (7 if options.quick else 11)
    complaints = []
    with harness.Folder("bench") as disk:
        scratch = MEMORY / f"fdaudit-bench-{os.getpid()}" if MEMORY else disk / "scratch"
        scratch.mkdir()
        try:
            bench(options, pairs, scratch, disk, complaints)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    print("\n".join(["", *(f"NOT KEPT: {c}" for c in complaints)] if complaints else ["", "every bound kept"]))
    return 1 if complaints else 0


def bench(options, pairs, scratch, disk, complaints):
    print(f"{os.cpu_count()} processors, Linux {os.uname().release}, median of {pairs} alternating pairs\n")
    print("| job | without | with fdaudit | ratio | bound | Valgrind --track-fds | strace -f | strace -f -k |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
    ratio_at = {}
    for row in rows(disk, options.quick):
        if options.only not in row.name:
            continue
        if row.loop and row.name.startswith("open + close") and "two" not in row.name:
            complaints += both_stacks_recorded(row, scratch)
        bare, audited, ratio = measure(row, pairs, scratch)
        ratio_at[row.name] = ratio
        bound = row.bound
        if "two threads" in row.name:  # no worse than one thread at the same depth, but for the noise of measuring
            bound = ratio_at.get("open + close, 20 calls deep", ratio) * 1.05
        others = []
        for prefix, patience in ((VALGRIND, 120), (STRACE, 120), ([*STRACE[:2], "-k", *STRACE[2:]], 60)):
            if options.no_others or not shutil.which(prefix[0]):
                others.append(None)
                continue
            took = row.once(prefix=prefix, divide=100 if "-k" in prefix else 10, timeout=patience // (4 if options.quick else 1))
            others.append(took and took / bare)
        print(f"| {row.name} | {duration(bare)} | {duration(audited)} | **{times(ratio)}** | {times(bound)} | "
              f"{' | '.join(times(o) for o in others)} |", flush=True)
        if ratio > bound:
            complaints.append(f"{row.name}: {ratio:.3f}, bound {bound:.3f}")
    if options.only:
        return
    sizes, full = trace_sizes(scratch)
    print("\n| trace on disk after | a thousand pairs | a million pairs |\n| --- | ---: | ---: |")
    for journal in ("16M", "0"):
        print(f"| journal={journal} | {sizes[journal, 1000] >> 10} KiB | {sizes[journal, 1000000] >> 10} KiB |")
    if sizes["0", 1000000] > sizes["0", 1000]:
        complaints.append(f"a million pairs take more room than a thousand: {sizes}")
    if sizes["16M", 1000000] > sizes["16M", 1000] + (17 << 20):
        complaints.append(f"more than the journal's room: {sizes}")
    print("\n| a full 16 MiB journal, debug information to read | time | memory |\n| --- | ---: | ---: |")
    for name, arguments in (("report", ("report", "-f", "json", full)), ("dump", ("dump", full))):
        seconds, megabytes, status = cost_of(*arguments)
        print(f"| {name} | {seconds:.2f} s | {megabytes:.0f} MB |")
        if name == "report" and (seconds > 2 or megabytes > 300) or status:
            complaints.append(f"the {name} on a full journal: {seconds:.2f} s, {megabytes:.0f} MB, status {status}")


if __name__ == "__main__":
    sys.exit(main())
