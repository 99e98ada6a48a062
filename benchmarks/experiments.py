"""What is measured: one list of experiments, each with the rows of the result that it gives.

An experiment checks that all results agree, then measures contenders side by side. A row is the
ratio of two of its measurements, or one of them, and the target for it if there is one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import measure
import numpy as np
import peers

import hingemetrics
from hingemetrics._engine import targets

CRAMMER_SINGER, ONE_VS_ALL = "crammer-singer", "one-vs-all"
NAMES = {CRAMMER_SINGER: "Crammer-Singer", ONE_VS_ALL: "one-vs-all"}
LOWEST = "lowest processor target"
ANYWHERE = (("numba", 1), ("numba", 2), ("numpy", 1))  # backends and threads that must agree
DTYPES = ("float64", "float32")
TOLERANCE = {"float64": 1e-12, "float32": 1e-4}  # of peers: the error of a sum in that dtype
SMALL_BATCH = 32
LOSSES, SQUARES, WEIGHTS = "losses", "squared losses", "weights from 1e-20 to 1e20"
OUTLIERS = {"huge": 2.0**31, "inf": np.inf, "nan": np.nan}
OUTLIER_SHARE = 100  # one loss in so many
COMMAND = Path(__file__).with_name("run.py")
MEMORY_DTYPES = ("float64", "float32", "float16", "longdouble", "int8", ">f8")
LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "strided": lambda preds: np.repeat(preds, 2, axis=0)[::2],
}
# In seconds and bytes; a measurement can be a ratio already.
UNITS = {"ms": 1e-3, "us": 1e-6, "MB": 1e6}

Measurements = dict[str, float]


class Scale(NamedTuple):
    """How much is measured."""

    elements: int  # predictions in a large data set
    rounds: int
    starts: int  # rounds of new processes
    longest_call: int  # predictions of one call in a new process
    target_kernels: int  # so many of KERNELS are timed for the lowest target too


FULL = Scale(elements=10**7, rounds=11, starts=11, longest_call=10**8, target_kernels=16)
QUICK = Scale(elements=2 * 10**5, rounds=3, starts=1, longest_call=10**7, target_kernels=1)


class Row(NamedTuple):
    """One figure: a measurement over another one, or in a unit, and its target."""

    name: str
    unit: str
    measured: str
    over: str | None = None
    at_most: float = math.inf
    at_least: float = 0.0

    @property
    def limit(self) -> float | None:
        """The number in the target; None if there is no target."""
        if self.at_most < math.inf:
            return self.at_most
        return self.at_least or None

    @property
    def target(self) -> str:
        """The target in words; empty if there is none."""
        if self.limit is None:
            return ""
        return f"{'<=' if self.at_most < math.inf else '>='} {self.limit:g} {self.unit}"

    def value(self, measurements: Measurements) -> float | None:
        """Return the figure, or None if what it needs was not measured."""
        if not {self.measured, self.over or self.measured} <= measurements.keys():
            return None
        divisor = measurements[self.over] if self.over else UNITS.get(self.unit, 1.0)
        return measurements[self.measured] / divisor

    def met(self, value: float) -> bool | None:
        """Return whether the target is met; None if there is none."""
        return self.at_least <= value <= self.at_most if self.target else None


class Experiment(NamedTuple):
    """Something to measure at a given scale, in seconds or bytes, and what to show of it."""

    title: str
    measure: Callable[[Scale], Measurements]
    rows: list[Row]


class Kernel(NamedTuple):
    """A kind of loss and data, and the target for its ratio to the roofline."""

    form: str
    classes: int
    dtype: str
    at_most: float

    @property
    def title(self) -> str:
        """The kernel's name in the results."""
        return f"{_form(self.form, self.classes)} {self.dtype}"


KERNELS = [
    Kernel("binary", 2, "float64", 1.25),
    Kernel("binary", 2, "float32", 1.5),
    *(
        Kernel(CRAMMER_SINGER, classes, dtype, at_most)
        for classes, at_most in ((1000, 1.5), (100, 1.5), (10, 2.5), (3, 4.0))
        for dtype in DTYPES
    ),
    *(
        Kernel(ONE_VS_ALL, classes, dtype, at_most)
        for classes in (1000, 100, 10)
        for dtype, at_most in (("float64", 2.5), ("float32", 4.0))
    ),
]


def experiments() -> list[Experiment]:
    """Return everything that is measured, in the order of the results."""
    return [
        *map(kernel_experiment, KERNELS),
        *(
            peer_experiment("binary", 2, dtype, {"scikit-learn": 150, "torchmetrics": 30, "JAX": 2})
            for dtype in DTYPES
        ),
        *(
            peer_experiment(CRAMMER_SINGER, 10, dtype, {"scikit-learn": 30, "torchmetrics": 25})
            for dtype in DTYPES
        ),
        update_experiment("binary", 2, at_most=6.0, at_least=12.0),
        update_experiment(CRAMMER_SINGER, 10, at_most=6.0, at_least=12.0),
        update_experiment(ONE_VS_ALL, 1000, at_most=40.0, at_least=0.0),
        Experiment(
            LOWEST,
            lowest_target,
            [Row(f"{LOWEST}, the worst kernel", "x best target", "worst")],
        ),
        Experiment(
            "extra peak memory",
            memory,
            [Row("extra peak memory, the worst case", "MB", "worst", at_most=16.0)],
        ),
        sum_experiment(LOSSES, at_least=1.0),
        sum_experiment(SQUARES, at_least=1.0),
        sum_experiment(WEIGHTS, at_least=0.0),
        outlier_experiment("binary", 2),
        outlier_experiment(CRAMMER_SINGER, 10),
        *(outlier_experiment(ONE_VS_ALL, classes) for classes in (10, 100, 1000)),
        Experiment("threads", threads, [Row("binary, 1 thread", "x 2 threads", "1", "2")]),
    ]


# Data and agreement


def data(form: str, classes: int, dtype: str, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return normal predictions and int64 targets."""
    rng = np.random.default_rng(0)
    shape = (rows,) if form == "binary" else (rows, classes)
    return rng.normal(size=shape).astype(dtype), rng.integers(0, classes, rows)


def large_data(form: str, classes: int, dtype: str, scale: Scale) -> tuple[np.ndarray, np.ndarray]:
    """Return data of a scale; rows are a multiple of 8, so that both arrays are whole words."""
    columns = 1 if form == "binary" else classes
    return data(form, classes, dtype, scale.elements // columns // 8 * 8)


def options(form: str) -> dict[str, Any]:
    """Return the options of hinge_loss for a form."""
    return {} if form == "binary" else {"multiclass_mode": form}


def ours(
    preds: np.ndarray, target: np.ndarray, backend: str = "numba", threads: int = 1, **further: Any
) -> Callable[[], Any]:
    """Return a call of hinge_loss on a backend in so many threads."""

    def call() -> Any:
        hingemetrics.set_backend(backend)
        if hingemetrics.get_num_threads() != threads:  # setting it ends the pool
            hingemetrics.set_num_threads(threads)
        return hingemetrics.hinge_loss(preds, target, **further)

    return call


def agreed(preds: np.ndarray, target: np.ndarray, **further: Any) -> Any:
    """Return hinge_loss; stop unless every backend and thread count gives the same bits."""
    results = [ours(preds, target, *where, **further)() for where in ANYWHERE]
    if len({np.asarray(result).tobytes() for result in results}) != 1:
        raise SystemExit(f"{dict(zip(ANYWHERE, results, strict=True))} should be the same bits")
    return results[0]


def check_peers(calls: Mapping[str, Callable[[], Any]], expected: Any, tolerance: float) -> None:
    """Stop unless all peers that compute the same agree within a relative tolerance."""
    for name, call in calls.items():
        if not peers.computes_the_same(name):
            continue
        result = np.asarray(call())
        if not np.allclose(result, expected, rtol=tolerance, atol=0.0):
            raise SystemExit(f"{name} gives {result}, hingemetrics {expected}")


# Kernels


def kernel_experiment(kernel: Kernel) -> Experiment:
    """Compare a kernel with the roofline, and its variants with it or the roofline."""
    title = kernel.title
    rows = [
        Row(title, "x roofline", "plain", "read", at_most=kernel.at_most),
        Row(f"{title}, squared", "x plain", "squared", "plain", at_most=2.0),
    ]
    if kernel.form == "binary":
        rows.append(Row(f"{title}, weighted", "x roofline", "weighted", "read", at_most=4.0))
    return Experiment(title, partial(time_kernel, kernel), rows)


def time_kernel(kernel: Kernel, scale: Scale) -> Measurements:
    """Time a kernel's variants and the roofline."""
    preds, target = large_data(*kernel[:3], scale)
    variants: dict[str, dict[str, Any]] = {"plain": {}, "squared": {"squared": True}}
    if kernel.form == "binary":
        weight = np.random.default_rng(1).random(len(target))
        variants["weighted"] = {"sample_weight": weight}
    contenders = {}
    for name, further in variants.items():
        agreed(preds, target, **options(kernel.form), **further)
        contenders[name] = ours(preds, target, **options(kernel.form), **further)
    return measure.medians_and_roofline(contenders, (preds, target), scale.rounds)


def kernels(scale: Scale) -> dict[str, Any]:
    """Time kernels, and return with it the bits of their results."""
    chosen = KERNELS[: scale.target_kernels]
    return {
        "bits": [kernel_bits(kernel) for kernel in chosen],
        "seconds": {kernel.title: time_kernel(kernel, scale) for kernel in chosen},
    }


def kernel_bits(kernel: Kernel) -> str:
    """Return the bytes of a result as hexadecimal digits."""
    preds, target = large_data(*kernel[:3], QUICK)
    return np.asarray(ours(preds, target, **options(kernel.form))()).tobytes().hex()


def kernels_of_lowest_target(scale: Scale) -> dict[str, Any]:
    """Do what `kernels` does, as if this processor had no more than the lowest target."""
    lowest = targets.of_processor()[-1:]
    targets.of_processor = lambda: lowest
    return kernels(scale)


def lowest_target(scale: Scale) -> Measurements:
    """Return each kernel's ratio to the roofline for the lowest target, over that for the best."""
    if len(targets.of_processor()) < 2:
        peers.skipped[LOWEST] = "this processor has only one"
        return {}
    best, lowest = child("kernels", scale), child("kernels-of-lowest-target", scale)
    if best["bits"] != lowest["bits"]:
        raise SystemExit("each target should give the same bits")
    found = {}
    for title, seconds in best["seconds"].items():
        lower = lowest["seconds"][title]
        for name in seconds.keys() - {"read", "read, NumPy", "read, compiled"}:
            ratio = (lower[name] / lower["read"]) / (seconds[name] / seconds["read"])
            found[f"{title}, {name}"] = ratio
    return {**found, "worst": max(found.values())}


def threads(scale: Scale) -> Measurements:
    """Time binary losses in one and in two threads."""
    preds, target = large_data("binary", 2, "float64", scale)
    agreed(preds, target)
    contenders = {str(number): ours(preds, target, threads=number) for number in (1, 2)}
    return measure.medians(contenders, scale.rounds)


# Outliers


def outlier_experiment(form: str, classes: int) -> Experiment:
    """Compare the time with some huge or non-finite losses with that without."""
    title = f"{_form(form, classes)}, 1% outliers"
    return Experiment(
        title,
        partial(time_outliers, form, classes),
        [Row(f"{title}: {kind}", "x clean", kind, "clean", at_most=3.0) for kind in OUTLIERS],
    )


def time_outliers(form: str, classes: int, scale: Scale) -> Measurements:
    """Time clean data and data with each kind of outlier."""
    clean, target = large_data(form, classes, "float64", scale)
    contenders = {"clean": ours(clean, target, **options(form))}
    for kind, size in OUTLIERS.items():
        preds = with_outliers(clean, target, form, size)
        agreed(preds, target, **options(form))
        contenders[kind] = ours(preds, target, **options(form))
    return measure.medians(contenders, scale.rounds)


def with_outliers(clean: np.ndarray, target: np.ndarray, form: str, size: float) -> np.ndarray:
    """Return a copy in which one loss in a hundred is huge, inf or nan: a very wrong prediction."""
    preds = clean.copy()
    rng = np.random.default_rng(2)
    losses = preds.size if form == ONE_VS_ALL else len(target)
    chosen = rng.choice(losses, losses // OUTLIER_SHARE, replace=False)
    if form == "binary":
        preds[chosen] = np.where(target[chosen] == 1, -size, size)
    elif form == CRAMMER_SINGER:
        preds[chosen, target[chosen]] = -size
    else:
        row, column = np.divmod(chosen, preds.shape[1])
        preds[row, column] = np.where(target[row] == column, -size, size)
    return preds


# Peers


def _faster(name: str, targets: Mapping[str, float]) -> list[Row]:
    """Return a row for each peer: how many times longer it takes."""
    return [
        Row(f"{name}, against {peer}", "x faster", peer, "hingemetrics", at_least=at_least)
        for peer, at_least in targets.items()
    ]


def peer_experiment(
    form: str, classes: int, dtype: str, targets: Mapping[str, float]
) -> Experiment:
    """Compare hinge_loss with every peer's, and with itself in NumPy alone."""
    title = f"{_form(form, classes)} {dtype}"
    rows = _faster(title, {peer: targets.get(peer, 0.0) for peer in peers.HINGE})
    rows.append(Row(title, "x NumPy tier", "NumPy tier", "hingemetrics"))
    return Experiment(f"{title}, peers", partial(time_peers, form, classes, dtype), rows)


def time_peers(form: str, classes: int, dtype: str, scale: Scale) -> Measurements:
    """Time hinge_loss in both tiers and every peer on the same data."""
    preds, target = large_data(form, classes, dtype, scale)
    found = peers.prepared(peers.HINGE, preds, target)
    check_peers(found, agreed(preds, target), TOLERANCE[dtype])
    contenders = {
        "hingemetrics": ours(preds, target),
        "NumPy tier": ours(preds, target, "numpy"),
        **found,
    }
    return measure.medians(contenders, scale.rounds)


def sum_experiment(what: str, at_least: float) -> Experiment:
    """Compare exact sums of doubles."""
    title = f"exact sum of 10^6 {what}"
    rows = _faster(title, dict.fromkeys(peers.SUMS, at_least))
    return Experiment(title, partial(time_sums, what), rows)


def time_sums(what: str, scale: Scale) -> Measurements:
    """Time exact sums.

    The peers are given the doubles to sum; hinge_loss gets its usual arguments and computes them:
    losses max(0, 1 - preds), their squares, or losses 1 times their weights. With weights it sums
    twice as many doubles, since it sums the weights as well.
    """
    preds, further = summed(what)
    target = np.ones(len(preds), np.int64)
    values = ours(preds, target, reduction="none", **further)()
    found = peers.prepared(peers.SUMS, values)
    check_peers(found, agreed(preds, target, reduction="sum", **further), tolerance=0.0)
    contenders = {"hingemetrics": ours(preds, target, reduction="sum", **further), **found}
    return measure.medians(contenders, scale.rounds)


def summed(what: str) -> tuple[np.ndarray, dict[str, Any]]:
    """Return preds and further arguments with which hinge_loss sums a million such doubles."""
    rng = np.random.default_rng(3)
    if what == WEIGHTS:
        return np.zeros(10**6), {"sample_weight": 10.0 ** rng.uniform(-20.0, 20.0, 10**6)}
    return 1.0 - rng.exponential(size=10**6), {"squared": what == SQUARES}


def update_experiment(form: str, classes: int, at_most: float, at_least: float) -> Experiment:
    """Compare updates with a small batch."""
    title = f"update with {SMALL_BATCH} rows, {_form(form, classes)}"
    return Experiment(
        title,
        partial(time_updates, form, classes),
        [
            Row(title, "us", "hingemetrics", at_most=at_most),
            *_faster(title, dict.fromkeys(peers.METRICS, at_least)),
        ],
    )


def time_updates(form: str, classes: int, scale: Scale) -> Measurements:
    """Time the update of our metric and of every peer's with the same float32 batch."""
    preds, target = data(form, classes, "float32", SMALL_BATCH)
    hingemetrics.set_backend("numba")
    mode = options(form).get("multiclass_mode")
    own = hingemetrics.HingeLoss(multiclass_mode=mode)
    metrics = peers.prepared(peers.METRICS, preds, target, mode)
    metrics["hingemetrics"] = own, preds, target
    updates = {name: partial(metric.update, *batch) for name, (metric, *batch) in metrics.items()}
    for update in updates.values():
        update()
    values = {name: metric.compute for name, (metric, *_) in metrics.items()}
    check_peers(values, own.compute(), TOLERANCE["float32"])
    return measure.medians(updates, scale.rounds)


# Memory


def memory(scale: Scale) -> Measurements:
    """Return the extra peak memory of many cases, measured in a process of its own.

    There the allocator returns every larger block to the system at once, or memory that it kept
    would hide what is allocated next.
    """
    found = child("memory", scale, MALLOC_MMAP_THRESHOLD_="65536")
    return {**found, "worst": max(found.values())}


def memory_cases(scale: Scale) -> Measurements:
    """Return the extra peak memory in bytes by form, dtype, layout, backend and threads.

    Losses are squared and weighted: weights take memory too.
    """
    hingemetrics.warmup()
    found = {}
    for form, classes in (("binary", 2), (CRAMMER_SINGER, 10), (ONE_VS_ALL, 1000)):
        values, target = large_data(form, classes, "float64", scale)
        weight = np.linspace(0.0, 1.0, len(target), dtype=np.float32)
        for dtype, layout in itertools.product(MEMORY_DTYPES, LAYOUTS):
            preds = LAYOUTS[layout](values.astype(dtype))
            for where in ANYWHERE:
                name = " ".join(map(str, (_form(form, classes), dtype, layout, *where)))
                further = {"sample_weight": weight, "squared": True, **options(form)}
                call = ours(preds, target, *where, **further)
                found[name] = measure.extra_peak_memory(call)
    return found


def child(what: str, scale: Scale, **environment: str) -> dict[str, Any]:
    """Return what a part of the benchmark finds in a new process."""
    quick = ["--quick"] if scale is QUICK else []
    return measure.child(str(COMMAND), "--child", what, *quick, **environment)


def _form(form: str, classes: int) -> str:
    """Return a form's name in the results."""
    return form if form == "binary" else f"{NAMES[form]} C={classes}"
