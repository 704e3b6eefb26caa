"""Programs that the shim cannot be in, started by an audited one: they run as usual, and the report says why."""

import os
import pathlib
import shutil
import struct
import subprocess

import families
import harness

HERE = pathlib.Path(__file__).resolve().parent


def static():
    return harness.build(HERE.parent / "cli" / "static.c", flags=["-static"])


def bits32(folder):
    """It complains of nothing, as no dynamic linker is there, but shows whether one would have had to."""
    program = folder / "bits32"
    built = subprocess.run([harness.CC, "-m32", "-O1", "-fno-pie", "-no-pie", "-nostdlib", "-static",
                            "-fno-stack-protector", "-o", program, HERE / "bits32.c"], capture_output=True)
    if built.returncode != 0:
        raise harness.Skip("no compiler for 32 bits")
    try:
        subprocess.run([program], check=False)
    except OSError:
        raise harness.Skip("the kernel runs no 32-bit programs") from None
    return program


def foreign_machine(folder):
    """As the kernel refuses it: exec fails, and everything goes on."""
    program = folder / "foreign"
    image = bytearray(pathlib.Path(static()).read_bytes())
    image[18:20] = (243).to_bytes(2, "little")  # RISC-V
    program.write_bytes(image)
    program.chmod(0o755)
    return program


def set_user_id(folder):
    if os.geteuid() != 0:
        raise harness.Skip("only root can")
    program = folder / "suid"
    shutil.copy("/usr/bin/id", program)
    os.chown(program, 65534, 65534)
    program.chmod(0o4755)
    if os.statvfs(folder).f_flag & os.ST_NOSUID:
        raise harness.Skip("set-user-ID has no effect here")
    return program


def skipped(folder):
    return pathlib.Path(shutil.copy("/usr/bin/id", folder / "skipped"))


def ends_early(folder):
    """The dynamic linker ends it before any library runs."""
    (folder / "a.c").write_text("int gone(void); int main(void) { return gone(); }\n")
    (folder / "gone.c").write_text("int gone(void) { return 3; }\n")
    subprocess.run([harness.CC, "-shared", "-fPIC", "-o", folder / "libgone.so", folder / "gone.c"], check=True)
    subprocess.run([harness.CC, "-o", folder / "early", folder / "a.c", folder / "libgone.so"], check=True)
    (folder / "libgone.so").unlink()
    return folder / "early"


KINDS = {
    "static": (lambda folder: static(), "exec-static"),
    "32-bit": (bits32, "exec-foreign"),
    "set-user-id": (set_user_id, "exec-set-user-id"),
    "skipped": (skipped, "exec-skipped"),
    "ends-early": (ends_early, "exec-ended-early"),
}


def in_script(folder, program):
    script = folder / "script"
    script.write_text(f"#!{program}\n")
    script.chmod(0o755)
    return ["/bin/sh", "-c", f"{script}; exit $?"]


def by_python(function, setup=""):
    source = (f"import os,sys,threading\n{setup}\npid = os.{function}\n"
              "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n")
    return lambda folder, program: [harness.PYTHON, "-S", "-c", source, str(program)]


THREAD = "gone = threading.Event(); t = threading.Thread(target=gone.wait, daemon=True); t.start()"
WAYS = {
    "shell": lambda folder, program: ["/bin/sh", "-c", f"{program}; exit $?"],
    "script": in_script,
    "path": lambda folder, program: ["env", f"PATH=/nowhere:{program.parent}", program.name],
    "cleared": lambda folder, program: ["env", "-i", str(program)],
    "spawn": by_python("posix_spawn(sys.argv[1], sys.argv[1:], os.environ)"),
    "spawnp": by_python("posix_spawnp(os.path.basename(sys.argv[1]), sys.argv[1:], os.environ)",
                        "os.environ['PATH'] = os.path.dirname(sys.argv[1])"),
    # Nobody may look beforehand: another thread uses the table. The analyzer looks afterwards.
    "threads": by_python("posix_spawn(sys.argv[1], sys.argv[1:], os.environ)", THREAD),
}


def runs_unaudited(kind, way):
    make, reason = KINDS[kind]
    with harness.Folder() as folder:
        program = pathlib.Path(make(folder))
        command = WAYS[way](folder, program)
        bare = harness.run(command, cwd=folder, env=harness.clean_environment())
        ran = harness.audit(command, folder, options="skip=skipped")
        complaints = []
        if (ran.status, ran.out, ran.err) != (bare.status, bare.out, bare.err) or ran.report is None:
            complaints.append(f"{ran.status} {ran.out} {ran.err}, without the shim {bare.status} {bare.out} {bare.err}")
        reported = [r for process in (ran.report or {"processes": []})["processes"] for r in process["coverage"]["reasons"]]
        if reported.count(reason) != 1 or [r for r in reported if r.startswith("exec") and r != reason]:
            complaints.append(f"the reasons reported are {reported}")
        return complaints + (harness.schema_errors(ran.report) if ran.report else [])


def capabilities():
    """A program with file capabilities runs privileged: as a set-user-ID one, and for root as any other."""
    user = families.as_user(60011)
    with harness.Folder() as folder:
        program = pathlib.Path(shutil.copy("/usr/bin/id", folder / "capable"))
        try:  # version 2, effective: CAP_NET_BIND_SERVICE permitted
            os.setxattr(program, "security.capability", struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0))
        except OSError:
            raise harness.Skip("this file system has no capabilities") from None
        return expect_reasons(folder, [*user, program], ["exec-set-user-id"]) + \
            expect_reasons(folder, ["/bin/sh", "-c", f"{program}; exit 0"], [])


def other_effective_user():
    """The same for any program that is started with another effective user or group than the real one."""
    families.as_user(60012)
    with harness.Folder() as folder:
        return expect_reasons(folder, ["setpriv", "--euid=60012", "/usr/bin/id"], ["exec-set-user-id"]) + \
            expect_reasons(folder, ["setpriv", "--egid=60012", "--keep-groups", "/usr/bin/id"], ["exec-set-user-id"])


def expect_reasons(folder, command, reasons):
    ran = harness.audit(command, folder)
    if ran.status != 0 or ran.report is None:
        return [f"{ran.status} {ran.err}"]
    found = [r for process in ran.report["processes"] for r in process["coverage"]["reasons"]]
    return [] if found == reasons else [f"{command}: {found}, not {reasons}"]


def refused_by_the_kernel():
    """A program of another machine that cannot be run at all: exec fails as usual, and nothing is reported about it."""
    with harness.Folder() as folder:
        source = ("import os,sys\ntry: os.execv(sys.argv[1], sys.argv[1:])\n"
                  "except OSError as e: print(e.errno)\nprint(os.open('/dev/null', 0))\n")
        command = [harness.PYTHON, "-S", "-c", source, str(foreign_machine(folder))]
        bare = harness.run(command, cwd=folder, env=harness.clean_environment())
        ran = harness.audit(command, folder)
        reported = [r for process in ran.report["processes"] for r in process["coverage"]["reasons"]]
        same = (ran.status, ran.out, ran.err) == (bare.status, bare.out, bare.err)
        return [] if same and not reported else [f"{ran.out} {ran.err} {reported}, without the shim {bare.out}"]


def add_to(suite):
    for kind in KINDS:
        for way in WAYS:
            # A script's name is not its interpreter's; a threaded program knows nothing of an early end.
            if (kind, way) in (("ends-early", "threads"), ("32-bit", "threads")):
                continue
            suite.add(f"unaudited.{kind}.{way}", runs_unaudited, kind, way)
    suite.add("unaudited.refused", refused_by_the_kernel)
    suite.add("unaudited.capabilities", capabilities)
    suite.add("unaudited.other-effective-user", other_effective_user)
