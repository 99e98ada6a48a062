"""What the states that users see have in common: a tally, as an immutable value."""

from __future__ import annotations

from types import ModuleType
from typing import Any, ClassVar, TypeVar

from hingemetrics._core.config import MulticlassMode

_State = TypeVar("_State", bound="ExactState")


class ExactState:
    """Exact sums of a configuration, with `+`, `-` and `==`; a subclass says of what."""

    __slots__ = ("_tally",)

    _tally: Any
    _wire: ClassVar[ModuleType]  # how a tally becomes bytes, and is read from them

    @classmethod
    def _of(cls: type[_State], tally: Any) -> _State:
        """Wrap a tally."""
        state = object.__new__(cls)
        state._tally = tally
        return state

    @classmethod
    def from_bytes(cls: type[_State], data: bytes | bytearray | memoryview) -> _State:
        """Return the state that `to_bytes` wrote."""
        try:
            raw = bytes(memoryview(data))
        except TypeError:
            raise TypeError(f"data must be bytes-like, got {type(data).__name__}") from None
        try:
            return cls._of(cls._wire.from_bytes(raw))
        except ValueError as error:
            raise ValueError(f"data must be the bytes of a {cls.__name__}, got {error}") from None

    @property
    def squared(self) -> bool:
        """Whether each loss is squared."""
        squared: bool = self._tally.config.squared
        return squared

    @property
    def multiclass_mode(self) -> MulticlassMode:
        """The multi-class loss; binary data ignores it."""
        mode: MulticlassMode = self._tally.config.multiclass_mode
        return mode

    @property
    def num_classes(self) -> int | None:
        """Number of classes: 1 for binary data, None before any data."""
        return self._tally.num_classes or None

    @property
    def count(self) -> int:
        """Number of samples seen, ignored ones excluded."""
        samples: int = self._tally.samples
        return samples

    def __add__(self: _State, other: ExactState) -> _State:
        if type(other) is not type(self):
            return NotImplemented
        return self._of(self._tally + other._tally)

    def __radd__(self: _State, other: object) -> _State:
        if isinstance(other, int) and other == 0:  # where sum() starts
            return self
        return NotImplemented

    def __sub__(self: _State, other: ExactState) -> _State:
        if type(other) is not type(self):
            return NotImplemented
        return self._of(self._tally - other._tally)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ExactState) or type(other) is not type(self):
            return NotImplemented
        equal: bool = self._tally == other._tally
        return equal

    def __hash__(self) -> int:
        return hash(self._tally)

    def __reduce__(self) -> tuple[object, tuple[bytes]]:
        return type(self).from_bytes, (self.to_bytes(),)

    def __copy__(self: _State) -> _State:
        return self  # it cannot change

    def __deepcopy__(self: _State, memo: object) -> _State:
        return self

    def __repr__(self) -> str:
        name, config = type(self).__name__, self._tally.config
        return f"{name}({config}, num_classes={self.num_classes}, count={self.count})"

    def to_bytes(self) -> bytes:
        """Return the state as canonical bytes: equal states have equal bytes.

        Returns
        -------
        bytes
            Format version 1; see `from_bytes`.
        """
        encoded: bytes = self._wire.to_bytes(self._tally)
        return encoded
