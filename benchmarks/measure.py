"""How things are measured: time in turns, the roofline, memory, and new processes."""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numba
import numpy as np

Call = Callable[[], Any]

LEAST_SECONDS = 2e-3  # a shorter call is repeated until a turn takes that long
STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # what Linux wants written to clear_refs


def medians(contenders: Mapping[str, Call], rounds: int) -> dict[str, float]:
    """Return each contender's median time of a call in seconds; in every round each has a turn."""
    calls = {}
    for name, call in contenders.items():
        call()  # the first call may load something
        calls[name] = max(1, round(LEAST_SECONDS / _seconds(call, 1)))
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, call in contenders.items():
            times[name].append(_seconds(call, calls[name]) / calls[name])
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def medians_and_roofline(
    contenders: Mapping[str, Call], arrays: tuple[np.ndarray, ...], rounds: int
) -> dict[str, float]:
    """Return medians, and as "read" that of the faster of two ways to read (sum) the arrays."""
    reads: dict[str, Call] = {
        "read, NumPy": lambda: [array.sum() for array in arrays],
        "read, compiled": lambda: [_sum_words(_words(array)) for array in arrays],
    }
    found = medians({**reads, **contenders}, rounds)
    found["read"] = min(found[name] for name in reads)
    return found


def extra_peak_memory(call: Call) -> int:
    """Return how many bytes a call takes at its peak: the most that two ways of looking see.

    One sees what Python and NumPy allocate, the other (on Linux) what the process occupies.
    """
    tracemalloc.start()
    resident = _reset_resident_peak()
    call()
    traced = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return max(traced, _status_bytes("VmHWM") - resident)


def pair(name: str, over: str) -> str:
    """Return what the ratio of two contenders is called."""
    return f"{name} / {over}"


def paired(contenders: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Return the medians of what contenders give, and of the ratios of any two in a round."""
    found = [{name: give() for name, give in contenders.items()} for _ in range(rounds)]
    medians = {name: statistics.median(given[name] for given in found) for name in contenders}
    for name, over in itertools.permutations(contenders, 2):
        medians[pair(name, over)] = statistics.median(given[name] / given[over] for given in found)
    return medians


def timed(calls: Mapping[str, Call]) -> dict[str, Callable[[], float]]:
    """Return functions that give the time of one call, in seconds."""
    return {name: partial(_seconds, call, 1) for name, call in calls.items()}


def child(*arguments: str, folder: str | None = None, **environment: str) -> Any:
    """Return what a new Python process prints, as JSON, in a folder and a changed environment."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


def _seconds(call: Call, calls: int) -> float:
    """Return the time that some calls take."""
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return time.perf_counter() - start


def _words(array: np.ndarray) -> np.ndarray:
    """Return the bytes of an array, which are a multiple of 8, as integers."""
    return array.reshape(-1).view(np.int64)


@numba.njit
def _sum_words(words: np.ndarray) -> int:
    """Return the sum of integers, wrapping around: a loop that waits for nothing but memory."""
    total = 0
    for i in range(len(words)):
        total += words[i]
    return total


def _reset_resident_peak() -> int:
    """Make the peak of resident memory what it is now, and return that in bytes."""
    if CLEAR_REFS.exists():
        CLEAR_REFS.write_text(RESET_PEAK)
    return _status_bytes("VmRSS")


def _status_bytes(field: str) -> int:
    """Return a field of the process's status in bytes; 0 where there is no such file."""
    if not STATUS.exists():
        return 0
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024
