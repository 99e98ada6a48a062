"""Labels of any type and in any container, as class indices."""

import datetime
import decimal
import itertools
import sys

import numpy as np
import pytest
from decided import INDICES2, INDICES3, PREDS2, PREDS3, Stub, categories, pandas, polars
from oracle import bits, expected, says

from hingemetrics._inputs.labels import class_indices
from hingemetrics.sklearn import HingeLossDisplay, hinge_loss, hinge_scorer

DAYS = [datetime.date(2024, 1, day) for day in (1, 2, 3)]
LABELS = {  # three labels in ascending order
    "int": [-7, 0, 12],
    "huge": [-(2**63), 0, 2**63 - 1],
    "float": [-0.5, 0.25, 1e300],
    "str": ["a", "aa", "b"],
    "upper": ["B", "a", "é"],
    "bytes": [b"a", b"b", b"c"],
    "date": DAYS,
    "decimal": [decimal.Decimal("-1"), decimal.Decimal("0.1"), decimal.Decimal("3")],
}
CONTAINERS = {
    "list": list,
    "tuple": tuple,
    "array": np.array,
    "object array": lambda labels: np.array(labels, dtype=object),
    "column": lambda labels: np.array(labels, dtype=object).reshape(-1, 1),
    "read-only": lambda labels: np.broadcast_to(np.array(labels), len(labels)),
    "pandas": lambda labels: pandas().Series(labels, index=range(5, 5 + len(labels))),
    "categories": lambda labels: categories(labels, sorted(set(labels), reverse=True)),
    "polars": lambda labels: polars().Series(labels),
}


@pytest.mark.parametrize("container", sorted(CONTAINERS))
@pytest.mark.parametrize("kind", sorted(LABELS))
class TestLabels:
    def test_three(self, kind, container):
        labels = LABELS[kind]
        y_true = CONTAINERS[container]([labels[i] for i in INDICES3])
        assert bits(hinge_loss(y_true, PREDS3)) == bits(expected(PREDS3, INDICES3))
        for order in ([2, 0, 1], [1, 0, 2, 2]):
            given = CONTAINERS[container]([labels[i] for i in order])
            assert bits(hinge_loss(y_true, PREDS3, labels=given)) == bits(
                expected(PREDS3, INDICES3)
            )

    def test_two(self, kind, container):
        labels = LABELS[kind]
        for low, high in ((0, 1), (0, 2), (1, 2)):
            y_true = CONTAINERS[container]([labels[(low, high)[i]] for i in INDICES2])
            assert bits(hinge_loss(y_true, PREDS2)) == bits(expected(PREDS2, INDICES2))

    def test_parts_with_labels(self, kind, container):
        """Where scikit-learn takes a class for another, or gives up."""
        labels = LABELS[kind]
        for index in (0, 1):
            y_true = CONTAINERS[container]([labels[index]] * 4)
            found = hinge_loss(y_true, PREDS2, labels=labels[:2])
            assert bits(found) == bits(expected(PREDS2, [index] * 4))
        for indices in ([0, 2, 2, 0], [1, 1, 2, 1], [2, 2, 2, 2]):
            y_true = CONTAINERS[container]([labels[i] for i in indices])
            found = hinge_loss(y_true, PREDS3, labels=labels)
            assert bits(found) == bits(expected(PREDS3, indices))


def test_bools():
    y_true = [False, True, True, False]
    assert bits(hinge_loss(y_true, PREDS2)) == bits(expected(PREDS2, INDICES2))
    assert bits(hinge_loss(y_true, PREDS2, labels=[1, 0])) == bits(expected(PREDS2, INDICES2))


def test_tables():
    preds, y_true = pandas().DataFrame(PREDS3), pandas().DataFrame({"y": INDICES3})
    assert bits(hinge_loss(y_true, preds)) == bits(expected(PREDS3, INDICES3))
    preds, y_true = polars().DataFrame(PREDS3, orient="row"), polars().DataFrame({"y": INDICES3})
    assert bits(hinge_loss(y_true, preds)) == bits(expected(PREDS3, INDICES3))


def test_times_of_any_unit():
    for unit in ("D", "s", "ns"):
        y_true = np.array(DAYS, dtype=f"M8[{unit}]")[INDICES3]
        assert bits(hinge_loss(y_true, PREDS3)) == bits(expected(PREDS3, INDICES3))


NS = np.array(DAYS, dtype="M8[ns]")
TIMES = {  # other ways to write these days
    "days": NS.astype("M8[D]"),
    "seconds": NS.astype("M8[s]"),
    "nanoseconds": NS,
    "dates": DAYS,
    "datetimes": [datetime.datetime(2024, 1, day) for day in (1, 2, 3)],
}


@pytest.mark.parametrize("unit", ["days", "seconds", "nanoseconds"])
@pytest.mark.parametrize("other", TIMES)
class TestTimes:
    def test_labels_of_another_unit(self, unit, other):
        y_true = TIMES[unit][INDICES3]
        found = hinge_loss(y_true, PREDS3, labels=TIMES[other])
        assert bits(found) == bits(expected(PREDS3, INDICES3))
        y_true = [TIMES[other][i] for i in INDICES3]
        found = hinge_loss(y_true, PREDS3, labels=TIMES[unit])
        assert bits(found) == bits(expected(PREDS3, INDICES3))

    def test_differences(self, unit, other):
        y_true = (TIMES[unit] - TIMES[unit][0])[INDICES3]
        labels = [day - TIMES[other][0] for day in TIMES[other]]
        assert bits(hinge_loss(y_true, PREDS3, labels=labels)) == bits(expected(PREDS3, INDICES3))

    def test_foreign(self, unit, other):
        with pytest.raises(ValueError, match=says("y_true", "index 2")) as caught:
            hinge_loss(TIMES[unit], PREDS2[:3], labels=[*TIMES[other]][:2])
        assert "got np.datetime64('2024-01-03" in str(caught.value).replace("got numpy", "got np")


class TestTimesAsWords:
    def test_classes(self):
        shown = HingeLossDisplay.from_predictions(NS[INDICES3], PREDS3)
        assert shown.classes == list(NS)
        names = [label.get_text()[:10] for label in shown.ax_.get_yticklabels()]
        assert names == ["2024-01-01", "2024-01-02", "2024-01-03"]

    def test_of_pandas(self):
        stamps = [pandas().Timestamp(day) for day in DAYS]
        found = hinge_loss([stamps[i] for i in INDICES3], PREDS3, labels=NS)
        assert bits(found) == bits(expected(PREDS3, INDICES3))
        later = [stamp + pandas().Timedelta(1, "ns") for stamp in stamps]
        with pytest.raises(ValueError, match=says("y_true", "index 0")):
            hinge_loss(later, PREDS3[:3], labels=NS)

    def test_of_a_classifier(self):
        y = [DAYS[i] for i in (0, 1, 2, 0)]
        found = hinge_scorer(Stub(NS[[2, 0, 1]]), PREDS3, y)
        assert bits(found) == bits(-expected(PREDS3, [1, 2, 0, 1]))


@pytest.mark.parametrize("other", [[-1], [0.5], [True, 0.5]])
@pytest.mark.parametrize("power", [53, 63])
class TestIntegersBeyondFloats:
    def test_among_other_numbers(self, power, other):
        """Which NumPy makes the same float of."""
        labels = [2**power, 2**power + 1, *other]
        assert class_indices_of(labels) == np.argsort(np.argsort(labels, kind="stable")).tolist()

    def test_as_columns(self, power, other):
        labels = [2**power, 2**power + 1, other[-1]]
        column = [[label] for label in labels]
        assert bits(hinge_loss(column, np.eye(3))) == bits(hinge_loss(labels, np.eye(3)))


def class_indices_of(labels):
    """The place of each label among all, read off the losses of a one-hot decision."""
    eye = np.eye(len(labels))
    return [
        next(
            place
            for place, preds in enumerate(eye)
            if hinge_loss([label], [2 * preds], labels=labels) == 0.0
        )
        for label in labels
    ]


SAME = {  # labels, and the same ones as an array that NumPy searches
    "int8": ([-7, 0, 12], "i1"),
    "int64": ([-(2**63), 0, 2**63 - 1], "i8"),
    "uint8": ([0, 7, 255], "u1"),
    "uint64": ([2**63, 2**63 + 1, 2**64 - 1], "u8"),
    "float16": ([-0.5, 0.0, 2.0], "f2"),
    "float64": ([-0.5, 0.1, 1e300], "f8"),
    "bool": ([False, True], "?"),
    "str": (["a", "aa", "é"], "U5"),
    "bytes": ([b"a", b"aa", b"b"], "S5"),
}


class TestSearch:
    @pytest.mark.parametrize("kind", SAME)
    def test_finds_what_a_dictionary_does(self, kind):
        labels, dtype = SAME[kind]
        rng = np.random.default_rng(0)
        indices = rng.integers(len(labels), size=500)
        y_true = np.array(labels, dtype=dtype)[indices]
        for order in itertools.permutations(range(len(labels))):
            classes = [labels[place] for place in order]
            wanted = np.argsort(order)[indices]
            assert (class_indices(y_true, classes) == wanted).all()
            assert (class_indices(y_true.astype(object), classes) == wanted).all()

    @pytest.mark.parametrize("kind", SAME)
    def test_refuses_what_a_dictionary_does(self, kind):
        labels, dtype = SAME[kind]
        y_true = np.array(labels, dtype=dtype)
        for missing in range(len(labels)):
            classes = labels[:missing] + labels[missing + 1 :]
            for array in (y_true, y_true.astype(object)):
                with pytest.raises(ValueError, match=says("y_true", f"at index {missing}")):
                    class_indices(array, classes)

    def test_classes_that_an_array_would_change(self):
        """What NumPy takes for equal is not equal: strings with a NUL at the end, huge integers."""
        for y_true, classes in (
            (np.array(["a", "b"]), ["a\0", "b"]),
            (np.array([2.0**53, 0.5]), [2**53 + 1, 0.5]),
            (np.array([2**53, 1]), [2.0**53 + 2, 1.0]),
            (np.array([1, 2]), ["1", "2"]),
            (np.array([1, 2]), [(1,), (1, 2)]),
        ):
            with pytest.raises(ValueError, match=says("y_true", "index 0")):
                class_indices(y_true, classes)

    def test_searches(self):
        """Without a step of Python's for each label."""
        for labels, dtype in SAME.values():
            y_true = np.resize(np.array(labels, dtype=dtype), 1000)
            assert calls(class_indices, y_true, labels) < 100
        assert calls(class_indices, np.resize([True, False], 1000), [0, 1]) < 100
        assert calls(class_indices, np.resize(np.array([12, 0], "i1"), 1000), [0, 12]) < 100
        assert calls(class_indices, np.resize(np.array(["a", 1], object), 1000), ["a", 1]) > 1000


def calls(function, *arguments):
    """How many functions, of Python or C, a call calls."""
    events = []
    sys.setprofile(lambda frame, event, what: events.append(event))
    try:
        function(*arguments)
    finally:
        sys.setprofile(None)
    return sum("call" in event for event in events)


def test_labels_that_numpy_cannot_read():
    torch = pytest.importorskip("torch")
    y_true = torch.tensor([0.0, 1.0], requires_grad=True)
    with pytest.raises(TypeError, match=says("y_true", "Tensor", "grad")):
        hinge_loss(y_true, PREDS2[:2])


@pytest.mark.skipif(np.__version__ < "2", reason="NumPy 1 has no such strings")
def test_strings_of_variable_width():
    dtype = np.dtypes.StringDType(na_object=None)
    y_true = np.array(["a", "b", "b", "a"], dtype=dtype)
    assert bits(hinge_loss(y_true, PREDS2)) == bits(expected(PREDS2, INDICES2))
    with pytest.raises(TypeError, match=says("y_true", "index 1")):
        hinge_loss(np.array(["a", None], dtype=dtype), PREDS2[:2])
