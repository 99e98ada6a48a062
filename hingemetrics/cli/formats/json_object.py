"""The report as a JSON object, for programs; docs/report.schema.json is its schema."""

from __future__ import annotations

import datetime
import json
import math
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import numpy as np

from hingemetrics._core.group_keys import Key
from hingemetrics._core.typing import Floats
from hingemetrics.cli.breakdown import WorstSample
from hingemetrics.cli.gate import Gate, Verdict
from hingemetrics.cli.report import Against, Baseline, LossInterval, Report
from hingemetrics.state import HingeState, tally_of

if TYPE_CHECKING:
    from fractions import Fraction

VERSION = 1
"""Of the schema: another one where a field has gone, or means something else."""


def as_json(report: Report) -> str:
    """Return the report as a JSON object; a number that JSON cannot hold is null."""
    found: dict[str, Any] = {
        "version": VERSION,
        "verdict": "pass" if report.is_open else "fail",
        **state_fields(report.state, report.value),
        "ignored": report.ignored,
        "ignore_index": report.ignore_index,
        "gates": list(map(_gate_object, report.gates)),
    }
    if report.interval is not None:
        found["interval"] = _interval_object(report.interval)
    if report.baseline is not None:
        found["baseline"] = _baseline_object(report.baseline)
    if report.against is not None:
        found["against"] = _against_object(report.against)
    if report.worst is not None:
        found["worst"] = list(map(_worst_object, report.worst))
    if report.classes is not None:
        found["per_class"] = [
            {"class": label, "count": samples, "value": _jsonable(mean)}
            for label, samples, mean in report.classes
        ]
    if report.groups is not None:
        found["groups"] = [
            {"group": _key(group.key), "count": group.samples, "value": _jsonable(group.value)}
            for group in report.groups
        ]
    return json.dumps(found)


def state_fields(state: HingeState, value: float | Floats) -> dict[str, Any]:
    """The fields that follow from a state alone; `value` is its value."""
    return {
        "value": _jsonable(value),
        "count": state.count,
        "num_classes": state.num_classes,
        "squared": state.squared,
        "multiclass_mode": state.multiclass_mode.value,
        "exact": _exact(state, value),
        "state": b64encode(state.to_bytes()).decode(),
    }


def _gate_object(gate: Gate) -> dict[str, Any]:
    verdicts = list(map(_verdict_object, gate.verdicts))
    return {
        "name": gate.name,
        "open": gate.is_open,
        "sentence": gate.sentence,
        "verdicts": verdicts,
    }


def _verdict_object(verdict: Verdict) -> dict[str, Any]:
    return {
        "name": verdict.name,
        "open": verdict.is_open,
        "sentence": verdict.sentence,
        "value": _jsonable(verdict.value),
        "limit": None if verdict.limit is None else _jsonable(verdict.limit),
    }


def _baseline_object(baseline: Baseline) -> dict[str, Any]:
    found: dict[str, Any] = {"file": baseline.path}
    numbers: dict[str, Any] = dict.fromkeys(("value", "exact", "count", "difference"))
    if baseline.state is not None:
        value = baseline.state.value()
        difference = [_jsonable(change.difference) for change in baseline.changes]
        numbers = {
            "value": _jsonable(value),
            "exact": _exact(baseline.state, value),
            "count": baseline.state.count,
            "difference": difference if isinstance(value, np.ndarray) else difference[0],
        }
    return (
        found
        | numbers
        | {
            "max_increase": baseline.allowed.text,
            "updated": baseline.is_updated,
        }
    )


def _interval_object(interval: LossInterval) -> dict[str, Any]:
    return {
        "level": interval.level,
        "low": _jsonable(interval.low),
        "high": _jsonable(interval.high),
        "stderr": None if interval.stderr is None else _jsonable(interval.stderr),
        "resamples": interval.resamples,
    }


def _against_object(against: Against) -> dict[str, Any]:
    found = against.found
    return {
        "preds": against.label,
        "value": _jsonable(found.baseline),
        "difference": _jsonable(found.difference),
        "stderr": _jsonable(found.stderr),
        "low": _jsonable(found.low),
        "high": _jsonable(found.high),
        "level": against.level,
    }


def _key(key: Key) -> str | int | float:
    """A group as JSON holds it: dates and infinity as text."""
    if isinstance(key, datetime.date):
        return key.isoformat()
    return key if math.isfinite(0 if isinstance(key, str) else key) else str(key)


def _worst_object(sample: WorstSample) -> dict[str, Any]:
    row, target, class_, loss = sample
    of_class = {} if class_ is None else {"class": class_}
    return {"index": row, "target": target, **of_class, "loss": _jsonable(loss)}


def _jsonable(value: float | list[float] | Floats) -> Any:
    """Return numbers for JSON: None for NaN and infinity."""
    if isinstance(value, (list, np.ndarray)):
        return [_jsonable(number) for number in value]
    return float(value) if math.isfinite(value) else None


def _exact(state: HingeState, value: float | Floats) -> Any:
    """The exact mean, or that of each class, as p/q; None where it is NaN or infinite."""
    exact = [_ratio(loss) for loss in tally_of(state).fractions()]
    return exact if isinstance(value, np.ndarray) else exact[0]


def _ratio(loss: Fraction | None) -> str | None:
    return None if loss is None else f"{loss.numerator}/{loss.denominator}"
