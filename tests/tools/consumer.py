"""What a library that embeds the package writes: test_embedding.py checks its types and runs it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import hingemetrics
from hingemetrics import (
    HingeLoss,
    HingeState,
    MulticlassMode,
    RunningHingeLoss,
    hinge_loss,
    leave_one_out,
)

Floats = npt.NDArray[np.float64]


class Batch(NamedTuple):
    """What the library's loader gives."""

    scores: Floats
    labels: npt.NDArray[np.int64]
    weights: Floats | None = None


class Watch:
    """Watches a loss, which is one number: the default modes need no cast."""

    def __init__(self, window: int) -> None:
        self.metric = HingeLoss(ignore_index=-1)
        self.recent = RunningHingeLoss(window, False, "crammer-singer", ignore_index=-1)

    def feed(self, batch: Batch) -> float:
        """Add a batch; return its loss."""
        now: float = self.recent(batch.scores, batch.labels)
        self.metric.update(batch.scores, batch.labels)
        return now

    def result(self) -> tuple[float, float]:
        """Return the loss of everything, and that of the window."""
        return self.metric.compute(), self.recent.compute()

    def shares(self, others: list[HingeState[float]]) -> list[float]:
        """Return the loss without each of some shards."""
        return [rest.value() for rest in leave_one_out([self.state, *others])]

    @property
    def state(self) -> HingeState[float]:
        """What was seen."""
        return self.metric.clone().state


def restored(data: bytes) -> HingeState[float]:
    """Read a state, which must be of the default configuration to be added to one."""
    return HingeState() + HingeState.from_bytes(data)


class TwoArguments(HingeLoss[float]):
    """A metric of another library, whose batches have no weights."""

    def forward(self, preds: object, target: object, sample_weight: object = None) -> float:
        """Return twice the loss of a batch."""
        return 2.0 * super().forward(preds, target)


class Evaluator:
    """Accumulates batches, and hands its state on to other processes."""

    def __init__(self, mode: MulticlassMode = MulticlassMode.CRAMMER_SINGER) -> None:
        self.metric = HingeLoss(squared=False, multiclass_mode=mode, ignore_index=-1)

    def feed(self, batches: Iterable[Batch]) -> int:
        """Add batches; return how many."""
        for batch in batches:
            self.metric.update(batch.scores, batch.labels, batch.weights)
        return self.metric.update_count

    def result(self) -> float:
        """Return the loss, averaged over the classes if there is one for each."""
        value: float | Floats = self.metric.compute()
        return float(np.mean(value))

    def snapshot(self) -> bytes:
        """Return what was seen."""
        state: HingeState = self.metric.state
        return state.to_bytes()


def merged(snapshots: Iterable[bytes]) -> HingeState:
    """Return the state of all shards."""
    states = [HingeState.from_bytes(snapshot) for snapshot in snapshots]
    return sum(states[1:], states[0])


def main(folder: Path) -> str:
    """Evaluate two shards and return a report."""
    rng = np.random.default_rng(0)
    batches = [Batch(rng.normal(size=(8, 3)), rng.integers(-1, 3, 8)) for _ in range(4)]
    left, right, whole = Evaluator(), Evaluator(), Evaluator()
    counts = [left.feed(batches[:1]), right.feed(batches[1:]), whole.feed(batches)]
    total = merged([left.snapshot(), right.snapshot()])
    (folder / "state").write_bytes(total.to_bytes())
    value: float | Floats = total.value()
    classes: int | None = total.num_classes
    scores = np.concatenate([batch.scores for batch in batches])
    labels = np.concatenate([batch.labels for batch in batches])
    function: float = hinge_loss(scores, labels, ignore_index=-1)
    samples: Floats = hinge_loss(scores, labels, ignore_index=-1, reduction="none")
    each: float | Floats = hinge_loss(scores, labels, False, "one-vs-all", ignore_index=-1)
    assert np.shape(each) == (3,)
    assert len(samples) == total.count
    metric = whole.metric.clone()
    resumed = HingeLoss(ignore_index=-1)
    resumed.load_state_dict(json.loads(json.dumps(metric.state_dict())))
    assert total - left.metric.state == right.metric.state
    backend: str = hingemetrics.get_backend()
    threads: int = hingemetrics.get_num_threads()
    watch = Watch(4)
    losses: list[float] = [watch.feed(batch) for batch in batches]
    assert watch.result() == (function, function)
    assert watch.shares([watch.state]) == [function, function]
    assert restored(watch.state.to_bytes()).value() == function
    assert TwoArguments()(batches[0].scores, batches[0].labels.clip(0)) > losses[0] - losses[0]
    same = value == function == whole.result() == resumed.compute()
    return f"{counts} {classes} {same} {backend} {threads}"
