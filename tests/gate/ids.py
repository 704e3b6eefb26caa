"""A finding's id rests on its place alone: whatever else a report holds, however the code around it changes."""

import json
import pathlib
import subprocess

import harness


def fdaudit(*arguments, **more):
    return harness.run([harness.FDAUDIT, *map(str, arguments)], cwd="/", env=harness.clean_environment(), **more)


HEADER = """#include <fcntl.h>
#include <unistd.h>
"""

# Variants of one program, and which of its findings an id must tell from which: a name for each place, by its line.
OLD = HEADER + """int main(void) {
  int b = open("/etc/passwd", O_RDONLY);  // @old
  return b < 0;
}
"""
NEW_ABOVE = HEADER + """int main(void) {
  int n = open("/etc/hostname", O_RDONLY);  // @new
  int  b=open( "/etc/passwd",O_RDONLY );    /* another comment */ // @old
  return b + n < 0;
}
"""
MENDED_AND_NEW = HEADER + """int main(void) {
  int b = open("/etc/passwd", O_RDONLY);
  close(b);
  int n = open("/etc/hostname", O_RDONLY);  // @new
  return n < 0;
}
"""
TWICE = HEADER + """int main(void) {
  int first = open("/etc/passwd", O_RDONLY);  // @first
  first = open("/etc/passwd", O_RDONLY);  // @second
  first = open("/etc/passwd", O_RDONLY);  // @third
  return first < 0;
}
"""
SECOND_OF_THREE = HEADER + """int main(void) {
  int first = open("/etc/passwd", O_RDONLY);
  close(first);
  first = open("/etc/passwd", O_RDONLY);  // @second
  close(open("/etc/hostname", O_RDONLY));
  first = open("/etc/passwd", O_RDONLY);  // @third
  return first < 0;
}
"""
BAD = HEADER + """__attribute__((noinline)) void parser(void) { close(55); __asm__(""); }  // @parser
__attribute__((noinline)) void logger(void) { close(55); __asm__(""); }  // @logger
__attribute__((noinline)) void network(void) { close(55); __asm__(""); }  // @network
int main(int count, char** words) {
  parser();
  if (count < 2) { logger(); network(); }
  return 0;
}
"""


def ids(folder, source, *words, keep_source=True, flags=("-g",)):
    """The ids of a program's findings by the names of their lines."""
    file = folder / "app.c"
    file.write_text(source)
    program = folder / "app"
    subprocess.run([harness.CC, *flags, "-o", program, file], check=True)
    if not keep_source:
        file.unlink()
    report = json.loads(fdaudit("run", "-f", "json", "--", program, *words).out)
    lines = source.splitlines()
    found = {}
    for finding in report["findings"]:
        line = (finding["location"] or {}).get("line")
        name = lines[line - 1].rpartition("@")[2] if line else finding["location"]["function"]
        found[name] = finding["id"]
        assert finding["id"].startswith("2:"), finding["id"]
    return found


def ids_rest_on_the_place():
    complaints = []
    with harness.Folder() as folder:
        old, new, mended = (ids(folder, source) for source in (OLD, NEW_ABOVE, MENDED_AND_NEW))
        if new["old"] != old["old"] or new["new"] == old["old"] or mended != {"new": new["new"]}:
            complaints.append(f"{old} {new} {mended}")
        three, two = ids(folder, TWICE), ids(folder, SECOND_OF_THREE)
        if len(set(three.values())) != 3 or two != {name: three[name] for name in ("second", "third")}:
            complaints.append(f"equal lines: {three} {two}")
        # Without the source: which call of its function it is.
        three, two = (ids(folder, source, keep_source=False) for source in (TWICE, SECOND_OF_THREE))
        by_line = {line: three[line] for line in three}
        if len(set(by_line.values())) != 3 or two["third"] in three.values():
            complaints.append(f"without the source: {three} {two}")
        if two["second"] != three["second"]:
            complaints.append(f"without the source: the second call is {two['second']}, was {three['second']}")
        again = ids(folder, TWICE, keep_source=False)
        if again != three:
            complaints.append(f"another build of the same: {again} {three}")
    return complaints


def bad_closes_of_three_functions():
    with harness.Folder() as folder:
        all_three, one = ids(folder, BAD), ids(folder, BAD, "alone")
        if set(all_three) != {"parser", "logger", "network"} or len(set(all_three.values())) != 3:
            return [str(all_three)]
        return [] if one == {"parser": all_three["parser"]} else [f"{one} {all_three}"]


def merged_traces_and_merged_reports_agree():
    complaints = []
    with harness.Folder() as folder:
        stored, traces = [], []
        for name, source in (("old", OLD), ("new", NEW_ABOVE), ("mended", MENDED_AND_NEW)):
            place = folder / name
            place.mkdir()
            (place / "app.c").write_text(source)
            subprocess.run([harness.CC, "-g", "-o", place / "app", place / "app.c"], check=True)
            fdaudit("run", "--trace", place / "trace", "-f", "json", "-o", place / "report.json", "--", place / "app")
            traces.append(place / "trace")
            stored.append(place / "report.json")
        counts = [{finding["id"]: finding["count"] for finding in json.loads(fdaudit("gate", "-f", "json", *inputs).out)["findings"]}
                  for inputs in (traces, stored, [traces[0], *stored[1:]])]
        if any(count != counts[1] for count in counts[1:]) or set(counts[0]) != set(counts[1]):
            complaints.append(str(counts))
    return complaints


def a_baseline_of_other_rules_is_said():
    with harness.Folder() as folder:
        (folder / "app.c").write_text(OLD)
        subprocess.run([harness.CC, "-g", "-o", folder / "app", folder / "app.c"], check=True)
        baseline = folder / "old.json"
        fdaudit("run", "-f", "json", "-o", baseline, "--", folder / "app")
        baseline.write_text(baseline.read_text().replace('"2:', '"1:'))
        ran = fdaudit("run", "--gate", "--baseline", baseline, "--", folder / "app")
        said = "ids of version 1, and this is version 2" in ran.err
        return [] if ran.status == 1 and said else [f"{ran.status} {ran.err}"]


def add_to(suite):
    for check in (ids_rest_on_the_place, bad_closes_of_three_functions, merged_traces_and_merged_reports_agree,
                  a_baseline_of_other_rules_is_said):
        suite.check(check)
