"""Programs built with sanitizers, by gcc and clang, with the runtime in the program and as a library of its own.

Sanitizers intercept what the shim intercepts: a descriptor is recorded once, under the call and at the line that the
program made it; and their own reports are as without the shim.
"""

import functools
import pathlib
import re
import shutil
import subprocess

import everyday
import harness

HERE = pathlib.Path(__file__).resolve().parent
WRONG = HERE / "wrong.c"

# What each sanitizer is to find in wrong.c.
ERRORS = {
    "address": ["use_after_free"],
    "thread": ["data_race", "descriptor_race"],
    "undefined": ["overflow"],
    "leak": ["memory_leak"],
    "memory": ["uninitialized"],
}
GCC_NAMES = {"address": "asan", "thread": "tsan", "undefined": "ubsan", "leak": "lsan"}


@functools.lru_cache(None)
def clang_runtime():
    found = subprocess.run(["clang", "-print-runtime-dir"], capture_output=True, text=True).stdout.strip()
    folders = [pathlib.Path(found)] if found else []
    resources = subprocess.run(["clang", "-print-resource-dir"], capture_output=True, text=True).stdout.strip()
    folders.append(pathlib.Path(resources) / "lib" / "linux")
    return next((str(f) for f in folders if f.is_dir()), None)


def flags(compiler, sanitizer, runtime):
    """None where there is no such thing."""
    chosen = [f"-fsanitize={sanitizer}", "-pthread"]
    if compiler == "gcc":
        # The static leak sanitizer of gcc 12 fails a check of its own every other time, in a bare run.
        if sanitizer not in GCC_NAMES or (sanitizer, runtime) == ("leak", "static"):
            return None
        return chosen + ([f"-static-lib{GCC_NAMES[sanitizer]}"] if runtime == "static" else [])
    if runtime == "static":
        return chosen
    # Without one of their own, leak and memory would be the static ones again.
    return None if sanitizer in ("leak", "memory") else chosen + ["-shared-libsan", f"-Wl,-rpath,{clang_runtime()}"]


def build(source, compiler, sanitizer, runtime):
    if not shutil.which(compiler):
        raise harness.Skip(f"{compiler} is not installed")
    if compiler == "clang" and not clang_runtime():
        raise harness.Skip("clang's sanitizers are not installed")
    name = f"{source.stem}-{compiler}-{sanitizer}-{runtime}"
    return harness.build(source, name, flags(compiler, sanitizer, runtime), compiler)


def behaves(*variant):
    """The findings of everyday.c, and no sanitizer report of our making."""
    program = build(everyday.SOURCE, *variant)
    with harness.Folder("sanitized") as folder:
        complaints, report = everyday.compare([program], folder)
        return complaints + (everyday.judge(report) if report else [])


def is_started_by_a_shell(*variant):
    """The program gets the shim from its audited parent, which knows nothing of sanitizers."""
    program = build(everyday.SOURCE, *variant)
    with harness.Folder("sanitized") as folder:
        complaints, _ = everyday.compare(["/bin/sh", "-c", f"{program}; echo $?"], folder)
        return complaints


def reports_errors(error, *variant):
    program = build(WRONG, *variant)
    with harness.Folder("sanitized") as folder:
        env = harness.clean_environment()
        bare = harness.run([program, error], cwd=folder, env=env)
        if "Sanitizer" not in bare.err and "runtime error" not in bare.err:
            raise harness.Skip(f"the sanitizer finds nothing here without the shim either: {bare.err[-200:]}")
        ran = harness.audit([program, error], folder, env)
        alone = harness.preload([program, error], folder / "trace", env=env, cwd=folder)
        complaints = []
        for how, got, text_of in (("under fdaudit run", ran, everyday.normal),
                               ("with the shim alone", alone, without_shim_frames)):
            if (got.status, text_of(got.err)) != (bare.status, text_of(bare.err)):
                complaints.append(f"{how}: {got.status}\n{text_of(got.err)}without the shim: {bare.status}\n{text_of(bare.err)}")
        if ran.report is None or ran.report["findings"]:
            complaints.append(f"findings: {ran.report and ran.report['findings']}")
        return complaints


def without_shim_frames(text):
    """The errors alone. Where the shim comes before a runtime's library, its frames stand in the runtime's report."""
    text = everyday.normal(text)
    return sorted(set(re.findall(r"(?:WARNING|ERROR): \w+Sanitizer: [\w-]+(?: [a-z]+)?|runtime error: .*", text)))


def starts_others(*variant):
    """What the program starts is not sanitized because of us, and has its own output alone."""
    program = build(HERE / "starts.c", *variant)
    with harness.Folder("sanitized") as folder:
        complaints, _ = everyday.compare([program], folder, env={"ASAN_OPTIONS": "verify_asan_link_order=0"})
        env = harness.clean_environment()
        bare, audited = harness.run([program], env=env), harness.audit([program], folder, env)
        if (bare.status, bare.out, bare.err) != (audited.status, audited.out, audited.err):
            complaints.append(f"without ASAN_OPTIONS: {audited.status} {audited.out} {audited.err}, "
                              f"without the shim {bare.status} {bare.out} {bare.err}")
        return complaints


def add_to(suite):
    for compiler in ("gcc", "clang"):
        for sanitizer, errors in ERRORS.items():
            for runtime in ("static", "shared"):
                variant = (compiler, sanitizer, runtime)
                if flags(*variant) is None:
                    continue
                name = f"sanitizer.{compiler}-{sanitizer}-{runtime}"
                suite.add(name, behaves, *variant)
                suite.add(f"{name}.from_shell", is_started_by_a_shell, *variant)
                suite.add(f"{name}.starts_others", starts_others, *variant)
                for error in errors:
                    suite.add(f"{name}.{error}", reports_errors, error, *variant)
