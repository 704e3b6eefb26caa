#!/usr/bin/env python3
"""The laboratory: generated programs whose culprit is known, and how well the reports name it.

`make test-culprits` runs 200 of them; COUNT=N takes N, SEED=TEXT others. `--table` prints
the score by shape. The bounds are those of the contract with our users: nobody innocent is "proven" to be guilty, and a
right program gets neither error nor warning.
"""

import collections
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
sys.path.insert(0, str(HERE))
import backends  # noqa: E402
import generator  # noqa: E402
import harness  # noqa: E402

COUNT = int(os.environ.get("COUNT", "200"))
SEED = os.environ.get("SEED", "1")
CHUNK = 25  # programs of one source
NAMED, LOCATED = 0.97, 0.85

# Language, optimisation, whether the second source is a library, whether symbols are stripped.
BUILDS = [("c", "-O0", False, False), ("c", "-O2", True, False), ("python", "", False, False), ("c++", "-O1", False, False),
          ("c", "-O1", False, True), ("c++", "-O2", True, False), ("c", "-O2", False, False), ("python", "", False, False)]


class Chunk:
    """Programs that share a source, and how to run one of them."""

    def __init__(self, programs, build, folder):
        self.programs = programs
        self.language, level, as_library, self.stripped = build
        name = f"culprits_{programs[0].number}"
        if self.language == "python":
            self.script = folder / f"{name}.py"
            backends.write_python(programs, self.script)
            return
        main, parts = backends.CWriter(programs, self.language == "c++").write(folder, name)
        compiler = os.environ.get("CXX", "g++") if self.language == "c++" else os.environ.get("CC", "gcc")
        flags = [*compiler.split(), "-g", level, "-w", "-I", str(folder)]
        self.program = folder / name
        if as_library:
            library = folder / f"lib{name}.so"
            subprocess.run([*flags, "-fPIC", "-shared", str(parts), "-o", str(library)], check=True)
            subprocess.run([*flags, str(main), str(library), f"-Wl,-rpath,{folder}", "-rdynamic", "-pthread", "-o",
                            str(self.program)], check=True)
        else:
            subprocess.run([*flags, str(main), str(parts), "-pthread", "-o", str(self.program)], check=True)
        if self.stripped:
            self.symbols = folder / f"{name}.symbols"
            self.symbols.write_bytes(self.program.read_bytes())
            subprocess.run(["strip", "-s", str(self.program)], check=True)

    def command(self, program):
        start = [harness.PYTHON, str(self.script)] if self.language == "python" else [str(self.program)]
        return [*start, str(program.number)]

    def names(self, text):
        """Places of stripped programs as functions."""
        if self.language == "python" or not self.stripped:
            return text
        places = sorted(set(re.findall(rf"{self.program.name}\+(0x[0-9a-f]+)", text)))
        if not places:
            return text
        found = subprocess.run(["addr2line", "-f", "-e", str(self.symbols), *places], capture_output=True, text=True, check=True)
        for place, function in zip(places, found.stdout.splitlines()[::2]):
            text = re.sub(rf"{self.program.name}\+{place}\b", function, text)
        return text


def names(text, functions):
    return any(re.search(rf"(?<![A-Za-z0-9_]){re.escape(f)}(?![A-Za-z0-9_])", text) for f in functions)


def place_of(report, finding):
    """The location, as the report's text has it."""
    location = finding["location"] or {}
    if location.get("function"):
        return location["function"]
    places = re.findall(r"\w+\+0x[0-9a-f]+", finding["message"].split(";")[0])
    return "" if not places else places[0] if finding["kind"] == "wrong-close" else places[-1]


def judge(chunk, program, folder):
    """What the report made of one program: a verdict, and what is wrong with it."""
    out = folder / f"{program.number}.json"
    env = harness.clean_environment()
    ran = harness.run([harness.FDAUDIT, "run", "-f", "json", "-o", str(out), "--", *chunk.command(program)], env=env)
    if ran.status != 0 or ran.hung:
        return "failed", f"status {ran.status}: {ran.err[-300:]}"
    report = json.loads(out.read_text())
    out.unlink()
    findings = [f for f in report["findings"] if f["severity"] != "note"]
    if program.culprits:  # a victim that only writes leaves its own descriptor open where nobody hit it
        findings = [f for f in findings if f["kind"] != "leak"]
    told = [f"{f['kind']} {f['severity']} {f['certainty']}: {f['message']} (because {f['why']})" for f in findings]
    if not program.culprits:
        return ("silent", "") if not findings else ("accused", "\n".join(told))
    if not findings:
        return "missed", ""
    places = [chunk.names(place_of(report, f)) for f in findings]
    accused = [p for p, f in zip(places, findings) if f["certainty"] == "proven" and not names(p, program.culprits)]
    if accused:
        return "innocent-proven", "\n".join(told)
    best = findings[0]
    if any(names(p, program.culprits) for p in places):
        first = next(f for p, f in zip(places, findings) if names(p, program.culprits))
        return f"located-{first['certainty']}", ""
    if any(names(chunk.names(t), program.culprits) for t in told):
        return f"named-{best['certainty']}", "\n".join(told)
    return "wrong", "\n".join(told)


def table(results):
    columns = ["located-proven", "located-likely", "located-one-of", "named-proven", "named-likely", "named-one-of", "wrong",
               "missed", "innocent-proven", "silent", "accused"]
    rows = collections.defaultdict(collections.Counter)
    for program, verdict, _ in results:
        rows[program.shape][verdict] += 1
    lines = ["| shape | programs | " + " | ".join(columns) + " |", "| --- " * (len(columns) + 2) + "|"]
    for shape in dict.fromkeys(generator.GUILTY + generator.RIGHT):
        counts = rows[shape]
        lines.append(f"| {shape} | {sum(counts.values())} | " + " | ".join(str(counts[c] or "") for c in columns) + " |")
    return "\n".join(lines)


def complaints(results):
    guilty = [r for r in results if r[0].culprits]
    located = sum(v.startswith("located") for _, v, _ in guilty)
    named = located + sum(v.startswith("named") for _, v, _ in guilty)
    wrong = []
    for program, verdict, text in results:
        if verdict in ("innocent-proven", "accused", "failed"):
            wrong.append(f"program {program.number} ({program.shape} {program.knobs}): {verdict}\n{text}")
    if named < NAMED * len(guilty):
        wrong.append(f"the culprit is named in {named} of {len(guilty)}")
    if located < LOCATED * len(guilty):
        wrong.append(f"the culprit is the location in {located} of {len(guilty)}")
    return wrong


def load(show=None):
    suite = harness.Suite("culprits")

    def laboratory():
        with harness.Folder("culprits") as root:
            folder = pathlib.Path(root)
            programs = generator.programs(COUNT, SEED)
            parts = [programs[i:i + CHUNK] for i in range(0, len(programs), CHUNK)]
            with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
                chunks = list(pool.map(lambda n: Chunk(parts[n], BUILDS[n % len(BUILDS)], folder), range(len(parts))))
                work = [(chunk, program) for chunk in chunks for program in chunk.programs]
                verdicts = list(pool.map(lambda one: judge(*one, folder), work))
        results = [(program, *verdict) for (_, program), verdict in zip(work, verdicts)]
        if show:
            show(results, {program.number: chunk for chunk, program in work})
        return complaints(results)

    suite.add("laboratory", laboratory)
    return suite


def show(results, chunks):
    print(table(results))
    for program, verdict, text in results:
        if verdict in ("innocent-proven", "accused", "failed", "wrong", "missed") or verdict.startswith("named"):
            chunk = chunks[program.number]
            print(f"\n{program.number} {program.shape} {verdict} {chunk.language} {program.driver} {program.knobs}"
                  f" guilty: {', '.join(sorted(program.culprits))}\n{text}")


if __name__ == "__main__":
    table_wanted = "--table" in sys.argv
    sys.argv = [a for a in sys.argv if a != "--table"]
    harness.standard_main(load(show if table_wanted else None))
