"""What a user waits for: whole processes.

Contenders take turns, so that every round has one process of each, and a figure is the median of
the rounds' ratios. Each process prints its value, which is compared before anything is timed.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import measure
import numpy as np
import peers
from experiments import TOLERANCE, Experiment, Measurements, Row, Scale, check_peers, ours

OURS, ONE_LINER, NUMPY = "hingemetrics", "NumPy one-liner", "import numpy"
ONE_LINE = "np.maximum(0, 1 - np.where(target, preds, -preds)).mean()"
IMPORT, CALL = "from hingemetrics import hinge_loss", "hinge_loss(preds, target)"
CODES = {ONE_LINER: f"print(float({ONE_LINE}))", OURS: f"{IMPORT}; print({CALL})"}
# Mapped, for else most of the time would go into reading files; "c", copy on write, for torch warns
# of arrays that it may not write to.
READ = """
import numpy as np
preds = np.load({folder!r} + "/preds.npy", mmap_mode="c")
target = np.load({folder!r} + "/target.npy", mmap_mode="c")
"""
SECOND_CALL = """
import json, time
import numpy as np
{imports}
rng = np.random.default_rng(0)
preds, target = rng.normal(size={rows}), rng.integers(0, 2, {rows})
{call}
start = time.perf_counter()
value = {call}
print(json.dumps([float(value), time.perf_counter() - start]))
"""
LOOP = """
import json, time
import numpy as np
rng = np.random.default_rng(0)
preds, target = rng.normal(size=(64, 10)).astype(np.float32), rng.integers(0, 10, 64)
longest, start = 0.0, time.perf_counter()
from hingemetrics import HingeLoss
metric = HingeLoss()
for _ in range({updates}):
    before = time.perf_counter()
    metric.update(preds, target)
    longest = max(longest, time.perf_counter() - before)
print(json.dumps([metric.compute(), time.perf_counter() - start, longest]))
"""
UPDATES = 20_000
PIECE = 10**7  # predictions of a file that are made at a time
LARGE, LARGE_ROUNDS = 10**8, 3  # some peers need a minute for so much
SHORT_ROUNDS = 3  # times as many where a process is short, and what is timed in it shorter

Process = Callable[[], Any]


class Size(NamedTuple):
    """How many predictions one call has, and the targets for it."""

    power: int
    at_most: float  # times the one-liner
    at_least: dict[str, float]  # times faster than a peer

    @property
    def rows(self) -> int:
        """The number of predictions."""
        return 10**self.power

    @property
    def title(self) -> str:
        """The size's name in the results."""
        return f"new process, one call, 10^{self.power} binary float64"


SIZES = [
    Size(6, 1.05, {"scikit-learn": 12, "torchmetrics": 14}),
    Size(7, 0.4, {"scikit-learn": 20, "torchmetrics": 14}),
    Size(8, 0.1, {"scikit-learn": 60, "torchmetrics": 30}),
]
SECOND_CALLS = {1: 2.0, 1000: 1.4, 10**5: 0.15}  # rows, and at most so many times the one-liner


def experiments() -> list[Experiment]:
    """Return everything that this section measures, in the order of the results."""
    return [
        *map(call_experiment, SIZES),
        Experiment(
            "many small updates",
            time_loop,
            [
                Row(f"new process, {UPDATES} updates of (64, 10) float32", "s", "all", at_most=0.3),
                Row("... the longest of them", "ms", "longest", at_most=30.0),
            ],
        ),
        *(second_call_experiment(rows, at_most) for rows, at_most in SECOND_CALLS.items()),
        Experiment(
            "new process to the first result of 1000 samples",
            time_start,
            [
                Row("first result of 1000", f"x {NUMPY}", measure.pair(OURS, NUMPY), at_most=1.1),
                *faster("first result of 1000", {"scikit-learn": 6, "torchmetrics": 12}),
            ],
        ),
    ]


def faster(name: str, targets: Mapping[str, float]) -> list[Row]:
    """Return a row for each peer: how many times longer it takes, as the median of pairs."""
    return [
        Row(f"{name}, against {peer}", "x faster", measure.pair(peer, OURS), at_least=at_least)
        for peer, at_least in targets.items()
    ]


@contextmanager
def processes(codes: Mapping[str, str]) -> Iterator[dict[str, Process]]:
    """Give calls that run code in a new process and return what it prints.

    They begin in an empty folder, so that they import what is installed and not what is in a clone.
    Python's bytecode is kept, as installing a package leaves it.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = partial(measure.child, folder=folder, PYTHONDONTWRITEBYTECODE="")
        yield {name: partial(run, "-W", "ignore", "-c", code) for name, code in codes.items()}


def checked(found: dict[str, Process], expected: float) -> dict[str, Process]:
    """Return the processes, without peers that fail; stop if one of the rest gives a wrong value.

    They give a number, or a list that begins with it.
    """
    for name, process in list(found.items()):
        try:
            value = np.ravel(process())[0]
        except subprocess.CalledProcessError as error:
            if name in (OURS, ONE_LINER):
                raise
            peers.skipped[f"a process of {name}"] = str(error.returncode)
            del found[name]
            continue
        check_peers({name: lambda value=value: value}, expected, TOLERANCE["float64"])
        if name == OURS and value != expected:
            raise SystemExit(f"a new process gives {value}, NumPy {expected}: not the same bits")
    return found


# One call


def call_experiment(size: Size) -> Experiment:
    """Compare processes that compute one loss, of arrays in files."""
    over = Row(size.title, f"x {ONE_LINER}", measure.pair(OURS, ONE_LINER), at_most=size.at_most)
    return Experiment(
        size.title, partial(time_call, size), [over, *faster(size.title, size.at_least)]
    )


def time_call(size: Size, scale: Scale) -> Measurements:
    """Time whole processes; the files are in memory, where the system keeps what was just read."""
    if size.rows > scale.longest_call:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        preds, target = written(Path(folder), size.rows)
        expected = ours(preds, target, "numpy")()
        codes = {**CODES, **peers.prepared(peers.STARTS)}
        read = READ.format(folder=folder)
        with processes({name: read + code for name, code in codes.items()}) as found:
            checked(found, expected)
            rounds = LARGE_ROUNDS if size.rows >= LARGE else scale.starts
            return measure.paired(measure.timed(found), min(rounds, scale.starts))


def written(folder: Path, rows: int) -> list[np.ndarray]:
    """Return normal predictions and targets that are files."""
    rng = np.random.default_rng(0)
    preds, target = (
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, (rows,))
        for name, dtype in (("preds", np.float64), ("target", np.int64))
    )
    for start in range(0, rows, PIECE):
        number = min(PIECE, rows - start)
        preds[start : start + number] = rng.normal(size=number)
        target[start : start + number] = rng.integers(0, 2, number)
    return [preds, target]


# Many updates, and small calls


def time_loop(scale: Scale) -> Measurements:
    """Return the median time of a loop of updates, with the import, and of its longest update."""
    rng = np.random.default_rng(0)
    preds = rng.normal(size=(64, 10)).astype(np.float32)
    expected = ours(preds, rng.integers(0, 10, 64), "numpy")()
    with processes({OURS: LOOP.format(updates=UPDATES)}) as found:
        loop = checked(found, expected)[OURS]
        runs = [loop() for _ in range(scale.starts)]
    _, every, longest = np.median(runs, axis=0)
    return {"all": float(every), "longest": float(longest)}


def second_call_experiment(rows: int, at_most: float) -> Experiment:
    """Compare the second call of a new process with a one-liner's."""
    title = f"new process, second call, {rows} {'row' if rows == 1 else 'rows'}"
    over = Row(title, f"x {ONE_LINER}", measure.pair(OURS, ONE_LINER), at_most=at_most)
    return Experiment(title, partial(time_second_call, rows), [over])


def time_second_call(rows: int, scale: Scale) -> Measurements:
    """Time single calls, in processes that have made one before."""
    rng = np.random.default_rng(0)
    expected = ours(rng.normal(size=rows), rng.integers(0, 2, rows), "numpy")()
    codes = {
        ONE_LINER: SECOND_CALL.format(imports="", call=ONE_LINE, rows=rows),
        OURS: SECOND_CALL.format(imports=IMPORT, call=CALL, rows=rows),
    }
    with processes(codes) as found:
        checked(found, expected)
        seconds = {name: (lambda process=process: process()[1]) for name, process in found.items()}
        return measure.paired(seconds, SHORT_ROUNDS * scale.starts)


def time_start(scale: Scale) -> Measurements:
    """Time new processes, from none to the first result of 1000 samples."""
    codes = {OURS: CODES[OURS], **peers.prepared(peers.STARTS)}
    expected = ours(np.linspace(-2, 2, 1000), np.arange(1000) % 2, "numpy")()
    with processes({name: peers.BATCH + code for name, code in codes.items()}) as found:
        checked(found, expected)
        with processes({NUMPY: "import numpy; print(0)"}) as imports:
            return measure.paired(measure.timed({**imports, **found}), SHORT_ROUNDS * scale.starts)
