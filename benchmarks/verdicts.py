"""What a verdict costs: two models, intervals and groups, beside the loss of the same data."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from experiments import CRAMMER_SINGER, ONE_VS_ALL, Experiment, Measurements, Row, Scale, large_data
from measure import medians

import hingemetrics

MOST = 3.0  # times as long as the loss
COMPARED, LOSS, INTERVAL = "compare", "hinge_loss", "loss_interval"


class Data(NamedTuple):
    """Predictions of two models that are compared, and how."""

    form: str
    classes: int
    dtype: str = "float64"
    kind: str = ""

    @property
    def title(self) -> str:
        """What the data are called in the results."""
        classes = "" if self.form == "binary" else f" C={self.classes}"
        return f"{self.form}{classes} {self.dtype}{', ' if self.kind else ''}{self.kind}"


DATA = [
    Data("binary", 2),
    Data("binary", 2, "float32"),
    Data("binary", 2, kind="squared"),
    Data("binary", 2, kind="weighted"),
    *(Data(CRAMMER_SINGER, classes) for classes in (3, 10, 100)),
    Data(CRAMMER_SINGER, 10, "float32"),
    Data(CRAMMER_SINGER, 10, kind="weighted"),
    *(Data(ONE_VS_ALL, classes) for classes in (10, 1000)),
]


GROUPED, MOST_GROUPED = "hinge_loss_by", 4.0
GROUPS = {  # what there are so many of, and the most times as long as the loss
    "10,000 integers": (10_000, None, MOST_GROUPED),
    "10,000 strings": (10_000, "U", math.inf),
    "10,000 codes of 16 bits": (10_000, "i2", math.inf),
    "1,000,000 integers": (1_000_000, None, math.inf),
}


def experiments() -> list[Experiment]:
    """Return the experiments."""
    return [*map(experiment, DATA), *map(group_experiment, GROUPS)]


def experiment(data: Data) -> Experiment:
    """Compare a comparison, and the interval of one model, with the loss of one model."""
    return Experiment(
        data.title,
        partial(measured, data),
        [
            Row(f"{data.title}: compare", "x hinge_loss", COMPARED, LOSS, at_most=MOST),
            Row(f"{data.title}: loss_interval", "x hinge_loss", INTERVAL, LOSS),
        ],
    )


def measured(data: Data, scale: Scale) -> Measurements:
    """Return the medians of all three; stop unless they agree to the bit, in both tiers."""
    preds, target = large_data(data.form, data.classes, data.dtype, scale)
    noise = np.random.default_rng(1).normal(size=preds.shape, scale=0.3)
    baseline = (preds + noise).astype(data.dtype)
    options: dict[str, Any] = {"squared": data.kind == "squared"}
    if data.form != "binary":
        options["multiclass_mode"] = data.form
    if data.kind == "weighted":
        options["sample_weight"] = np.random.default_rng(2).random(len(target))
    calls: dict[str, Callable[[], Any]] = {
        LOSS: lambda: hingemetrics.hinge_loss(preds, target, **options),
        COMPARED: lambda: hingemetrics.compare(preds, baseline, target, **options),
        INTERVAL: lambda: hingemetrics.loss_interval(preds, target, **options),
    }
    found = {}
    for backend in ("numpy", "numba"):
        hingemetrics.set_backend(backend)
        numbers = [*calls[COMPARED](), *calls[INTERVAL]()]
        found[backend] = [np.asarray(number).tobytes() for number in numbers]
    wanted = np.asarray(calls[LOSS]()).tobytes()
    if found["numpy"] != found["numba"] or wanted != found["numba"][0]:
        raise SystemExit(f"{data.title}: all should have the same bits")
    return medians(calls, scale.rounds)


def group_experiment(name: str) -> Experiment:
    """Compare the losses of groups with the loss of all rows."""
    title = f"binary float64, groups: {name}"
    row = Row(title, "x hinge_loss", GROUPED, LOSS, at_most=GROUPS[name][2])
    return Experiment(title, partial(measured_groups, name), [row])


def measured_groups(name: str, scale: Scale) -> Measurements:
    """Return the medians of both; stop unless all groups together have all samples."""
    preds, target = large_data("binary", 2, "float64", scale)
    number, dtype, _ = GROUPS[name]
    groups = np.random.default_rng(3).integers(0, number, len(target))
    groups = groups if dtype is None else groups.astype(dtype)
    metric = hingemetrics.GroupedHingeLoss()
    metric.update(preds, target, groups)
    if metric.state.value() != hingemetrics.hinge_loss(preds, target):
        raise SystemExit(f"{name}: the groups should add up to all samples")
    return medians(
        {
            LOSS: lambda: hingemetrics.hinge_loss(preds, target),
            GROUPED: lambda: hingemetrics.hinge_loss_by(preds, target, groups),
        },
        scale.rounds,
    )
