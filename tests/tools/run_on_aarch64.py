"""Hold the package, on an emulated aarch64 processor, against the golden vectors.

    python tests/tools/run_on_aarch64.py [numpy] [numba]

Both tiers unless one is named, each in a process of its own. Needs Debian with its package
qemu-user-static, and pip. Debian's Python for arm64 and PyPI's wheels for aarch64 are fetched
into a temporary folder. There Numba compiles the kernels in the process that uses them, which takes
minutes: it is emulated, too.

Exit status: 0 if every byte is right, 1 if not, 77 without an emulator or something to run on it.
"""

import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
ROOT = TOOLS.parents[1]
TIERS = ("numpy", "numba")
NO_EMULATOR = 77  # what a skipped test exits with in Automake and Meson
CHECK = """
import platform, golden
assert platform.machine() == "aarch64", platform.machine()
print(golden.check())
"""
APT = """
APT::Architecture "arm64";
#clear APT::Architectures;
APT::Architectures {{ "arm64"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "";
Dir::State "{folder}/state";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
"""


class NotFetchedError(Exception):
    """What the emulator would run cannot be had here."""


def emulator():
    """Where the emulator is; None without one, or without what fetches a Python for it."""
    found = [shutil.which(name) for name in ("qemu-aarch64-static", "qemu-aarch64")]
    fetching = all(map(shutil.which, ("apt-get", "dpkg-deb")))
    return next(filter(None, found), None) if fetching else None


def quietly(*command, **environment):
    """Run a command and show what it said only if it fails."""
    run = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if run.returncode:
        what = " ".join(map(str, command[:3]))
        raise NotFetchedError(f"{run.stdout}\n{what} ...: status {run.returncode}")


def fetch_python(folder):
    """Unpack Debian's Python for arm64, with all that it needs; return its root and the program."""
    for name in ("state/lists/partial", "cache/archives/partial", "root"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()  # nothing is installed yet
    (folder / "apt.conf").write_text(APT.format(folder=folder))
    apt = {"APT_CONFIG": str(folder / "apt.conf"), "DEBIAN_FRONTEND": "noninteractive"}
    quietly("apt-get", "update", **apt)
    quietly("apt-get", "install", "-y", "--download-only", "python3", "libstdc++6", **apt)
    root = folder / "root"
    for package in sorted((folder / "cache/archives").glob("*.deb")):
        quietly("dpkg-deb", "-x", package, root)
    if not (root / "lib").exists():  # since Debian 13 a link that no package owns
        (root / "lib").symlink_to("usr/lib")
    return root, (root / "usr/bin/python3").resolve()


def fetch_wheels(folder, version):
    """Install for aarch64 what the package imports."""
    platforms = ["manylinux2014_aarch64", *(f"manylinux_2_{k}_aarch64" for k in range(17, 40))]
    quietly(
        *(sys.executable, "-m", "pip", "install", "--target", folder, "--only-binary=:all:"),
        *("--implementation=cp", f"--python-version={version}"),
        *(f"--platform={name}" for name in platforms),
        *("numpy", "numba"),
    )


def start(emulate, tier, folder):
    """Check a tier in a process."""
    paths = (folder / "wheels", ROOT, TOOLS)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HINGEMETRICS_BACKEND": tier,
    }
    return subprocess.Popen(
        [*map(str, emulate), "-W", "ignore", "-c", CHECK],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def main(tiers):
    if unknown := set(tiers) - set(TIERS):
        sys.exit(f"tiers are {' and '.join(TIERS)}, got {' '.join(sorted(unknown))}")
    if platform.machine() in ("aarch64", "arm64"):
        print(
            "this is aarch64: pytest tests/laws/test_golden.py needs no emulator", file=sys.stderr
        )
        return NO_EMULATOR
    qemu = emulator()
    if not qemu:
        print("no aarch64: qemu-aarch64 and apt-get are not both installed", file=sys.stderr)
        return NO_EMULATOR
    golden = json.loads((TOOLS / "golden.json").read_text("utf-8"))
    entries = sum(len(golden[part]) for part in ("cases", "sums", "comparisons"))
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        try:
            root, python = fetch_python(folder)
            fetch_wheels(folder / "wheels", python.name.removeprefix("python"))
        except NotFetchedError as error:
            print(f"no aarch64: {error}", file=sys.stderr)
            return NO_EMULATOR
        began = time.perf_counter()
        runs = {tier: start([qemu, "-L", root, python], tier, folder) for tier in tiers}
        for run in runs.values():
            stack.callback(run.kill)  # of the other one, if one fails or is interrupted
        for tier, run in runs.items():
            checked = run.communicate()[0]
            if run.returncode or int(checked) != entries:
                sys.exit(f"aarch64, {tier}: not the bytes of golden.json (status {run.returncode})")
            took = time.perf_counter() - began
            print(f"aarch64, {tier}: all {entries} golden vectors, to the byte, in {took:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or TIERS))
