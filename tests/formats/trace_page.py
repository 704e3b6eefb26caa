"""docs/trace-format.md against a trace: a reader made of the page's own tables finds in the file what `fdaudit` says."""

import json
import mmap
import pathlib
import platform
import re
import struct

import harness

PAGE = harness.ROOT / "docs" / "trace-format.md"
SIZES = {"u8": "B", "u16": "H", "u32": "I", "i32": "i", "u64": "Q", "i64": "q"}


class Layout:
    """Fields one behind the other in the machine's natural alignment."""

    def __init__(self):
        self.fields, self.size, self.alignment = {}, 0, 1

    def add(self, name, code, size, alignment, count=1):
        self.size += -self.size % alignment
        self.fields[name] = (self.size, code, size, count)
        self.size += size * count
        self.alignment = max(self.alignment, alignment)

    def add_typed(self, name, text, count=1):
        if text in SIZES:
            size = struct.calcsize(SIZES[text])
            self.add(name, SIZES[text], size, size, count)
        elif text == "Text":
            self.add(name, "II", 8, 4, count)
        else:
            raise ValueError(f"{name}: no type is called '{text}'")

    def finish(self):
        self.size += -self.size % self.alignment
        return self

    def read(self, data, base, name):
        offset, code, size, count = self.fields[name]
        if code is None:
            return data[base + offset:base + offset + size * count]
        values = struct.unpack_from("<" + code * count, data, base + offset)
        return values[0] if len(values) == 1 else values


def inner(text):
    """{u64 key, u32 windows[8], 4 bytes, Text file}"""
    layout = Layout()
    for index, part in enumerate(re.split(r",\s*", text.strip("{}"))):
        if match := re.fullmatch(r"(\d+) bytes", part):
            layout.add(f"_{index}", None, int(match[1]), 1)
            continue
        kind, name = part.split(" ")
        count = re.search(r"\[(\d+)\]", name)
        layout.add_typed(name.partition("[")[0], kind, int(count[1]) if count else 1)
    return layout.finish()


def rows(text, heading):
    table = text.partition(heading + "\n")[2]
    lines = [line for line in table.lstrip("\n").partition("\n\n")[0].splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:] if not line.startswith("| ---")]


def header_of(text):
    """The header's layout, and a region's."""
    header, region = Layout(), None
    for names, types, meaning in rows(text, "## Header (offset 0)"):
        names, types = names.split(", "), types.strip()
        if match := re.fullmatch(r"(\w+) × (\d+)", types):
            kind, count = match[1], int(match[2])
            for name in names:
                header.add_typed(name, kind, 1 if len(names) > 1 else count)
            assert len(names) in (1, count), names
        elif match := re.fullmatch(r"(\d+) × (\d+) bytes", types):
            region = inner(re.search(r"\{[^}]*\}", meaning)[0])
            assert region.size == int(match[2]), (region.size, match[2])
            header.add(names[0], None, region.size, region.alignment, int(match[1]))
        elif types.startswith("clock pair"):
            for name in names:
                header.add(name, "QQ", 16, 8)
        elif types.endswith("bytes"):
            for name, size in zip(names, re.findall(r"\d+", types), strict=True):
                header.add(name, None, int(size), 1)
        else:
            for name, kind in zip(names, types.split(", "), strict=True):
                header.add_typed(name, kind)
    return header.finish(), region


def place_of(region, data, base, index):
    """The page's formulas."""
    first = region.read(data, base, "first_log2")
    times = index >> first
    window = 0 if times == 0 else (times.bit_length() - 1) // 2 + 1
    begin = 0 if window == 0 else 1 << (first + 2 * (window - 1))
    return region.read(data, base, "windows")[window] * 4096 + (index - begin) * region.read(data, base, "element_size")


def text_of(data):
    return data.split(b"\0")[0].decode()


def the_page_describes_the_file():
    page = PAGE.read_text()
    header, region = header_of(page)
    complaints = []
    with harness.Folder() as folder:
        program = harness.build(pathlib.Path(__file__).parent.parent / "gate" / "work.c")
        harness.run([harness.FDAUDIT, "run", "--trace", folder / "t", "-o", "/dev/null", "--", program, "leak", "twice"],
                    env=harness.clean_environment())
        with next((folder / "t").glob("*.fdaudit")).open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # sparse, and hundreds of megabytes
        document = json.loads(harness.run([harness.FDAUDIT, "report", "-f", "json", folder / "t"],
                                          env=harness.clean_environment()).out)
        for name, expected in {"magic": b"fdaudit\n", "major_version": 2, "header_size": header.size, "file_size": len(data),
                               "creator_pid": document["processes"][0]["pid"], "run_ended": 1, "reserved": 0}.items():
            if header.read(data, 0, name) != expected:
                complaints.append(f"{name}: {header.read(data, 0, name)}, expected {expected}")
        if text_of(header.read(data, 0, "host")) != platform.node()[:63] or header.read(data, 0, "run_token") == 0:
            complaints.append("host or run_token")
        start = header.fields["regions"][0]
        found = {region.read(data, start + i * region.size, "kind"): start + i * region.size for i in range(16)}
        for kind, name, element, *_ in rows(page, "## Regions"):
            base = found.get(int(kind))
            said = re.search(r"(\d+) bytes", element) or re.search(r"char\[(\d+)\]", element)
            size = int(said[1]) if said else {"u64": 8, "bytes": 1}.get(element.split(" ")[0])
            if base is None or (size and region.read(data, base, "element_size") != size):
                complaints.append(f"region {kind}, {name}: {base and region.read(data, base, 'element_size')}, expected {size}")
            if fields := re.search(r"\{[^}]*\}", element):
                if inner(fields[0]).size != (size or 8):
                    complaints.append(f"region {kind}, {name}: its fields take {inner(fields[0]).size} bytes, not {size}")
        calls = found[1]
        places = [place_of(region, data, calls, i) for i in range(region.read(data, calls, "capacity"))]
        names = {text_of(data[place:place + 32]) for place in places}
        if not {"open", "close", "fclose"} <= names:
            complaints.append(f"calls: {sorted(names)[:10]}")
        images = found[3]
        first = place_of(region, data, images, 0)
        if struct.unpack_from("<Ii", data, first) != (1, document["processes"][0]["pid"]):
            complaints.append("the first image")
        findings = [place_of(region, data, found[9], i) for i in range(region.read(data, found[9], "used"))]
        if sum(struct.unpack_from("<I", data, place)[0] == 1 for place in findings) != 1:
            complaints.append("a close that failed with EBADF is not there once")
    return complaints


def add_to(suite):
    suite.check(the_page_describes_the_file)
