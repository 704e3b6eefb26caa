#!/usr/bin/env python3
"""A browser with its sandbox on, as an ordinary user: the same page with the shim and without.

Its sandbox makes tasks with a copy of nothing but memory (CLONE_SETTLS, new namespaces, a chroot to nowhere), and enters
seccomp in most of its processes. As root it refuses to run with a sandbox: then it runs as `nobody`.
"""

import os
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import harness  # noqa: E402
import known  # noqa: E402

NAMES = ("chromium", "chromium-browser", "google-chrome")
NOBODY = 65534
PAGE = "<html><body><script>document.write(6 * 7 + ' ' + [1, 2, 3].map(x => x * x))</script></body></html>"


def browse(folder, user, audited):
    page = folder / "page.html"
    page.write_text(PAGE)
    home = folder / ("audited" if audited else "bare")
    home.mkdir()
    home.chmod(0o777)
    browser = next(shutil.which(name) for name in NAMES if shutil.which(name))
    command = [browser, "--headless", "--disable-gpu", "--dump-dom", page.as_uri()]
    env = {"HOME": str(home), "PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C"}
    if audited:
        return harness.audit(command, home, env, timeout=200, **user)
    return harness.run(command, home, env, timeout=200, **user)


def check():
    if not any(shutil.which(name) for name in NAMES):
        raise harness.Skip("no Chromium is installed")
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    with harness.Folder("chromium") as folder:
        for built in (harness.FDAUDIT, harness.SHIM):  # the tree itself may be closed to that user
            shutil.copy(built, folder)
        harness.FDAUDIT = str(folder / pathlib.Path(harness.FDAUDIT).name)
        bare = browse(folder, user, audited=False)
        if bare.status != 0 or "42 1,4,9" not in bare.out:
            raise harness.Skip(f"Chromium does not run here: status {bare.status}: {bare.err[-200:]}")
        audited = browse(folder, user, audited=True)
    if (audited.status, audited.out) != (bare.status, bare.out):
        return [f"status {audited.status}, {audited.out!r}\nwithout the shim: {bare.out!r}\n{audited.err[-2000:]}"]
    if audited.report is None:
        return [audited.report_problem]
    print(known.table_of([("chromium", known.sums_of(audited.report))]))
    return harness.schema_errors(audited.report)


if __name__ == "__main__":
    suite = harness.Suite("chromium")
    suite.add("chromium", check)
    sys.exit(suite.main())
