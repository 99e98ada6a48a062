"""Measure hingemetrics beside its peers and a read of the same arrays, all in one run.

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
from pathlib import Path
from typing import Any

import experiments
import llvmlite.binding
import peers
from experiments import FULL, QUICK, Experiment, Scale

RESULTS = Path(__file__).with_name("results.json")
CHILDREN = {"kernels": experiments.kernels, "memory": experiments.memory_cases}
OWN = ("hingemetrics", "numpy", "numba")
VARIABLES = ("HINGEMETRICS_", "NUMBA_", "OMP_", "XLA_")  # of the environment
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
    results: dict[str, Any] = {"environment": environment(), "scale": scale._asdict(), "rows": []}
    for name, value in results["environment"].items():
        print(f"{name}: {value}")
    if arguments.quick:
        print("quick: sizes at which the figures mean nothing")
    for experiment in experiments.experiments():
        rows, results.setdefault("measurements", {})[experiment.title] = measured(experiment, scale)
        results["rows"] += rows
        for row in rows:
            print(shown(row), flush=True)
    results["notes"] = notes()
    print(*results["notes"], sep="\n")
    output = arguments.output or (None if arguments.quick else RESULTS)
    if output:
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
    features = llvmlite.binding.get_host_cpu_features()
    return {
        "CPU": f"{cpu_model()}, {llvmlite.binding.get_host_cpu_name()}, "
        f"{'with' if features.get('avx512f') else 'without'} AVX-512",
        "cores": str(os.cpu_count()),
        "system": platform.platform(terse=True),
        "Python": platform.python_version(),
        **{package: peers.version_of(package) for package in (*OWN, *peers.PACKAGES)},
        "threads": "1, unless a row says 2",
        **{name: text for name, text in os.environ.items() if name.startswith(VARIABLES)},
    }


def cpu_model() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def measured(experiment: Experiment, scale: Scale) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Run an experiment; return its rows and what they were computed from."""
    measurements = experiment.measure(scale)
    rows = []
    for row in experiment.rows:
        value = row.value(measurements)
        if value is not None:
            rows.append(
                {
                    "name": row.name,
                    "target": row.target,
                    "value": value,
                    "unit": row.unit,
                    "met": row.met(value),
                }
            )
    return rows, measurements


def shown(row: dict[str, Any]) -> str:
    """Return a row as a line of text."""
    value = f"{row['value']:.3g}" if row["value"] < 100 else f"{row['value']:.0f}"
    return f"{row['name']:55} {value:>6} {row['unit']:16} {row['target']:20} {VERDICT[row['met']]}"


def notes() -> list[str]:
    """Return which peers were skipped, and which do not compute the same."""
    found = [f"skipped {name}: {why}" for name, why in peers.skipped.items()]
    if not peers.computes_the_same("torchmetrics"):
        found.append(peers.TIME_ONLY)
    return found


if __name__ == "__main__":
    main()
