"""The report as text, for people: the value first, then the tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from hingemetrics.cli.formats.tables import (
    against_table,
    class_table,
    group_table,
    loss_table,
    worst_table,
)
from hingemetrics.cli.report import Report


def as_text(report: Report) -> str:
    """Return the value, one line per class (one-vs-all), then the tables; repr keeps every bit."""
    lines = [repr(number) for number in np.atleast_1d(report.value).tolist()]
    is_compared = report.baseline is not None and report.baseline.changes
    if is_compared or report.interval is not None:
        lines += ["", *_right_aligned(loss_table(report))]
    if report.against is not None:
        lines += ["", *_right_aligned(against_table(report.against))]
    if report.worst is not None:
        lines += ["", *_right_aligned(worst_table(report.worst))]
    if report.classes is not None:
        lines += ["", *_right_aligned(class_table(report.classes))]
    if report.groups is not None:
        lines += ["", *_right_aligned(group_table(report.groups))]
    return "\n".join(lines)


def _right_aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table, its columns aligned on the right."""
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(map(str.rjust, row, widths)) for row in table]
