"""RunningHingeLoss: the loss of a window of the last updates, by exact subtraction."""

from __future__ import annotations

from collections import deque
from typing import Any, overload

from hingemetrics._core.config import MulticlassMode, OneNumber
from hingemetrics._core.tally import packed, unpacked
from hingemetrics._core.typing import Floats, Value_co
from hingemetrics._inputs.arguments import checked_int
from hingemetrics._inputs.batch import Batch
from hingemetrics.metrics._base import ForwardMetric, Metric, locked
from hingemetrics.state import HingeState, state_of, tally_of, updated


class _CumulativeStates(deque[HingeState[Any]]):
    """The states after each of the last updates: pickles fast, and a deep copy shares them."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled_states, (packed(map(tally_of, self)), self.maxlen)

    def __deepcopy__(self, memo: object) -> _CumulativeStates:
        return self.copy()


def _unpickled_states(packs: list[tuple[Any, ...]], maxlen: int) -> _CumulativeStates:
    return _CumulativeStates(map(state_of, unpacked(packs)), maxlen)


class RunningHingeLoss(ForwardMetric[Value_co]):
    """The exact hinge loss of the last `window` updates.

    What leaves the window is subtracted, which for exact states is as if it had never been there:
    an update costs the same for any window, and after any number of updates the value has the same
    bits as that of a `HingeLoss` that has seen only the window.

    Parameters
    ----------
    window : int
        Number of updates kept, from 1 to 2**32 - 1. For a window of samples, update with one at a
        time. Each takes some 350 bytes, for one-vs-all 56 per class, and eleven times that once a
        loss or weight is above 2**28 or finer than 2**-149.
    squared : bool, default False
        Whether each loss is squared.
    multiclass_mode : None, str or MulticlassMode, default None
        "crammer-singer" (also None) or "one-vs-all". Binary data ignores it.
    ignore_index : int, optional
        Rows with this target are ignored.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If `window` is out of range, or `multiclass_mode` is not one of the choices.

    Notes
    -----
    One instance may be updated from many threads: no update is lost. A method that raises leaves
    what was seen unchanged. The first update fixes the number of classes and the binary coding
    until `reset`, and fewer than 2**128 samples may pass until then. A window has an order, so it
    cannot be merged with another or synced over ranks. It has no `state_dict`; to store it, pickle
    it, for the same version of this package.

    Examples
    --------
    >>> from hingemetrics import RunningHingeLoss
    >>> metric = RunningHingeLoss(window=2)
    >>> for preds, target in [([-2.2], [1]), ([0.5], [1]), ([0.75], [1])]:
    ...     metric.update(preds, target)
    >>> metric.compute()
    0.375
    """

    @overload
    def __init__(
        self: RunningHingeLoss[float],
        window: int,
        squared: bool = ...,
        multiclass_mode: OneNumber = ...,
        *,
        ignore_index: int | None = ...,
    ) -> None: ...

    @overload
    def __init__(
        self: RunningHingeLoss[float | Floats],
        window: int,
        squared: bool = ...,
        multiclass_mode: str | MulticlassMode | None = ...,
        *,
        ignore_index: int | None = ...,
    ) -> None: ...

    def __init__(
        self,
        window: int,
        squared: bool = False,
        multiclass_mode: str | MulticlassMode | None = None,
        *,
        ignore_index: int | None = None,
    ) -> None:
        super().__init__(squared, multiclass_mode, ignore_index)
        self._window = checked_int(window, "window", least=1, bits=32)
        self.reset()

    @property
    def window(self) -> int:
        """Number of updates kept."""
        return self._window

    @property
    def update_count(self) -> int:
        """Number of updates in the window."""
        return len(self._cumulative) - 1

    @property
    def state(self) -> HingeState[Value_co]:
        """What the window holds, as an immutable value."""
        with locked():
            totals = self._cumulative
            before, now = totals[0], totals[-1]
        return now - before

    def merge_state(self, other: HingeState) -> None:
        """Add a state as one update, such as that of a day to a window of days.

        Parameters
        ----------
        other : HingeState
            Of the same configuration.

        Raises
        ------
        TypeError
            If `other` is not a state.
        ValueError
            If the configurations, numbers of classes or codings disagree.
        """
        if not isinstance(other, HingeState):
            hint = "; pass its state" if isinstance(other, Metric) else ""
            raise TypeError(f"other must be a HingeState, got {type(other).__name__}{hint}")
        self._add(other)

    def compute(self) -> Value_co:
        """Return the loss of the window.

        Returns
        -------
        float or ndarray of float64, shape (C,)
            As `HingeState.value`: NaN with a UserWarning before any update.
        """
        return self.state.value()

    def reset(self) -> None:
        """Forget everything seen."""
        # Each is the sum of everything since the reset; the first lies just before the window. One
        # append adds a batch and drops the oldest, so nothing can tear an update.
        with locked():
            self._cumulative = _CumulativeStates([self._empty], self._window + 1)

    @property
    def _seen(self) -> HingeState[Any]:
        """The latest cumulative state; setting it adds an update to the window."""
        return self._cumulative[-1]

    @_seen.setter
    def _seen(self, total: HingeState[Any]) -> None:
        self._cumulative.append(total)

    def _add_batch(self, batch: Batch) -> None:
        total = self._seen
        if batch.rows and not self._swap(total, updated(total, batch)):
            self._add(updated(self._empty, batch))  # another thread was faster

    def _forward_batch(self, batch: Batch) -> Value_co:
        state = updated(self._empty, batch)
        value: Any = tally_of(state).value(num_classes=batch.num_classes)
        if batch.rows:
            self._add(state)
        return value  # type: ignore[no-any-return]

    def _add(self, state: HingeState) -> None:
        """Add a state, all of it or, on any error, none of it."""
        self._change(lambda total: total + state)

    def __getstate__(self) -> dict[str, Any]:
        with locked():  # copied, as another thread may append while it is being pickled
            return {**vars(self), "_cumulative": self._cumulative.copy()}

    def _configuration(self) -> dict[str, Any]:
        return {"window": self._window, **super()._configuration()}
