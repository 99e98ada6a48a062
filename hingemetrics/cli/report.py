"""The report: the loss, the breakdowns that were asked for, and what the gates say of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hingemetrics._core.typing import Floats
from hingemetrics.cli.breakdown import ClassLoss, WorstSample
from hingemetrics.cli.difference import Difference
from hingemetrics.cli.gate import Gate
from hingemetrics.cli.groups import GroupLoss
from hingemetrics.cli.increase import Change, Increase
from hingemetrics.comparison import Comparison
from hingemetrics.state import HingeState


@dataclass(frozen=True)
class Baseline:
    """What the loss was compared with."""

    path: str
    state: HingeState | None  # None: there was no such file yet
    changes: Sequence[Change]  # one per class (one-vs-all), else one; none without a state
    allowed: Increase
    is_updated: bool = False
    note: str | None = None  # for people: why the file was kept, or what was accepted


@dataclass(frozen=True)
class LossInterval:
    """The confidence interval of the loss, or that of each class; NaN where there is none."""

    level: float
    low: float | Floats
    high: float | Floats
    stderr: float | Floats | None = None  # None: it is one of a bootstrap
    resamples: int | None = None  # of the bootstrap


@dataclass(frozen=True)
class Against:
    """What the loss was compared with: that of other predictions for the same rows."""

    label: str  # the other predictions, for people
    level: float  # of the difference's interval
    differences: Sequence[Difference]  # one per class (one-vs-all), else one
    found: Comparison


@dataclass(frozen=True)
class Report:
    """The results of one run."""

    data: str  # what was read, for people
    state: HingeState
    value: float | Floats
    rows: int | None = None  # including ignored ones; None if only states were read
    ignore_index: int | None = None
    worst: list[WorstSample] | None = None
    classes: list[ClassLoss] | None = None
    groups: list[GroupLoss] | None = None
    interval: LossInterval | None = None
    baseline: Baseline | None = None
    against: Against | None = None
    gates: Sequence[Gate] = ()

    @property
    def is_open(self) -> bool:
        """Whether all gates are."""
        return all(gate.is_open for gate in self.gates)

    @property
    def ignored(self) -> int | None:
        """How many rows were left out; None if only states were read."""
        return None if self.rows is None else self.rows - self.state.count
