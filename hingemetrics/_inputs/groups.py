"""The group of each row: columns of strings, integers, bools, floats or dates, as slot numbers.

Integers that lie close together are their own slots, and codes of a categorical column as well.
Other columns are searched for their distinct values first.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hingemetrics._core.group_keys import LARGEST_INT, LEAST_INT, Key, kind_of
from hingemetrics._core.typing import Array, Bools, Ints
from hingemetrics._inputs.arguments import row_error
from hingemetrics._inputs.labels import label_array, missing_mask

_CLOSE = 2  # integers are their own slots if there are at most so many slots a row, ...
_FEW_SLOTS = 1 << 12  # ... or that few
_BLOCK_ROWS = 1 << 15
_INT64 = np.iinfo(np.int64)
_INT64_LIMIT = 1 << 63
_GUESSED_ROWS = 1 << 20  # from more rows on, the bounds of codes are guessed ...
_LOOKED_AT = 1 << 13  # ... from so many of them, ...
_SPARE_SLOTS = 64  # ... with at least so many slots more at each end
_DAYS = ("Y", "M", "W", "D")  # units of datetime64 whose keys are dates
_FAMILIES = (  # of types, each before those that it is derived from
    ("bool", (bool, np.bool_)),
    ("int", (int, np.integer)),
    ("float", (float, np.float32, np.float16)),
    ("str", (str,)),
    ("datetime", (datetime.datetime,)),
    ("date", (datetime.date,)),
    ("datetime64", (np.datetime64,)),
)
_NEVER_MISSING = {bool, int, str, datetime.date, datetime.datetime}

_Keys = Callable[[Ints], list[Key]]
"""Returns the keys of chosen codes."""


class Groups:
    """The groups of rows: codes from `lowest` on, of so many slots; a slot may be no row's.

    The bounds of very many codes are guessed, as to look for them takes half the time of a plain
    loss: who meets a code outside of them has to begin again, `without_guess`.
    """

    __slots__ = ("_codes", "_keys_of_codes", "lowest", "slots")

    def __init__(self, codes: Array, keys_of_codes: _Keys, guess: bool = True) -> None:
        self._codes = codes
        self._keys_of_codes = keys_of_codes
        guess = guess and len(codes) > _GUESSED_ROWS
        lowest, highest = _guessed_bounds(codes) if guess else _bounds(codes)
        if highest - lowest >= max(_CLOSE * len(codes), _FEW_SLOTS) or highest >= _INT64_LIMIT:
            distinct, self._codes = np.unique(codes, return_inverse=True)
            self._keys_of_codes = _chosen_from(keys_of_codes(distinct))
            lowest, highest = 0, len(distinct) - 1
        self.lowest = lowest
        self.slots = highest - lowest + 1

    def without_guess(self) -> Groups:
        """Return the same groups with slots for all codes."""
        return Groups(self._codes, self._keys_of_codes, guess=False)

    def __len__(self) -> int:
        return len(self._codes)

    @property
    def in_place(self) -> bool:
        """Whether codes are read without a copy."""
        return self._codes.dtype == np.int64 and self._codes.flags.c_contiguous

    def codes(self, start: int, stop: int) -> Ints:
        """Return the codes of some rows: their slots, counted from `lowest`."""
        codes = self._codes[start:stop]
        return np.require(codes, np.int64, ["C", "A"])

    def keys(self, slots: Ints) -> list[Key]:
        """Return the keys of slots that rows have."""
        return self._keys_of_codes(slots + self.lowest)


def checked_groups(groups: Any, rows: int) -> Groups:
    """Return the groups of so many rows, or raise."""
    found = _encoded_groups(groups)
    if found is None and isinstance(groups, Sequence) and not isinstance(groups, (str, bytes)):
        found = _groups_of_objects(list(groups))  # before NumPy makes integers of bools
    if found is None:
        array = label_array(groups, "groups")
        if array.ndim != 1:
            got = array.shape if array.ndim else type(groups).__name__
            raise ValueError(f"groups must have shape ({rows},) like target, got {got}")
        found = _groups_of_array(array)
    if len(found) != rows:
        raise ValueError(f"groups must have shape ({rows},) like target, got ({len(found)},)")
    return found


def _encoded_groups(column: Any) -> Groups | None:
    """Return the groups of a column whose library knows its distinct values, else None."""
    if hasattr(column, "dictionary_encode"):  # pyarrow
        encoded = column.dictionary_encode()
        if hasattr(encoded, "combine_chunks"):
            encoded = encoded.unify_dictionaries().combine_chunks()
        _check_missing(np.asarray(encoded.is_null()))
        return _groups_by_category(np.asarray(encoded.indices), np.asarray(encoded.dictionary))
    dtype = getattr(column, "dtype", None)
    if hasattr(column, "to_physical") and str(dtype).startswith(("Categorical", "Enum")):  # polars
        _check_missing(np.asarray(column.is_null()))
        distinct = column.unique()
        places = dict(zip(distinct.to_physical().to_list(), distinct.to_list(), strict=True))
        codes = np.asarray(column.to_physical())
        return Groups(codes, lambda chosen: [places[code] for code in chosen.tolist()])
    if hasattr(column, "factorize") and not isinstance(dtype, np.dtype):  # pandas' own dtypes
        categorical = getattr(column, "cat", column)
        if hasattr(categorical, "codes") and hasattr(categorical, "categories"):
            codes, categories = categorical.codes, categorical.categories
        else:
            codes, categories = column.factorize()
        codes = np.asarray(codes)
        if codes.min(initial=0) < 0:
            _check_missing(codes < 0)
        return _groups_by_category(codes, np.asarray(categories))
    return None


def _groups_by_category(codes: Array, categories: Array) -> Groups:
    """Return the groups of codes into an array of categories, some of which may be equal."""
    try:
        found = _groups_of_array(categories)
    except (TypeError, ValueError):  # perhaps for a category that no row has
        return _groups_of_array(categories[codes])
    slots = found.codes(0, len(categories)) - found.lowest
    if len(np.unique(slots)) < len(slots):
        return Groups(slots[codes], found.keys)
    return Groups(codes, lambda chosen: found.keys(slots[chosen]))


def _groups_of_array(array: Array) -> Groups:
    """Return the groups of an array of one of the types that keys have."""
    kind = array.dtype.kind
    if kind in "iu":
        return Groups(array, lambda chosen: chosen.tolist())
    if kind == "b":
        return Groups(array.view(np.int8), lambda chosen: list(map(bool, chosen)))
    if kind == "f" and array.dtype.itemsize <= np.dtype(np.float64).itemsize:
        _check_missing(np.isnan(array), "nan")
        distinct, codes = np.unique(array, return_inverse=True)
        distinct = distinct.astype(np.float64) + 0.0  # -0.0 is 0.0
        return Groups(codes.reshape(-1), _chosen_from(distinct.tolist()))
    if kind == "M":
        return _groups_of_times(array)
    if kind in "OUT":
        return _groups_of_objects(array.tolist())
    raise _refusal(f"dtype {array.dtype}")


def _groups_of_times(array: Array) -> Groups:
    """Return the groups of an array of datetime64: dates, or times of whole microseconds."""
    _check_missing(np.isnat(array), "NaT")
    unit = np.datetime_data(array.dtype)[0]
    unit = "D" if unit in _DAYS else "us"
    times = array.astype(f"M8[{unit}]")
    same = times.astype(array.dtype) == array
    kind = "dates" if unit == "D" else "times of whole microseconds"

    def keys(chosen: Ints) -> list[Key]:
        return chosen.view(f"M8[{unit}]").tolist()  # type: ignore[no-any-return]

    low, high = np.array([datetime.date.min, datetime.date.max], "M8[D]").astype(times.dtype)
    same &= (times >= low) & (times < high + np.timedelta64(1, "D"))
    if not same.all():
        row = int(same.argmin())
        raise row_error(
            f"groups must be {kind} from year 1 to 9999, got {array[row]}",
            row,
            "; pass them as strings",
        )
    return Groups(times.view(np.int64), keys)


def _groups_of_objects(items: list[Any]) -> Groups:
    """Return the groups of Python objects, all of one kind."""
    types = set(map(type, items))
    if not types <= _NEVER_MISSING:
        missing = missing_mask(np.fromiter(items, object, len(items)))
        if missing.any():
            _check_missing(missing, items[int(missing.argmax())])
    families = {kind: _family(kind, items) for kind in types}
    if set(families.values()) == {"datetime64"}:
        return _groups_of_times(np.array(items))
    if len(set(families.values())) > 1:
        raise _mixed([families[type(item)] for item in items])
    keys = list(dict.fromkeys(items))
    codes = dict(zip(keys, range(len(keys)), strict=True))
    if types != {str}:  # strings, as most are, stay what they are
        places: dict[Key, int] = {}
        for item in keys:
            codes[item] = places.setdefault(_canonical(item, items), len(places))
        keys = list(places)
        if len(set(map(kind_of, keys))) > 1:
            raise _mixed([kind_of(keys[codes[item]]) for item in items])
    found = np.fromiter(map(codes.__getitem__, items), np.int64, len(items))
    return Groups(found, _chosen_from(keys))


def _family(kind: type, items: list[Any]) -> str:
    """Return what keys of a type become, or raise."""
    for name, types in _FAMILIES:
        if issubclass(kind, types):
            return name
    row = next(row for row, item in enumerate(items) if type(item) is kind)
    raise _refusal(f"{kind.__name__} at index {row}")


def _canonical(item: Any, items: list[Any]) -> Key:
    """Return a group as a plain Python scalar, or raise where it has none."""
    if isinstance(item, (bool, np.bool_)):
        return bool(item)
    if isinstance(item, (int, np.integer)):
        if not LEAST_INT <= item <= LARGEST_INT:
            row = items.index(item)
            bits = int(item).bit_length()
            raise row_error(f"groups must be integers of 64 bits, got one of {bits} bits", row)
        return int(item)
    if isinstance(item, str):
        return str.__str__(item)
    if not isinstance(item, datetime.date):
        return float(item) + 0.0  # -0.0 is 0.0
    day = item.year, item.month, item.day
    if not isinstance(item, datetime.datetime):
        return datetime.date(*day)
    if getattr(item, "nanosecond", 0):
        row = items.index(item)
        raise row_error(
            f"groups must be times of whole microseconds, got {item}", row, "; pass them as strings"
        )
    time = datetime.datetime(
        *day, item.hour, item.minute, item.second, item.microsecond, item.tzinfo, fold=item.fold
    )
    return time.astimezone(datetime.timezone.utc) if time.tzinfo else time.replace(fold=0)


def _chosen_from(keys: list[Key]) -> _Keys:
    return lambda chosen: [keys[code] for code in chosen.tolist()]


def _bounds(codes: Array) -> tuple[int, int]:
    """Return the lowest and the highest of codes, in one pass over memory."""
    if not len(codes):
        return 0, -1
    blocks = [codes[at : at + _BLOCK_ROWS] for at in range(0, len(codes), _BLOCK_ROWS)]
    return min(int(block.min()) for block in blocks), max(int(block.max()) for block in blocks)


def _guessed_bounds(codes: Array) -> tuple[int, int]:
    """Return bounds that hold for codes here and there, with room for more at both ends."""
    lowest, highest = _bounds(codes[:: len(codes) // _LOOKED_AT])
    room = (highest - lowest) // 8 + _SPARE_SLOTS
    least, most = (int(end) for end in (_INT64.min, _INT64.max))
    return max(lowest - room, least), max(min(highest + room, most), highest)


def _check_missing(missing: Bools, got: object = "a null") -> None:
    """Raise for the first row whose group is missing."""
    if missing.any():
        raise row_error(f"groups must have no missing entries, got {got}", int(missing.argmax()))


def _refusal(got: str) -> TypeError:
    return TypeError(
        f"groups must hold strings, integers, bools, floats or dates, got {got}; "
        f"pass other groups as strings"
    )


def _mixed(kinds: list[str]) -> TypeError:
    """Return the error that names the first group of another kind than the first one's."""
    row = next(row for row, kind in enumerate(kinds) if kind != kinds[0])
    return TypeError(
        f"groups must be of one type, got {kinds[row]} at index {row} after {kinds[0]}"
    )
