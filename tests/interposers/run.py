#!/usr/bin/env python3
"""Every intercepted function: it behaves as without the shim, and it is recorded under its name, from its caller.

The functions are those that build/libfdaudit.so exports, and each must have its line in calls.c. A line named
FUNCTION:VARIANT is one of several for FUNCTION.
"""

import functools
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import harness  # noqa: E402
import page  # noqa: E402
import prototypes  # noqa: E402

# They change no descriptor, so the journal has no event that would name them.
UNRECORDED = {"dlopen", "dlclose", "dlsym", "dlvsym", "setenv", "putenv", "unsetenv", "clearenv", "prctl", "mlockall", "_exit", "_Exit", "quick_exit", "syscall:prctl", "syscall:exit",
              "syscall:exit_group",
              "__fdaudit_get_owner", "__fdaudit_leave_open", "__fdaudit_checkpoint", "__fdaudit_report_now", "__fdaudit_error_level",
              "android_fdsan_get_owner_tag", "android_fdsan_create_owner_tag", "android_fdsan_get_tag_type", "android_fdsan_get_tag_value",
              "android_fdsan_get_error_level", "android_fdsan_set_error_level", "android_fdsan_set_error_level_from_property"}
# What the shim brings itself (shim/fdaudit.h) is recorded under the header's name.
TOLD_AS = {"__fdaudit_close_with_owner": "fdaudit_close_with_owner", "__fdaudit_exchange_owner": "fdaudit_exchange_owner",
           "android_fdsan_close_with_tag": "fdaudit_close_with_owner", "android_fdsan_exchange_owner_tag": "fdaudit_exchange_owner"}
# Asked by the AddressSanitizer runtime at its start; no call of the program's.
NOT_FUNCTIONS = {"__asan_default_options"}


def exported():
    lines = subprocess.run(["nm", "-D", "--defined-only", harness.SHIM], capture_output=True, text=True,
                           check=True).stdout.splitlines()
    return {line.split()[2].split("@")[0] for line in lines if line.split()[1] in "TtWwi"} - NOT_FUNCTIONS


def function_of(line):
    return line.split(":")[0]


def each_exported_function_has_its_line(listed):
    names = exported()
    listed = {function_of(line) for line in listed}
    return [f"exported, and no line in calls.c: {name}" for name in sorted(names - listed)] + \
           [f"in calls.c, and not exported: {name}" for name in sorted(listed - names)]


def behaves(program, name, which):
    """Result, errno and open numbers are the same with the shim and without."""
    with harness.Folder(name) as bare, harness.Folder(name) as audited, harness.Folder(name) as trace:
        command = [program, name, which]
        expected = harness.run(command, cwd=bare, env=harness.clean_environment())
        if expected.status == 77:
            return []
        got = harness.preload(command, trace, cwd=audited)
        complaints = [] if (got.status, got.out, got.err) == (expected.status, expected.out, expected.err) else [
            f"without the shim: {expected.status} {expected.out}{expected.err}",
            f"with the shim:    {got.status} {got.out}{got.err}"]
        if which == "ok" and not complaints and expected.out.startswith("-1 "):
            raise harness.Skip(f"not possible here: {expected.out.strip()}")
        if which == "ok":
            complaints += recorded(trace, program, name)
        return complaints


class Symbols:
    """Which function of the program holds an offset."""

    def __init__(self, program):
        lines = subprocess.run(["nm", "-S", "--defined-only", program], capture_output=True, text=True,
                               check=True).stdout.splitlines()
        fields = [line.split() for line in lines]
        self.extents = [(int(f[0], 16), int(f[1], 16), f[3]) for f in fields if len(f) == 4 and f[2] in "tT"]

    def function(self, return_address):
        for start, size, name in self.extents:
            if start < return_address <= start + size:
                return name
        return None


@functools.lru_cache(maxsize=None)
def symbols_of(program):
    return Symbols(program)


def recorded(trace, program, name):
    """The dump has an event that names the function, with a call path that begins in the program's code and leads
    through the line's own."""
    if name in UNRECORDED:
        return []
    dump = harness.run([harness.FDAUDIT, "dump", "--raw", trace], env=harness.clean_environment())
    events = [json.loads(line) for line in dump.out.splitlines()]
    called = TOLD_AS.get(name, function_of(name))
    named = [event for event in events if event.get("call") == called]
    if not named:
        return [f"no event names {name}, only {sorted({str(event.get('call')) for event in events})} {dump.err}"]
    symbols = symbols_of(program)
    caller = f"{name.replace(':', '_')}_succeeds"
    for event in named:
        frames = event.get("frames") or [{"module": None}]
        functions = [symbols.function(int(f["offset"], 16)) for f in frames if f["module"] == program.name]
        if frames[0]["module"] == program.name and caller in functions:
            return []
    return [f"call path: not from {caller}: {named[0].get('frames')}"]


def the_pages_tell_the_table():
    written = ((page.PAGE, page.page()), (page.USES_PAGE, page.uses_page()))
    return [f"docs/{path.name} is not what `make docs` writes" for path, text in written
            if not path.exists() or path.read_text() != text]


def each_function_that_takes_a_descriptor_has_its_row():
    takers, listed = prototypes.takers(), page.in_table()
    complaints = [f"takes a descriptor, and has no row (shim/families/means.h): {name}" for name in sorted(takers - listed)]
    if len(takers) < 300:
        complaints.append(f"only {len(takers)} functions of libc take a descriptor: the headers were not understood")
    return complaints


def described(program, name, kind):
    """What the call opened is of the right type in the report."""
    with harness.Folder(name) as folder:
        ran = harness.audit([program, name, "ok"], folder)
        if ran.out.startswith("-1 "):
            raise harness.Skip(f"not possible here: {ran.out.strip()}")
        if ran.report is None:
            return [ran.report_problem, ran.err]
        leaks = [f for f in ran.report["findings"] if f["kind"] == "leak" and
                 any(event["call"] == function_of(name) for event in f["events"])]
        if not leaks:
            return [f"no leak that {name} opened; findings: {[f['message'] for f in ran.report['findings']]}"]
        types = {d["type"] for leak in leaks for d in leak["descriptors"]}
        return [] if types == {kind} else [f"type {types}, not {kind}"]


def used(program, name):
    """The failing call, of a number closed before, is reported as its use."""
    with harness.Folder(name) as folder:
        ran = harness.audit([program, name, "fails"], folder)
        if ran.report is None:
            return [ran.report_problem, ran.err]
        reported = [(e["role"], e["call"]) for f in ran.report["findings"] if f["kind"] == "use-after-close"
                for e in f["events"]]
        return [] if ("used", name) in reported else [f"no use-after-close by {name}: {reported}"]


def load():
    suite = harness.Suite("interposers")
    program = harness.build(HERE / "calls.c")
    listed = dict(line.split() for line in
                  subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines())
    suite.add("each_exported_function_has_its_line", each_exported_function_has_its_line, set(listed))
    suite.add("the_pages_tell_the_table", the_pages_tell_the_table)
    suite.add("each_function_that_takes_a_descriptor_has_its_row", each_function_that_takes_a_descriptor_has_its_row)
    for name, kind in listed.items():
        suite.add(f"{name}.ok", behaves, program, name, "ok")
        suite.add(f"{name}.fails", behaves, program, name, "fails")
        if kind == "used":
            UNRECORDED.add(name)
            suite.add(f"{name}.used", used, program, name)
        elif kind != "-":
            suite.add(f"{name}.type", described, program, name, kind)
    return suite


if __name__ == "__main__":
    harness.standard_main(load())
