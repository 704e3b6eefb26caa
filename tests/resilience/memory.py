"""The trace takes little of the program's memory: address space that is limited, memory that is locked."""

import os
import pathlib
import re
import shutil

import harness

HERE = pathlib.Path(__file__).resolve().parent
# Megabytes of address space that the shim and the start of its trace may take.
MOST = 6


def program():
    return harness.build(HERE / "memory.c", flags=["-pthread"])


def figure(ran, name):
    """What the program printed behind a name, in kB."""
    found = re.search(rf"^{name} (\d+)$", ran.out, re.M)
    return int(found.group(1)) if found else -1


def same_output(bare, audited):
    """Complaints where the program saw something else than without the shim."""
    seen = [re.sub(r"^(vm|locked) \d+$", "", ran.out, flags=re.M) for ran in (bare, audited)]
    if (bare.status, seen[0], bare.err) == (audited.status, seen[1], audited.err):
        return []
    return [f"without the shim {bare.status} {bare.out!r} {bare.err!r}, with it {audited.status} {audited.out!r} "
            f"{audited.err!r}"]


def run_both(arguments, folder, prefix=()):
    bare = harness.run([*prefix, program(), *arguments], cwd=folder, env=harness.clean_environment())
    env = harness.clean_environment(FDAUDIT_OPTIONS=f"trace={folder / 'trace'}")
    audited = harness.run([*prefix, "env", f"LD_PRELOAD={harness.SHIM}", program(), *arguments], cwd=folder, env=env)
    return bare, audited


def missed(judged):
    """Complaints where something was not recorded."""
    if judged.report is None:
        return [f"no report: {judged.status} {judged.err[-400:]}"]
    dropped = sum(p["coverage"]["events_dropped"] for p in judged.report["processes"])
    reasons = {reason for p in judged.report["processes"] for reason in p["coverage"]["reasons"]}
    return [f"{dropped} acts were dropped: {sorted(reasons)}"] if dropped or reasons else []


def add_to(suite):
    @suite.check
    def address_space_that_is_mapped():
        with harness.Folder() as folder:
            bare, audited = run_both(["small"], folder)
            more = figure(audited, "vm") - figure(bare, "vm")
            return same_output(bare, audited) + ([] if 0 < more <= MOST << 10 else [f"{more} kB more are mapped"])

    @suite.check
    def trace_grows_in_the_programs_address_space():
        """Hundreds of images and descriptors: what is mapped grows with what is recorded, and nothing is lost."""
        with harness.Folder() as folder:
            bare, audited = run_both(["grow", "600"], folder)
            judged = harness.report_of(folder / "trace", folder)
            count = len(judged.report["processes"]) if judged.report else 0
            more = figure(audited, "vm") - figure(bare, "vm")
            return same_output(bare, audited) + missed(judged) + \
                ([] if count == 601 else [f"{count} processes"]) + \
                ([] if more < 40 << 10 else [f"{more} kB more are mapped"])

    @suite.check
    def address_space_limited_by_the_program():
        """RLIMIT_AS, set while it runs: its own allocations go on, and what the trace has no room for is said."""
        with harness.Folder() as folder:
            bare, audited = run_both(["limited", "400"], folder)
            judged = harness.report_of(folder / "trace", folder)
            if judged.report is None:
                return [f"no report: {judged.status} {judged.err[-400:]}"]
            return same_output(bare, audited)

    @suite.check
    def windows_mapped_by_threads_and_their_children():
        with harness.Folder() as folder:
            bare, audited = run_both(["threads", "1500"], folder)
            judged = harness.report_of(folder / "trace", folder)
            count = len(judged.report["processes"]) if judged.report else 0
            return same_output(bare, audited) + missed(judged) + ([] if count == 601 else [f"{count} processes"])

    @suite.check
    def memory_locked():
        """mlockall locks the program's memory and nothing of the trace, whoever calls it and whatever the limit."""
        if os.geteuid() != 0 or not shutil.which("setpriv"):
            raise harness.Skip("only root can become an ordinary user")
        complaints = []
        with harness.Folder() as folder:
            folder.chmod(0o777)
            shim = shutil.copy(harness.SHIM, folder)
            tool = shutil.copy(program(), folder / "program")
            user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
            size = figure(harness.run([*user, tool, "small"], cwd=folder, env=harness.clean_environment()), "vm")
            for arguments, prefix in ((["lock"], ()), (["lock", str(size + 400)], user),
                                      (["lock", "64"], user), (["lock", str(64 << 10)], user)):
                env = harness.clean_environment()
                bare = harness.run([*prefix, tool, *arguments], cwd=folder, env=env)
                env["FDAUDIT_OPTIONS"] = f"trace={folder / 'trace'}{len(prefix)}"
                audited = harness.run([*prefix, "env", f"LD_PRELOAD={shim}", tool, *arguments], cwd=folder, env=env)
                more = figure(audited, "locked") - figure(bare, "locked")
                complaints += [f"{arguments}: {c}" for c in same_output(bare, audited)]
                complaints += [] if more <= 600 else [f"{arguments}: {more} kB more are locked"]
        return complaints
