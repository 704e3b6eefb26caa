#!/usr/bin/env python3
"""The HTML page: what is in it, and how a browser shows it. Screenshots go to the build folder, to be looked at."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import harness  # noqa: E402

suite = harness.Suite("page")
FOLDER = harness.BUILD / "tests" / "page"
MOST_BYTES = 20 * 1024 * 1024
HOSTILE = [b"<img src=x onerror='window.pwned=1'>", b"</script><script>window.pwned=1;alert(1)</script>", b"<!--",
           b"\"><iframe src=x>", b"a\xffb\xfe", "\u202egnp.exe".encode(), b"tab\tnew\nline\x1b[31m", b"&lt;b&gt;",
           b"</style><style>*{display:none}", b"javascript:alert(1)", b"{{7*7}}${7*7}", b"]]>", b"'; alert(1); '"]


def chromium():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if shutil.which(name):
            return shutil.which(name)
    return None


def missing():
    """Why no browser can be driven here; empty where one can."""
    if not shutil.which("node"):
        return "node is not installed"
    return "" if chromium() else "Chromium is not installed"


def look(check, page):
    """What the browser complains of."""
    command = ["node", str(HERE / "browser.mjs"), str(FOLDER), chromium(), check, str(page)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    complaints = done.stdout.splitlines()
    if done.returncode != 0:
        complaints.append(done.stderr[-1500:])
    for line in done.stderr.splitlines():
        if line.startswith("large page"):
            print(line)
    return complaints


def make_page(folder, *words, options=(), cwd="/"):
    program = harness.build(HERE / "story.c")
    trace = pathlib.Path(folder) / "trace"
    environment = harness.clean_environment()
    subprocess.run([harness.FDAUDIT, "run", "--trace", str(trace), *options, "-o", "/dev/null", "--", str(program),
                    *words], cwd=cwd, env=environment, capture_output=True)
    page = pathlib.Path(folder) / "page.html"
    subprocess.run([harness.FDAUDIT, "view", "-o", str(page), str(trace)], env=environment, check=True,
                   capture_output=True)
    return page


def browser_check(name, words=(), stored=False):
    def check():
        if missing():
            raise harness.Skip(missing())
        with harness.Folder() as folder:
            page = make_page(folder, *words, cwd=folder)
            if stored:
                report = folder / "report.json"
                subprocess.run([harness.FDAUDIT, "report", "-f", "json", "-o", str(report), str(folder / "trace")],
                               check=True)
                subprocess.run([harness.FDAUDIT, "view", "-o", str(page), str(report)], check=True, capture_output=True)
            return look(name, page)
    check.__name__ = f"browser_{name}"
    suite.check(check)


for plain in ("reading", "filters", "story", "charts", "keyboard", "looks"):
    browser_check(plain)
browser_check("hostile", ("hostile", *(os.fsdecode(name.replace(b"/", b"\xe2\x88\x95") if b"</" not in name else name)
                                       for name in HOSTILE)))
browser_check("large", ("pairs", "60000"))
browser_check("stored", stored=True)


@suite.check
def one_file_without_anything_from_elsewhere():
    with harness.Folder() as folder:
        text = make_page(folder).read_text()
    complaints = [f"it loads {found}" for found in re.findall(r'<(?:link|img|iframe|script src)[^>]*>', text)]
    if "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'sha256-" not in text:
        complaints.append("it has no strict policy")
    if re.search(r'\sstyle="|\son\w+="', text):
        complaints.append("it has inline styles or handlers, which the policy forbids")
    return complaints


@suite.check
def a_million_events_stay_small():
    """Aggregated before it is written, and it says what it left out."""
    with harness.Folder() as folder:
        page = make_page(folder, "pairs", "520000", options=("--journal", "64M"))
        size = page.stat().st_size
        text = page.read_text()
    complaints = [] if size <= MOST_BYTES else [f"{size} bytes"]
    if not re.search(r'"omitted":\{[^}]*"lives":\d+', text):
        complaints.append("it does not say what it left out")
    return complaints


@suite.check
def a_running_program_is_reported_up_to_now():
    program = harness.build(HERE / "story.c")
    with harness.Folder() as folder:
        environment = harness.clean_environment(LD_PRELOAD=harness.SHIM, FDAUDIT_OPTIONS=f"trace={folder / 'trace'}")
        with subprocess.Popen([str(program), "wait"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as runs:
            runs.stdout.readline()
            page = folder / "page.html"
            subprocess.run([harness.FDAUDIT, "view", "-o", str(page), str(folder / "trace")], check=True,
                           capture_output=True)
            runs.stdin.close()
        history = json.loads(re.search(r'id=history>(.*?)</script>', page.read_text(), re.S).group(1))
    process = history["processes"][0]
    complaints = [] if process["open"][-1] == 6 else [f"{process['open']} open"]
    if not history["duration"] >= process["end"] >= process["t"][-1]:
        complaints.append(f"{history['duration']}, {process['end']}, {process['t']}")
    return complaints


@suite.check
def view_says_where_and_overwrites_nothing():
    program = harness.build(HERE / "story.c")
    complaints = []
    with harness.Folder() as folder:
        trace = folder / "trace"
        subprocess.run([harness.FDAUDIT, "run", "--trace", str(trace), "-o", "/dev/null", "--", str(program)],
                       capture_output=True)
        for name in ("fdaudit.html", "fdaudit-2.html"):
            done = subprocess.run([harness.FDAUDIT, "view", str(trace)], cwd=folder, capture_output=True, text=True)
            if done.returncode != 0 or done.stdout.strip() != str(folder.resolve() / name):
                complaints.append(f"{done.returncode}: {done.stdout}{done.stderr}")
        done = subprocess.run([harness.FDAUDIT, "view", str(folder / "nothing")], capture_output=True, text=True)
        if done.returncode != 3:
            complaints.append(f"a missing trace: {done.returncode}")
        broken = folder / "broken.json"
        broken.write_text('{"schema": "fdaudit-report/1", "findings": 7}')
        done = subprocess.run([harness.FDAUDIT, "view", str(broken)], cwd=folder, capture_output=True, text=True)
        if done.returncode != 3:
            complaints.append(f"a broken report: {done.returncode} {done.stderr}")
    return complaints


@suite.check
def redacted_pages_show_no_names():
    program = harness.build(HERE / "story.c")
    with harness.Folder() as folder:
        secret = folder / "secret-name"
        subprocess.run([harness.FDAUDIT, "run", "--trace", str(folder / "t"), "-o", "/dev/null", "--", str(program),
                        "hostile", str(secret)], capture_output=True)
        page = folder / "page.html"
        subprocess.run([harness.FDAUDIT, "view", "--redact", "-o", str(page), str(folder / "t")], check=True,
                       capture_output=True)
        text = page.read_text()
    return [name for name in ("secret-name", "class=source") if name in text]


if __name__ == "__main__":
    harness.standard_main(suite)
