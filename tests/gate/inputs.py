"""What a command may be given: reports that anybody may have written, pipes, directories, configurations."""

import copy
import json
import os
import pathlib
import random
import subprocess

import harness

HERE = pathlib.Path(__file__).resolve().parent


def fdaudit(*arguments, **more):
    return harness.run([harness.FDAUDIT, *map(str, arguments)], cwd=more.pop("cwd", "/"), env=harness.clean_environment(),
                       **more)


def stored_report(folder):
    work = harness.build(HERE / "work.c")
    path = folder / "report.json"
    fdaudit("run", "-f", "json", "-o", path, "--", "sh", "-c", f"{work} leak twice; {work} other")
    return path


def places(value, pointer=()):
    """Every member and element of a document, by where it is."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        yield (*pointer, key)
        yield from places(inner, (*pointer, key))


def changed(document, pointer, change):
    copied = copy.deepcopy(document)
    holder = copied
    for key in pointer[:-1]:
        holder = holder[key]
    change(holder, pointer[-1])
    return copied


def damaged_reports_are_refused_with_the_place():
    """Whatever is missing from a report, or of another type, or leads nowhere: one sentence, status 3, no abort."""
    complaints = []
    random.seed(18)
    strange = [None, True, -1, 1e300, "strange", "p999", [], {}, [[[]]], {"a": 1}]

    def remove(holder, key):
        del holder[key]

    with harness.Folder() as folder:
        document = json.loads(stored_report(folder).read_text())
        all_places = [place for place in places(document)]
        damaged = folder / "damaged.json"
        trials = [(place, remove) for place in random.sample(all_places, 60)]
        trials += [(place, lambda holder, key, value=random.choice(strange): holder.__setitem__(key, value))
                   for place in random.sample(all_places, 60)]
        for place, change in trials:
            damaged.write_text(json.dumps(changed(document, place, change)))
            for command in (["gate"], ["gate", "-f", random.choice(["sarif", "junit", "github", "gitlab", "markdown", "html", "json"])],
                            ["view", "-o", "/dev/null"], ["gate", "--baseline", damaged], ["diff", damaged]):
                ran = fdaudit(*command, damaged, timeout=20)
                is_refused = ran.status == 3 and ran.err.count("\n") == 1 and str(damaged) in ran.err
                if ran.hung or ran.status not in (0, 1, 3) or (ran.status == 3 and not is_refused):
                    complaints.append(f"{place} {command}: {ran.status} {ran.err[-300:]}")
    return complaints


def what_leads_nowhere_is_refused():
    complaints = []
    with harness.Folder() as folder:
        document = json.loads(stored_report(folder).read_text())
        damaged = folder / "damaged.json"

        def expect(pointer, change):
            copied = copy.deepcopy(document)
            change(copied)
            damaged.write_text(json.dumps(copied))
            ran = fdaudit("gate", damaged, timeout=20)
            if ran.status != 3 or f"{damaged}: at {pointer}" not in ran.err:
                complaints.append(f"{pointer}: {ran.status} {ran.err}")

        first = document["findings"][0]
        expect("/processes/0/parent", lambda d: d["processes"][0].update(parent=d["processes"][0]["id"]))
        expect("/processes/", lambda d: (d["processes"][0].update(parent="p2"), d["processes"][1].update(parent="p1")))
        expect("/processes/1/id", lambda d: d["processes"][1].update(id="p1"))
        expect("/findings/0/events/0/stack", lambda d: d["findings"][0]["events"][0].update(stack="s:" + "0" * 16))
        expect("/findings/0/processes/0", lambda d: d["findings"][0].update(processes=["p77"]))
        expect("/findings/0/deciding", lambda d: d["findings"][0].update(deciding=len(first["events"])))
        expect("/findings/0/kind", lambda d: d["findings"][0].update(kind="leek"))
        expect("/findings/0: 'location' is missing", lambda d: d["findings"][0].pop("location"))
        for text in ("[" * 100000, '{"a":' * 100000, '{"schema": "fdaudit-report/1", "session": ' + "[" * 100000):
            damaged.write_text(text)
            ran = fdaudit("gate", damaged, timeout=20)
            if ran.status != 3 or ran.hung:
                complaints.append(f"nested: {ran.status} {ran.err}")
    return complaints


def older_reports_get_what_they_lack():
    with harness.Folder() as folder:
        path = stored_report(folder)
        document = json.loads(path.read_text())
        for finding in document["findings"]:
            for key in ("held", "why", "includes", "variants", "last_use"):
                del finding[key]
        del document["summary"]["by_kind"]["bad-use"]
        del document["coverage"], document["session"]["folded"], document["gate"]["failed_for_loss"]
        old = folder / "old.json"
        old.write_text(json.dumps(document))
        ran = fdaudit("gate", "-f", "json", old)
        errors = harness.schema_errors(json.loads(ran.out)) if ran.status == 1 else [f"{ran.status} {ran.err}"]
        return errors


def pipes_and_byte_order_marks():
    complaints = []
    with harness.Folder() as folder:
        path = stored_report(folder)
        plain = fdaudit("gate", path)
        marked = folder / "marked.json"
        marked.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
        for command in ([str(marked)], ["--baseline", str(marked), str(path)]):
            ran = fdaudit("gate", *command)
            expected = 1 if len(command) == 1 else 0
            if ran.status != expected:
                complaints.append(f"{command}: {ran.status} {ran.err}")
        for script in (f'cat "$1" | "$0" gate /dev/stdin', f'"$0" gate <(cat "$1")', f'"$0" gate /dev/stdin < "$1"',
                       f'"$0" gate --baseline <(echo "{{}}" | cat "$2") "$1"'):
            ran = harness.run(["bash", "-c", script, harness.FDAUDIT, path, marked], cwd="/", env=harness.clean_environment())
            if (ran.status, ran.out) != (plain.status, plain.out) and "--baseline" not in script:
                complaints.append(f"{script}: {ran.status} {ran.err}")
            if "--baseline" in script and ran.status != 0:
                complaints.append(f"{script}: {ran.status} {ran.err}")
        ran = harness.run(["bash", "-c", 'echo nothing | "$0" gate /dev/stdin', harness.FDAUDIT], env=harness.clean_environment())
        if ran.status != 3:
            complaints.append(f"no report: {ran.status} {ran.err}")
        (folder / "marked.supp").write_bytes(b"\xef\xbb\xbfleak:load\n")
        ran = fdaudit("gate", "--suppressions", folder / "marked.supp", path)
        if "1 suppressed" not in ran.out:
            complaints.append(f"suppressions: {ran.out} {ran.err}")
    return complaints


def directories_are_no_files():
    complaints = []
    with harness.Folder() as folder:
        path = stored_report(folder)
        empty = folder / "empty"
        empty.mkdir()
        for options, status in ((["--suppressions", empty], 2), (["--config", empty], 2), (["--baseline", empty], 3)):
            ran = fdaudit("gate", *options, path)
            if ran.status != status or str(empty) not in ran.err:
                complaints.append(f"{options}: {ran.status} {ran.err}")
        (folder / ".fdaudit.toml").mkdir()
        ran = fdaudit("gate", path, cwd=folder)
        if ran.status != 2 or ".fdaudit.toml" not in ran.err:
            complaints.append(f"a configuration that is a directory: {ran.status} {ran.err}")
    return complaints


def a_configuration_is_checked_like_flags():
    """Before the program has run, with the line."""
    complaints = []
    with harness.Folder() as folder:
        config = folder / ".fdaudit.toml"
        for text, line in {"[gate]\nerror-exitcode = 256": 2, "[gate]\nerror-exitcode = -1": 2, "[gate]\nerror-exitcode = 0": 2,
                           "[gate]\nmin-count = 4294967297": 2, "[gate]\nmin-count = 0": 2, "[gate]\nscope = 'mine'": 2,
                           "[gate]\nfail-on = ['leak', 'leek']": 2, "[gate]\nmax = {leek = 1}": 2, "[gate]\nmax = {leak = -1}": 2,
                           "[": 1, "x = [}": 1, "x = [,": 1, "[]": 1, "=": 1, "x = }": 1, '"': 1, "[gate\n": 1, "[gate]\n[": 2,
                           "[gate]\nmax = {": 2, "[gate]\nmin-count = 99999999999999999999": 2, "\ufeff[gate]\nfail-on = 3": 2}.items():
            config.write_text(text)
            ran = fdaudit("run", "--", "touch", folder / "ran", cwd=folder)
            if ran.status != 125 or f".fdaudit.toml:{line}: " not in ran.err or (folder / "ran").exists():
                complaints.append(f"{text!r}: {ran.status} {ran.err}")
        config.write_bytes(b"\xef\xbb\xbf[gate]\nerror-exitcode = 9\n")
        ran = fdaudit("run", "--gate", "--", harness.build(HERE / "work.c"), "leak", cwd=folder)
        if ran.status != 9:
            complaints.append(f"with a byte order mark: {ran.status} {ran.err}")
    return complaints


def a_trace_is_not_overwritten():
    complaints = []
    with harness.Folder() as folder:
        fdaudit("run", "--trace", folder / "trace", "-o", "/dev/null", "--", harness.build(HERE / "work.c"), "leak")
        trace = next((folder / "trace").glob("*.fdaudit"))
        before = trace.read_bytes()
        for command in (["report", "-o", trace, trace], ["report", "-f", "json", "-o", trace, trace], ["view", "-o", trace, trace],
                        ["gate", "-o", trace, trace], ["gate", "--write-baseline", trace, trace]):
            ran = fdaudit(*command)
            if ran.status != 2 or "is a trace" not in ran.err:
                complaints.append(f"{command}: {ran.status} {ran.err}")
        if trace.read_bytes() != before:
            complaints.append("it was changed")
    return complaints


def add_to(suite):
    for check in (damaged_reports_are_refused_with_the_place, what_leads_nowhere_is_refused, older_reports_get_what_they_lack,
                  pipes_and_byte_order_marks, directories_are_no_files, a_configuration_is_checked_like_flags,
                  a_trace_is_not_overwritten):
        suite.check(check)
