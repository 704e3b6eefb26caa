"""Allocators, other preloaded libraries, functions of libc's names in the program, another namespace with another libc."""

import pathlib

import everyday
import harness

HERE = pathlib.Path(__file__).resolve().parent
ALLOCATORS = {"jemalloc": "libjemalloc.so.2", "tcmalloc": "libtcmalloc_minimal.so.4", "mimalloc": "libmimalloc.so.2.0"}


def find(library):
    """Where the dynamic linker has it."""
    for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib"):
        if (pathlib.Path(folder) / library).exists():
            return f"{folder}/{library}"
    raise harness.Skip(f"{library} is not installed")


def judge_allocator(report):
    return everyday.judge(report, others=2)  # they read from /proc and /sys how large pages are


def preloaded(libraries, judge=everyday.judge):
    """Preloaded before the shim and behind it: as without the shim, and every descriptor once, at the program's line."""
    program = harness.build(everyday.SOURCE, "everyday", ["-pthread"])
    complaints = []
    with harness.Folder("neighbours") as folder:
        env = harness.clean_environment(LD_PRELOAD=":".join(libraries))
        bare = harness.run([program], cwd=folder, env=env)
        if bare.status != 7 or bare.err:
            return [f"does not run without the shim: {bare.status} {bare.err}"]
        for how, order in (("before the shim", [*libraries, harness.SHIM]), ("behind it", [harness.SHIM, *libraries])):
            trace = folder / how.replace(" ", "-")
            env["LD_PRELOAD"], env["FDAUDIT_OPTIONS"] = ":".join(order), f"trace={trace}"
            got = harness.run([program], cwd=folder, env=env)
            if (got.status, got.out, got.err) != (bare.status, bare.out, bare.err):
                complaints.append(f"{how}: {got.status} {got.out} {got.err}, not {bare.status} {bare.out} {bare.err}")
            report = harness.report_of(trace, folder).report
            complaints += [f"{how}: {c}" for c in (judge(report) if report else ["no report"])]
    return complaints


def allocator_preloaded(library):
    return preloaded([find(library)], judge_allocator)


def allocator_linked(library):
    """Linked: by the library's file, as the development packages may not be there."""
    program = harness.build(everyday.SOURCE, f"everyday-{library}", ["-pthread", "-Wl,--no-as-needed", find(library)])
    with harness.Folder("linked") as folder:
        complaints, report = everyday.compare([program], folder)
        return complaints + (judge_allocator(report) if report else [])


def auditor():
    """With an auditor the dynamic linker loads the shim late, and has little thread-local storage left for it."""
    library = harness.build(HERE / "auditor.c", "libauditor.so", ["-shared", "-fPIC"])
    with harness.Folder("auditor") as folder:
        complaints = []
        for name in ("true", "false"):
            env = harness.clean_environment(LD_AUDIT=str(library))
            bare = harness.run([f"/bin/{name}"], cwd=folder, env=env)
            ran = harness.audit(["/usr/bin/env", f"LD_AUDIT={library}", f"/bin/{name}"], folder)
            if (ran.status, ran.out, ran.err) != (bare.status, bare.out, bare.err):
                complaints.append(f"{name}: {ran.status} {ran.err!r}, without the shim {bare.status} {bare.err!r}")
            elif len((ran.report or {}).get("processes", [])) != 2:
                complaints.append(f"{name}: {ran.report_problem or ran.report['processes']}")
        return complaints


def wrapper(name, *flags):
    return str(harness.build(HERE / "wrapper.c", name, ["-shared", "-fPIC", *flags]))


def wrapped():
    return preloaded([wrapper("libonce.so")])


def wrapped_twice():
    """Three that stand in each other's way: each calls the next."""
    return preloaded([wrapper("libonce.so"), wrapper("libtwice.so", "-DANOTHER")])


def wrapped_into_another_call():
    """The reported call is the one that reached libc, or the one that the program made: by the order."""
    def judge(report):
        as_made = [row for row in everyday.reported_rows(report) if row[1] != "openat"]
        others = [(kind, "open", line, function) for kind, call, line, function in everyday.reported_rows(report)
                  if call == "openat" and function != "leak_openat"]
        rows = sorted(as_made + others + [r for r in everyday.reported_rows(report) if r[3] == "leak_openat"])
        return [] if rows == everyday.expected() else [f"{rows}\nnot\n{everyday.expected()}"]
    return preloaded([wrapper("libother.so", "-DTHROUGH_ANOTHER")], judge)


def audit(source, name, flags, *arguments):
    program = harness.build(HERE / source, name, flags)
    with harness.Folder(name) as folder:
        bare = harness.run([program, *arguments], cwd=folder, env=harness.clean_environment())
        if bare.status == 77:
            raise harness.Skip(bare.out.strip())
        ran = harness.audit([program, *arguments], folder)
    complaints = []
    if (bare.status, bare.out, bare.err) != (ran.status, ran.out, ran.err):
        complaints.append(f"{ran.status} {ran.out} {ran.err}, without the shim {bare.status} {bare.out} {bare.err}")
    if ran.report is None:
        return complaints + [ran.report_problem], None
    return complaints + harness.schema_errors(ran.report), ran.report


def expect(report, leak, opens, closes):
    """One leak in that function, and so many opens and closes unseen."""
    found = [(f["kind"], f["count"], (f["location"] or {}).get("function")) for f in report["findings"]]
    coverage = report["processes"][0]["coverage"]
    complaints = [] if found == [("leak", 1, leak)] else [f"findings: {found}"]
    if (coverage["untracked_opens"], coverage["untracked_closes"]) != (opens, closes):
        complaints.append(f"coverage: {coverage}, not {opens} opens and {closes} closes")
    return complaints


def own_symbols_pass_on():
    """The program's own open and close call the next one: ours. The report names its callers, not the wrapper."""
    complaints, report = audit("own_symbols.c", "own_symbols", ["-rdynamic"], "next")
    return complaints + (expect(report, "leak_one", 0, 0) if report else [])


def own_symbols_by_hand():
    """Its own close goes to the kernel: nobody sees it, and coverage says so."""
    complaints, report = audit("own_symbols.c", "own_symbols", ["-rdynamic"], "by_hand")
    return complaints + (expect(report, "leak_one", 0, 11) if report else [])


def late_victim(when):
    """An opening that is recorded after the number's next one, and was hit by a stale close before: the whole story."""
    slow = harness.build(HERE / "slow_open.c", "libslow_open.so", ["-shared", "-fPIC"])
    complaints, report = audit("late_victim.c", f"late_victim-{when}", ["-pthread", str(slow)], when)
    if report is None:
        return complaints
    found = [(f["kind"], f["count"], [(e["role"], report["stacks"][e["stack"]][0]["function"]) for e in f["events"]])
             for f in report["findings"]]
    if found != [("wrong-close", 1, [("opened", "open_own"), ("closed", "close_twice"), ("reopened", "owner"),
                                     ("closed-again", "close_twice")])]:
        complaints.append(f"findings: {found}")
    coverage = report["processes"][0]["coverage"]
    if coverage["untracked_opens"] or coverage["untracked_closes"]:
        complaints.append(f"coverage: {coverage}")
    return complaints


def other_namespace():
    complaints, report = audit("namespace.c", "namespace", ["-ldl"])
    return complaints + (expect(report, "leak_here", 1, 1) if report else [])


def add_to(suite):
    for name, library in ALLOCATORS.items():
        suite.add(f"allocator.{name}.preloaded", allocator_preloaded, library)
        suite.add(f"allocator.{name}.linked", allocator_linked, library)
    for check in (auditor, wrapped, wrapped_twice, wrapped_into_another_call, own_symbols_pass_on, own_symbols_by_hand,
                  other_namespace):
        suite.add(check.__name__, check)
    for when in ("open", "closed"):
        suite.add(f"late_victim.{when}", late_victim, when)
