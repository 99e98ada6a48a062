"""Groups of every type that is promised, in every kind of column, and what is refused."""

import datetime
import enum

import numpy as np
import pyarrow as pa
import pytest
from oracle import says

from hingemetrics import hinge_loss_by
from hingemetrics._inputs import groups as room
from hingemetrics._inputs.groups import checked_groups

pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
Date, Time = datetime.date, datetime.datetime
UTC, EAST = datetime.timezone.utc, datetime.timezone(datetime.timedelta(hours=1))
NEW_YEAR, NEXT_DAY = Date(2020, 1, 1), Date(2020, 1, 2)
MIDNIGHT, MORNING = Time(2020, 1, 1), Time(2020, 1, 1, 6, 30, 0, 1)
TWO = {  # of each kind: two keys in order
    "str": ("a", "b"),
    "int": (-7, 3),
    "bool": (False, True),
    "float": (0.0, 1.5),
    "date": (NEW_YEAR, NEXT_DAY),
    "datetime": (MIDNIGHT, MORNING),
    "aware": (MIDNIGHT.replace(tzinfo=UTC), MORNING.replace(tzinfo=UTC)),
}


class Colour(str, enum.Enum):
    RED = "a"
    BLUE = "b"


def grouped(groups):
    """The first row of loss 1/4 is of the second group, then one of 1/2 and 1 of the first."""
    return hinge_loss_by([0.75, 0.5, 0.0], [1, 1, 1], groups)


def columns(first, second, kind):
    rows = [second, first, first]
    yield "list", rows
    yield "tuple", tuple(rows)
    yield "objects", np.fromiter(rows, object, 3)
    if kind != "aware":
        yield "array", np.array(rows)
        yield "strided", np.repeat(np.array(rows), 2)[::2]
        yield "polars", pl.Series(rows)
        yield "arrow", pa.array(rows)
        yield "arrow chunks", pa.chunked_array([rows[:1], rows[1:]], pa.array(rows).type)
        yield "arrow dictionary", pa.array(rows).dictionary_encode()
        yield "arrow dictionary, twice", pa.DictionaryArray.from_arrays([0, 1, 2], pa.array(rows))
    yield "pandas", pd.Series(rows, index=[5, 5, 1])
    yield "pandas index", pd.Index(rows)
    yield "pandas categories", pd.Series(rows).astype("category")
    yield "pandas categorical", pd.Categorical(rows, categories=[second, first])
    if kind in ("int", "str", "bool", "float"):
        extension = {"int": "Int64", "str": "string", "bool": "boolean", "float": "Float64"}[kind]
        yield "pandas extension", pd.Series(rows, dtype=extension)
    if kind == "str":
        yield "enum", [Colour.BLUE, Colour.RED, Colour.RED]
        yield "NumPy scalars", [np.str_("b"), "a", np.str_("a")]
        yield "polars categories", pl.Series(rows, dtype=pl.Categorical)
        yield "polars enum", pl.Series(rows, dtype=pl.Enum(["z", "b", "a"]))
        yield (
            "arrow chunks of dictionaries",
            pa.chunked_array([pa.array(part).dictionary_encode() for part in (rows[:1], rows[1:])]),
        )
    if kind == "int":
        yield "NumPy scalars", [np.int8(3), -7, np.int64(-7)]
        yield from ((dtype, np.array(rows, dtype)) for dtype in ("i1", "i2", ">i4", ">i8"))
    if kind == "float":
        yield from ((dtype, np.array(rows, dtype)) for dtype in ("f2", "f4", ">f8"))
        yield "signed zeros", [1.5, -0.0, 0.0]
        yield "an array of signed zeros", np.array([1.5, -0.0, 0.0])
        yield "arrow signed zeros", pa.array([1.5, -0.0, 0.0])
    if kind == "date":
        yield from ((f"M8[{unit}]", np.array(rows, f"M8[{unit}]")) for unit in "D")
    if kind == "datetime":
        yield from ((f"M8[{unit}]", np.array(rows, f"M8[{unit}]")) for unit in ("us", "ns"))
        yield "NumPy scalars", [*np.array(rows, "M8[us]")]
        yield "pandas times", list(map(pd.Timestamp, rows))
    if kind == "aware":
        yield "zones", [second.astimezone(EAST), first.astimezone(EAST), first]
        yield "pandas zone", pd.Series(rows).dt.tz_convert("Europe/Berlin")


COLUMNS = [
    pytest.param(kind, groups, id=f"{kind}-{name}")
    for kind, two in TWO.items()
    for name, groups in columns(*two, kind)
]


@pytest.mark.parametrize(("kind", "groups"), COLUMNS)
def test_keys_are_plain_and_sorted(kind, groups):
    found = grouped(groups)
    assert list(found.items()) == list(zip(TWO[kind], (0.75, 0.25), strict=True))
    assert [*map(type, found)] == [*map(type, TWO[kind])]
    assert list(map(repr, found)) == list(map(repr, TWO[kind]))


def test_large_integers():
    big = [2**64 - 1, 2**63, 2**63]
    for groups in (big, np.array(big, np.uint64), np.array(big, np.uint64)[::-1][::-1]):
        assert grouped(groups) == {2**63: 0.75, 2**64 - 1: 0.25}
    assert grouped([2**63, -1, -1]) == {-1: 0.75, 2**63: 0.25}


def test_integers_far_from_each_other():
    ends = np.iinfo(np.int64)
    assert grouped(np.array([ends.max, ends.min, ends.min])) == {ends.min: 0.75, ends.max: 0.25}
    assert checked_groups(np.array([0, 10**15, 0]), 3).slots == 2
    assert checked_groups(np.array([0, 3000, 0]), 3).slots == 3001


def test_bounds_over_many_blocks(monkeypatch):
    monkeypatch.setattr(room, "_BLOCK_ROWS", 2)
    found = checked_groups(np.array([5, 3, 4, 9, -2, 5, 4]), 7)
    assert (found.slots, found.lowest) == (12, -2)
    assert found.codes(2, 5).tolist() == [4, 9, -2]
    assert found.keys(np.array([0, 11])) == [-2, 9]


def test_categories_that_no_row_has():
    """They make no group, and may be of any type."""
    of_two_types = pd.Categorical(["b", "a", "a"], categories=["a", 1, "b", "c"])
    assert grouped(of_two_types) == {"a": 0.75, "b": 0.25}
    with_null = pa.DictionaryArray.from_arrays([2, 0, 0], pa.array(["a", None, "b"]))
    assert grouped(with_null) == {"a": 0.75, "b": 0.25}


def test_no_rows():
    for groups in ([], (), np.empty(0, int), np.empty(0, "M8[D]"), pd.Series([], dtype="category")):
        assert hinge_loss_by([], [], groups) == {}
    assert hinge_loss_by([], [], pa.array([], pa.string())) == {}


MISSING = {
    "None": ["a", None],
    "NaN": [1.0, np.nan],
    "NaN in an array": np.array([1.0, np.nan]),
    "NaN among strings": np.array(["a", np.nan], object),
    "NaT": np.array(["2020-01-01", "NaT"], "M8[D]"),
    "NaT in a list": [np.datetime64("2020-01-01"), np.datetime64("NaT")],
    "pandas.NA": ["a", pd.NA],
    "pandas.NaT": [MIDNIGHT, pd.NaT],
    "pandas": pd.Series(["a", None]),
    "pandas string": pd.Series(["a", None], dtype="string"),
    "pandas Int64": pd.Series([1, None], dtype="Int64"),
    "pandas categories": pd.Series(["a", None], dtype="category"),
    "polars": pl.Series(["a", None]),
    "polars integers": pl.Series([1, None]),
    "polars categories": pl.Series(["a", None], dtype=pl.Categorical),
    "arrow": pa.array(["a", None]),
    "arrow integers": pa.array([1, None]),
    "arrow chunks": pa.chunked_array([["a"], [None]], pa.string()),
    "arrow dictionary": pa.array(["a", None]).dictionary_encode(),
    "arrow null category": pa.DictionaryArray.from_arrays([0, 1], pa.array(["a", None])),
    "masked": np.ma.array([1, 2], mask=[False, True]),
}


@pytest.mark.parametrize("groups", MISSING.values(), ids=MISSING)
def test_missing_is_refused(groups):
    with pytest.raises(ValueError, match=r"groups must have no missing .* at index 1$"):
        hinge_loss_by([0.5, 0.25], [1, 1], groups)


@pytest.mark.parametrize(
    ("groups", "second"),
    [
        ([1, True], "bool"),
        ([1, 1.0], "float"),
        ([1, "1"], "str"),
        ([NEW_YEAR, MIDNIGHT], "datetime"),
        ([MIDNIGHT, MIDNIGHT.replace(tzinfo=UTC)], "datetime with a time zone"),
        (np.array([1, True], object), "bool"),
        (pd.Categorical([1, "x"]), "str"),
    ],
)
def test_groups_are_of_one_type(groups, second):
    with pytest.raises(TypeError, match=f"of one type, got {second} at index 1 after"):
        hinge_loss_by([0.5, 0.25], [1, 1], groups)


REFUSED = {
    "bytes": (np.array([b"x", b"y"]), TypeError, "groups strings dtype |S1"),
    "complex": (np.array([1j, 2]), TypeError, "groups dtype complex128"),
    "longdouble": (np.array([1, 2], "g"), TypeError, f"groups dtype {np.dtype('g')}"),
    "tuples": ([(1,), (2,)], TypeError, "groups tuple at index 0"),
    "unhashable": (["a", {}], TypeError, "groups dict at index 1 strings"),
    "intervals": (pd.cut(pd.Series([1, 2]), 2), TypeError, "groups Interval at index 0"),
    "periods": (pd.Series(pd.period_range("2020", periods=2)), TypeError, "groups Period"),
    "65 bits": ([1, 2**64], ValueError, "groups integers of 64 bits 65 bits at index 1"),
    "nanoseconds": (np.array([0, 1], "M8[ns]"), ValueError, "groups whole microseconds index 1"),
    "pandas nanoseconds": ([pd.Timestamp(0), pd.Timestamp(1)], ValueError, "microseconds index 1"),
    "year 10000": (np.array([0, 8030], "M8[Y]"), ValueError, "groups year 9999 10000 index 1"),
    "year 0": (np.array([0, -1970], "M8[Y]"), ValueError, "groups dates from year 1 index 1"),
    "far away": (np.array([0, 2**62], "M8[Y]"), ValueError, "groups dates from index 1"),
    "columns": (np.ones((2, 1)), ValueError, "groups shape (2,) (2, 1)"),
    "a frame": (pd.DataFrame({"a": [1, 2]}), ValueError, "groups shape (2,) (2, 1)"),
    "too few": ([1], ValueError, "groups shape (2,) like target got (1,)"),
    "too many": (range(3), ValueError, "groups shape (2,) like target got (3,)"),
    "a string": ("ab", ValueError, "groups shape (2,) got str"),
    "None": (None, ValueError, "groups shape (2,) got NoneType"),
    "an iterator": (iter([1, 2]), ValueError, "groups shape (2,) got list_iterator"),
}


@pytest.mark.parametrize(("groups", "kind", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(groups, kind, words):
    with pytest.raises(kind, match=says(*words.split())):
        hinge_loss_by([0.5, 0.25], [1, 1], groups)
