"""HingeLoss: the accumulating metric, with the interface of classic torchmetrics."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, overload

from hingemetrics._core.config import MulticlassMode, OneNumber
from hingemetrics._core.typing import Floats, Value_co
from hingemetrics._inputs.arguments import checked_bool
from hingemetrics._inputs.batch import Batch
from hingemetrics.metrics._base import ForwardMetric, locked
from hingemetrics.metrics._state_dict import TOO_MANY_UPDATES, parsed_state_dict, state_dict_of
from hingemetrics.metrics._sync import (
    DistSyncFn,
    ProcessGroup,
    checked_group,
    checked_sync_fn,
    synced_state,
)
from hingemetrics.state import HingeState, tally_of, updated

# What a metric has seen, replaced as a whole so that it is never torn: its state, the number of
# updates and, while synced, this rank's own state; the first state is then that of all ranks.
_Seen = tuple[HingeState[Any], int, HingeState[Any] | None]


class HingeLoss(ForwardMetric[Value_co]):
    """The exact hinge loss of everything it was updated with.

    The interface is that of the classic torchmetrics (0.8) class; the formulas and guarantees are
    those of `hingemetrics.hinge_loss`. Unlike the torchmetrics class it never drifts: the value
    has the same bits for any order, batching and merge tree. The loss is differentiable as a
    function, but NumPy arrays carry no gradients.

    Parameters
    ----------
    squared : bool, default False
        Whether each loss is squared.
    multiclass_mode : None, str or MulticlassMode, default None
        "crammer-singer" (also None) or "one-vs-all". Binary data ignores it.
    compute_on_step : bool, optional
        Deprecated and ignored: `forward` always returns the batch's value.
    ignore_index : int, optional
        Rows with this target are ignored.
    **kwargs
        As in torchmetrics: `compute_on_cpu` (bool, ignored), `dist_sync_on_step` (bool, default
        False), `process_group` (anything with an mpi4py-style ``allreduce(obj)``), `dist_sync_fn`
        (a function of the local `HingeState` and the group that returns the merged one; the group
        may then be anything that it takes, such as one of torch.distributed), `sync_on_compute`
        (bool, default True).

    Raises
    ------
    TypeError
        If an argument has the wrong type, or a keyword is unknown.
    ValueError
        If `multiclass_mode` is not one of the choices.

    Notes
    -----
    One instance may be updated from many threads: no update is lost. A method that raises leaves
    what was seen unchanged.

    Examples
    --------
    >>> from hingemetrics import HingeLoss
    >>> metric = HingeLoss()
    >>> metric.update([-2.2, 2.4], [0, 1])
    >>> metric.update([0.1], [1])
    >>> metric.compute()
    0.3
    """

    @overload
    def __init__(
        self: HingeLoss[float],
        squared: bool = ...,
        multiclass_mode: OneNumber = ...,
        compute_on_step: bool | None = ...,
        *,
        ignore_index: int | None = ...,
        **kwargs: Any,
    ) -> None: ...

    @overload
    def __init__(
        self: HingeLoss[float | Floats],
        squared: bool = ...,
        multiclass_mode: str | MulticlassMode | None = ...,
        compute_on_step: bool | None = ...,
        *,
        ignore_index: int | None = ...,
        **kwargs: Any,
    ) -> None: ...

    def __init__(
        self,
        squared: bool = False,
        multiclass_mode: str | MulticlassMode | None = None,
        compute_on_step: bool | None = None,
        *,
        ignore_index: int | None = None,
        **kwargs: Any,
    ) -> None:
        if compute_on_step is not None:
            checked_bool(compute_on_step, "compute_on_step")
            warnings.warn(
                "compute_on_step is deprecated and does nothing: "
                "forward always returns the value of its batch",
                DeprecationWarning,
                stacklevel=2,
            )
        super().__init__(squared, multiclass_mode, ignore_index)
        checked_bool(kwargs.pop("compute_on_cpu", False), "compute_on_cpu")
        self._sync_on_step = checked_bool(
            kwargs.pop("dist_sync_on_step", False), "dist_sync_on_step"
        )
        self._sync_on_compute = checked_bool(kwargs.pop("sync_on_compute", True), "sync_on_compute")
        self._sync_fn = checked_sync_fn(kwargs.pop("dist_sync_fn", None))
        self._group = checked_group(kwargs.pop("process_group", None), self._sync_fn)
        if kwargs:
            raise TypeError(f"HingeLoss got unexpected keyword arguments {sorted(kwargs)}")
        self._seen: _Seen = (self._empty, 0, None)

    @property
    def state(self) -> HingeState[Value_co]:
        """Everything seen so far, as an immutable value."""
        return self._seen[0]

    @property
    def update_count(self) -> int:
        """Number of updates so far, including those of merged metrics."""
        return self._seen[1]

    @property
    def update_called(self) -> bool:
        """Whether there has been an update."""
        return self.update_count > 0

    def compute(self) -> Value_co:
        """Return the loss of everything seen, over all ranks if there is a process group.

        Returns
        -------
        float or ndarray of float64, shape (C,)
            As `HingeState.value`: NaN with a UserWarning before any update. Arrays are copies.
        """
        state, _, local = self._seen
        if self._sync_on_compute and local is None:
            state = self._over_all_ranks(state)
        value: Value_co = state.value()
        return value

    def plot(self, ax: Any = None) -> tuple[Any, Any]:
        """Plot the value: a point, or for one-vs-all a bar per class.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            What to draw on; by default the only axes of a new figure, which is not registered with
            pyplot: for ``plt.show()``, pass an `ax` of pyplot's.

        Returns
        -------
        tuple of matplotlib Figure and Axes
            The value is that of `compute`, dimensionless.

        Raises
        ------
        ImportError
            If matplotlib is not installed.

        Examples
        --------
        >>> from hingemetrics import HingeLoss
        >>> metric = HingeLoss()
        >>> metric.update([-2.2, 2.4, 0.1], [0, 1, 1])
        >>> figure, ax = metric.plot()
        """
        from hingemetrics.plot import plot_value

        return plot_value(self.compute(), squared=self.squared, ax=ax)

    def reset(self) -> None:
        """Forget everything seen."""
        with locked():
            self._seen = (self._empty, 0, None)

    def merge_state(self, other: HingeLoss | HingeState) -> None:
        """Add another metric, or a state.

        Parameters
        ----------
        other : HingeLoss or HingeState
            Of the same configuration. A state counts as one update.

        Raises
        ------
        TypeError
            If `other` is neither.
        ValueError
            If the configurations, numbers of classes or codings disagree.
        RuntimeError
            While this or the other metric is synced.
        """
        if isinstance(other, HingeState):
            self._add(other, 1)
        elif isinstance(other, HingeLoss):
            state, updates, local = other._seen
            if local is not None:
                raise _synced_error("merged")
            self._check_ignore_index(other)
            self._add(state, updates)
        else:
            raise TypeError(
                f"other must be a HingeLoss or a HingeState, got {type(other).__name__}"
            )

    def state_dict(self) -> dict[str, Any]:
        """Return configuration and state as plain data that JSON can hold.

        While synced, as inside `sync_context`, it holds the state of all ranks, as `state`,
        `compute` and `clone` do: one rank's checkpoint is then enough. See `load_state_dict`.

        Returns
        -------
        dict
            "version" (1), "squared", "multiclass_mode", "ignore_index", "update_count" (this
            rank's; at least 1 where there are samples) and "state": the hexadecimal digits of
            `HingeState.to_bytes`.
        """
        state, updates, _ = self._seen
        return state_dict_of(self._configuration(), state, updates)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Replace what was seen by what `state_dict` returned.

        A dict made while synced holds the data of all ranks: load it on only one of them. Loaded
        on each of n ranks, it counts n times at the next sync.

        Parameters
        ----------
        state_dict : mapping
            From a metric with the same configuration.

        Raises
        ------
        TypeError
            If it, or a field, has the wrong type.
        ValueError
            If a field is missing, unknown, corrupt, or disagrees with this metric.
        RuntimeError
            While synced.
        """
        updates, state = parsed_state_dict(state_dict, self._configuration())
        loaded = self._empty + state, updates, None

        def replaced(seen: _Seen) -> _Seen:
            if seen[2] is not None:
                raise _synced_error("loaded")
            return loaded

        self._change(replaced)

    def sync(
        self,
        dist_sync_fn: DistSyncFn | None = None,
        process_group: ProcessGroup | None = None,
        should_sync: bool = True,
        distributed_available: Callable[[], object] | None = None,
    ) -> None:
        """Replace the state by the merged state of all ranks, until `unsync`.

        Parameters
        ----------
        dist_sync_fn, process_group
            Override those given to the constructor; without either, nothing happens.
        should_sync : bool, default True
            If False, nothing happens.
        distributed_available : callable, optional
            Called without arguments; if the result is false, nothing happens. By default, having a
            group or a function is enough.

        Raises
        ------
        TypeError
            If an argument has the wrong type.
        RuntimeError
            If already synced.
        """
        if not should_sync:
            return
        seen = self._seen
        if seen[2] is not None:
            raise _synced_error("synced")
        sync_fn = checked_sync_fn(dist_sync_fn) or self._sync_fn
        group = self._group if process_group is None else checked_group(process_group, sync_fn)
        if not (distributed_available is None or callable(distributed_available)):
            raise TypeError(
                f"distributed_available must be callable, got {distributed_available!r}"
            )
        if sync_fn is None and group is None:
            return
        if distributed_available is not None and not distributed_available():
            return
        state, updates, _ = seen
        merged = self._empty + synced_state(state, sync_fn, group)  # refuses another configuration
        if not self._swap(seen, (merged, updates, state)):
            raise RuntimeError("the metric must not be changed while it is being synced")

    def unsync(self, should_unsync: bool = True) -> None:
        """Restore this rank's own state.

        Parameters
        ----------
        should_unsync : bool, default True
            If False, nothing happens.

        Raises
        ------
        RuntimeError
            If not synced.
        """
        if not should_unsync:
            return
        seen = self._seen
        _, updates, local = seen
        if local is None:
            raise RuntimeError("the metric must be synced before it is unsynced")
        self._swap(seen, (local, updates, None))

    @contextmanager
    def sync_context(
        self,
        dist_sync_fn: DistSyncFn | None = None,
        process_group: ProcessGroup | None = None,
        should_sync: bool = True,
        should_unsync: bool = True,
        distributed_available: Callable[[], object] | None = None,
    ) -> Iterator[None]:
        """Sync inside a ``with`` block; this rank's own state is restored even on exceptions.

        Parameters
        ----------
        dist_sync_fn, process_group, should_sync, should_unsync, distributed_available
            As for `sync` and `unsync`.
        """
        before = self._seen
        self.sync(dist_sync_fn, process_group, should_sync, distributed_available)
        synced = self._seen
        try:
            yield
        finally:
            # Leave alone what an outer block synced, and what was unsynced or reset inside.
            self.unsync(should_unsync and synced is not before and self._seen is synced)

    def _add_batch(self, batch: Batch) -> None:
        seen = self._seen
        state, updates, local = seen
        if local is not None:
            raise _synced_error("updated")
        new = updated(state, batch), _checked_updates(updates + 1), None
        if batch.rows and not self._swap(seen, new):  # another thread was faster
            self._add(updated(self._empty, batch), 1)

    def _forward_batch(self, batch: Batch) -> Value_co:
        if self._seen[2] is not None:
            raise _synced_error("updated")
        state = updated(self._empty, batch)
        shown = self._over_all_ranks(state) if self._sync_on_step else state
        value: Any = tally_of(shown).value(num_classes=batch.num_classes)
        if batch.rows:
            self._add(state, 1)
        return value  # type: ignore[no-any-return]

    def _add(self, state: HingeState, updates: int) -> None:
        """Add a state, all of it or, on any error, none of it."""

        def added(seen: _Seen) -> _Seen:
            before, updates_before, local = seen
            if local is not None:
                raise _synced_error("updated")
            return before + state, _checked_updates(updates_before + updates), None

        self._change(added)

    def _over_all_ranks(self, state: HingeState[Any]) -> HingeState[Any]:
        """Return the sum of a state over all ranks, or the state itself if there is no group."""
        if self._sync_fn is None and self._group is None:
            return state
        return self._empty + synced_state(state, self._sync_fn, self._group)

    def __deepcopy__(self, memo: dict[int, Any]) -> HingeLoss:
        memo[id(self._group)] = self._group  # shared: a group of ranks cannot be copied
        memo[id(self._sync_fn)] = self._sync_fn
        twin = memo[id(self)] = type(self).__new__(type(self))
        vars(twin).update(copy.deepcopy(vars(self), memo))
        return twin


def _synced_error(what: str) -> RuntimeError:
    """Return the error for changing a metric while it holds the state of all ranks."""
    return RuntimeError(f"the metric must be unsynced before it is {what}; call unsync()")


def _checked_updates(updates: int) -> int:
    """Return the number of updates, or raise if it is too large for a state dict."""
    if updates >= TOO_MANY_UPDATES:
        raise ValueError(f"a metric must be of fewer than 2**128 updates, got {updates}")
    return updates
