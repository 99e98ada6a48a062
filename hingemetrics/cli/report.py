"""The report: the loss and the breakdowns that were asked for, as text or JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hingemetrics._core.typing import Floats
from hingemetrics.cli.breakdown import ClassLoss, Picture, WorstSample
from hingemetrics.state import HingeState, tally_of

if TYPE_CHECKING:
    from fractions import Fraction


class Report(NamedTuple):
    """The results of one run."""

    state: HingeState
    rows: int | None = None  # including ignored ones; None if only states were read
    ignore_index: int | None = None
    worst: list[WorstSample] | None = None
    classes: list[ClassLoss] | None = None
    picture: Picture | None = None


def as_text(report: Report, value: float | Floats) -> str:
    """Return the value, one line per class (one-vs-all), then the tables; repr keeps every bit."""
    lines = [repr(float(number)) for number in np.atleast_1d(value)]
    if report.worst is not None:
        lines += ["", *_right_aligned(_worst_table(report.worst))]
    if report.classes is not None:
        lines += ["", *_right_aligned(_class_table(report.classes))]
    return "\n".join(lines)


def _worst_table(worst: Sequence[WorstSample]) -> Iterator[list[str]]:
    """Yield the header, then a row per sample."""
    one_vs_all = any(sample.class_ is not None for sample in worst)
    yield ["index", "target", *["class"] * one_vs_all, "loss"]
    for row, target, class_, loss in worst:
        yield [str(row), str(target), *[str(class_)] * one_vs_all, repr(loss)]


def _class_table(classes: Sequence[ClassLoss]) -> Iterator[list[str]]:
    """Yield the header, then a row per class, with a column per class for one-vs-all."""
    vector = any(isinstance(value, list) for _, _, value in classes)
    yield ["class", "count", *([f"loss {c.label}" for c in classes] if vector else ["loss"])]
    for label, samples, value in classes:
        yield [str(label), str(samples), *map(repr, value if isinstance(value, list) else [value])]


def _right_aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table, its columns aligned on the right."""
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(map(str.rjust, row, widths)) for row in table]


def as_json(report: Report, value: float | Floats) -> str:
    """Return the report as a JSON object; a number that JSON cannot hold is null."""
    from base64 import b64encode

    state = report.state
    exact = [_ratio(loss) for loss in tally_of(state).fractions()]
    found: dict[str, Any] = {
        "value": _jsonable(value),
        "count": state.count,
        "ignored": None if report.rows is None else report.rows - state.count,
        "num_classes": state.num_classes,
        "squared": state.squared,
        "multiclass_mode": state.multiclass_mode.value,
        "ignore_index": report.ignore_index,
        "exact": exact if isinstance(value, np.ndarray) else exact[0],
        "state": b64encode(state.to_bytes()).decode(),
    }
    if report.worst is not None:
        found["worst"] = [_worst_object(sample) for sample in report.worst]
    if report.classes is not None:
        found["per_class"] = [
            {"class": label, "count": samples, "value": _jsonable(mean)}
            for label, samples, mean in report.classes
        ]
    return json.dumps(found)


def _worst_object(sample: WorstSample) -> dict[str, Any]:
    row, target, class_, loss = sample
    of_class = {} if class_ is None else {"class": class_}
    return {"index": row, "target": target, **of_class, "loss": _jsonable(loss)}


def _jsonable(value: float | list[float] | Floats) -> Any:
    """Return numbers for JSON: None for NaN and infinity."""
    if isinstance(value, (list, np.ndarray)):
        return [_jsonable(number) for number in value]
    return float(value) if math.isfinite(value) else None


def _ratio(loss: Fraction | None) -> str | None:
    """Return an exact mean as p/q, or None if it is NaN or infinite."""
    return None if loss is None else f"{loss.numerator}/{loss.denominator}"
