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

# From the top downwards: layer, and the files in it, as patterns over the path. The first that fits counts.
SHIM = [
    ("families", [r"shim/families/", r"shim/startup\."]),
    ("events", [r"shim/events\.", r"shim/clone\.", r"shim/daemon\.", r"shim/exec_\w+\.", r"shim/uses\.", r"shim/kept\.", r"shim/message\.", r"shim/quarantine\.", r"shim/report_now\."]),
    ("ledger, recorder, stacks, processes",
     [r"shim/(ledger\w*|table|recorder|stack\w*|process\w*|findings|journal|slot_mirror|close_counts|context|pipe_watch|modules?|module_map|descriptor_\w+|"
      r"python/\w+|surroundings|reconcile|resting|session)\."]),
    ("unwind rules", [r"shim/(cfi_\w+|unwind_\w+|libunwind_rules|objects|dwarf_\w+|byte_reader|rule_cache)\."]),
    ("ground", [r"shim/"]),
    ("format", [r"shim/trace/"]),
]
SHIM = [SHIM[-1]] + SHIM[:-1]  # the format's pattern is the narrowest, so it is tried first

ANALYZER = [
    ("commands", [r"analyzer/commands/", r"analyzer/main\."]),
    ("viewer", [r"analyzer/viewer/"]),
    ("output", [r"analyzer/output/"]),
    ("gate", [r"analyzer/gate/"]),
    ("detect", [r"analyzer/detect/"]),
    ("model", [r"analyzer/model/"]),
    ("symbols, target", [r"analyzer/symbols/", r"analyzer/target/"]),
    ("trace", [r"analyzer/trace/"]),
    ("ground", [r"analyzer/"]),
]
SHIM_ORDER = ["families", "events", "ledger, recorder, stacks, processes", "unwind rules", "ground", "format"]
ANALYZER_ORDER = [name for name, _ in ANALYZER]

# Headers of a library, and the only files that may include them (tests apart where noted).
CONFINED = [
    (r"libunwind.*\.h", r"^shim/libunwind_rules\.cc$|^analyzer/target/\w+\.cc$", "libunwind: one file in each half"),
    (r"nlohmann/", r"^analyzer/(output|viewer)/", "nlohmann JSON: the output, and tests"),
    (r"elfutils/|dwarf\.h", r"^analyzer/symbols/debug_info\.cc$", "libdw: one file"),
    (r"toml\+\+/", r"^analyzer/commands/configuration\.cc$", "toml++: one file"),
    (r"CLI/", r"^analyzer/(commands/|main\.cc)", "CLI11: the commands"),
]
# The shim is freestanding C++: these bring code that allocates, throws or locks.
NOT_IN_SHIM = re.compile(r"^(string|vector|map|unordered_map|memory|functional|iostream|sstream|fstream|thread|mutex|"
                         r"format|filesystem|regex|optional|variant|deque|list|set|future|shared_mutex)$")


def layer_of(path, layers):
    for name, patterns in layers:
        if any(re.match(pattern, path) for pattern in patterns):
            return name
    return None


def check(path):
    text = (ROOT / path).read_text(encoding="utf-8")
    half, layers, order = None, None, None
    if path.startswith("shim/"):
        half, layers, order = "shim", SHIM, SHIM_ORDER
    elif path.startswith("analyzer/"):
        half, layers, order = "analyzer", ANALYZER, ANALYZER_ORDER
    complaints = []
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
            if name != "shim/trace/format.h":
                complaints.append(f"{path}: of the shim the analyzer may know shim/trace/format.h alone, not {name}")
        elif half == "shim" and not name.startswith("shim/"):
            complaints.append(f"{path}: the shim may include nothing of {name}")
        else:
            mine, theirs = layer_of(path, layers), layer_of(name, layers)
            if order.index(theirs) < order.index(mine):
                complaints.append(f"{path}: ({mine}) includes {name} ({theirs}), which lies above it")
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
