"""Keys of groups: plain Python scalars of one kind, which JSON can hold with the kind's name."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

Key = str | int | float | datetime.date
"""A key of one of KINDS; datetime.date includes datetime.datetime, and int bool."""

AWARE = "datetime with a time zone"
LEAST_INT, LARGEST_INT = -(1 << 63), (1 << 64) - 1
KINDS = ("str", "int", "bool", "float", "date", "datetime", AWARE)


def kind_of(key: Key) -> str:
    """Return the kind of a key: 1, True and 1.0 are equal, but of three kinds."""
    kind = type(key).__name__
    return AWARE if isinstance(key, datetime.datetime) and key.tzinfo is not None else kind


def encoded(keys: list[Key]) -> list[Any]:
    """Return keys of one kind as JSON can hold them, infinite ones and times too."""
    return [_as_json(key) for key in keys]


def decoded(kind: str, items: list[Any]) -> list[Key]:
    """Return the keys that `encoded` wrote, or raise a ValueError for anything else."""
    keys = []
    for index, item in enumerate(items):
        try:
            key = _FROM_JSON[kind](item)
            canonical = kind_of(key) == kind and _as_json(key) == item and key == key
        except (TypeError, ValueError, OverflowError):
            canonical = False
        if not canonical or type(_as_json(key)) is not type(item):
            raise ValueError(f"a key that is no {kind} at index {index}")
        keys.append(key)
    return keys


def _as_json(key: Any) -> str | int:
    if isinstance(key, float):
        return key.hex()
    return key.isoformat() if isinstance(key, datetime.date) else key


def _same(item: Any) -> Any:
    return item


def _int(item: int) -> int:
    if not LEAST_INT <= item <= LARGEST_INT:
        raise ValueError
    return item


def _float(item: str) -> float:
    return float.fromhex(item) + 0.0  # -0.0 is no key


def _utc(item: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(item).astimezone(datetime.timezone.utc)


_FROM_JSON: dict[str, Callable[[Any], Any]] = {
    "str": _same,
    "int": _int,
    "bool": _same,
    "float": _float,
    "date": datetime.date.fromisoformat,
    "datetime": datetime.datetime.fromisoformat,
    AWARE: _utc,
}
