"""Distributed ranks: process groups and functions that add up the states of all ranks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from hingemetrics.state import HingeState


class ProcessGroup(Protocol):
    """A group of ranks that can add up objects, as an mpi4py communicator does."""

    def allreduce(self, sendobj: Any, /) -> Any:
        """Return the sum of the objects of all ranks, on every rank."""


DistSyncFn = Callable[[HingeState[Any], Any], HingeState]


def synced_state(
    state: HingeState[Any], sync_fn: DistSyncFn | None, group: ProcessGroup | None
) -> HingeState[Any]:
    """Return the sum of a state over all ranks, by `sync_fn` if given, else by `group`."""
    if sync_fn is not None:
        merged = sync_fn(state, group)
    else:
        assert group is not None
        merged = group.allreduce(state)
    if not isinstance(merged, HingeState):
        raise TypeError(f"syncing must give the merged HingeState, got {type(merged).__name__}")
    return merged


def checked_group(group: Any, sync_fn: DistSyncFn | None) -> ProcessGroup | None:
    """Return a process group, or raise if it cannot add up states and there is no `sync_fn`."""
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


def checked_sync_fn(sync_fn: Any) -> DistSyncFn | None:
    """Return a callable or None, or raise."""
    if sync_fn is not None and not callable(sync_fn):
        raise TypeError(f"dist_sync_fn must be callable, got {sync_fn!r}")
    return sync_fn  # type: ignore[no-any-return]
