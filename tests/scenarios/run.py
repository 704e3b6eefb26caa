#!/usr/bin/env python3
"""Scenarios: small programs, each with what the report must say about it.

Those in reenacted/ have the structure of bugs that others have had, one each.

NAME.c, NAME.cc, NAME.py or NAME.sh is the program, NAME.json the expectation: one object, or an object with "cases",
a list of objects that each inherit the outer one's entries. A program that ends with status 77 can't run here: it is
skipped. A case may say

  name          of the case; the program's first argument where "args" is absent
  args          arguments; {program} is the program, {source} its source, {library} the library
  library       a C source here that is built as a shared library
  build         further compiler flags; {source_dir} is this folder
  options       FDAUDIT_OPTIONS
  env           further environment variables; {library} as in args
  timeout       seconds until the watchdog ends it (harness.PATIENCE)
  status        exit status of `fdaudit run` (0)
  stdout        what it prints, exactly
  own           true: findings that do not gate are not looked at (a shell's own carelessness, say)
  findings      list, matched one to one, or "any":
    kind, severity, certainty, growing, count, gates, context, held   equal
    fds           list of numbers, or how many distinct ones as an integer
    events        list of {role, call, at, function}: a subsequence of the finding's events. `role` and `call` may be
                  lists of what will do. `at` is the line of the innermost frame in the program's source: a marker such
                  as "@again", put into the source as a comment. by_collector, object: equal
    location      marker: the finding's location
    what          type and target of its first descriptor, as a regular expression over "TYPE TARGET"
    function      the finding's location's function, or null for none
    frames        functions of the deciding stack, innermost first, as a subsequence
    message       regular expression that its message must hold
    growth, siblings   what these must have, as far as given; null for none
    last_use      list of [call, marker, count]: which calls used its descriptors last
    closed_at     markers: the lines where its siblings were closed, the most first
    descriptor    entries that its first descriptor must have, as far as given: close_on_exec, received_from …
    sender        entries that the process must have from which the first descriptor was received, see processes
    process       entries that the finding's process must have, see processes
  sums          in place of findings, where chance decides how many: as those, but each stands for all findings that it
                fits, whose counts must add up to its own. A count may be "stdout.KEY", see processes
  never         kinds of which there must be no finding at all, whatever "own" says
  processes     list of objects, each matched with another process of the report: started_by, end, descriptors … as far
                as given. {"opened": "stdout.pairs"} takes the number from the JSON object that the program printed
  process_count how many there must be
  contexts      list of what the report's contexts must have, one after the other, as far as given
  untracked     list of entries that some process's coverage.untracked must have, as far as given
  coverage      "any", or what the coverage of all processes must add up to (default: all zero)
"""

import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import harness  # noqa: E402

CANNOT_RUN_HERE = 77  # a program's exit status
NO_LOSS = {"untracked_opens": 0, "untracked_closes": 0, "events_dropped": 0}


def markers(source):
    """Line numbers of the markers in a source file: // @name or # @name."""
    found = {}
    for number, line in enumerate(source.read_text().splitlines(), 1):
        for name in re.findall(r"(?://|#|/\*) ?(@[\w-]+)", line):
            if name in found:
                raise ValueError(f"{source.name}: marker {name} twice")
            found[name] = number
    return found


class Case:
    def __init__(self, source, spec):
        self.source, self.spec = source, spec
        folder = "" if source.parent == HERE else source.parent.name + "."
        self.name = folder + source.stem + ("." + spec["name"] if "name" in spec else "")
        self.lines = markers(source)
        if "library" in spec:
            self.lines.update(markers(source.parent / spec["library"]))

    def command(self):
        if self.source.suffix in (".c", ".cc"):
            flags = [f.replace("{source_dir}", str(self.source.parent)) for f in self.spec.get("build", [])]
            if self.source.parent != HERE:
                flags.append(f"-I{HERE}")
            name = re.sub(r"\W+", "_", " ".join([f"scenario-{self.source.stem}", *self.spec.get("build", [])]))
            program = [str(harness.build(self.source, name, flags))]
        elif self.source.suffix == ".py":
            program = [harness.PYTHON, str(self.source)]
        else:
            program = ["/bin/bash", str(self.source)]
        arguments = self.spec.get("args", [self.spec["name"]] if "name" in self.spec else [])
        fill = {"{program}": program[0], "{source}": str(self.source), "{library}": self.library()}
        return program + [fill.get(a, a) for a in arguments]

    def library(self):
        if "library" not in self.spec:
            return ""
        library = self.source.parent / self.spec["library"]
        return str(harness.build(library, f"{library.stem}.so", ["-shared", "-fPIC"]))

    def run(self):
        spec = self.spec
        with harness.Folder(self.name) as folder:
            env = {name: value.replace("{library}", self.library()) for name, value in spec.get("env", {}).items()}
            env = harness.clean_environment(**env)
            ran = harness.audit(self.command(), folder, env, spec.get("options", ""),
                                timeout=spec.get("timeout", harness.PATIENCE))
        complaints = []
        if ran.hung:
            return ["hung: ended by the watchdog"]
        if ran.status == CANNOT_RUN_HERE:
            raise harness.Skip(ran.err.splitlines()[0] if ran.err else "the program says that it can't run here")
        if ran.status != spec.get("status", 0):
            complaints.append(f"status {ran.status}, expected {spec.get('status', 0)}; standard error: {ran.err[-500:]}")
        if "stdout" in spec and ran.out != spec["stdout"]:
            complaints.append(f"printed {ran.out!r}, expected {spec['stdout']!r}")
        if ran.report is None:
            return complaints + [ran.report_problem, ran.err[-500:]]
        complaints += harness.schema_errors(ran.report)
        complaints += self.judge_sums(ran.report, ran.out) if "sums" in spec else self.judge_findings(ran.report)
        complaints += self.judge_contexts(ran.report)
        complaints += [f"never: {self.describe(finding, ran.report)}" for finding in ran.report["findings"]
                       if finding["kind"] in spec.get("never", [])]
        complaints += [f"not at {spec['only_at']}: {self.describe(finding, ran.report)}" for finding in ran.report["findings"]
                       if "only_at" in spec and (finding.get("location") or {}).get("function") != spec["only_at"]]
        complaints += self.judge_processes(ran.report, ran.out)
        return complaints

    # --- findings

    def judge_findings(self, report):
        expected = self.spec.get("findings", [])
        if expected == "any":
            return []
        left = [f for f in report["findings"] if f["gates"] or not self.spec.get("own")]
        complaints = []
        for wanted in expected:
            reasons = [(self.mismatch(wanted, finding, report), finding) for finding in left]
            fitting = [finding for reason, finding in reasons if not reason]
            if fitting:
                left.remove(fitting[0])
                continue
            nearest = min(reasons, key=lambda r: len(r[0])) if reasons else None
            complaints.append(f"missing: {json.dumps(wanted)}" +
                              (f"\n  nearest: {'; '.join(nearest[0])}" if nearest else ""))
        complaints += [f"unexpected: {self.describe(finding, report)}" for finding in left]
        if complaints and expected:
            complaints += [f"reported: {self.describe(finding, report)}" for finding in report["findings"]]
        return complaints

    def judge_contexts(self, report):
        wanted, got = self.spec.get("contexts"), report["contexts"]
        fits = wanted is None or len(wanted) == len(got) and all(
            one[key] == value for expected, one in zip(wanted, got) for key, value in expected.items())
        return [] if fits else [f"contexts {got}, expected {wanted}"]

    def judge_sums(self, report, printed):
        left = list(report["findings"])
        complaints = []
        for sum_wanted in self.spec["sums"]:
            wanted = fill(sum_wanted, printed)
            total = wanted.pop("count")
            fitting = [f for f in left if not self.mismatch(wanted, f, report)]
            left = [f for f in left if f not in fitting]
            reported = sum(f["count"] for f in fitting)
            if reported != total:
                complaints.append(f"{reported} and not {total} of {json.dumps(wanted)}")
        return complaints + [f"unexpected: {self.describe(finding, report)}" for finding in left]

    def own_line(self, event, report):
        """Line of the innermost frame in the program's own source, and that frame's function."""
        own = (self.source.name, self.spec.get("library"))
        for frame in report["stacks"].get(event.get("stack") or "", []):
            if pathlib.PurePath(frame.get("file") or "").name in own:
                return frame.get("line"), frame.get("function")
        return None, None

    def describe(self, finding, report):
        events = ", ".join(f"{e['role']} by {e.get('call')} at {self.own_line(e, report)[0]}"
                           for e in finding["events"])
        return f"{finding['severity']} {finding['kind']} ×{finding['count']} fds {finding['fds'][:10]} ({events}): " \
               f"{finding['message']}"

    def mismatch(self, wanted, finding, report):
        """Why a finding is not the one that is wanted; empty where it is."""
        reasons = []

        def must(what, expected, got):
            if expected != got:
                reasons.append(f"{what} is {got!r}, not {expected!r}")

        for key in ("kind", "severity", "certainty", "growing", "count", "gates", "context", "held"):
            if key in wanted:
                must(key, wanted[key], finding.get(key))
        if "fds" in wanted:
            if isinstance(wanted["fds"], int):
                must("number of fds", wanted["fds"], len(finding["fds"]))
            else:
                must("fds", sorted(wanted["fds"]), sorted(finding["fds"]))
        location = finding.get("location") or {}
        if "location" in wanted:
            must("location", self.lines[wanted["location"]], location.get("line"))
        if "function" in wanted:
            if not same_function(wanted["function"], location.get("function")):
                must("function", wanted["function"], location.get("function"))
        if "process" in wanted:
            processes = {p["id"]: p for p in report["processes"]}
            if not any(fits(wanted["process"], processes[p]) for p in finding["processes"]):
                reasons.append(f"processes {finding['processes']} are not {wanted['process']}")
        if "what" in wanted:
            first = finding["descriptors"][0] if finding["descriptors"] else {}
            what = f"{first.get('type')} {first.get('target')}"
            if not re.fullmatch(wanted["what"], what):
                reasons.append(f"it is {what!r}, not {wanted['what']!r}")
        if not re.search(wanted.get("message", ""), finding["message"]):
            reasons.append(f"message is {finding['message']!r}, not {wanted['message']!r}")
        for key in ("growth", "siblings"):
            if key in wanted and not fits(wanted[key], finding[key]):
                reasons.append(f"{key} is {finding[key]}, not {wanted[key]}")
        if "last_use" in wanted:
            must("last_use", [[call, self.lines[marker], count] for call, marker, count in wanted["last_use"]],
                 [[u["call"], (u["location"] or {}).get("line"), u["count"]] for u in finding["last_use"]])
        if "closed_at" in wanted:
            must("closed_at", [self.lines[m] for m in wanted["closed_at"]],
                 [c["location"]["line"] for c in (finding["siblings"] or {"closers": []})["closers"]])
        first = finding["descriptors"][0] if finding["descriptors"] else {}
        if not fits(wanted.get("descriptor", {}), first):
            reasons.append(f"its first descriptor is {first}, not {wanted['descriptor']}")
        if "sender" in wanted:
            id = (first.get("received_from") or {}).get("process")
            if not any(p["id"] == id and fits(wanted["sender"], p) for p in report["processes"]):
                reasons.append(f"received from {first.get('received_from')}, not from {wanted['sender']}")
        events = iter(finding["events"])
        for event in wanted.get("events", []):
            if not any(self.event_fits(event, e, report) for e in events):
                reasons.append(f"no event {event} (in this order)")
        if "frames" in wanted:
            openings = [e for e in finding["events"] if e["role"] in ("opened", "duplicated", "received")]
            deciding = openings[-1] if finding["kind"] == "leak" else finding["events"][-1]
            functions = [f.get("function") for f in report["stacks"].get(deciding.get("stack") or "", [])]
            rest = iter(functions)
            if not all(any(same_function(want, f) for f in rest) for want in wanted["frames"]):
                reasons.append(f"frames {functions} lack {wanted['frames']}")
        return reasons

    def event_fits(self, wanted, event, report):
        roles = wanted.get("role", event["role"])
        if event["role"] not in (roles if isinstance(roles, list) else [roles]):
            return False
        calls = wanted.get("call", event.get("call"))
        if event.get("call") not in (calls if isinstance(calls, list) else [calls]):
            return False
        reported = ["by_collector", "object"] if sys.version_info >= (3, 11) else ["by_collector"]  # by qualified names
        if any(event.get(key) != wanted[key] for key in reported if key in wanted):
            return False
        line, function = self.own_line(event, report)
        if "at" in wanted and self.lines[wanted["at"]] != line:
            return False
        return "function" not in wanted or same_function(wanted["function"], function)

    # --- processes

    def judge_processes(self, report, printed):
        complaints = []
        processes = report["processes"]
        if "process_count" in self.spec and len(processes) != self.spec["process_count"]:
            complaints.append(f"{len(processes)} processes, expected {self.spec['process_count']}: " +
                              json.dumps([brief(p) for p in processes]))
        left = list(processes)
        for wanted in self.spec.get("processes", []):
            wanted = fill(wanted, printed)
            fitting = [p for p in left if fits(wanted, p)]
            if fitting:
                left.remove(fitting[0])
            else:
                complaints.append(f"no process {json.dumps(wanted)}\n  among {json.dumps([brief(p) for p in left])}")
        unseen = [u for p in processes for u in p["coverage"]["untracked"]]
        for wanted in self.spec.get("untracked", []):
            if not any(wanted.items() <= u.items() and u["not_before_s"] <= u["not_after_s"] for u in unseen):
                complaints.append(f"not reported as unseen: {wanted}; reported: {unseen}")
        if self.spec.get("coverage") != "any":
            wanted = {**NO_LOSS, **self.spec.get("coverage", {})}
            got = {key: sum(p["coverage"][key] for p in processes) for key in wanted}
            if got != wanted:
                complaints.append(f"coverage {got}, expected {wanted}: " +
                                  "; ".join(f"{p['id']} {p['coverage']}" for p in processes
                                            if any(p["coverage"][k] for k in NO_LOSS)))
        return complaints


def same_function(wanted, got):
    """A name is wanted without its C++ parameters, template arguments and return type, and may be given with them.

    A Python function is wanted by its qualified name, which it has from Python 3.11 on."""
    if wanted is None or got is None:
        return wanted == got
    if sys.version_info < (3, 11) and wanted.rpartition(".")[2] == got:
        return True
    return re.search(rf"(^|\s){re.escape(wanted)}($|[(<])", got) is not None


def brief(process):
    return {key: process.get(key) for key in ("started_by", "end", "descriptors", "argv")}


def fits(wanted, got):
    """Whether `got` holds all that `wanted` says, objects within objects likewise."""
    if isinstance(wanted, dict):
        return isinstance(got, dict) and all(key in got and fits(value, got[key]) for key, value in wanted.items())
    return wanted == got


def fill(wanted, printed):
    """Replaces "stdout.KEY" by that entry of the JSON object that the program printed."""
    if isinstance(wanted, dict):
        return {key: fill(value, printed) for key, value in wanted.items()}
    if isinstance(wanted, str) and wanted.startswith("stdout."):
        return json.loads(printed)[wanted[len("stdout."):]]
    return wanted


def load():
    suite = harness.Suite("scenarios")
    for expectation in sorted(HERE.rglob("*.json")):
        sources = [p for p in expectation.parent.glob(expectation.stem + ".*") if p.suffix in (".c", ".cc", ".py", ".sh")]
        if len(sources) != 1:
            raise SystemExit(f"{expectation.name}: needs one program, has {sources}")
        outer = json.loads(expectation.read_text())
        inherited = {key: value for key, value in outer.items() if key not in ("cases", "about")}
        for spec in outer.get("cases", [{}]):
            case = Case(sources[0], {**inherited, **spec})
            suite.add(case.name, case.run)
    return suite


if __name__ == "__main__":
    harness.standard_main(load())
