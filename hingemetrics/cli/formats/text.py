"""The report as text, for people: the value first, then the tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from hingemetrics.cli.formats.tables import class_table, loss_table, worst_table
from hingemetrics.cli.report import Report


def as_text(report: Report) -> str:
    """Return the value, one line per class (one-vs-all), then the tables; repr keeps every bit."""
    lines = [repr(number) for number in np.atleast_1d(report.value).tolist()]
    if report.baseline is not None and report.baseline.changes:
        lines += ["", *_right_aligned(loss_table(report))]
    if report.worst is not None:
        lines += ["", *_right_aligned(worst_table(report.worst))]
    if report.classes is not None:
        lines += ["", *_right_aligned(class_table(report.classes))]
    return "\n".join(lines)


def _right_aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table, its columns aligned on the right."""
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(map(str.rjust, row, widths)) for row in table]
