"""Images that may not join their family's trace file: they make a second one, and the report shows one story."""

import itertools
import os
import pathlib
import pwd
import shutil
import subprocess
import time

import harness

SHARED = pathlib.Path("/dev/shm")
# It leaves one descriptor open, and starts a program that joins it.
LEAKS = f"{harness.PYTHON} -S -c 'import os; os.open(\"/dev/null\", 0); os.system(\"true; true\")'"
REASON = "exec-trace-unreachable"


_numbers = itertools.count(20000 + os.getpid() % 2000 * 20)


def nobody_else():
    """The number of a user that nobody is and of whom nothing lies in memory: neither another check's, nor another run's
    that goes on beside this one or was ended half-way."""
    for user in _numbers:
        try:
            pwd.getpwuid(user)
        except KeyError:
            if not os.path.lexists(SHARED / f"fdaudit-{user}"):
                return user
    return None


def as_user(user):
    """Prefix for another user."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        raise harness.Skip("only root can become another user")
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]


def with_mounts(script, *command):
    """A command in a mount namespace of its own, after a script."""
    start = ["unshare", "--mount", "--propagation", "private"]
    if os.geteuid() != 0 or subprocess.run([*start, "mount", "-t", "tmpfs", "none", "/mnt"],
                                           capture_output=True).returncode != 0:
        raise harness.Skip("needs the right to mount")
    return [*start, "/bin/sh", "-c", script + '; exec "$@"', "sh", *command]


def second_files(trace):
    """Those of the traces in a directory, wherever they lie."""
    stems = [p.stem for p in pathlib.Path(trace).glob("*.fdaudit") if "+" not in p.name]
    return [p for place in {pathlib.Path(trace), *shared_places()} for p in files_in(place)
            if p.suffix == ".fdaudit" and p.name.split("+")[0] in stems and "+" in p.name]


def shared_places():
    return [place for place in SHARED.iterdir() if place.name.startswith("fdaudit-") and place.is_dir()]


def files_in(place):
    """Its files; none where another check has just removed it."""
    try:
        return list(place.iterdir())
    except FileNotFoundError:
        return []


def remove(files):
    for path in files:
        path.unlink()
        if path.parent.parent == SHARED:
            try:
                path.parent.rmdir()
            except OSError:  # others' files are in it, or they have just removed it
                pass


def judge(ran, is_audited=True):
    """Complaints unless the leaking program is one family with what started it, and nothing is missing; or, where it
    could not be audited, unless that is reported."""
    if ran.status != 0 or ran.report is None:
        return [f"{ran.status} {ran.out} {ran.err} {ran.report_problem}"]
    reasons = [reason for process in ran.report["processes"] for reason in process["coverage"]["reasons"]]
    leaks = [f for f in ran.report["findings"] if f["kind"] == "leak"]
    complaints = harness.schema_errors(ran.report)
    if not is_audited:
        return complaints + ([] if reasons == [REASON] and not leaks else [f"reasons {reasons}, leaks {leaks}"])
    if reasons or [leak["count"] for leak in leaks] != [1]:
        return complaints + [f"reasons {reasons}, leaks {leaks}"]
    leaking = next(p for p in ran.report["processes"] if p["id"] == leaks[0]["processes"][0])
    strangers = [p["exe"] for p in ran.report["processes"][1:] if p["parent"] is None]
    if strangers:
        complaints.append(f"not of the family: {strangers}")
    if not any(p["parent"] == leaking["id"] and p["started_by"] == "spawn" for p in ran.report["processes"]):
        complaints.append("the program that it started is not there")
    return complaints


def audit_and_report(command, trace, seconds=1, is_audited=True):
    """Audits with the trace kept in a directory, and judges what `run`, and `report` of directory and file say."""
    with harness.Folder() as folder:
        ran = harness.audit(command, folder, arguments=["--trace", trace])
        found = second_files(trace)
        complaints = judge(ran, is_audited) + ([ran.err] if ran.err else [])
        for path in (trace, next(p for p in pathlib.Path(trace).glob("*.fdaudit") if "+" not in p.name)):
            complaints += judge(harness.report_of(path, folder), is_audited)
        if len(found) != seconds:
            complaints.append(f"second files: {found}")
        return complaints


def another_user():
    with harness.Folder() as trace:
        trace.chmod(0o700)
        try:
            return audit_and_report([*as_user(nobody_else()), "/bin/sh", "-c", f"exec {LEAKS}"], trace)
        finally:
            remove(second_files(trace))


def removed_after_the_report():
    """Where `run` keeps no trace, nothing is left of the second file and its directory either."""
    user = nobody_else()
    with harness.Folder() as folder:
        complaints = judge(harness.audit([*as_user(user), "/bin/sh", "-c", f"exec {LEAKS}"], folder))
        left = SHARED / f"fdaudit-{user}"
        return complaints + ([f"left behind: {list(left.iterdir())}"] if left.exists() else [])


def over():
    """A program that goes on after the report, whose trace is gone, makes no file that nobody would remove."""
    user = nobody_else()
    prefix = " ".join(as_user(user))
    with harness.Folder() as folder:
        script = (f"until [ -e go ]; do read -t 0.01 line < wait; done; {prefix} /bin/sh -c 'echo $LD_PRELOAD > done'")
        os.mkfifo(folder / "wait")
        harness.audit(["/bin/bash", "-c", f"({script}) <>wait >/dev/null 2>&1 & exit 0"], folder)
        (folder / "go").touch()
        deadline = time.monotonic() + harness.PATIENCE
        while not (folder / "done").exists() or not (folder / "done").read_text():
            if time.monotonic() > deadline:
                return ["it did not go on"]
            time.sleep(0.01)
        left = SHARED / f"fdaudit-{user}"
        preload = (folder / "done").read_text().strip()
        return ([f"made: {list(left.iterdir())}"] if left.exists() else []) + ([preload] if preload else [])


def over_meanwhile():
    """The trace is removed while a program is on its way that could have joined it: nothing is made in its place."""
    with harness.Folder() as folder, harness.Folder() as trace:
        env = harness.clean_environment(LD_PRELOAD=harness.SHIM,
                                        FDAUDIT_OPTIONS=f"trace={trace}:session=gone-1-2.fdaudit:image=1")
        ran = harness.run(["/bin/echo", "fine"], cwd=folder, env=env)
        made = [p for place in (trace, *shared_places()) for p in files_in(place) if place == trace or "gone-1-2" in p.name]
        remove(made)
        return [] if (ran.out, ran.err, made) == ("fine\n", "", []) else [f"{ran.out} {ran.err} {made}"]


def beside_the_first():
    """Where the trace's directory is in memory and the other user may write to it, its file lies there."""
    with harness.Folder("beside", SHARED) as trace:
        trace.chmod(0o1777)
        complaints = audit_and_report([*as_user(nobody_else()), "/bin/sh", "-c", f"exec {LEAKS}"], trace)
        return complaints + ([f"{second_files(trace)}"] if second_files(trace)[0].parent != trace else [])


def shared_by_siblings():
    """However many programs a user runs, they write one file."""
    user = nobody_else()
    command = " ".join([*as_user(user), "/bin/true"])
    with harness.Folder() as trace:
        trace.chmod(0o700)
        try:
            script = f"{command}; {command}; {command}; exec {' '.join(as_user(user))} {LEAKS}"
            return audit_and_report(["/bin/sh", "-c", script], trace)
        finally:
            remove(second_files(trace))


def vfork_children():
    """Python's subprocess with a user: the exec is a vfork child's."""
    user = nobody_else()
    as_user(user)
    source = f"import subprocess; subprocess.run({LEAKS!r}, shell=True, user={user}, group={user}, extra_groups=[])"
    with harness.Folder() as trace:
        trace.chmod(0o700)
        try:
            return audit_and_report([harness.PYTHON, "-S", "-c", source], trace)
        finally:
            remove(second_files(trace))


def not_ours(prepare, undo):
    """Somebody else's doing in the second file's place: nothing is written there, and the program is missed."""
    def check():
        user = nobody_else()
        prefix = as_user(user)
        place = SHARED / f"fdaudit-{user}"
        with harness.Folder() as trace, harness.Folder("else") as other:
            trace.chmod(0o700)
            prepare(user, place, other)
            try:
                complaints = audit_and_report([*prefix, "/bin/sh", "-c", f"exec {LEAKS}"], trace, 0, False)
                written = [p for p in (*other.iterdir(), *place.iterdir()) if p.is_file()]
                return complaints + ([f"written: {written}"] if written else [])
            finally:
                undo(place)
    return check


def make_open(user, place, _other):
    place.mkdir()
    os.chown(place, user, user)
    place.chmod(0o777)


def make_link(user, place, other):
    os.chown(other, user, user)
    other.chmod(0o700)
    place.symlink_to(other)


def chroot(has_memory):
    """A root of bind mounts, with and without /dev/shm, where the trace is: with it the program joins the first file."""
    def check():
        as_user(0)
        with harness.Folder() as trace, harness.Folder("root") as root:
            trace.chmod(0o700)
            wanted = [p for p in ("/bin", "/lib", "/lib64", "/usr", "/proc", "/dev", harness.BUILD)
                      if pathlib.Path(p).exists()]
            mounts = "; ".join(f"mkdir -p {root}{p} && mount --bind {p} {root}{p}" for p in wanted)
            if has_memory:
                mounts += f"; mount --bind /dev/shm {root}/dev/shm"
            command = with_mounts(mounts, "chroot", root, "/bin/sh", "-c", f"exec {LEAKS}")
            try:
                return audit_and_report(command, trace, 0, has_memory)
            finally:
                remove(second_files(trace))
    return check


def hidden(has_memory):
    """A mount namespace whose own mounts hide the trace's directory, and perhaps memory too."""
    def check():
        with harness.Folder() as trace:
            trace.chmod(0o700)
            mounts = f"mount -t tmpfs none {trace}" + ("" if has_memory else "; mount -t tmpfs none /dev/shm")
            try:
                return audit_and_report(with_mounts(mounts, "/bin/sh", "-c", f"exec {LEAKS}"), trace, 0,
                                        has_memory)
            finally:
                remove(second_files(trace))
    return check


def user_namespace():
    """Another user's, in which it is root; the directory is named by its number outside."""
    user = nobody_else()
    prefix = [*as_user(user), "unshare", "--user", "--map-root-user", "--pid", "--fork"]
    if subprocess.run([*prefix, "true"], capture_output=True).returncode != 0:
        raise harness.Skip("user namespaces are not permitted")
    with harness.Folder() as trace:
        trace.chmod(0o700)
        try:
            complaints = audit_and_report([*prefix, "/bin/sh", "-c", f"exec {LEAKS}"], trace)
            return complaints + [str(p) for p in second_files(trace) if p.parent != SHARED / f"fdaudit-{user}"]
        finally:
            remove(second_files(trace))


def unreadable():
    """A report by somebody who may not look where the second file lies says so."""
    user = nobody_else()
    with harness.Folder() as trace, harness.Folder() as folder:
        trace.chmod(0o700)
        try:
            ran = harness.audit([*as_user(user), "/bin/sh", "-c", f"exec {LEAKS}"], folder,
                                arguments=["--trace", trace])
            for path in trace.iterdir():
                path.chmod(0o644)
            trace.chmod(0o755)
            reported = harness.run([*as_user(nobody_else()), harness.FDAUDIT, "report", trace], env=harness.clean_environment())
            wanted = f"may be recorded in /dev/shm/fdaudit-{user}, which can't be read here (Permission denied)"
            same = ran.status == 0 and wanted in reported.out and "neither write to the trace" in reported.out
            return [] if same else [f"{ran.status} {reported.status} {reported.out[-800:]} {reported.err}"]
        finally:
            remove(second_files(trace))


def planted():
    """A file of the right name by a user as which no program of the session ran: left out, and said. Links of such users
    are not followed."""
    user = nobody_else()
    prefix = as_user(user)
    place = SHARED / f"fdaudit-{user}"
    with harness.Folder() as theirs, harness.Folder() as trace, harness.Folder() as folder:
        for directory in (theirs, trace):
            directory.chmod(0o700)
        try:
            harness.audit([*prefix, "/bin/sh", "-c", f"exec {LEAKS}"], folder, arguments=["--trace", theirs])
            harness.audit(["/bin/sh", "-c", "true; true"], folder, arguments=["--trace", trace])
            (second,), (first,) = second_files(theirs), list(trace.iterdir())
            stem = second.name.split("+")[0]
            forged = place / second.name.replace(stem, first.stem)
            harness.run(["cp", second, forged])
            [at] = [start + data.index(stem.encode()) for start, data in harness.data_of(second).items()
                    if stem.encode() in data][:1]
            with forged.open("r+b") as file:
                file.seek(at)
                file.write(first.name.encode().ljust(112, b"\0"))
            os.chown(forged, user, user)
            link = place / f"{first.stem}+{user}-1.fdaudit"
            link.symlink_to(first)
            ran = harness.report_of(trace, folder)
            text = harness.run([harness.FDAUDIT, "report", trace], env=harness.clean_environment())
            complaints = [] if not ran.report["findings"] else [f"taken: {ran.report['findings']}"]
            said = "1 trace files that name this session are left out" in text.out
            forged.unlink()
            link.unlink()
            return complaints + ([] if said else [text.out])
        finally:
            remove(second_files(theirs))


def place_of_the_first(megabytes):
    """Where a trace lies that was asked for on a disk, by the size of the memory that is shared."""
    kind = subprocess.run(["stat", "-f", "-c", "%T", "/var/tmp"], capture_output=True, text=True).stdout.strip()
    if kind not in ("ext2/ext3", "xfs", "overlayfs"):
        raise harness.Skip(f"/var/tmp is on {kind}")
    with harness.Folder("disk", "/var/tmp") as trace, harness.Folder("shown") as shown:
        script = f"mount -t tmpfs -o size={megabytes}m none /dev/shm; " \
                 f"LD_PRELOAD={harness.SHIM} FDAUDIT_OPTIONS=trace={trace} {LEAKS}; cp --sparse=always {trace}/*.fdaudit {shown}"
        ran = harness.run(with_mounts(script, "ls", "/dev/shm"), env=harness.clean_environment())
        [copy] = shown.iterdir()
        return copy.open("rb").read(len(harness.POINTER)) == harness.POINTER, ran.out.split()


def on_disk_or_in_memory():
    """In memory, but for a container's small one: there a disk has more room, and keeps what it has given."""
    user = f"fdaudit-{os.getuid()}"
    found = {megabytes: place_of_the_first(megabytes) for megabytes in (64, 512)}
    wanted = {64: (False, []), 512: (True, [user])}
    return [] if found == wanted else [f"{found}, not {wanted}"]


def copied_pointer():
    """Who reads a copy of the pointer to a trace in memory takes nothing away from the folder that it was copied from."""
    with harness.Folder() as trace, harness.Folder() as other:
        harness.preload(["/bin/sh", "-c", f"exec {LEAKS}"], trace)
        [pointer] = trace.glob("*.fdaudit")
        if harness.place_of(pointer) == pointer:
            raise harness.Skip("traces are written to disk here")
        copy = other / pointer.name
        copy.write_bytes(pointer.read_bytes())
        later = pointer.stat().st_mtime + 60
        os.utime(copy, (later, later))
        reports = [harness.report_of(place, other).report for place in (copy, pointer, trace)]
        complaints = [] if all(report and report["processes"] for report in reports) else [f"{reports}"]
        return complaints + ([] if harness.place_of(pointer) == pointer else ["it was not moved to its own folder"])


CHECKS = {
    "copied-pointer": copied_pointer,
    "planted": planted,
    "on-disk-or-in-memory": on_disk_or_in_memory,
    "another-user": another_user,
    "removed": removed_after_the_report,
    "over": over,
    "over-meanwhile": over_meanwhile,
    "beside": beside_the_first,
    "siblings": shared_by_siblings,
    "vfork": vfork_children,
    "open-directory": not_ours(make_open, lambda place: place.rmdir()),
    "linked-directory": not_ours(make_link, lambda place: place.unlink()),
    "chroot": chroot(True),
    "chroot-without-memory": chroot(False),
    "mount-namespace": hidden(True),
    "mount-namespace-without-memory": hidden(False),
    "user-namespace": user_namespace,
    "unreadable": unreadable,
}


def add_to(suite):
    for name, check in CHECKS.items():
        suite.add(f"families.{name}", check)
