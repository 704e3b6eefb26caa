#!/usr/bin/env python3
"""What the analyzer takes for what is large: seconds and megabytes, against their bounds, as the table in
docs/performance.md. Status 1 where one is broken. The first run compiles a program of 100,000 functions, which takes a while."""

import os
import pathlib
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import harness  # noqa: E402

FINDINGS = 100_000
THREADS = HERE.parent / "standing" / "threads.c"
EACH = 10_000  # findings of one process: its descriptors are limited
FORMATS = ["text", "json", "sarif", "junit", "github", "gitlab", "markdown", "html"]

HEADER = """#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
"""
MANY = """int main(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const int count = (int)(sizeof all / sizeof *all);
  for (int first = 0; first < count; first += %d) {
    if (fork() == 0) {
      for (int i = first; i < count && i < first + %d; ++i) all[i]();
      exit(0);
    }
    wait(0);
  }
  return 0;
}
""" % (EACH, EACH)
FORKS = """int main(int count, char** words) {
  if (count < 3) return 2;
  for (int i = atoi(words[1]); i > 0; --i) open("/etc/passwd", O_RDONLY);
  for (int i = atoi(words[2]); i > 0; --i) {
    if (fork() == 0) {
      close(open("/etc/hostname", O_RDONLY));
      _exit(0);
    }
    wait(0);
  }
  return 0;
}
"""
EVENTS = """int main(int count, char** words) {
  for (long i = count > 1 ? atol(words[1]) : 0; i > 0; --i) close(open("/dev/null", O_RDONLY));
  return 0;
}
"""


def program(name, body, flags=("-O1",)):
    source = harness.BUILD / "tests" / "programs" / f"bounds-{name}.c"
    source.parent.mkdir(parents=True, exist_ok=True)
    if not source.exists() or source.read_text() != HEADER + body:
        source.write_text(HEADER + body)
    return harness.build(source, name=f"bounds-{name}", flags=["-pthread", *flags])


def record(folder, command, options=""):
    trace = folder / "trace"
    harness.run(command, env=harness.clean_environment(LD_PRELOAD=harness.SHIM,
                                                       FDAUDIT_OPTIONS=f"trace={trace}{options}"), timeout=3600)
    return trace


class Table:
    def __init__(self):
        self.broken = False
        print("| what | command | seconds | bound | MB | bound |\n| --- | --- | ---: | ---: | ---: | ---: |")

    def measure(self, what, arguments, seconds, megabytes, shown):
        began = time.monotonic()
        with open(os.devnull, "wb") as nowhere:
            child = subprocess.Popen([harness.FDAUDIT, *map(str, arguments)], stdout=nowhere, stderr=subprocess.PIPE,
                                     env=harness.clean_environment(), cwd="/")
            err = child.stderr.read()
            _, status, usage = os.wait4(child.pid, 0)
        took, size = time.monotonic() - began, usage.ru_maxrss / 1024
        is_broken = status != 0 or (seconds and took > seconds) or (megabytes and size > megabytes)
        self.broken |= bool(is_broken)
        print(f"| {what} | `{shown}` | {took:.1f} | {seconds or ''} | {size:.0f} | {megabytes or ''} |"
              f"{' BROKEN ' + err.decode()[-200:] if is_broken else ''}", flush=True)


def main():
    table = Table()
    with harness.Folder() as folder:
        functions = "".join(f'static int f{i}(void) {{ return open("/dev/null", O_RDONLY); }}\n' for i in range(FINDINGS))
        pointers = f"static int (*const all[])(void) = {{{', '.join(f'f{i}' for i in range(FINDINGS))}}};\n"
        trace = record(folder, [program("many", functions + pointers + MANY, ["-O0", "-g1"])], ":journal=0")
        for name in FORMATS:
            table.measure(f"{FINDINGS:,} findings", ["report", "-f", name, trace], 15, 500, f"report -f {name}")
    with harness.Folder() as folder:
        trace = record(folder, [program("forks", FORKS), "0", "5000"])
        table.measure("5,000 processes", ["view", "-o", "/dev/null", trace], None, 300, "view")
    with harness.Folder() as folder:
        trace = record(folder, [program("forks", FORKS), "1000", "2000"])
        table.measure("2,000 forks with 1,000 descriptors open", ["view", "-o", "/dev/null", trace], None, 300, "view")
    with harness.Folder() as folder:
        trace = record(folder, [program("events", EVENTS), str(14_000_000)], ":journal=1G")
        table.measure("journal=1G, full", ["report", trace], None, 500, "report")
        table.measure("journal=1G, full", ["dump", trace], None, 500, "dump")
        table.measure("journal=1G, full", ["view", "-o", "/dev/null", trace], None, 500, "view")
    with harness.Folder() as folder:
        trace = folder / "trace"
        hung = subprocess.Popen([harness.build(THREADS, flags=["-pthread"])], stdout=subprocess.PIPE,
                                env=harness.clean_environment(LD_PRELOAD=harness.SHIM, FDAUDIT_OPTIONS=f"trace={trace}"))
        try:
            hung.stdout.readline()
            table.measure("1,000 threads that wait", ["report", "--pid", hung.pid, trace], 2, 500, "report --pid")
        finally:
            hung.send_signal(signal.SIGKILL)
            hung.wait()
    return 1 if table.broken else 0


if __name__ == "__main__":
    sys.exit(main())
