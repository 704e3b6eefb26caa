#!/usr/bin/env python3
"""docs/interposers.md, what the shim intercepts, and docs/uses.md, what is reported of a closed number: both read from the
table of calls in libfdaudit.so itself.

    page.py          prints the pages
    page.py --write  writes them (`make docs`)

Since when glibc has a function is read from the symbol versions of the libc that runs here. What this libc does not
know keeps what the page says already.
"""

import pathlib
import platform
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import harness  # noqa: E402

PAGE = harness.ROOT / "docs" / "interposers.md"
USES_PAGE = harness.ROOT / "docs" / "uses.md"
NO_FAMILY = "(none)"  # of a row for what is not intercepted (shim/families/means.h)
CHECKED = re.compile(r"; a finding where (the|a) number was closed$")
FIRST_VERSION = {"x86_64": "2.2.5", "aarch64": "2.17"}  # what is as old as glibc on this machine
HEAD = """# What the shim intercepts

<!-- Generated from the table of calls by `make docs`; the test suite `interposers` compares. -->

One definition in `shim/families/` makes the row below, the real function's pointer and the exported symbol
(`shim/interpose/interpose.h`). "Since" is the first glibc release that exports the name on x86-64, "always" where that is the
first one for the architecture. A function that the running libc lacks fails with ENOSYS when the program calls it, and
costs nothing otherwise.
"""


def readelf(option):
    return subprocess.run(["readelf", "-W", option, harness.SHIM], capture_output=True, text=True,
                          check=True).stdout.splitlines()


def rows():
    """(name, what it does, family) of each intercepted function: strings that the section holds one after the other,
    with zeros between."""
    place = next(re.search(r"fdaudit_means\s+PROGBITS\s+\w+ (\w+) (\w+)", line).groups()
                 for line in readelf("-S") if "fdaudit_means" in line)
    offset, size = (int(number, 16) for number in place)
    texts = [text.decode() for text in pathlib.Path(harness.SHIM).read_bytes()[offset:offset + size].split(b"\0") if text]
    return [tuple(texts[i:i + 3]) for i in range(0, len(texts), 3)]


def libc_versions():
    """The oldest glibc version of each function that the running libc exports."""
    path = re.search(r"=> (/\S*libc\.so\.6)", subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True).stdout)
    lines = subprocess.run(["readelf", "-W", "--dyn-syms", path[1]], capture_output=True, text=True,
                           check=True).stdout.splitlines()
    oldest = {}
    for name, version in re.findall(r"(\w+)@+GLIBC_([\d.]+)", "\n".join(lines)):
        known = oldest.setdefault(name, version)
        oldest[name] = min(known, version, key=lambda v: [int(n) for n in v.split(".")])
    return oldest


def families():
    found = {}
    for name, means, family in rows():
        if family == NO_FAMILY:
            continue
        found.setdefault(pathlib.Path(family).stem, []).append((name, means))
    return found


def page():
    old = PAGE.read_text() if PAGE.exists() else ""
    said = dict(re.findall(r"^\| `(\w+)` \| .* \| ([^|]+) \|$", old, flags=re.M))
    first = FIRST_VERSION.get(platform.machine())
    here = libc_versions() if platform.machine() == "x86_64" else {}
    out = [HEAD]
    for family, functions in sorted(families().items()):
        out.append(f"\n## {family.replace('_', ' ').capitalize()}\n\n| function | what a call does | since glibc |\n"
                   "| --- | --- | --- |\n")
        for name, means in sorted(functions, key=lambda f: (f[0].strip("_").lower(), f[0])):
            own = name.startswith("fdaudit_")
            since = "fdaudit's own" if own else here.get(name) or said.get(name) or "later than 2.36"
            out.append(f"| `{name}` | {means} | {'always' if since == first else since} |\n")
    return "".join(out)


USES_HEAD = """# Uses of a descriptor

<!-- Generated from the table of calls by `make docs`; the test suite `interposers` compares. -->

What a call does with a descriptor that it is given, for every function of libc that takes one, and for what becomes of it
where the number is not open: reported as a [use-after-close](findings.md#use-after-close) if the program had closed it,
and as a [bad-use](findings.md#bad-use) if it was never open. Only a call that fails is looked at, by its errno (EBADF), by
the error that it returns, or by POLLNVAL. A test walks all functions that libc exports and fails for one that takes a descriptor by its prototype and
stands in none of these tables.
"""


def left_out(reason):
    """(names, why) of the rows that begin with this word."""
    return sorted((names, means.removeprefix(reason + ": ")) for names, means, family in rows()
                  if family == NO_FAMILY and means.startswith(reason + ": "))


def uses_page():
    def ticked(names):
        each = names.split(", ")
        is_list = all(re.fullmatch(r"\w+(\(\w+\))?", name) for name in each)
        return ", ".join(f"`{name}`" for name in each) if is_list else names

    checked = sorted(((name, CHECKED.sub("", means)) for name, means, family in rows() if CHECKED.search(means)),
                     key=lambda row: (row[0].strip("_").lower(), row[0]))
    closes = sorted({name for name, means, family in rows() if family != NO_FAMILY and means.startswith("closes")})
    out = [USES_HEAD, "\n## Reported\n\n| function | what a call does |\n| --- | --- |\n"]
    out += [f"| `{name}` | {means} |\n" for name, means in checked]
    out += ["\n`syscall` counts for the numbers of all these calls.\n\n## Closes\n\nA close of a number that is not open is a "
            "[double-close](findings.md#double-close) or a [bad-close](findings.md#bad-close), by any of\n",
            ", ".join(f"`{name}`" for name in closes), ".\n\n## Left out: it only asks\n\n| call | what it asks |\n| --- | --- |\n"]
    out += [f"| {ticked(names)} | {why} |\n" for names, why in left_out("asks")]
    out += ["\n## Left out: nothing to see\n\n| function | why |\n| --- | --- |\n"]
    out += [f"| {ticked(names)} | {why} |\n" for names, why in left_out("nothing")]
    return "".join(out)


def in_table():
    """All functions that have a row, intercepted or not."""
    return {name for names, _, _ in rows() for name in names.split(", ")}


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page())
        USES_PAGE.write_text(uses_page())
    else:
        sys.stdout.write(page() + uses_page())
