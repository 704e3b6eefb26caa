#!/usr/bin/env python3
"""docs/interposers.md: what the shim intercepts, read from the table of calls in libfdaudit.so itself.

    page.py          prints the page
    page.py --write  writes it (`make docs`)

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


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page())
    else:
        sys.stdout.write(page())
