"""Which functions of this machine's libc take a descriptor, a stream or a directory stream, by the prototypes in its headers.

A name that no header declares counts where it is another name of one that does (`__read_chk`, `_IO_fread`, `fstat64`).
"""

import os
import pathlib
import re
import subprocess
import tempfile

INCLUDES = [pathlib.Path("/usr/include"), *sorted(pathlib.Path("/usr/include").glob("*-linux-gnu"))]
FOLDERS = ("", "sys", "net", "netinet", "arpa", "rpc")
NOT_ALONE = {"regexp.h"}  # includes that are errors by themselves
A_STREAM = re.compile(r"\b(FILE|DIR|__FILE)\s*\*")
A_REQUEST = re.compile(r"\b(aiocb(64)?|posix_spawn_file_actions_t)\b.*\*")
# A whole number whose name says what it is. Prototypes in glibc's headers name their parameters.
A_NUMBER = re.compile(r"\b(?:int|mqd_t|__mqd_t)\s+_*(?:\w*fd\w*|fil(?:e)?des|mqdes|s|sd|sock\w*|socket)\b(?!\s*\[)")
# What they add to a list is no descriptor.
NOT_MEANT = {"posix_spawn_file_actions_init", "posix_spawn_file_actions_destroy", "posix_spawn_file_actions_addchdir_np"}


def headers():
    """glibc's own, by their licence's first line."""
    found = {}
    for include in INCLUDES:
        for folder in FOLDERS:
            for path in sorted((include / folder).glob("*.h")):
                name = f"{folder}/{path.name}" if folder else path.name
                if name not in NOT_ALONE and "GNU C Library" in path.read_text(errors="replace")[:4000]:
                    found[name] = path
    return list(found)


def declarations():
    """Parameters of every function that the headers declare, as text, by its name."""
    text = "#define _GNU_SOURCE 1\n#define _LARGEFILE64_SOURCE 1\n" + "".join(f"#include <{name}>\n" for name in headers())
    with tempfile.NamedTemporaryFile("w", suffix=".c") as source:
        source.write(text)
        source.flush()
        command = [os.environ.get("CC", "cc"), "-E", "-P", "-O2", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2", "-w", source.name]
        text = subprocess.run(command, capture_output=True, text=True).stdout
    nested = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
    text = re.sub(rf"__attribute__\s*{nested}|__asm__\s*{nested}", "", text)
    parameters = r"\(((?:[^();{}]|\([^()]*\))*)\)"
    found = {}
    for name, given in re.findall(rf"\b(\w+)\s*{parameters}\s*;", text):
        found.setdefault(name, given)
    return found


def exported():
    """Functions of libc.so.6 that programs can be linked with."""
    path = re.search(r"=> (/\S*libc\.so\.6)", subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True).stdout)[1]
    lines = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True, check=True).stdout
    fields = [line.split() for line in lines.splitlines()]
    return {f[2].split("@")[0] for f in fields if f[1] in "TtWwi" and "GLIBC_PRIVATE" not in f[2]}


def takes_one(given):
    return bool(A_STREAM.search(given) or A_REQUEST.search(given) or A_NUMBER.search(given))


def base(name):
    """The name that a header would have."""
    return re.sub(r"^(__libc_|_IO_|__)", "", re.sub(r"(_chk|_2)$", "", name))


def takers():
    declared = declarations()
    if "read" not in declared or not takes_one(declared["read"]):
        raise RuntimeError(f"the headers were not understood: {len(declared)} functions, read{declared.get('read')}")
    found = set()
    for name in exported():
        given = declared.get(name)
        if given is None:
            given = declared.get(base(name), declared.get(base(name) + "64", ""))
        if takes_one(given):
            found.add(name)
    return found - NOT_MEANT
