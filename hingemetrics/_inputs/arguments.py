"""Refusals of arguments that say at which row they are."""

from __future__ import annotations

from typing import Any


class RowError(ValueError):
    """A refusal of one row; its text is ``"{refusal} at index {row}{hint}"``."""

    def __init__(self, refusal: str, row: int, hint: str = "") -> None:
        super().__init__(f"{refusal} at index {row}{hint}")
        self.refusal = refusal
        self.row = row
        self.hint = hint

    def __reduce__(self) -> tuple[type[RowError], tuple[str, int, str], dict[str, Any]]:
        return type(self), (self.refusal, self.row, self.hint), self.__dict__  # with its notes

    def shifted(self, by: int) -> RowError:
        """Return the same refusal of a row that is so many further on."""
        return type(self)(self.refusal, self.row + by, self.hint)
