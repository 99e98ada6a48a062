"""The tables of a report, for text and Markdown: a header and rows, all of them texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from hingemetrics._core.typing import Floats
from hingemetrics.cli.breakdown import ClassLoss, WorstSample
from hingemetrics.cli.gate import percentage
from hingemetrics.cli.groups import GroupLoss
from hingemetrics.cli.report import Against, Report

Rows = Iterator[list[str]]


def loss_table(report: Report) -> Rows:
    """Yield a row for the loss, or that of each class, with the baseline if there is one.

    repr keeps every bit.
    """
    changes = [] if report.baseline is None else report.baseline.changes
    classes = max(np.size(report.value), len(changes))
    one_vs_all = isinstance(report.value, np.ndarray) or classes > 1
    columns = {"class": list(map(str, range(classes)))} if one_vs_all else {}
    columns["loss"] = _numbers(report.value, classes)
    if report.interval is not None:
        found = report.interval
        columns |= _ends(found.level, found.low, found.high, classes)
    if changes:
        columns["baseline"] = [repr(change.baseline) for change in changes]
        columns["difference"] = [repr(change.difference) for change in changes]
    yield from _table(columns)


def against_table(against: Against) -> Rows:
    """Yield a row for the loss, or that of each class, beside that of other predictions."""
    found, classes = against.found, len(against.differences)
    columns = {}
    if isinstance(found.value, np.ndarray):
        columns["class"] = list(map(str, range(classes)))
    columns["loss"] = _numbers(found.value, classes)
    columns["against"] = _numbers(found.baseline, classes)
    columns["difference"] = _numbers(found.difference, classes)
    yield from _table(columns | _ends(against.level, found.low, found.high, classes))


def _ends(
    level: float, low: float | Floats, high: float | Floats, classes: int
) -> dict[str, list[str]]:
    """The columns of an interval."""
    return {
        f"{percentage(level)} low": _numbers(low, classes),
        f"{percentage(level)} high": _numbers(high, classes),
    }


def _numbers(value: float | Floats, classes: int) -> list[str]:
    """A number for each class; of no data there may be one alone, which is NaN."""
    return list(map(repr, np.broadcast_to(value, classes).tolist()))


def _table(columns: Mapping[str, Sequence[str]]) -> Rows:
    yield list(columns)
    yield from map(list, zip(*columns.values(), strict=True))


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


def group_table(groups: Sequence[GroupLoss]) -> Rows:
    """Yield the header, then a row per group, with a column per class for one-vs-all."""
    columns = len(groups[0].value) if groups and isinstance(groups[0].value, list) else None
    losses = ["loss"] if columns is None else [f"loss {class_}" for class_ in range(columns)]
    yield ["group", "count", *losses]
    for group in groups:
        value = group.value if isinstance(group.value, list) else [group.value]
        yield [group.name, str(group.samples), *map(repr, value)]
