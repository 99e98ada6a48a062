"""The tables of a report, for text and Markdown: a header and rows, all of them texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hingemetrics.cli.breakdown import ClassLoss, WorstSample
from hingemetrics.cli.report import Report

Rows = Iterator[list[str]]


def loss_table(report: Report) -> Rows:
    """Yield a row for the loss, or that of each class, with the baseline if there is one.

    repr keeps every bit.
    """
    changes = [] if report.baseline is None else report.baseline.changes
    one_vs_all = isinstance(report.value, np.ndarray) or len(changes) > 1
    yield ["class"] * one_vs_all + ["loss"] + ["baseline", "difference"] * bool(changes)
    numbers = [[change.value, change.baseline, change.difference] for change in changes]
    for class_, row in enumerate(numbers or np.atleast_1d(report.value)[:, np.newaxis].tolist()):
        yield [str(class_)] * one_vs_all + list(map(repr, row))


def worst_table(worst: Sequence[WorstSample]) -> Rows:
    """Yield the header, then a row per sample."""
    one_vs_all = any(sample.class_ is not None for sample in worst)
    yield ["index", "target", *["class"] * one_vs_all, "loss"]
    for row, target, class_, loss in worst:
        yield [str(row), str(target), *[str(class_)] * one_vs_all, repr(loss)]


def class_table(classes: Sequence[ClassLoss]) -> Rows:
    """Yield the header, then a row per class, with a column per class for one-vs-all."""
    vector = any(isinstance(value, list) for _, _, value in classes)
    yield ["class", "count", *([f"loss {c.label}" for c in classes] if vector else ["loss"])]
    for label, samples, value in classes:
        yield [str(label), str(samples), *map(repr, value if isinstance(value, list) else [value])]
