"""Reads profile.proto (github.com/google/pprof) field by field, with nothing but Python."""

import gzip


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def fields(data):
    """(number, value) of each field: an int, or bytes."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 == 0:
            value, at = varint(data, at)
        elif tag & 7 == 2:
            length, at = varint(data, at)
            value = data[at:at + length]
            if len(value) != length:
                raise ValueError("a field reaches beyond its message")
            at += length
        else:
            raise ValueError(f"wire type {tag & 7}")
        yield tag >> 3, value


def numbers(packed):
    at, values = 0, []
    while at < len(packed):
        value, at = varint(packed, at)
        values.append(value)
    return values


NAMES = {
    "profile": {1: "sample_type", 2: "sample", 3: "mapping", 4: "location", 5: "function", 6: "string_table",
                9: "time_nanos", 10: "duration_nanos", 11: "period_type", 12: "period", 13: "comment",
                14: "default_sample_type"},
    "sample_type": {1: "type", 2: "unit"}, "period_type": {1: "type", 2: "unit"},
    "sample": {1: "location_id", 2: "value", 3: "label"}, "label": {1: "key", 2: "str", 3: "num"},
    "mapping": {1: "id", 2: "memory_start", 3: "memory_limit", 5: "filename", 6: "build_id", 7: "has_functions",
                8: "has_filenames", 9: "has_line_numbers", 10: "has_inline_frames"},
    "location": {1: "id", 2: "mapping_id", 3: "address", 4: "line"}, "line": {1: "function_id", 2: "number"},
    "function": {1: "id", 2: "name", 3: "system_name", 4: "filename"},
}
REPEATED = {"sample_type", "sample", "mapping", "location", "function", "label", "line"}
PACKED = {"location_id", "value", "comment"}


def message(kind, data):
    out = {}
    for number, value in fields(data):
        name = NAMES[kind][number]  # a KeyError is a field that we should not write
        if name in PACKED:
            out.setdefault(name, []).extend(numbers(value))
        elif name in REPEATED:
            out.setdefault(name, []).append(message(name, value))
        elif name in NAMES:
            out[name] = message(name, value)
        elif name == "string_table":
            out.setdefault(name, []).append(value.decode("utf-8"))
        else:
            out[name] = value
    return out


def read(data):
    return message("profile", gzip.decompress(data))


def problems(profile):
    """What breaks the rules that profile.proto writes beside its fields."""
    found = []
    texts = profile["string_table"]
    if texts[0] != "":
        found.append("the string table does not begin with the empty one")
    ids = {kind: [one["id"] for one in profile.get(kind, [])] for kind in ("mapping", "location", "function")}
    for kind, known in ids.items():
        if len(set(known)) != len(known) or 0 in known:
            found.append(f"{kind}: an id is 0 or there twice")
    for sample in profile.get("sample", []):
        if len(sample["value"]) != len(profile["sample_type"]):
            found.append(f"values: {sample['value']}")
        if not set(sample["location_id"]) <= set(ids["location"]):
            found.append("a sample's location is not there")
        for label in sample.get("label", []):
            if ("str" in label) == ("num" in label):
                found.append(f"label: {label}")
    mappings = sorted(profile.get("mapping", []), key=lambda m: m["memory_start"])
    if any(a["memory_limit"] > b["memory_start"] for a, b in zip(mappings, mappings[1:])):
        found.append("mappings overlap")
    by_id = {m["id"]: m for m in mappings}
    for location in profile.get("location", []):
        if not location["line"] or not {l["function_id"] for l in location["line"]} <= set(ids["function"]):
            found.append(f"location: {location}")
        if "mapping_id" in location:
            mapping = by_id[location["mapping_id"]]
            if not mapping["memory_start"] <= location["address"] < mapping["memory_limit"]:
                found.append(f"{location} lies outside of its mapping")
    return found


def stacks(profile):
    """For each sample: function names from the outermost inwards, and the values."""
    names = {f["id"]: profile["string_table"][f["name"]] for f in profile["function"]}
    lines = {l["id"]: [names[line["function_id"]] for line in l["line"]] for l in profile["location"]}
    for sample in profile["sample"]:
        flat = [name for location in sample["location_id"] for name in lines[location]]
        yield flat[::-1], sample["value"]
