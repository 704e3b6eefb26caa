"""Writes generated programs down: C or C++ (two source files, of which the second may become a library), and Python."""

import textwrap

from generator import RESUME

COMMON = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <unistd.h>

struct lane { sem_t go, done; void (*function)(void); pthread_t thread; };
extern struct lane lane_a, lane_b;
int os_open(const char*, int);
int os_close(int);
int sys_close(int);
"""

MAIN = r"""
struct lane lane_a, lane_b;
int os_open(const char* path, int flags) { int fd = open(path, flags); __asm__ volatile("" ::: "memory"); return fd; }
int os_close(int fd) { int result = close(fd); __asm__ volatile("" ::: "memory"); return result; }
__attribute__((noinline)) static int inner_close(int fd) { int result = os_close(fd); __asm__ volatile("" ::: "memory"); return result; }
int sys_close(int fd) { int result = inner_close(fd); __asm__ volatile("" ::: "memory"); return result; }

static void* thread_a(void* unused) {
  for (;;) {
    sem_wait(&lane_a.go);
    if (!lane_a.function) return unused;
    lane_a.function();
    sem_post(&lane_a.done);
  }
}
static void* thread_b(void* unused) {
  for (;;) {
    sem_wait(&lane_b.go);
    if (!lane_b.function) return unused;
    lane_b.function();
    sem_post(&lane_b.done);
  }
}
static void start(struct lane* lane, void* (*entry)(void*)) {
  sem_init(&lane->go, 0, 0);
  sem_init(&lane->done, 0, 0);
  pthread_create(&lane->thread, 0, entry, 0);
}
static void go_on(struct lane* lane) { sem_post(&lane->go); sem_wait(&lane->done); }
static void post(struct lane* lane, void (*function)(void)) { lane->function = function; go_on(lane); }
static void finish(struct lane* lane) { lane->function = 0; sem_post(&lane->go); pthread_join(lane->thread, 0); }
__attribute__((noinline)) static void dispatch(void (*function)(void)) { function(); __asm__ volatile("" ::: "memory"); }
"""


def c_statement(program, statement, call):
    kind, *names = statement
    v = [f"{name}_{program.number}" for name in names]
    return {
        "open": lambda: f'{v[0]} = {program.open_by}("/dev/null", O_RDWR | O_CLOEXEC);',
        "close": lambda: f"{program.close_by}({v[0]});",
        "close-once": lambda: f"if ({v[0]} >= 0) {program.close_by}({v[0]});",
        "write": lambda: f'(void)!write({v[0]}, "x", 1);',
        "forget": lambda: f"{v[0]} = -1;",
        "copy": lambda: f"dup2({v[0]}, {v[1]});",
        "call": lambda: call(names[0]) + "();",
        "yield": lambda: "sem_post(&lane_a.done); sem_wait(&lane_a.go);",
    }[kind]()


class CWriter:
    """Two sources and what they share. `classes`: C++, each party a class."""

    def __init__(self, programs, classes):
        self.classes = classes
        self.header, self.parts, self.main = [COMMON], [], [MAIN]
        for program in programs:
            self.add(program)
        cases = "\n".join(f"    case {p.number}: app_{p.number}(); break;" for p in programs)
        self.main.append(f"int main(int argc, char** argv) {{\n  switch (argc > 1 ? atoi(argv[1]) : -1) {{\n{cases}\n  }}\n  return 0;\n}}\n")

    def owner(self, program, function):
        return f"{program.class_names.get(function.party, function.party)}" if self.classes else ""

    def add(self, program):
        names = {f.name: (f"{self.owner(program, f)}::{f.name}" if self.classes else f.name) for f in program.functions}
        call = names.__getitem__
        for variable in sorted(program.variables):
            self.header.append(f"extern int {variable}_{program.number};")
            self.main.append(f"int {variable}_{program.number} = -1;")
        parties = {}
        for function in program.functions:
            parties.setdefault(self.owner(program, function), []).append(function)
        for owner, functions in parties.items():
            declared = " ".join(f"static void {f.name}(void);" for f in functions) if owner else \
                       " ".join(f"void {f.name}(void);" for f in functions)
            self.header.append(f"struct {owner} {{ {declared} }};" if owner else declared)
        for function in program.functions:
            body = "\n  ".join(c_statement(program, s, call) for s in function.body)
            # No tail calls, and no two equal functions that become one: what they leave out nobody can see.
            keep = f'__asm__ volatile("/* {function.name} */" ::: "memory");'
            inline = "__attribute__((noinline)) " if program.number % 2 else ""
            text = f"{inline}void {names[function.name]}(void) {{\n  {body}\n  {keep}\n}}\n"
            (self.parts if function.elsewhere else self.main).append(text)
        self.main.append(self.app(program, call))

    def app(self, program, call):
        threads = {thread for thread, _ in program.steps}
        lanes = threads if program.driver == "threads" else threads - {"a"}
        lines = [f"start(&lane_{t}, thread_{t});" for t in sorted(lanes)]
        for thread, name in program.steps:
            if thread in lanes:
                lines.append(f"go_on(&lane_{thread});" if name == RESUME else f"post(&lane_{thread}, {call(name)});")
            else:
                lines.append(f"dispatch({call(name)});" if program.driver == "dispatch" else f"{call(name)}();")
        lines += [f"finish(&lane_{t});" for t in sorted(lanes)]
        return f"static void app_{program.number}(void) {{\n  " + "\n  ".join(lines) + "\n}\n"

    def write(self, folder, name):
        suffix = "cc" if self.classes else "c"
        (folder / f"{name}.h").write_text("\n".join(self.header))
        for part, text in (("parts", self.parts), ("main", self.main)):
            (folder / f"{name}_{part}.{suffix}").write_text(f'#include "{name}.h"\n' + "\n".join(text))
        return folder / f"{name}_main.{suffix}", folder / f"{name}_parts.{suffix}"


PYTHON = '''
import contextlib
import os
import sys
import threading


class Lane:
    def __init__(self):
        self.go, self.done = threading.Semaphore(0), threading.Semaphore(0)
        self.function = None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            self.go.acquire()
            if self.function is None:
                return
            self.function()
            self.done.release()

    def go_on(self):
        self.go.release()
        self.done.acquire()

    def post(self, function):
        self.function = function
        self.go_on()

    def pause(self):
        self.done.release()
        self.go.acquire()

    def finish(self):
        self.function = None
        self.go.release()
        self.thread.join()


def os_open(path, flags):
    return os.open(path, flags)


def os_close(number):
    os.close(number)


def sys_close(number):
    os_close(number)


def dispatch(function):
    function()


lanes = {}
'''


def python_statement(program, statement, call):
    kind, *names = statement
    v = [f"numbers_{program.number}[{name!r}]" for name in names]
    opener = "os_open" if program.open_by == "os_open" else "os.open"
    closer = "os.close" if program.close_by == "close" else program.close_by
    tolerant = "with contextlib.suppress(OSError): "
    return {
        "open": lambda: f'{v[0]} = {opener}("/dev/null", os.O_RDWR)',
        "close": lambda: f"{tolerant}{closer}({v[0]})",
        "close-once": lambda: f"{v[0]} >= 0 and {closer}({v[0]})",
        "write": lambda: f'{tolerant}os.write({v[0]}, b"x")',
        "forget": lambda: f"{v[0]} = -1",
        "copy": lambda: f"os.dup2({v[0]}, {v[1]})",
        "call": lambda: call(names[0]) + "()",
        "yield": lambda: "lanes['a'].pause()",
    }[kind]()


def write_python(programs, path):
    text = [PYTHON]
    for program in programs:
        names = {f.name: f"{program.class_names.get(f.party, f.party)}.{f.name}" for f in program.functions}
        call = names.__getitem__
        text.append(f"numbers_{program.number} = dict.fromkeys({sorted(program.variables)!r}, -1)\n")
        parties = {}
        for function in program.functions:
            parties.setdefault(program.class_names.get(function.party, function.party), []).append(function)
        for owner, functions in parties.items():
            text.append(f"class {owner}:")
            for function in functions:
                body = "\n".join(python_statement(program, s, call) for s in function.body)
                text.append(textwrap.indent(f"@staticmethod\ndef {function.name}():\n{textwrap.indent(body, '    ')}\n", "    "))
        threads = {thread for thread, _ in program.steps}
        used = threads if program.driver == "threads" else threads - {"a"}
        lines = [f"lanes[{t!r}] = Lane()" for t in sorted(used)]
        for thread, name in program.steps:
            if thread in used:
                lines.append(f"lanes[{thread!r}].go_on()" if name == RESUME else f"lanes[{thread!r}].post({call(name)})")
            else:
                lines.append(f"dispatch({call(name)})" if program.driver == "dispatch" else f"{call(name)}()")
        lines += [f"lanes[{t!r}].finish()" for t in sorted(used)]
        text.append(f"def app_{program.number}():\n" + textwrap.indent("\n".join(lines), "    ") + "\n")
    text.append("globals()[f'app_{sys.argv[1]}']()\n")
    path.write_text("\n".join(text))
