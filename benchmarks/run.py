"""Measure hingemetrics beside its peers and a read of the same arrays, all in one run.

First comes what a user waits for: whole processes. What follows is timed in one process, with the
machine code loaded.

    python benchmarks/run.py            everything, to results.json: some ten minutes
    python benchmarks/run.py --quick    small arrays and few rounds: only to see that all of it runs

Results are compared before anything is timed, and a disagreement stops the run. A missed target is
reported as missed, no more. Peers (see requirements.txt) that are not installed are skipped. All
get one thread, unless the variables that say so (see peers.ONE_THREAD) are set already.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import experiments
import peers
import verdicts
import waits
from experiments import FULL, QUICK, Experiment, Measurements

from hingemetrics._engine import machine_code

RESULTS = Path(__file__).with_name("results.json")
CHILDREN = {
    "kernels": experiments.kernels,
    "kernels-of-lowest-target": experiments.kernels_of_lowest_target,
    "memory": experiments.memory_cases,
}
SECTIONS = {
    "what a user waits for": waits.experiments,
    "loaded, beside a plain read and peers": experiments.experiments,
    "verdicts, beside the loss of the same data": verdicts.experiments,
}
OWN = ("hingemetrics", "numpy", "numba")
VARIABLES = (
    "HINGEMETRICS_BACKEND",
    "HINGEMETRICS_NUM_THREADS",
    "NUMBA_DISABLE_JIT",
    *peers.ONE_THREAD,
)
VERDICT = {True: "met", False: "MISSED", None: ""}


def main() -> None:
    """Run every experiment, print its rows and write them to a file."""
    arguments = parsed_arguments()
    scale = QUICK if arguments.quick else FULL
    if arguments.child:
        json.dump(CHILDREN[arguments.child](scale), sys.stdout)
        return
    for name, value in peers.ONE_THREAD.items():
        os.environ.setdefault(name, value)
    where = environment()
    print("\n".join(f"{name}: {value}" for name, value in where.items()))
    if arguments.quick:
        print("quick: at these sizes the figures mean nothing")
    rows, measurements = [], {}
    for section, listed in SECTIONS.items():
        print(f"\n{section}")
        for experiment in listed():
            measurements[experiment.title] = experiment.measure(scale)
            for row in figures(experiment, measurements[experiment.title]):
                rows.append({"section": section, **row})
                print(line(row), flush=True)
    print("\n".join(["", *notes()]))
    output = arguments.output or (None if arguments.quick else RESULTS)
    if output:
        results = {
            "environment": where,
            "scale": scale._asdict(),
            "notes": notes(),
            "rows": rows,
            "measurements": measurements,
        }
        output.write_text(json.dumps(results, indent=1) + "\n")


def parsed_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small arrays and few rounds")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help=f"where to write the results: {RESULTS.name} beside this script, or with --quick none",
    )
    parser.add_argument("--child", choices=CHILDREN, help=argparse.SUPPRESS)
    return parser.parse_args()


def environment() -> dict[str, str]:
    """Return what the figures depend on."""
    return {
        "CPU": cpu_model(),
        "machine code": machine_code.origin(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        **{package: peers.version_of(package) for package in (*OWN, *peers.PACKAGES)},
        "threads": "1, unless a row says 2",
        **{name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


def cpu_model() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def figures(experiment: Experiment, measurements: Measurements) -> Iterator[dict[str, Any]]:
    """Yield an experiment's rows as they are written, without those that were not measured."""
    for row in experiment.rows:
        value = row.value(measurements)
        if value is not None:
            yield {
                "name": row.name,
                "value": value,
                "figure": f"{value:.3g}" if value < 100 else f"{value:.0f}",
                "unit": row.unit,
                "target": row.target,
                "limit": row.limit,
                "met": row.met(value),
            }


def line(row: dict[str, Any]) -> str:
    """Return a row as a line of text."""
    figure = f"{row['figure']:>6} {row['unit']}"
    return f"{row['name']:62} {figure:24} {row['target']:20} {VERDICT[row['met']]}".rstrip()


def notes() -> list[str]:
    """Return which peers were skipped, and which do not compute the same."""
    found = [f"skipped {name}: {why}" for name, why in peers.skipped.items()]
    if not peers.computes_the_same("torchmetrics"):
        found.append(peers.TIME_ONLY)
    return found


if __name__ == "__main__":
    main()
