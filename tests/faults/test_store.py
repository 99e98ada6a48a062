"""The store of machine code: whatever befalls it, there is a whole object in it or none."""

import os
import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from hingemetrics._engine import sealed

NAME = "kernel.o"


def contents(number):
    """Contents of different lengths, each of one byte."""
    return [bytes([k]) * (1 + 5000 * k) for k in range(number)]


def test_threads_that_store_and_read_and_damage(tmp_path):
    """What is read is all of what one of them stored, or nothing."""
    known, done, seen = set(contents(4)), threading.Event(), set()
    path = tmp_path / NAME

    def store(content):
        for _ in range(100):
            sealed.store(tmp_path, NAME, content)

    def damage():
        chosen = random.Random(0)
        while not done.is_set():
            with suppress(OSError):
                if chosen.randrange(2):
                    os.truncate(path, chosen.randrange(path.stat().st_size + 1))
                else:
                    path.unlink()

    def read():
        while not done.is_set():
            seen.add(sealed.unsealed(path))

    with ThreadPoolExecutor(8) as pool:
        others = [pool.submit(call) for call in (read, read, damage)]
        try:
            for stored in [pool.submit(store, content) for content in known]:
                stored.result(timeout=60)
        finally:
            done.set()
        for other in others:
            other.result(timeout=60)
    assert seen <= known | {None}
    assert {file.name for file in tmp_path.iterdir()} <= {NAME}
    sealed.store(tmp_path, NAME, b"after all")
    assert sealed.unsealed(path) == b"after all"


RACE = """
import sys
import hingemetrics
from hingemetrics._engine import machine_code
sys.stdin.readline()
machine_code.compiled(machine_code.FORMS[0], machine_code.DTYPES[1])
hingemetrics.set_backend("numba")
print(hingemetrics.hinge_loss([-2.2, 2.4, 0.1], [0, 1, 1]))
"""


@pytest.mark.slow
def test_eight_processes_race_to_store(bare_package, tmp_path):
    """All compile, or load, one kernel at the same time; one whole object is left."""
    store = tmp_path / "store"
    for before in ("empty", "whole", "cut"):
        if before == "cut":
            (stored,) = store.iterdir()
            os.truncate(stored, stored.stat().st_size // 2)
        environment = {**os.environ, "PYTHONPATH": str(bare_package)}
        environment["HINGEMETRICS_CACHE_DIR"] = str(store)
        racers = [
            subprocess.Popen(
                [sys.executable, "-c", RACE],
                env=environment,
                cwd=tmp_path,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(8)
        ]
        for racer in racers:
            racer.stdin.write("go\n")
            racer.stdin.flush()
        found = [racer.communicate(timeout=300) for racer in racers]
        assert found == [("0.3\n", "")] * 8, before
        (stored,) = store.iterdir()
        assert sealed.unsealed(stored)


LIMITED = """
import resource, sys
from pathlib import Path
from hingemetrics._engine import sealed
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
sealed.store(Path(sys.argv[2]), "kernel.o", bytes(100_000))
print("goes on")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits on Windows")
@pytest.mark.parametrize("limit", [0, 4096, 99_999, 100_001])
def test_no_room_for_all_of_it(python, tmp_path, limit):
    """As on a full disk: what was there stays, and no part is left."""
    sealed.store(tmp_path, NAME, b"before")
    run = python("-c", LIMITED, limit, tmp_path)
    assert (run.stdout, run.stderr) == ("goes on\n", "")
    assert [file.name for file in tmp_path.iterdir()] == [NAME]
    assert sealed.unsealed(tmp_path / NAME) == b"before"
