"""Several threads share the work of one call, and nothing of them outlives it.

A signal handler runs in the main thread between any two instructions: it may raise, fork, or call
this again. So there is no pool, and no lock or queue that another call could find taken or torn:
each call starts threads of its own, by the C function that does so without the `threading` module,
whose own locks an interrupt can tear. The caller works too, and does whatever no thread did.
"""

from __future__ import annotations

import os
from _thread import LockType, allocate_lock, start_new_thread
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

_LOOK = 0.1  # seconds between looks whether a fork has left a thread behind

T = TypeVar("T")
R = TypeVar("R")


def in_threads(function: Callable[[T], R], items: Sequence[T], threads: int) -> list[R]:
    """Map a function over items in threads; raise the error of the first item that fails.

    Only the calling thread hears signals. An interrupt of it comes out as it is, once each thread
    has ended the item it is at.
    """
    shared = _Shared(function, items)
    locks = [allocate_lock() for _ in range(min(threads, len(items)) - 1)]
    pid = os.getpid()
    try:
        for lock in locks:
            if not _is_started(shared.help, lock):
                break
        shared.work()
    finally:
        shared.todo.clear()
        for lock in locks:
            _wait(lock, pid)
    return shared.results()


def aside(function: Callable[[], R]) -> R:
    """Call a function in a thread, where no signal is heard; here, if there can be none.

    An interrupt comes out once the function has ended; a second one, or one in the instant before
    the caller waits, at once.
    """
    shared, ended = _Shared(lambda _: function(), (None,)), allocate_lock()

    def work() -> None:
        shared.work(BaseException)
        ended.release()

    ended.acquire()
    pid = os.getpid()  # before a signal handler may fork
    if _is_started(work):
        try:
            _wait(ended, pid)
        except BaseException:
            _wait(ended, pid)
            raise
    return shared.results()[0]


class _Shared(Generic[T, R]):
    """Items that threads take one by one, in order, and their results."""

    def __init__(self, function: Callable[[T], R], items: Sequence[T]) -> None:
        self._function = function
        self._items = items
        self.todo = deque(range(len(items)))  # popleft is atomic
        self._done: dict[int, R] = {}
        self._failed: dict[int, BaseException] = {}

    def help(self, lock: LockType) -> None:
        """Work in a thread, which holds its lock as long as an item may be in its hands."""
        if lock.acquire(blocking=False):  # else the caller no longer waits
            try:
                self.work(BaseException)
            finally:
                lock.release()

    def work(self, caught: type[BaseException] = Exception) -> None:
        """Take items until none is left, or one fails: those before it are taken already."""
        while self.todo:
            try:
                index = self.todo.popleft()
            except IndexError:  # another thread was faster
                return
            try:
                self._done[index] = self._function(self._items[index])
            except caught as error:
                self._failed[index] = error
                self.todo.clear()

    def results(self) -> list[R]:
        """Return all results; what was lost with a thread, as in a fork, is done here."""
        found = []
        for index, item in enumerate(self._items):
            if index in self._failed:
                self._raise(index)
            found.append(self._done[index] if index in self._done else self._function(item))
        return found

    def _raise(self, index: int) -> None:
        """Raise the error of an item, in no cycle of references that would keep arrays alive."""
        error = self._failed[index]
        self._failed.clear()
        try:
            raise error
        finally:
            del error


def _is_started(function: Callable[..., None], *arguments: Any) -> bool:
    """Start a thread; False if none can be had, as at the end of a process."""
    try:
        start_new_thread(function, arguments)
    except RuntimeError as error:
        trace = error.__traceback__
        if trace is None or trace.tb_next is not None:  # of a signal handler
            raise
        return False
    return True


def _wait(lock: LockType, pid: int) -> None:
    """Wait until a thread has ended its work, unless it was left behind in a fork's parent.

    One that has not begun yet never will: its lock is taken.
    """
    while not lock.acquire(timeout=_LOOK):
        if os.getpid() != pid:
            return
