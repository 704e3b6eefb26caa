#!/usr/bin/env python3
"""The formats of tools that draw: what is written is what such a tool reads, and says what the report says."""

import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "support"), str(HERE)]
import harness  # noqa: E402
import profile  # noqa: E402
import trace_page  # noqa: E402

suite = harness.Suite("formats")


def traced(folder, *words, program=None):
    """A trace of the program, and its report."""
    trace = pathlib.Path(folder) / "trace"
    program = program or harness.build(HERE / "work.c")
    subprocess.run([harness.FDAUDIT, "run", "--trace", trace, "-o", "/dev/null", "--", program, *words],
                   env=harness.clean_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return trace, json.loads(rendered(trace, "json"))


def rendered(trace, format, *options):
    ran = subprocess.run([harness.FDAUDIT, "report", "-f", format, *options, trace], stdin=subprocess.DEVNULL,
                         env=harness.clean_environment(), capture_output=True)
    if ran.returncode != 0 or ran.stderr:
        raise RuntimeError(f"-f {format}: status {ran.returncode}: {ran.stderr.decode()}")
    return ran.stdout


# Names that break what divides frames, lines and counts; and markup, escapes and bytes that are not UTF-8 besides.
HOSTILE = [b"#a;b\n<script>\x1b[31m\xff\xe2\x80\xae 3 ", b"x;main 7 12", b"plain 5"]


def hostile_programs(folder):
    for number, name in enumerate(HOSTILE):
        place = pathlib.Path(folder) / str(number)
        place.mkdir()
        program = os.path.join(os.fsencode(place), name.replace(b"/", b"_"))
        source = os.path.join(os.fsencode(place), b"w;o 9\n.c")
        shutil.copy(HERE / "work.c", source)
        subprocess.run([harness.CC, "-g", b"-o", program, source], check=True)
        yield place, program


def every_trace(folder):
    plain = pathlib.Path(folder) / "plain"
    plain.mkdir()
    yield traced(plain, "12", "50")
    for place, program in hostile_programs(folder):
        yield traced(place, "2", program=program)


def open_at_end(report):
    return sum(p["descriptors"]["open_at_end"] for p in report["processes"] if p["end"]["how"] != "exec")


def leaked(report):
    return sum(f["count"] for f in report["findings"] if f["kind"] == "leak" and f["severity"] != "note")


# --- folded -----------------------------------------------------------------------------------------------------------


def read_folded(text):
    """As flamegraph.pl reads them: the last number is the count, and one before it would be a second count."""
    stacks = collections.Counter()
    for line in text.splitlines():
        parts = re.fullmatch(r"(.*)\s+?(\d+(?:\.\d*)?)", line)
        if line.startswith("#") or not parts or re.fullmatch(r"(.*)\s+?(\d+(?:\.\d*)?)", parts[1]):
            raise ValueError(f"no folded line: {line!r}")
        frames = tuple(parts[1].split(";"))
        if not all(frame and frame == frame.strip() for frame in frames) or frames in stacks:
            raise ValueError(f"frames: {line!r}")
        stacks[frames] = int(parts[2])
    return stacks


@suite.check
def folded_lines_are_read_back():
    complaints = []
    with harness.Folder() as folder:
        for trace, report in every_trace(folder):
            text = rendered(trace, "folded").decode("utf-8")
            if any(ord(c) < 32 and c != "\n" for c in text):
                complaints.append(f"control characters: {text!r}")
            stacks = read_folded(text)
            if sum(stacks.values()) != open_at_end(report):
                complaints.append(f"{sum(stacks.values())} open, the report has {open_at_end(report)}:\n{text}")
            marked = sum(count for frames, count in stacks.items() if frames[-1] == "[leaked]")
            if marked != leaked(report) or marked == 0:
                complaints.append(f"{marked} leaked, the report has {leaked(report)}:\n{text}")
        by_path = {frames[frames.index("main"):]: count
                   for frames, count in read_folded(rendered(folder / "plain" / "trace", "folded").decode()).items()
                   if "main" in frames and frames[0] == "formats-work" and "[inherited]" not in frames}
        if by_path != {("main", "leak", "load", "[leaked]"): 12, ("main", "load", "[leaked]"): 1}:
            complaints.append(f"paths: {by_path}")
    return complaints


@suite.check
def hostile_frames_stay_frames():
    with harness.Folder() as folder:
        roots = [next(iter(read_folded(rendered(traced(place, "2", program=program)[0], "folded").decode())))[0]
                 for place, program in hostile_programs(folder)]
        expected = [r"\x23a\x3bb\x0a<script>\x1b[31m\xff\xe2\x80\xae\x203\x20", r"x\x3bmain\x207\x2012", r"plain\x205"]
        return [] if roots == expected else [f"{roots}, expected {expected}"]


@suite.check
def flamegraph_draws_folded():
    script = shutil.which("flamegraph.pl") or shutil.which("flamegraph")
    if not script:
        raise harness.Skip("no flamegraph.pl")
    with harness.Folder() as folder:
        trace, _ = traced(folder, "12")
        drawn = subprocess.run([script], input=rendered(trace, "folded"), capture_output=True)
        wanted = b"leak (12 samples"
        return [] if wanted in drawn.stdout else [drawn.stderr.decode()[-500:]]


# --- pprof ------------------------------------------------------------------------------------------------------------


@suite.check
def profiles_keep_the_rules():
    complaints = []
    with harness.Folder() as folder:
        for trace, report in every_trace(folder):
            read = profile.read(rendered(trace, "pprof"))
            complaints += profile.problems(read)
            texts = read["string_table"]
            types = [(texts[t["type"]], texts[t["unit"]]) for t in read["sample_type"]]
            if types != [("open", "descriptors"), ("leaked", "descriptors")]:
                complaints.append(f"sample types: {types}")
            sums = [sum(values) for values in zip(*(s["value"] for s in read["sample"]))]
            if sums != [open_at_end(report), leaked(report)]:
                complaints.append(f"{sums}; the report has {open_at_end(report)} and {leaked(report)}")
            if any(ord(c) < 32 for text in texts for c in text):
                complaints.append(f"control characters: {texts}")
            if not any(texts[c].startswith("command: ") for c in read["comment"]):
                complaints.append("no comment names the command")
            if read["time_nanos"] < 10**18 or "duration_nanos" not in read:
                complaints.append(f"time {read['time_nanos']}")
        read = profile.read(rendered(folder / "plain" / "trace", "pprof"))
        leaks = {tuple(stack): values for stack, values in profile.stacks(read) if values[1]}
        found = {stack[-3:]: values for stack, values in leaks.items()}
        if found.get(("main", "leak", "load")) != [12, 12] or sum(v[1] for v in found.values()) != 13:
            complaints.append(f"leaks: {leaks}")
        work = [m for m in read["mapping"] if read["string_table"][m["filename"]].endswith("formats-work")]
        if len(work) != 1 or len(read["string_table"][work[0].get("build_id", 0)]) != 40:
            complaints.append(f"mappings: {read['mapping']}")
        if read["mapping"][0] != work[0]:
            complaints.append("the first mapping is not the program's")
    return complaints


@suite.check
def go_reads_profiles():
    go = shutil.which("go")
    if not go:
        raise harness.Skip("Go is not installed: nothing to read profiles with")
    complaints = []
    with harness.Folder() as folder:
        for number, (trace, report) in enumerate(every_trace(folder)):
            file = folder / f"{number}.pb.gz"
            file.write_bytes(rendered(trace, "pprof"))
            for index, total in (("open", open_at_end(report)), ("leaked", leaked(report))):
                ran = harness.run([go, "tool", "pprof", "-top", f"-sample_index={index}", file], cwd=folder,
                                  env=harness.clean_environment(HOME=str(folder)))
                wanted = [f"Type: {index}", f"of {total}descriptors total", "load"]
                complaints += [f"'{text}' is missing:\n{ran.out}{ran.err}" for text in wanted if text not in ran.out]
    return complaints


# --- perfetto ---------------------------------------------------------------------------------------------------------

# What the trace-event format asks of each phase that we use, besides ph, pid and name.
PHASES = {"M": {"args"}, "X": {"ts", "dur", "tid", "cat", "args"}, "C": {"ts", "args"},
          "i": {"ts", "tid", "s", "cat", "args"}}


def event_problems(document):
    found = []
    if document["displayTimeUnit"] not in ("ms", "ns"):
        found.append("displayTimeUnit")
    ends = {}
    for event in document["traceEvents"]:
        wanted = PHASES[event["ph"]] | {"ph", "pid", "name"}
        if event["ph"] == "M" and event["name"].startswith("thread"):
            wanted = wanted | {"tid"}
        if set(event) != wanted:
            found.append(f"fields: {event}")
        whole = [event[key] for key in ("pid", "tid") if key in event]
        times = [event[key] for key in ("ts", "dur") if key in event]
        if not all(isinstance(n, int) for n in whole) or not all(isinstance(n, (int, float)) for n in times):
            found.append(f"numbers: {event}")
        if event["ph"] == "X":
            track = event["pid"], event["tid"]
            if event["dur"] < 0 or event["ts"] + 0.01 < ends.get(track, 0):
                found.append(f"overlaps the life before it: {event}")
            ends[track] = event["ts"] + event["dur"]
        if event["ph"] == "C" and not all(isinstance(n, int) and n >= 0 for n in event["args"].values()):
            found.append(f"counter: {event}")
    return found


@suite.check
def timelines_keep_the_rules():
    complaints = []
    with harness.Folder() as folder:
        for trace, report in every_trace(folder):
            document = json.loads(rendered(trace, "perfetto").decode("utf-8"))
            complaints += event_problems(document)
            events = document["traceEvents"]
            instants = sorted(e["name"] for e in events if e["ph"] == "i")
            if instants != sorted(f["kind"] for f in report["findings"]):
                complaints.append(f"instants: {instants}")
            counters = {e["pid"]: e["args"]["open"] for e in events if e["ph"] == "C"}
            expected = {p["pid"]: p["descriptors"]["open_at_end"] for p in report["processes"]}
            if counters != expected:
                complaints.append(f"counters end at {counters}, the report has {expected}")
    return complaints


@suite.check
def timelines_have_every_life():
    with harness.Folder() as folder:
        trace, report = traced(folder, "12", "50")
        events = json.loads(rendered(trace, "perfetto"))["traceEvents"]
        parent = report["processes"][0]["pid"]
        lives = [e for e in events if e["ph"] == "X" and e["pid"] == parent and e["args"].get("opened by") == "open"]
        churned = [e for e in lives if "churn" in e["args"].get("closed at", "")]
        left = [e for e in lives if e["args"]["open at the end"]]
        complaints = []
        if (len(churned), len(left)) != (50, 12):
            complaints.append(f"{len(churned)} were closed and {len(left)} left open, expected 50 and 12")
        if {e["tid"] for e in churned} != {churned[0]["args"]["fd"]}:
            complaints.append("the lives of one number are not one track")
        highest = max(e["args"]["open"] for e in events if e["ph"] == "C" and e["pid"] == parent)
        if highest != report["processes"][0]["descriptors"]["peak"]:
            complaints.append(f"the counter reaches {highest}, the peak was {report['processes'][0]['descriptors']}")
        return complaints


@suite.check
def long_timelines_are_bounded():
    """What is left out is the short and closed, and it is counted."""
    with harness.Folder() as folder:
        trace, report = traced(folder, "12", "100000")
        text = rendered(trace, "perfetto")
        document = json.loads(text)
        lives = [e for e in document["traceEvents"] if e["ph"] == "X"]
        shown = document["otherData"]["lives left out"]
        complaints = [] if len(text) < 20_000_000 else [f"{len(text)} bytes"]
        if shown < 50_000 or len(lives) > 30_000:
            complaints.append(f"{len(lives)} lives, {shown} left out")
        if sum(e["args"]["open at the end"] and e["args"].get("opened by") == "open" for e in lives) != 13:
            complaints.append("not all that was left open is there")
        labels = [e for e in document["traceEvents"] if e["name"] == "process_labels"]
        if not labels or str(shown) not in labels[0]["args"]["labels"]:
            complaints.append(f"labels: {labels}")
        return complaints + event_problems(document)


# --- dump -------------------------------------------------------------------------------------------------------------

DUMP_SCHEMA = HERE.parents[1] / "docs" / "dump.schema.json"


def dumped(trace, *options):
    ran = subprocess.run([harness.FDAUDIT, "dump", *options, trace], stdin=subprocess.DEVNULL, capture_output=True,
                         env=harness.clean_environment(), check=True)
    return [json.loads(line) for line in ran.stdout.decode("utf-8").split("\n")[:-1]]


@suite.check
def every_line_of_a_dump_fits_the_schema():
    import jsonschema
    schema = json.loads(DUMP_SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    complaints = []
    with harness.Folder() as folder:
        traces = [trace for trace, _ in every_trace(folder)]
        shell = "exec 5</etc/passwd; cat <&5 | wc -l; (exec 7</dev/null; true); exec /bin/true"
        traces.append(traced(folder, "-c", shell, program="/bin/bash")[0])
        for trace in traces:
            for options in ((), ("--raw",), ("--redact",)):
                lines = dumped(trace, *options)
                complaints += [f"{trace} {options}: {e.json_path}: {e.message[:200]}"
                               for line in lines for e in validator.iter_errors(line)][:5]
                if [l["time_s"] for l in lines] != sorted(l["time_s"] for l in lines) or not lines:
                    complaints.append(f"{trace}: not in the order of time")
    return complaints


@suite.check
def dumps_show_what_the_report_shows():
    complaints = []
    with harness.Folder() as folder:
        for trace, report in every_trace(folder):
            left = [line for line in dumped(trace) if line["event"] == "open-at-end"]
            if sum(line["leaked"] for line in left) != leaked(report):
                complaints.append(f"{left}")
            paths = {(tuple(f["function"] for f in line["frames"])[:2], line["stack"]) for line in left if line["leaked"]}
            if {path for path, _ in paths} != {("load", "leak"), ("load", "main")}:
                complaints.append(f"paths: {paths}")
            if not {stack for _, stack in paths} & set(report["stacks"]):  # which has the first call path of each line
                complaints.append("stacks have other names in the report")
            if {(line["host"], line["session"]) for line in left} != {(report["session"]["host"], left[0]["session"])}:
                complaints.append("more than one session")
    return complaints


@suite.check
def what_was_left_open_needs_no_journal():
    with harness.Folder() as folder:
        trace = folder / "trace"
        subprocess.run([harness.FDAUDIT, "run", "--journal", "0", "--trace", trace, "-o", "/dev/null", "--",
                        harness.build(HERE / "work.c"), "12"], env=harness.clean_environment(), check=True)
        events = collections.Counter(line["event"] for line in dumped(trace))
        left = sum(line["leaked"] or 0 for line in dumped(trace))
        return [] if set(events) == {"open-at-end"} and left == 13 else [f"{events}, {left} leaked"]


# --- all of them ------------------------------------------------------------------------------------------------------


@suite.check
def gate_refuses_them():
    """It judges findings; what these show is more, and a stored report does not hold it."""
    complaints = []
    with harness.Folder() as folder:
        trace, _ = traced(folder, "2")
        for format in ("folded", "pprof", "perfetto"):
            ran = harness.run([harness.FDAUDIT, "gate", "-f", format, trace])
            if ran.status != 2 or "report" not in ran.err:
                complaints.append(f"{format}: status {ran.status}: {ran.err}")
    return complaints


@suite.check
def redaction_reaches_them():
    complaints = []
    with harness.Folder() as folder:
        trace, _ = traced(folder, "2", "7")
        for format in ("folded", "pprof", "perfetto"):
            text = rendered(trace, format, "--redact")
            if format == "pprof":
                text = "\n".join(profile.read(text)["string_table"]).encode()
            shown = [word for word in (b"/etc/hostname", b"/etc/passwd") if word in text]
            if shown or b"load" not in text:
                complaints.append(f"{format}: {shown}")
    return complaints


@suite.check
def run_writes_them_too():
    complaints = []
    with harness.Folder() as folder:
        for format, begin in {"folded": b"formats-work;", "pprof": b"\x1f\x8b", "perfetto": b"{"}.items():
            ran = harness.run([harness.FDAUDIT, "run", "-f", format, "-o", folder / format, "--",
                               harness.build(HERE / "work.c")], env=harness.clean_environment())
            if ran.status != 0 or not (folder / format).read_bytes().startswith(begin):
                complaints.append(f"{format}: status {ran.status}: {ran.err}")
    return complaints


trace_page.add_to(suite)

if __name__ == "__main__":
    harness.standard_main(suite)
