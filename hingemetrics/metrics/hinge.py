"""HingeLoss: the class that updates and computes, with the interface of classic torchmetrics."""

from __future__ import annotations

import copy
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Protocol, overload

from hingemetrics._core.config import MulticlassMode, OneNumber
from hingemetrics._core.typing import Floats, Value_co
from hingemetrics._engine import measure as engine
from hingemetrics._inputs.batch import Batch, checked_ignore_index
from hingemetrics.state import HingeState

if TYPE_CHECKING:
    from typing_extensions import Self

_STATE_DICT_VERSION = 1
_TOO_MANY_UPDATES = 1 << 128  # as many as samples; bounds what a hostile state dict can ask for


class ProcessGroup(Protocol):
    """Ranks that can add up objects, as an mpi4py communicator does."""

    def allreduce(self, sendobj: Any, /) -> Any:
        """Return the sum of the objects of all ranks, on every rank."""


DistSyncFn = Callable[[HingeState[Any], Any], HingeState]

_lock = threading.RLock()  # of all metrics: held while one replaces what it has seen, no longer


def _renew_lock() -> None:
    """In a forked child, forget that a thread of the parent held the lock."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


# What a metric has seen, replaced as a whole, so that it is never torn: its state, the number of
# updates and, while synced, what this rank saw; the state is then that of all ranks.
_Seen = tuple[HingeState[Any], int, HingeState[Any] | None]


class _Constant:
    """An attribute of a class that its instances cannot change."""

    def __init__(self, value: bool) -> None:
        self._value = value

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> bool:
        return self._value

    def __set__(self, instance: object, value: NoReturn) -> None:
        raise AttributeError(f"{self._name} is a constant of {type(instance).__name__}")


class Configured:
    """What all metrics have in common: a configuration, and copies."""

    is_differentiable = _Constant(True)
    higher_is_better = _Constant(False)

    def __init__(
        self,
        squared: bool,
        multiclass_mode: str | MulticlassMode | None,
        ignore_index: int | None,
    ) -> None:
        self._empty: HingeState[Any] = HingeState(squared, multiclass_mode)
        self._ignore_index = checked_ignore_index(ignore_index)

    @property
    def squared(self) -> bool:
        """Whether each loss is squared."""
        return self._empty.squared

    @property
    def multiclass_mode(self) -> MulticlassMode:
        """The multi-class loss; binary data ignores it."""
        return self._empty.multiclass_mode

    @property
    def ignore_index(self) -> int | None:
        """Rows with this target are left out."""
        return self._ignore_index

    def clone(self) -> Self:
        """Return an independent copy, with what was seen; a process group is shared.

        Returns
        -------
        Self
        """
        return copy.deepcopy(self)

    def _configuration(self) -> dict[str, Any]:
        """Return the arguments that this was made with."""
        return {
            "squared": self.squared,
            "multiclass_mode": self.multiclass_mode.value,
            "ignore_index": self._ignore_index,
        }

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self._configuration().items())
        return f"{type(self).__name__}({arguments})"


class HingeLoss(Configured, Generic[Value_co]):
    """The hinge loss of everything it was updated with, exactly.

    The interface is that of the classic torchmetrics (0.8) class; the formulas and guarantees are
    those of `hingemetrics.hinge_loss`. Unlike its model it never drifts: the value has the same
    bits for any order, batching and merge tree. The loss is differentiable as a function, but
    NumPy arrays carry no gradients.

    Parameters
    ----------
    squared : bool, default False
        Whether each loss is squared.
    multiclass_mode : None, str or MulticlassMode, default None
        "crammer-singer" (also None) or "one-vs-all". Binary data ignores it.
    compute_on_step : bool, optional
        Deprecated, does nothing: `forward` always returns the batch's value.
    ignore_index : int, optional
        Rows with this target are left out of everything.
    **kwargs
        As in torchmetrics: `compute_on_cpu` (bool, does nothing), `dist_sync_on_step` (bool,
        default False), `process_group` (anything with an mpi4py-style ``allreduce(obj)``),
        `dist_sync_fn` (a function of the local `HingeState` and the group that returns the merged
        one; with it the group may be anything that it takes, as one of torch.distributed),
        `sync_on_compute` (bool, default True).

    Raises
    ------
    TypeError
        If an argument has the wrong type, or there is no such keyword.
    ValueError
        If `multiclass_mode` is none of the choices.

    Notes
    -----
    One instance may be updated from many threads: no update is lost. Every method that raises
    leaves what was seen as it was.

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
            _checked_bool(compute_on_step, "compute_on_step")
            warnings.warn(
                "compute_on_step is deprecated and does nothing: "
                "forward always returns the value of its batch",
                DeprecationWarning,
                stacklevel=2,
            )
        super().__init__(squared, multiclass_mode, ignore_index)
        _checked_bool(kwargs.pop("compute_on_cpu", False), "compute_on_cpu")
        self._sync_on_step = _checked_bool(
            kwargs.pop("dist_sync_on_step", False), "dist_sync_on_step"
        )
        self._sync_on_compute = _checked_bool(
            kwargs.pop("sync_on_compute", True), "sync_on_compute"
        )
        self._sync_fn = _checked_sync_fn(kwargs.pop("dist_sync_fn", None))
        self._group = _checked_group(kwargs.pop("process_group", None), self._sync_fn)
        if kwargs:
            raise TypeError(f"HingeLoss got unexpected keyword arguments {sorted(kwargs)}")
        self._seen: _Seen = (self._empty, 0, None)

    @property
    def state(self) -> HingeState[Value_co]:
        """What was seen so far, as an immutable value."""
        return self._seen[0]

    @property
    def update_count(self) -> int:
        """Number of updates so far, those of merged metrics included."""
        return self._seen[1]

    @property
    def update_called(self) -> bool:
        """Whether there was an update."""
        return self.update_count > 0

    def update(self, preds: object, target: object, sample_weight: object = None) -> None:
        """Add a batch.

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
            As `hinge_loss`; also if the number of classes, binary versus multi-class form or the
            binary coding (0 or -1) is not that of earlier batches.
        RuntimeError
            While synced.
        """
        batch = Batch(preds, target, sample_weight, self._ignore_index)
        seen = self._unsynced("updated")
        state, updates, _ = seen
        state = engine.measure(batch, state)
        if batch.rows and not self._swap(seen, (state, updates + 1, None)):
            self._add(engine.measure(batch, self._empty), 1)  # another thread was faster

    def forward(self, preds: object, target: object, sample_weight: object = None) -> Value_co:
        """Add a batch and return its own loss; the data is read once.

        Parameters
        ----------
        preds, target, sample_weight
            As for `update`.

        Returns
        -------
        float or ndarray of float64, shape (C,)
            The loss of this batch (over all ranks with `dist_sync_on_step`).

        Raises
        ------
        TypeError, ValueError, RuntimeError
            As `update`.
        """
        batch = Batch(preds, target, sample_weight, self._ignore_index)
        self._unsynced("updated")
        state = engine.measure(batch, self._empty)
        shown = self._reduced(state, self._sync_fn, self._group) if self._sync_on_step else state
        value: Any = engine.reduced(shown, batch.num_classes)
        if batch.rows:
            self._add(state, 1)
        return value  # type: ignore[no-any-return]

    def __call__(self, preds: object, target: object, sample_weight: object = None) -> Value_co:
        """Call `forward`, which in a subclass may know of no weights."""
        weights = () if sample_weight is None else (sample_weight,)
        return self.forward(preds, target, *weights)

    def compute(self) -> Value_co:
        """Return the loss of everything seen, over all ranks if there is a process group.

        Returns
        -------
        float or ndarray of float64, shape (C,)
            As `HingeState.value`: NaN with a UserWarning before any update. The array is the
            caller's own.
        """
        state, _, local = self._seen
        if self._sync_on_compute and local is None:
            state = self._reduced(state, self._sync_fn, self._group)
        value: Value_co = state.value()
        return value

    def plot(self, ax: Any = None) -> tuple[Any, Any]:
        """Draw the value: a point, or for one-vs-all a bar a class.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            What to draw on, by default the only axes of a new figure, which pyplot knows nothing
            of: for ``plt.show()`` pass an `ax` of pyplot's.

        Returns
        -------
        tuple of matplotlib Figure and Axes
            The value is that of `compute`; its unit is dimensionless.

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
        with _lock:
            self._seen = (self._empty, 0, None)

    def merge_state(self, other: HingeLoss | HingeState) -> None:
        """Add what another metric, or a state, has seen.

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
            state, updates, _ = other._unsynced("merged")
            if other._ignore_index != self._ignore_index:
                raise ValueError(
                    f"metrics must have the same ignore_index, "
                    f"got {self._ignore_index} and {other._ignore_index}"
                )
            self._add(state, updates)
        else:
            raise TypeError(
                f"other must be a HingeLoss or a HingeState, got {type(other).__name__}"
            )

    def state_dict(self) -> dict[str, Any]:
        """Return configuration and state as plain data that JSON can hold.

        While synced, as inside `sync_context`, it is that of all ranks, as `state`, `compute` and
        `clone` are: one rank's checkpoint is then enough for all. See `load_state_dict`.

        Returns
        -------
        dict
            "version" (1), "squared", "multiclass_mode", "ignore_index", "update_count" (this
            rank's; at least 1 where there are samples) and "state": the hexadecimal digits of
            `HingeState.to_bytes`.
        """
        state, updates, _ = self._seen
        return {
            "version": _STATE_DICT_VERSION,
            **self._configuration(),
            "update_count": updates or int(state.count > 0),
            "state": state.to_bytes().hex(),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Replace what was seen by what `state_dict` wrote.

        What was written while synced is of all ranks: load it on one of them. Loaded on each of n
        ranks, it counts n times at the next sync.

        Parameters
        ----------
        state_dict : mapping
            Of a metric with the same configuration.

        Raises
        ------
        TypeError
            If it, or a field, has the wrong type.
        ValueError
            If a field is missing, unknown, corrupt, or disagrees with this metric.
        RuntimeError
            While synced.
        """
        loaded = self._parsed(state_dict)
        while not self._swap(self._unsynced("loaded"), loaded):
            pass

    def sync(
        self,
        dist_sync_fn: DistSyncFn | None = None,
        process_group: ProcessGroup | None = None,
        should_sync: bool = True,
        distributed_available: Callable[[], object] | None = None,
    ) -> None:
        """Replace the state by that of all ranks, until `unsync`.

        Parameters
        ----------
        dist_sync_fn, process_group
            In place of those given at construction; with none of either, nothing happens.
        should_sync : bool, default True
            If False, nothing happens.
        distributed_available : callable, optional
            Called without arguments; if what it returns is false, nothing happens. By default a
            group or a function at hand is enough.

        Raises
        ------
        TypeError
            If an argument has the wrong type.
        RuntimeError
            If already synced.
        """
        if not should_sync:
            return
        seen = self._unsynced("synced")
        sync_fn = _checked_sync_fn(dist_sync_fn) or self._sync_fn
        group = self._group if process_group is None else _checked_group(process_group, sync_fn)
        if not (distributed_available is None or callable(distributed_available)):
            raise TypeError(
                f"distributed_available must be callable, got {distributed_available!r}"
            )
        if sync_fn is None and group is None:
            return
        if distributed_available is not None and not distributed_available():
            return
        state, updates, _ = seen
        merged = self._reduced(state, sync_fn, group)
        if not self._swap(seen, (merged, updates, state)):
            raise RuntimeError("the metric must not be changed while it is being synced")

    def unsync(self, should_unsync: bool = True) -> None:
        """Restore what this rank saw.

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
        """Sync inside a ``with`` block; what this rank saw is restored also on exceptions.

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
            # Not what an outer block synced, nor after an unsync or reset inside.
            self.unsync(should_unsync and synced is not before and self._seen is synced)

    def _add(self, state: HingeState, updates: int) -> None:
        """Add a state, all of it or, on any error, nothing."""
        while True:
            seen = self._unsynced("updated")
            before, updates_before, _ = seen
            if self._swap(seen, (before + state, updates_before + updates, None)):
                return

    def _swap(self, seen: _Seen, new: _Seen) -> bool:
        """Replace what was seen, unless somebody else did so first."""
        if new[1] >= _TOO_MANY_UPDATES:
            raise ValueError(f"a metric must be of fewer than 2**128 updates, got {new[1]}")
        with _lock:
            unchanged = self._seen is seen
            if unchanged:
                self._seen = new
        return unchanged

    def _unsynced(self, what: str) -> _Seen:
        """Return what was seen, or raise while that is what all ranks have seen."""
        seen = self._seen
        if seen[2] is not None:
            raise RuntimeError(f"the metric must be unsynced before it is {what}; call unsync()")
        return seen

    def _reduced(
        self, state: HingeState[Any], sync_fn: DistSyncFn | None, group: ProcessGroup | None
    ) -> HingeState[Any]:
        """Return the sum of a state over all ranks, or itself where there are none."""
        if sync_fn is not None:
            merged = sync_fn(state, group)
        elif group is not None:
            merged = group.allreduce(state)
        else:
            return state
        if not isinstance(merged, HingeState):
            raise TypeError(f"syncing must give the merged HingeState, got {type(merged).__name__}")
        return self._empty + merged  # refuses another configuration

    def _parsed(self, state_dict: Mapping[str, Any]) -> _Seen:
        """Return the state and update count of a state dict that fits this metric."""
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"state_dict must be a mapping, got {type(state_dict).__name__}")
        expected = {"version": _STATE_DICT_VERSION, **self._configuration()}
        fields = {*expected, "update_count", "state"}
        if missing := fields - set(state_dict):
            raise ValueError(f"state_dict must have all its fields, got none of {sorted(missing)}")
        if unknown := set(state_dict) - fields:
            raise ValueError(
                f"state_dict must have only fields {sorted(fields)}, "
                f"got the unknown {', '.join(sorted(map(repr, unknown)))}"
            )
        for field, value in expected.items():
            got = state_dict[field]
            if type(got) is not type(value) or got != value:
                raise ValueError(f"state_dict[{field!r}] must be {value!r}, got {got!r}")
        updates, text = state_dict["update_count"], state_dict["state"]
        if type(updates) is not int or not isinstance(text, str):
            raise TypeError(
                f"state_dict['update_count'] must be an int and ['state'] a str, "
                f"got {type(updates).__name__} and {type(text).__name__}"
            )
        if not 0 <= updates < _TOO_MANY_UPDATES:  # perhaps too long to be printed
            raise ValueError("state_dict['update_count'] must be from 0 to 2**128 - 1")
        try:
            state = HingeState.from_bytes(bytes.fromhex(text))
        except ValueError as error:
            raise ValueError(f"state_dict['state'] is corrupt: {error}") from None
        if text != state.to_bytes().hex():
            raise ValueError("state_dict['state'] must be lower-case hexadecimal digits")
        if updates < (1 if state.count else 0):
            raise ValueError(
                f"state_dict['update_count'] must fit {state.count} samples, got {updates}"
            )
        return self._empty + state, updates, None

    def __deepcopy__(self, memo: dict[int, Any]) -> HingeLoss:
        memo[id(self._group)] = self._group  # ranks are shared: they cannot be copied
        memo[id(self._sync_fn)] = self._sync_fn
        twin = memo[id(self)] = type(self).__new__(type(self))
        vars(twin).update(copy.deepcopy(vars(self), memo))
        return twin


def _checked_bool(value: object, name: str) -> bool:
    """Return a flag."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be a bool, got {value!r}")
    return value


def _checked_group(group: Any, sync_fn: DistSyncFn | None) -> ProcessGroup | None:
    """Return a process group that can add up states, or that a function will know how to use."""
    if group is not None and sync_fn is None:
        if any(kind.__module__.split(".")[0] == "torch" for kind in type(group).__mro__):
            raise TypeError(
                "process_group must have an allreduce(obj) method that adds up objects, "
                f"got {group!r}, whose allreduce takes tensors; pass a dist_sync_fn with it that "
                "gathers states by torch.distributed.all_gather_object and returns their sum"
            )
        if not callable(getattr(group, "allreduce", None)):
            raise TypeError(f"process_group must have an allreduce(obj) method, got {group!r}")
    return group  # type: ignore[no-any-return]


def _checked_sync_fn(sync_fn: Any) -> DistSyncFn | None:
    """Return a function that syncs, or None."""
    if sync_fn is not None and not callable(sync_fn):
        raise TypeError(f"dist_sync_fn must be callable, got {sync_fn!r}")
    return sync_fn  # type: ignore[no-any-return]
