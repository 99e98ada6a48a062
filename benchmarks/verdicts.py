"""What a verdict costs: comparing two models, and intervals, beside the loss of the same data."""

from __future__ import annotations

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


def experiments() -> list[Experiment]:
    """Return the experiments."""
    return [experiment(data) for data in DATA]


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
