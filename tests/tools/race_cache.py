"""Race processes for one cache.

    python tests/tools/race_cache.py [--processes 8] [--rounds 50] [--spawn]

In each round all processes compile, or load, the same kernel from the same directory at the same
time, while entries are cut, emptied and deleted under their hands. What it then computes must
be, to the bit, what NumPy does; and nothing may raise. Every few rounds the directory is a new one,
and every few more the processes are: forked from one that has compiled before, which takes them
a tenth of the time, or with `--spawn` from nothing.
"""

import argparse
import multiprocessing
import os
import random
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import hingemetrics
from hingemetrics import HingeLoss

COLD = 10  # rounds with one directory
FRESH = 10  # rounds with the same processes
LONGEST = 120  # seconds that a process may take for a round


class Found(NamedTuple):
    """What a race came to."""

    rounds: int = 0
    checked: int = 0
    loaded: int = 0
    wrong: int = 0
    errors: tuple[str, ...] = ()

    def __str__(self):
        return (
            f"{self.rounds} rounds, {self.checked} results checked, {self.loaded} kernels loaded "
            f"from the cache, {self.wrong} wrong values, {len(self.errors)} errors"
        )


def batches():
    """Binary batches that end in every part of a kernel."""
    for seed, rows in enumerate((1, 255, 300, 2000)):
        rng = np.random.default_rng(seed)
        preds = rng.normal(0.0, 2.0, rows)
        preds[::97] = np.resize([1e30, np.inf, 2.0**31, 1e-30], len(preds[::97]))
        for weight in (None, rng.random(rows)):
            for squared in (False, True):
                yield squared, preds, rng.integers(0, 2, rows), weight


def results():
    """The states of all batches, as bytes."""
    found = []
    for squared, *batch in batches():
        metric = HingeLoss(squared)
        metric.update(*batch)
        found.append(metric.state.to_bytes())
    return found


def load(folder):
    """Get a kernel anew, with a cache in `folder`; return whether it was loaded from there."""
    from numba import config

    from hingemetrics._engine import machine_code

    config.CACHE_DIR = folder
    machine_code._compiled.clear()
    kernel = machine_code.get("binary", np.dtype(float), wait=True)
    return bool(sum(kernel.stats.cache_hits.values()))


def work(pipe):
    """Race whenever told where, and answer what came of it."""
    hingemetrics.set_backend("numpy")
    known = results()
    hingemetrics.set_backend("numba")
    while folder := pipe.recv():
        pipe.send(raced(folder, known))


def raced(folder, known):
    """Return whether the kernel was loaded, results checked and wrong; a text if it raises."""
    try:
        loaded = load(folder)
        found = results()
    except Exception as error:
        return repr(error)
    return loaded, len(found), sum(got != wanted for got, wanted in zip(found, known, strict=True))


class Runner(NamedTuple):
    """A process and the pipe to it."""

    process: multiprocessing.process.BaseProcess
    pipe: Any

    @classmethod
    def started(cls, how):
        context = multiprocessing.get_context(how)
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(theirs,), daemon=True)
        process.start()
        theirs.close()
        return cls(process, ours)

    def answer(self):
        """What it has found; a text if that is an error."""
        try:
            if self.pipe.poll(LONGEST):
                return self.pipe.recv()
            return "a process that hangs"
        except EOFError:
            self.process.join()
            return f"a process that ended with {self.process.exitcode}"

    def stopped(self):
        with suppress(OSError):  # it has died, which was reported
            self.pipe.send(None)
        self.process.join(5)
        self.process.kill()


def damage(folder, chosen):
    """Cut, empty or delete an entry, if there is any."""
    entries = sorted(Path(folder).rglob("*.nb[ci]"))
    if not entries:
        return
    entry = chosen.choice(entries)
    with suppress(FileNotFoundError):  # gone just now
        change = chosen.randrange(3)
        if change == 0:
            entry.unlink()
        else:
            os.truncate(entry, change - 1 and chosen.randrange(entry.stat().st_size + 1))


def race(runners, folder, damages, chosen):
    """Let all processes run at once, and do damage meanwhile; return their answers."""
    for runner in runners:
        runner.pipe.send(folder)
    for _ in range(damages):
        time.sleep(chosen.uniform(0.0, 0.1))
        damage(folder, chosen)
    return [runner.answer() for runner in runners]


def main(processes, rounds, spawn=False, seed=0):
    """Race so many rounds; return what was found."""
    chosen, found, runners = random.Random(seed), Found(), []
    how = "spawn" if spawn else "fork"
    with tempfile.TemporaryDirectory() as folders:
        if not spawn:
            load(os.path.join(folders, "parent"))
        for number in range(rounds):
            if number % FRESH == 0:
                for runner in runners:
                    runner.stopped()
                runners = [Runner.started(how) for _ in range(processes)]
            folder = os.path.join(folders, str(number // COLD))
            damages = chosen.randrange(4) if number % COLD > 1 else 0
            answers = race(runners, folder, damages, chosen)
            good = [answer for answer in answers if not isinstance(answer, str)]
            loaded, checked, wrong = (sum(column) for column in zip((0, 0, 0), *good, strict=True))
            found = Found(
                number + 1,
                found.checked + checked,
                found.loaded + loaded,
                found.wrong + wrong,
                (*found.errors, *(answer for answer in answers if isinstance(answer, str))),
            )
            if len(good) < len(answers):
                break
        for runner in runners:
            runner.stopped()
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--spawn", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    found = main(**vars(parser.parse_args()))
    print(*found.errors, sep="\n", file=sys.stderr, end="\n" if found.errors else "")
    print(found)
    sys.exit(1 if found.wrong or found.errors else 0)
