#!/usr/bin/env python3
"""The gate: exit statuses, baselines, suppressions, configuration, and the formats of other tools."""

import itertools
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import harness  # noqa: E402
import identity  # noqa: E402
import ids  # noqa: E402
import inputs  # noqa: E402

suite = harness.Suite("gate")
SOURCE = HERE / "work.c"
WORDS = ["leak", "twice"]


def fdaudit(*arguments, cwd="/", **more):
    return harness.run([harness.FDAUDIT, *map(str, arguments)], cwd=cwd, env=harness.clean_environment(), **more)


def work():
    return str(harness.build(SOURCE))


def report(folder, name, *words, program=None, options=()):
    """A stored report of the program doing `words`."""
    path = pathlib.Path(folder) / name
    fdaudit("run", "-f", "json", "-o", path, *options, "--", program or work(), *words)
    return path


def expect_output(ran, status, *texts):
    """Complaints where the status differs or a text is missing from what was printed."""
    everything = ran.out + ran.err
    complaints = [f"'{text}' is missing" for text in texts if text not in everything]
    if ran.status != status:
        complaints.append(f"status {ran.status}, expected {status}")
    return complaints and complaints + [everything[-1500:]]


def findings(path):
    return {f["id"]: f for f in json.loads(pathlib.Path(path).read_text())["findings"]}


# --- statuses ---------------------------------------------------------------------------------------------------------


@suite.check
def matrix_of_statuses():
    """clean, leaky or failing program x gate or none x baseline x suppressions x scope."""
    complaints = []
    with harness.Folder() as folder:
        baseline = report(folder, "old.json", *WORDS)
        suppressions = folder / "all.supp"
        suppressions.write_text("*:work\n")
        for words, gate, known, quiet, scope in itertools.product(
                ([], WORDS, [*WORDS, "fail"]), (False, True), (False, True), (False, True), ("own", "all")):
            options = ["--gate"] if gate else []
            options += ["--baseline", baseline] if known else []
            options += ["--suppressions", suppressions] if quiet else []
            options += ["--scope", scope]
            ran = fdaudit("run", *options, "--", work(), *words)
            fails = gate and words and not known and not quiet
            expected = 3 if "fail" in words else 1 if fails else 0
            if ran.status != expected:
                complaints.append(f"{words} {options}: status {ran.status}, expected {expected}\n{ran.err[-600:]}")
            stored = report(folder, "new.json", *words)
            ran = fdaudit("gate", *options[1 if gate else 0:], stored)
            expected = 1 if words and not known and not quiet else 0
            if ran.status != expected:
                complaints.append(f"gate {words} {options}: status {ran.status}, expected {expected}\n{ran.out[-600:]}")
    return complaints


@suite.check
def others_code_gates_on_request():
    """bash closes its pipes twice: shown, and no failure but under --scope all without the built-in suppressions."""
    script = ["--", "bash", "-c", "true | true"]
    return [
        *expect_output(fdaudit("run", "--gate", *script), 0, "gate passed"),
        *expect_output(fdaudit("run", "--gate", "--scope", "all", *script), 0, "suppressed"),
        *expect_output(fdaudit("run", "--gate", "--scope", "all", "--no-default-suppressions", *script), 1, "in any code"),
    ]


@suite.check
def what_fails_can_be_chosen():
    complaints = []
    with harness.Folder() as folder:
        both = report(folder, "both.json", *WORDS)
        for fail_on, status in {"error": 0, "warning": 1, "note": 1, "leak": 1, "double-close": 1, "wrong-close": 0,
                                "overwrite,leak": 1, "error,overwrite": 0}.items():
            complaints += expect_output(fdaudit("gate", "--fail-on", fail_on, both), status)
        complaints += expect_output(fdaudit("gate", "--max", "leak=1", "--max", "double-close=1", both), 0, "2 others tolerated")
        complaints += expect_output(fdaudit("gate", "--max", "leak=1", both), 1, "1 new finding ")
        complaints += expect_output(fdaudit("gate", "--min-count", "2", both), 0)
        complaints += expect_output(fdaudit("gate", "--error-exitcode", "42", both), 42)
        complaints += expect_output(fdaudit("run", "--gate", "--error-exitcode", "42", "--", work(), "leak"), 42)
    return complaints


@suite.check
def bad_input_is_reported():
    complaints = []
    with harness.Folder() as folder:
        good = report(folder, "good.json", "leak")
        (folder / "text").write_text("nothing")
        (folder / "broken.json").write_text('{"schema": "fdaudit-report/1", ')
        (folder / "other.json").write_text('{"schema": "fdaudit-report/9", "findings": []}')
        (folder / "bad.supp").write_text("# fine\nleek:load\n")
        for options, status, text in [
                (["--fail-on", "leek", good], 2, "leek"), (["--scope", "mine", good], 2, "mine"),
                (["--max", "leak", good], 2, "KIND=N"), (["--min-count", "0", good], 2, "--min-count"),
                (["--suppressions", folder / "nowhere", good], 2, "nowhere"),
                (["--suppressions", folder / "bad.supp", good], 2, "bad.supp:2"),
                (["--baseline", folder / "nowhere", good], 3, "nowhere"),
                (["--baseline", folder / "broken.json", good], 3, "broken.json"), ([folder / "text"], 3, "text"),
                ([folder / "other.json"], 3, "fdaudit-report/9"), ([], 2, "INPUT")]:
            complaints += expect_output(fdaudit("gate", *options), status, text)
    return complaints


@suite.check
def without_a_trace_the_gate_fails():
    """A build must not pass because nothing was looked at."""
    static = harness.build(SOURCE, name="gate-static", flags=["-static"])
    return expect_output(fdaudit("run", "--gate", "--force", "--", static), 1, "nothing was recorded")


# --- lost evidence ----------------------------------------------------------------------------------------------------


def small_files():
    """Before the exec: no file may become larger than the smallest room for a trace, which holds no 32,768 call paths."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20))


@suite.check
def lost_evidence_fails():
    """A full table of call paths: a sentence and status 4 of its own; findings that fail and the program's status come
    first. Stored reports keep it."""
    paths = harness.build(HERE / "paths.c")
    complaints = []
    with harness.Folder() as folder:
        stored = folder / "full.json"
        for options, words, status, texts in [
                (["--gate"], ["15"], 4, ["gate failed: evidence was lost", "--allow-loss"]),
                (["--gate", "--allow-loss"], ["15"], 0, ["gate passed", "(tolerated)"]),
                (["--gate"], ["15", "twice"], 1, ["gate failed: 1 new finding", "evidence was lost for lack of room"]),
                (["--gate"], ["15", "fail"], 3, ["gate failed: evidence was lost"]),
                (["-f", "json", "-o", stored], ["15"], 0, [])]:
            ran = fdaudit("run", *options, "--", paths, *words, preexec_fn=small_files)
            complaints += [f"{options} {words}: {c}" for c in expect_output(ran, status, *texts)]
        document = json.loads(stored.read_text())
        lost = document["coverage"]["lost"]
        if lost["stacks"] == 0 or not document["gate"]["failed_for_loss"]:
            complaints.append(f"{lost} {document['gate']}")
        complaints += harness.schema_errors(document)
        whole = report(folder, "whole.json")
        complaints += expect_output(fdaudit("gate", stored), 4, "gate failed: evidence was lost")
        complaints += expect_output(fdaudit("gate", whole, stored), 4, "gate failed: evidence was lost")
        complaints += expect_output(fdaudit("gate", "--allow-loss", stored), 0, "gate passed")
        complaints += expect_output(fdaudit("gate", whole), 0, "gate passed")
        (folder / ".fdaudit.toml").write_text("[gate]\nallow-loss = true\n")
        complaints += expect_output(fdaudit("gate", stored, cwd=folder), 0, "gate passed")
    return complaints


# --- baselines and fingerprints ---------------------------------------------------------------------------------------


@suite.check
def baselines_show_what_is_new_and_gone():
    with harness.Folder() as folder:
        old, new = report(folder, "old.json", "leak"), report(folder, "new.json", "twice")
        return [
            *expect_output(fdaudit("gate", "--baseline", old, new), 1, "double-close", "1 of the baseline is gone", "leak: 1 descriptor opened at load"),
            *expect_output(fdaudit("diff", old, new), 1, "double-close", "1 of the baseline is gone"),
            *expect_output(fdaudit("diff", new, new), 0, "1 known by the baseline"),
        ]


@suite.check
def fingerprints_survive_moved_lines_and_directories():
    """40 lines above, another directory: the same. So is another path to the same line; another line is a new one."""
    with harness.Folder() as folder:
        moved = folder / "elsewhere" / "work.c"
        moved.parent.mkdir()
        moved.write_text("\n" * 40 + SOURCE.read_text())
        program = moved.with_name(pathlib.Path(work()).name)
        subprocess.run([harness.CC, "-g", "-o", program, moved], check=True)
        before = report(folder, "before.json", *WORDS)
        after = report(folder, "after.json", *WORDS, "more", program=program)
        complaints = expect_output(fdaudit("gate", "--baseline", before, after), 0, "2 known by the baseline")
        other = report(folder, "other.json", *WORDS, "other", program=program)
        complaints += expect_output(fdaudit("gate", "--baseline", before, other), 1, "1 new finding ", "2 known by the baseline")
        fresh = [f for key, f in findings(other).items() if key not in findings(before)]
        if [f["location"]["function"] for f in fresh] != ["leak_elsewhere"]:
            complaints.append(f"new: {[f['message'] for f in fresh]}")
        return complaints


@suite.check
def shards_are_merged():
    """A leak of two jobs is one finding with the count and the processes of both."""
    with harness.Folder() as folder:
        one, two = report(folder, "one.json", "leak"), report(folder, "two.json", *WORDS)
        ran = fdaudit("gate", "-f", "json", one, two)
        complaints = expect_output(ran, 1)
        merged = json.loads(ran.out)
        leaks = [f for f in merged["findings"] if f["kind"] == "leak"]
        if [f["count"] for f in leaks] != [2] or leaks[0]["processes"] != ["p1", "p2"]:
            complaints.append(f"leaks: {leaks}")
        if merged["summary"]["findings"] != 2 or merged["summary"]["by_kind"]["double-close"] != 1:
            complaints.append(f"summary: {merged['summary']}")
        return complaints + harness.schema_errors(merged)


@suite.check
def traces_and_reports_together():
    with harness.Folder() as folder:
        stored = report(folder, "one.json", "leak")
        fdaudit("run", "--trace", folder / "trace", "-o", "/dev/null", "--", work(), "leak")
        merged = json.loads(fdaudit("gate", "-f", "json", stored, folder / "trace").out)
        return [] if [f["count"] for f in merged["findings"]] == [2] else [str(merged["findings"])]


# --- suppressions and configuration -----------------------------------------------------------------------------------


@suite.check
def suppressions_fit_what_they_name():
    complaints = []
    with harness.Folder() as folder:
        leak = report(folder, "leak.json", "leak")
        supp = folder / "one.supp"
        for line, fits in {
                "leak:load": True, "leak:^load$": True, "leak:^loa$": False, "leak:^lo*d$": True, "leak:oad": True,
                "*:load": True, "double-close:load": False, "leak:work.c": True, "leak:/gate-work$": True,
                "leak:/etc/hostname": True, "leak:^/etc/*": True, "leak:/etc/passwd": False,
                "leak:load <- leak <- main": True, "leak:load <- main": True, "leak:main <- load": False,
                "leak:load <- leak_more": False, "  leak:load  ": True, "leak:*": True}.items():
            supp.write_text(f"# why\n\n{line}\n")
            ran = fdaudit("gate", "--suppressions", supp, leak)
            expected = ["suppressed"] if fits else ["unused suppression: ", f"one.supp:3: {line}"]
            complaints += [f"{line}: {c}" for c in expect_output(ran, 0 if fits else 1, *expected)]
    return complaints


@suite.check
def printed_suppressions_suppress():
    with harness.Folder() as folder:
        stored, supp = report(folder, "both.json", *WORDS), folder / "printed.supp"
        printed = fdaudit("gate", "--print-suppressions", stored)
        supp.write_text(printed.out)
        return [*expect_output(printed, 1, "leak:^load$ <- ^leak$ <- ^main$"),
                *expect_output(fdaudit("gate", "--suppressions", supp, stored), 0, "2 suppressed")]


@suite.check
def configuration_is_found_above():
    complaints = []
    with harness.Folder() as folder:
        stored = report(folder, "both.json", *WORDS)
        below = folder / "src" / "deep"
        below.mkdir(parents=True)
        config = folder / ".fdaudit.toml"
        (folder / "ci.supp").write_text("leak:load\n")
        for text, status, words in [
                ('[gate]\nfail-on = ["error"]\n', 0, []), ('[gate]\nfail-on = "leak"\n', 1, ["1 new finding "]),
                ('[gate]\nsuppressions = ["ci.supp"]\nerror-exitcode = 7\n', 7, ["1 suppressed"]),
                ('[gate]\nbaseline = "both.json"\n', 0, ["2 known"]),
                ("[gate]\nmax = {leak = 1, double-close = 1}\n", 0, []), ("[gate]\nmin-count = 2\n", 0, []),
                ("[gate]\nfial-on = 3\n", 2, [".fdaudit.toml:2", "fail-on"]),
                ("[gate]\nmin-count = 'x'\n", 2, [".fdaudit.toml:2", "number"]),
                ("[gates]\n", 2, [".fdaudit.toml:1", "gates"]), ("[gate\n", 2, [".fdaudit.toml:1"])]:
            config.write_text(text)
            complaints += [f"{text}: {c}" for c in expect_output(fdaudit("gate", stored, cwd=below), status, *words)]
        config.write_text('[gate]\nfail-on = ["error"]\n')
        complaints += expect_output(fdaudit("gate", "--fail-on", "warning", stored, cwd=below), 1)
        elsewhere = folder / "other.toml"
        elsewhere.write_text("[gate]\nerror-exitcode = 9\n")
        complaints += expect_output(fdaudit("gate", "--config", elsewhere, stored, cwd=below), 9)
    return complaints


@suite.check
def baselines_are_written_and_added_up():
    complaints = []
    with harness.Folder() as folder:
        leak, twice, both = folder / "leak.json", folder / "twice.json", report(folder, "both.json", *WORDS)
        complaints += expect_output(
            fdaudit("run", "--gate", "--write-baseline", leak, "--", work(), "leak"), 0, "known from now on", str(leak))
        complaints += expect_output(
            fdaudit("gate", "--write-baseline", twice, report(folder, "one.json", "twice")), 0, "1 finding is known")
        complaints += expect_output(fdaudit("gate", "--baseline", leak, both), 1, "1 new finding ", "1 known")
        complaints += expect_output(fdaudit("gate", "--baseline", leak, "--baseline", twice, both), 0, "2 known")
        (folder / ".fdaudit.toml").write_text('[gate]\nbaseline = ["leak.json", "twice.json"]\n')
        complaints += expect_output(fdaudit("gate", both, cwd=folder), 0, "2 known")
        complaints += expect_output(fdaudit("gate", "--write-baseline", folder / "no" / "file", both), 2, "cannot be written")
        shown = fdaudit("run", "--gate", "--baseline", twice, "--", work(), *WORDS)
        complaints += expect_output(shown, 1, "leak, new", "known or suppressed:")
    return complaints


@suite.check
def an_earlier_run_in_the_same_folder_is_not_judged():
    complaints = []
    with harness.Folder() as folder:
        trace = folder / "trace"
        fdaudit("run", "--trace", trace, "--", work(), *WORDS)
        complaints += expect_output(fdaudit("run", "--gate", "--trace", trace, "--", work()), 0, "gate passed")
        complaints += expect_output(fdaudit("gate", trace), 0, "gate passed")
        complaints += expect_output(fdaudit("gate", "--all", trace), 1, "2 new findings")
        complaints += expect_output(fdaudit("report", trace), 0, "nothing found", "1 older session, not looked at here (--all)")
        complaints += expect_output(fdaudit("report", "--all", trace), 0, "double-close")
        newest = fdaudit("run", "--trace", trace, "--", work(), "leak")
        complaints += expect_output(newest, 0, "leak")
        complaints += expect_output(fdaudit("gate", trace), 1, "1 new finding ")
    return complaints


@suite.check
def own_code_lies_in_the_repository():
    """Own is what is below --source-root, else the repository around the working directory, where what runs is of it."""
    complaints = []
    with harness.Folder() as folder:
        repository, elsewhere = folder / "project", folder / "elsewhere"
        for place in (repository / ".git", repository / "build", repository / "node_modules", elsewhere):
            place.mkdir(parents=True)
        inside, outside, packaged = repository / "build" / "work", elsewhere / "work", repository / "node_modules" / "work"
        for program in (inside, outside, packaged):
            shutil.copy(work(), program)
        for cwd, options, program, status in [
                (repository, [], inside, 1), (repository / "build", [], inside, 1), (folder, [], inside, 1),
                (folder, [], outside, 1), (repository, [], outside, 1), (repository, [], packaged, 0),
                (folder, [], packaged, 0), (folder, ["--source-root", elsewhere], inside, 0),
                (folder, ["--source-root", repository], inside, 1)]:
            ran = fdaudit("run", "--gate", "--no-default-suppressions", *options, "--", program, "twice", cwd=cwd)
            complaints += [f"{cwd} {options} {program}: {c}" for c in expect_output(ran, status)]
        script = ["--", "sh", "-c", f"{outside} twice; true"]
        complaints += expect_output(fdaudit("run", "--gate", *script, cwd=repository), 0, "gate passed")
        complaints += expect_output(fdaudit("run", "--gate", *script, cwd=folder), 1)
    return complaints


@suite.check
def a_module_is_no_excuse_for_growth():
    """A stripped program: printed suppressions name the place, and a module's name excuses nothing that grows."""
    complaints = []
    with harness.Folder() as folder:
        program = harness.build(SOURCE, "work-stripped", ["-s"])
        stored = report(folder, "stripped.json", *["leak"] * 3, program=program)
        printed = fdaudit("gate", "--print-suppressions", stored).out
        lines = [line for line in printed.splitlines() if not line.startswith("#")]
        if len(lines) != 1 or not lines[0].startswith("leak:/work-stripped+0x"):
            complaints.append(f"printed: {printed}")
        for text, few, many in [("\n".join(lines), 0, 0), ("leak:/work-stripped$", 0, 1)]:
            (folder / "some.supp").write_text(text + "\n")
            for count, status in ((3, few), (8, many)):
                ran = fdaudit("run", "--gate", "--suppressions", folder / "some.supp", "--", program, *["leak"] * count)
                complaints += [f"{text} {count}: {c}" for c in expect_output(ran, status)]
    return complaints


# --- formats ----------------------------------------------------------------------------------------------------------

HOSTILE = 'a\n::error::b|<script>alert(1)</script>`]]>"&%0A\x1b[31m\xff'.encode("latin-1")


def hostile_report(folder):
    """A leak of a file, in a program and a source file, whose names are what formats trip over."""
    place = os.path.join(os.fsencode(folder), b"x" + HOSTILE.replace(b"/", b"_"))
    os.mkdir(place)
    source = os.path.join(place, b"w,o:r%k.c")
    shutil.copy(SOURCE, source)
    program = os.path.join(place, b"work")
    subprocess.run([harness.CC, "-g", b"-o", program, source], check=True)
    stored = pathlib.Path(folder) / "hostile.json"
    subprocess.run([harness.FDAUDIT, "run", "-f", "json", "-o", stored, "--", program, *WORDS],
                   env=harness.clean_environment(), stdin=subprocess.DEVNULL)
    return stored


def rendered(folder, format, stored):
    ran = subprocess.run([harness.FDAUDIT, "gate", "-f", format, stored], cwd=folder, stdin=subprocess.DEVNULL,
                         env=harness.clean_environment(), capture_output=True)
    return ran.stdout.decode("utf-8")  # raises where it is not


def each_report(folder):
    yield report(folder, "both.json", *WORDS)
    yield report(folder, "none.json")
    yield hostile_report(folder)


@suite.check
def sarif_is_valid():
    import jsonschema
    schema = json.loads((HERE / "schemas" / "sarif-schema-2.1.0.json").read_text())
    complaints = []
    with harness.Folder() as folder:
        for stored in each_report(folder):
            sarif = json.loads(rendered(folder, "sarif", stored))
            validator = jsonschema.validators.validator_for(schema)(schema)
            complaints += [f"{stored.name}: {e.json_path}: {e.message[:300]}" for e in validator.iter_errors(sarif)]
        sarif = json.loads(fdaudit("gate", "-f", "sarif", "--source-root", HERE, folder / "both.json").out)
        result = next(r for r in sarif["runs"][0]["results"] if r["ruleId"] == "double-close")
        place = result["locations"][0]["physicalLocation"]
        if place["artifactLocation"] != {"uri": "work.c", "uriBaseId": "SRCROOT"}:
            complaints.append(f"place: {place}")
        if [r["message"]["text"] for r in result["relatedLocations"]] != ["opened by open", "closed by close",
                                                                         "closed-again by close"]:
            complaints.append(f"related: {result['relatedLocations']}")
        if not result["partialFingerprints"]:
            complaints.append("no fingerprint")
    return complaints


@suite.check
def equal_stacks_are_one_in_sarif():
    """Two closes of -1 on one line: SARIF's lists hold no equal elements, and code hosts refuse what does."""
    import jsonschema
    schema = json.loads((HERE / "schemas" / "sarif-schema-2.1.0.json").read_text())
    with harness.Folder() as folder:
        source = folder / "twice.c"
        source.write_text("#include <unistd.h>\nint main(void) {\n  int pair[2] = {-1, -1};\n"
                          "  for (int i = 0; i < 2; ++i) close(pair[i]);\n  close(pair[0]); close(pair[1]);\n  return 0;\n}\n")
        subprocess.run([harness.CC, "-g", "-o", folder / "twice", source], check=True)
        sarif = json.loads(fdaudit("run", "-f", "sarif", "--", folder / "twice").out)
        validator = jsonschema.validators.validator_for(schema)(schema)
        return [f"{e.json_path}: {e.message[:300]}" for e in validator.iter_errors(sarif)]


@suite.check
def gitlab_gets_places_in_the_repository():
    """A finding outside of the root is shown at the caller that is inside; no path is absolute."""
    complaints = []
    with harness.Folder() as folder:
        inside, outside = folder / "inside", folder / "outside"
        for place in (inside, outside):
            place.mkdir()
        (outside / "load.c").write_text("#include <fcntl.h>\nint load(void) { return open(\"/etc/hostname\", O_RDONLY); }\n")
        (inside / "main.c").write_text("int load(void);\nint main(void) {\n  return load() < 0;\n}\n")
        subprocess.run([harness.CC, "-g", "-o", inside / "app", inside / "main.c", outside / "load.c"], check=True)
        for root, expected in ((inside, ("main.c", 3)), (folder, ("outside/load.c", 2)), ("/usr", ("unknown", 1))):
            issues = json.loads(fdaudit("run", "-f", "gitlab", "--source-root", root, "--", inside / "app").out)
            places = [(i["location"]["path"], i["location"]["lines"]["begin"]) for i in issues]
            if places != [expected]:
                complaints.append(f"{root}: {places}, expected {expected}")
    return complaints


@suite.check
def unseen_characters_are_escaped():
    """Marks of direction and zero-width characters in a file's name, in every format that people read."""
    marks = "\u200e\u200f\u061c\u200b\u200d\u2060\ufeff\u202e\u2066"
    complaints = []
    with harness.Folder() as folder:
        name = f"a{marks}b.c"
        (folder / name).write_text(SOURCE.read_text())
        subprocess.run([harness.CC, "-g", "-o", folder / "app", folder / name], check=True)
        fdaudit("run", "--trace", folder / "trace", "-o", "/dev/null", "--", folder / "app", "leak")
        for format in ("text", "html", "sarif", "junit", "github", "gitlab", "markdown"):
            ran = fdaudit("report", "-f", format, "--source-root", folder, folder / "trace")
            passed = [f"U+{ord(c):04X}" for c in marks if c in ran.out]
            if ran.status != 0 or passed:
                complaints.append(f"{format}: {ran.status} {passed}")
    return complaints


@suite.check
def suppressions_fit_reports_as_they_fit_traces():
    """By a module's path, and by names with backslashes."""
    complaints = []
    with harness.Folder() as folder:
        place = folder / "with\\backslash"
        place.mkdir()
        program = shutil.copy(work(), place / "app")
        fdaudit("run", "--trace", folder / "trace", "-f", "json", "-o", folder / "stored.json", "--", program, "leak")
        supp = folder / "one.supp"
        for line in ("leak:with\\backslash/app$", "leak:^" + str(place) + "/app$", "leak:^/etc/hostname$"):
            supp.write_text(line + "\n")
            for judged in (folder / "trace", folder / "stored.json"):
                complaints += [f"{line} {judged.name}: {c}"
                               for c in expect_output(fdaudit("gate", "--suppressions", supp, judged), 0, "1 suppressed")]
    return complaints


@suite.check
def junit_is_valid():
    import xml.etree.ElementTree as xml
    complaints = []
    with harness.Folder() as folder:
        for stored in each_report(folder):
            text = rendered(folder, "junit", stored)
            (folder / "junit.xml").write_text(text)
            if shutil.which("xmllint"):
                ran = harness.run(["xmllint", "--noout", "--schema", HERE / "schemas" / "junit-10.xsd",
                                   folder / "junit.xml"])
                complaints += [f"{stored.name}: {ran.err[-800:]}"] if ran.status != 0 else []
            root = xml.fromstring(text)
            failures = len(root.findall(".//failure"))
            if failures != (0 if stored.name == "none.json" else 2):
                complaints.append(f"{stored.name}: {failures} failures")
    return complaints


@suite.check
def gitlab_is_valid():
    import jsonschema
    schema = json.loads((HERE / "schemas" / "gitlab-code-quality.json").read_text())
    complaints = []
    with harness.Folder() as folder:
        for stored in each_report(folder):
            issues = json.loads(fdaudit("gate", "-f", "gitlab", "--source-root", HERE, stored).out) \
                if stored.name != "hostile.json" else json.loads(rendered(folder, "gitlab", stored))
            complaints += [e.message for e in jsonschema.Draft202012Validator(schema).iter_errors(issues)]
    return complaints


@suite.check
def github_commands_cannot_be_forged():
    """One line a finding, each one of ours."""
    complaints = []
    with harness.Folder() as folder:
        for stored in each_report(folder):
            lines = rendered(folder, "github", stored).splitlines()
            expected = 0 if stored.name == "none.json" else 2
            good = [line for line in lines if line.startswith("::error title=fdaudit%3A ")]
            if len(lines) != expected or len(good) != expected:
                complaints.append(f"{stored.name}: {lines}")
        plain = fdaudit("gate", "-f", "github", "--source-root", HERE, folder / "both.json").out
        if ",file=work.c,line=" not in plain:
            complaints.append(plain)
    return complaints


@suite.check
def markdown_holds_no_markup_of_strangers():
    complaints = []
    with harness.Folder() as folder:
        for stored in each_report(folder):
            text = rendered(folder, "markdown", stored)
            if "<script>" in text.replace("```", "") and "<script>" in text.split("```")[0]:
                complaints.append(f"{stored.name}: markup: {text[:500]}")
            if any(ord(c) < 32 and c != "\n" for c in text):
                complaints.append(f"{stored.name}: control characters")
            if stored.name == "both.json" and "| **fails** | warning | leak |" not in text:
                complaints.append(text)
    return complaints


@suite.check
def redacted_reports_keep_code_and_nothing_else():
    """Neither arguments nor names of what was opened, in any format; functions, lines and ids as without."""
    complaints = []
    with harness.Folder() as folder:
        fdaudit("run", "--trace", folder / "trace", "-o", "/dev/null", "--", work(), "leak", "secret-word")
        plain = json.loads(fdaudit("report", "-f", "json", folder / "trace").out)
        for format in ["text", "json", "sarif", "junit", "github", "gitlab", "markdown"]:
            out = fdaudit("report", "-f", format, "--redact", folder / "trace").out
            shown_secrets = [word for word in ("secret-word", "/etc/hostname", f"/{pathlib.Path(work()).name} ") if word in out]
            if shown_secrets or "load" not in out:
                complaints.append(f"{format}: {shown_secrets} {out[:1500]}")
            if format == "json":
                redacted = json.loads(out)
                complaints += harness.schema_errors(redacted)
                if [f["id"] for f in redacted["findings"]] != [f["id"] for f in plain["findings"]] or \
                        redacted["stacks"] != plain["stacks"]:
                    complaints.append("ids or stacks differ")
    return complaints


@suite.check
def report_writes_the_formats_too():
    complaints = []
    with harness.Folder() as folder:
        fdaudit("run", "--trace", folder / "trace", "-o", "/dev/null", "--", work(), *WORDS)
        for format, text in {"sarif": '"version": "2.1.0"', "junit": "<testsuites>", "github": "::error",
                             "gitlab": '"check_name"', "markdown": "| gate |"}.items():
            complaints += expect_output(fdaudit("report", "-f", format, folder / "trace"), 0, text)
    return complaints


@suite.check
def many_findings_of_many_processes():
    """64 processes, each with call paths of its own, all to one line: they are merged in the blink of an eye. What is
    quadratic in them needs a minute here, and is ended."""
    program = harness.build(HERE.parent / "bench" / "findings.c", flags=["-O1"])
    complaints = []
    for arguments, findings in ((["64", "100"], "1 new finding"), (["64", "100", "own"], "1 new finding")):
        with harness.Folder() as folder:
            ran = harness.preload([program, *arguments], folder / "trace", options="journal=0")
            judged = harness.run(["prlimit", "--cpu=15", harness.FDAUDIT, "gate", folder / "trace"],
                                 env=harness.clean_environment(), timeout=300)
            complaints += [] if ran.status == 0 else [f"status {ran.status}: {ran.err}"]
            complaints += expect_output(judged, 1, f"gate failed: {findings}")[:1]
    return complaints


identity.add_to(suite)
ids.add_to(suite)
inputs.add_to(suite)

if __name__ == "__main__":
    harness.standard_main(suite)
