#!/usr/bin/env python3
"""The include rules: who may know whom.

Each half is a stack of layers; a file includes its own layer and those below. Some libraries are known to one file
only. docs/architecture.md draws the layers; this file enforces them.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)

# From the top downwards: the folders of each half. A file includes its own folder and those below it; what lies in a half's
# root (startup.cc, main.cc) stands above them all. "a, b": side by side, and they may include each other. "a/b": a folder in
# a that stands below it.
SHIM = ["families", "events", "ledger", "stack", "runtimes", "process", "trace", "interpose", "arch", "base"]
ANALYZER = ["commands", "viewer", "output", "gate", "detect", "detect/judge", "model", "symbols, target", "trace"]
# Public: headers that any layer of both halves may include, since they include nothing themselves.
TRACE_FORMAT = {"shim/trace/format.h", "shim/trace/layout.h", "shim/trace/pointer.h", "shim/base/settings.h"}
GROUND = {"shim/fdaudit.h", "analyzer/version.h"} | TRACE_FORMAT

# Headers of a library, and the only files that may include them (tests apart where noted).
CONFINED = [
    (r"libunwind.*\.h", r"^shim/stack/libunwind_rules\.cc$|^analyzer/target/\w+\.cc$", "libunwind: one file in each half"),
    (r"nlohmann/", r"^analyzer/output/json/reader\.cc$", "nlohmann JSON: one file, and tests"),
    (r"elfutils/|dwarf\.h", r"^analyzer/symbols/debug_info\.cc$", "libdw: one file"),
    (r"toml\+\+/", r"^analyzer/commands/configuration\.cc$", "toml++: one file"),
    (r"CLI/", r"^analyzer/commands/options\.cc$", "CLI11: one file"),
]
# The shim is freestanding C++: these bring code that allocates, throws or locks.
NOT_IN_SHIM = re.compile(r"^(string|vector|map|unordered_map|memory|functional|iostream|sstream|fstream|thread|mutex|"
                         r"format|filesystem|regex|optional|variant|deque|list|set|future|shared_mutex)$")


def layer_of(path, folders):
    """The height of a path of one half, counted from the top: 0 = the half's root. None: in no folder of the table."""
    parts = path.split("/")
    if len(parts) == 2:
        return 0
    heights = {name: height for height, names in enumerate(folders, start=1) for name in names.split(", ")}
    return heights.get("/".join(parts[1:3]), heights.get(parts[1]))


def check(path):
    text = (ROOT / path).read_text(encoding="utf-8")
    half = path.split("/")[0] if path.startswith(("shim/", "analyzer/")) else None
    folders = {"shim": SHIM, "analyzer": ANALYZER}.get(half)
    complaints = []
    if half and layer_of(path, folders) is None:
        return [f"{path}: its folder has no place in the table of folders (tests/lint/includes.py)"]
    for style, name in INCLUDE.findall(text):
        for header, allowed, rule in CONFINED:
            if re.match(header, name) and half and not re.match(allowed, path):
                complaints.append(f"{path}: includes <{name}> ({rule})")
        if half == "shim" and style == "<" and NOT_IN_SHIM.match(name):
            complaints.append(f"{path}: includes <{name}>, which has no place in other people's processes")
        if style == "<" or half is None:
            continue
        if not (ROOT / name).exists():
            complaints.append(f"{path}: includes \"{name}\", which is no path from the root")
        elif half == "analyzer" and name.startswith("shim/"):
            if name not in TRACE_FORMAT:
                complaints.append(f"{path}: of the shim the analyzer may know {', '.join(sorted(TRACE_FORMAT))}, not {name}")
        elif half == "shim" and not name.startswith("shim/"):
            complaints.append(f"{path}: the shim may include nothing of {name}")
        else:
            mine, theirs = layer_of(path, folders), layer_of(name, folders)
            if name not in GROUND and theirs is not None and theirs < mine:
                complaints.append(f"{path}: includes {name}, which lies above it")
    if path.endswith(".h") and "#pragma once" not in text:
        complaints.append(f"{path}: no #pragma once")
    return complaints


def confined_to_one_file():
    """Within what CONFINED allows, libunwind stays in one file of each half."""
    complaints = []
    for half in ("shim", "analyzer"):
        users = [str(p.relative_to(ROOT)) for p in sorted((ROOT / half).rglob("*"))
                 if p.suffix in (".cc", ".h") and re.search(r'#\s*include\s+[<"]libunwind', p.read_text())]
        if len(users) > 1:
            complaints.append(f"libunwind is known to more than one file: {', '.join(users)}")
    return complaints


def main():
    files = [str(p.relative_to(ROOT)) for folder in ("shim", "analyzer", "tests")
             for p in sorted((ROOT / folder).rglob("*")) if p.suffix in (".cc", ".h", ".S")]
    complaints = [c for path in files for c in check(path)] + confined_to_one_file()
    print("\n".join(complaints) if complaints else f"include rules: {len(files)} files, all well")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
