"""The baseline: a state in a file that a loss is compared with, and that a better one replaces."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace

import numpy as np

from hingemetrics._core.config import BINARY
from hingemetrics._core.typing import Floats
from hingemetrics.cli.formats.json_object import VERSION, as_json, state_fields
from hingemetrics.cli.gate import Gate, part_names
from hingemetrics.cli.increase import Change, Increase, baseline_gate, first_gate
from hingemetrics.cli.outputs import write
from hingemetrics.cli.report import Baseline, Report
from hingemetrics.cli.state_files import content, located_errors
from hingemetrics.state import HingeState, tally_of

_STATE_MAGIC = b"hinge"
_JSON = ".json"  # the ending of a baseline that is written as JSON


def read_baseline(path: str, may_be_missing: bool) -> HingeState | None:
    """Return the state in a file of either format, or None if there is no file and that is fine."""
    try:
        data = content(path)
    except FileNotFoundError as error:
        if may_be_missing:
            return None
        hint = f"{error.strerror}; --update-baseline makes it"
        raise FileNotFoundError(error.errno, hint, path) from None
    with located_errors(path):
        if data.startswith(_STATE_MAGIC):
            state = HingeState.from_bytes(data)
            state.as_fraction()  # raises for what nothing can be compared with
            return state
        return _state_of_json(data)


def _state_of_json(data: bytes) -> HingeState:
    """Return the state in what --json printed; raise if its other fields say something else."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"a baseline must be a state, or what --json printed, got {error}"
        ) from None
    if not isinstance(found, dict) or found.get("version") != VERSION:
        got = found.get("version") if isinstance(found, dict) else found
        raise ValueError(f"JSON must be what --json prints, of version {VERSION}, got {got!r:.40}")
    state = HingeState.from_bytes(_decoded(found.get("state")))
    state.as_fraction()
    for field, own in state_fields(state, state.value()).items():
        if found.get(field) != own:
            raise ValueError(
                f"{field} must be that of the state, {own!r:.40}, got {found.get(field)!r:.40}"
            )
    return state


def _decoded(text: object) -> bytes:
    try:
        if isinstance(text, str):
            return b64decode(text, validate=True)
    except ValueError:
        pass
    raise ValueError(f"state must be the bytes of a HingeState in base64, got {text!r:.40}")


def compared(
    path: str, before: HingeState | None, report: Report, allowed: Increase, same_rows: bool
) -> Baseline:
    """Compare a report with a baseline; raise if they are not of the same loss."""
    if before is None:
        return Baseline(path, None, (), allowed)
    _check_alike(path, before, report.state, same_rows)
    return Baseline(path, before, _changes(before, report), allowed)


def _check_alike(path: str, before: HingeState, state: HingeState, same_rows: bool) -> None:
    """Raise if a baseline is of another loss, other classes, or, if it matters, other rows."""
    config, config_before = tally_of(state).config, tally_of(before).config
    modes_matter = before.num_classes != BINARY
    if state.squared != before.squared or (modes_matter and config != config_before):
        raise ValueError(
            f"{path} must have the configuration of the data, {config}, got {config_before}"
        )
    if state.num_classes not in (before.num_classes, None):  # None: nothing seen, which is NaN
        raise ValueError(
            f"{path} must be of {_kind(state)} as the data are, got one of {_kind(before)}"
        )
    if same_rows and state.count != before.count:
        raise ValueError(
            f"{path} must be of the same rows (--same-rows), {state.count} samples, "
            f"got {before.count}"
        )


def _kind(state: HingeState) -> str:
    return "binary data" if state.num_classes == BINARY else f"{state.num_classes} classes"


def _changes(before: HingeState, report: Report) -> list[Change]:
    """Return the change of the loss, or of that of each class."""
    value_before, exact_before = before.value(), before.as_fraction()
    names = part_names(value_before)
    exact = tally_of(report.state).fractions()
    if not report.state.count:
        exact = [None] * len(names)  # of no data the number of classes is unknown
    fields = zip(
        names,
        np.broadcast_to(report.value, len(names)).tolist(),
        np.atleast_1d(value_before).tolist(),
        exact_before if isinstance(exact_before, tuple) else [exact_before],
        exact,
        strict=True,
    )
    return [
        Change(name, value, base, exact_base, None if now is None else now - exact_base)
        for name, value, base, exact_base, now in fields
    ]


def gate_of(baseline: Baseline, value: float | Floats, accept: bool) -> Gate:
    """The gate of a baseline; one that has no file yet may start with any finite loss."""
    if baseline.state is None:
        return first_gate(part_names(value), np.atleast_1d(value).tolist())
    return baseline_gate(baseline.changes, baseline.allowed, accept)


def updated(report: Report, baseline: Baseline, accept: bool) -> Baseline:
    """Write the loss of a report as the new baseline, if all gates are open and it is no worse.

    With `accept` it may be worse.
    """
    is_worse = any(change.is_worse for change in baseline.changes)
    if is_worse and not accept:
        reason = "the loss is worse, and is written only with --accept-worse"
        return replace(baseline, note=f"{baseline.path} is kept: {reason}")
    if not report.is_open:
        return replace(baseline, note=f"{baseline.path} is kept: a gate is closed")
    write(baseline.path, _written(report, baseline.path))
    note = f"{baseline.path} holds a worse loss now, which was accepted" if is_worse else None
    return replace(baseline, is_updated=True, note=note)


def _written(report: Report, path: str) -> bytes:
    """The state of a report, in the format of a file's ending."""
    if not path.endswith(_JSON):
        return report.state.to_bytes()
    plain = Report(report.data, report.state, report.value, report.rows, report.ignore_index)
    return f"{as_json(plain)}\n".encode()
