"""RunningHingeLoss: the loss of the last so many updates, by exact subtraction."""

from __future__ import annotations

from collections import deque
from typing import Any, Generic, overload

from hingemetrics._core.config import MulticlassMode, OneNumber
from hingemetrics._core.typing import Floats, Value_co
from hingemetrics._engine import measure as engine
from hingemetrics._inputs.batch import Batch, checked_int
from hingemetrics.metrics import hinge as metric
from hingemetrics.state import HingeState, packed, unpacked


class _Totals(deque[HingeState[Any]]):
    """A deque that pickles fast, and of which a deep copy shares the states."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (packed(self), self.maxlen)

    def __deepcopy__(self, memo: object) -> _Totals:
        return self.copy()


def _unpickled(packs: list[tuple[Any, ...]], maxlen: int) -> _Totals:
    """Return what was pickled."""
    return _Totals(unpacked(packs), maxlen)


class RunningHingeLoss(metric.Configured, Generic[Value_co]):
    """The hinge loss of the last `window` updates, exactly.

    What leaves the window is subtracted, which for exact states is as if it had never been there:
    an update costs the same for any window, and after any number of updates the value has the same
    bits as that of a `HingeLoss` which has seen the window alone.

    Parameters
    ----------
    window : int
        How many updates are kept, from 1 to 2**32 - 1. For a window of samples, update with one at
        a time. Each takes some 350 bytes, for one-vs-all 56 a class, and eleven times that once a
        loss or weight is above 2**28 or finer than 2**-149.
    squared : bool, default False
        Whether each loss is squared.
    multiclass_mode : None, str or MulticlassMode, default None
        "crammer-singer" (also None) or "one-vs-all". Binary data ignores it.
    ignore_index : int, optional
        Rows with this target are left out of everything.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If `window` is out of range, or `multiclass_mode` is none of the choices.

    Notes
    -----
    One instance may be updated from many threads: no update is lost. Every method that raises
    leaves what was seen as it was. The number of classes and the binary coding are those of the
    first update until `reset`, and no more than 2**128 samples may pass until then. A window has
    an order, so it merges with no other and knows no ranks. It has no `state_dict`: a pickle stores
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
        """How many updates are kept."""
        return self._window

    @property
    def update_count(self) -> int:
        """Number of updates in the window."""
        return len(self._totals) - 1

    @property
    def state(self) -> HingeState[Value_co]:
        """What the window holds, as an immutable value."""
        with metric._lock:
            totals = self._totals
            before, now = totals[0], totals[-1]
        return now - before

    def update(self, preds: object, target: object, sample_weight: object = None) -> None:
        """Add a batch; if the window is full, the oldest one leaves it.

        Parameters
        ----------
        preds : array_like, shape (N,) or (N, C)
            Decision values, as for `hinge_loss`.
        target : array_like, shape (N,)
            Labels, as for `hinge_loss`.
        sample_weight : array_like, shape (N,), optional
            Finite weights >= 0.

        Raises
        ------
        TypeError, ValueError
            As `HingeLoss.update`. A batch of no rows is no update.
        """
        batch = Batch(preds, target, sample_weight, self._ignore_index)
        total = self._totals[-1]
        grown = engine.measure(batch, total)
        if batch.rows and not self._append(total, grown):
            self._add(engine.measure(batch, self._empty))  # another thread was faster

    def forward(self, preds: object, target: object, sample_weight: object = None) -> Value_co:
        """Add a batch and return its own loss; the data is read once.

        Parameters
        ----------
        preds, target, sample_weight
            As for `update`.

        Returns
        -------
        float or ndarray of float64, shape (C,)
            The loss of this batch.

        Raises
        ------
        TypeError, ValueError
            As `update`.
        """
        batch = Batch(preds, target, sample_weight, self._ignore_index)
        state = engine.measure(batch, self._empty)
        value: Any = engine.reduced(state, batch.num_classes)
        if batch.rows:
            self._add(state)
        return value  # type: ignore[no-any-return]

    def __call__(self, preds: object, target: object, sample_weight: object = None) -> Value_co:
        """Call `forward`, which in a subclass may know of no weights."""
        weights = () if sample_weight is None else (sample_weight,)
        return self.forward(preds, target, *weights)

    def merge_state(self, other: HingeState) -> None:
        """Add a state as one update, such as that of a day to a window of days.

        Parameters
        ----------
        other : HingeState
            Of the same configuration.

        Raises
        ------
        TypeError
            If `other` is no state.
        ValueError
            If the configurations, numbers of classes or codings disagree.
        """
        if not isinstance(other, HingeState):
            hint = "; pass its state" if isinstance(other, metric.Configured) else ""
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
        # Totals of all that was ever seen, of which the first lies before the window. One append
        # adds a batch and drops the oldest, so that nothing can tear an update.
        with metric._lock:
            self._totals = _Totals([self._empty], self._window + 1)

    def __getstate__(self) -> dict[str, Any]:
        with metric._lock:  # a copy of its own, that no other thread changes while it is copied
            return {**vars(self), "_totals": self._totals.copy()}

    def _add(self, state: HingeState) -> None:
        """Add a state, all of it or, on any error, nothing."""
        while True:
            total = self._totals[-1]
            if self._append(total, total + state):
                return

    def _append(self, total: HingeState, grown: HingeState) -> bool:
        """Append a total to the one it has grown from, unless somebody else did so first."""
        with metric._lock:
            totals = self._totals
            unchanged = totals[-1] is total
            if unchanged:
                totals.append(grown)
        return unchanged

    def _configuration(self) -> dict[str, Any]:
        """Return the arguments that this was made with."""
        return {"window": self._window, **super()._configuration()}
