"""The adapter for scikit-learn: its own function where that is right, the oracle everywhere."""

import datetime
import decimal
import itertools
import warnings

import numpy as np
import pytest
import sklearn.metrics
from oracle import bits, expected, says
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import RFE
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC, OneClassSVM

import hingemetrics
from hingemetrics._inputs.labels import class_indices
from hingemetrics.sklearn import HingeLossDisplay, hinge_loss, hinge_scorer

NAN = float("nan")
DATA = {
    "breast_cancer": load_breast_cancer,
    "iris": load_iris,
    "wine": load_wine,
    "digits": load_digits,
}
CLASSIFIERS = {
    "LinearSVC": LinearSVC(random_state=0, max_iter=20_000),
    "crammer_singer": LinearSVC(multi_class="crammer_singer", random_state=0, max_iter=20_000),
    "SVC": SVC(),
    "SGDClassifier": SGDClassifier(random_state=0),
    "RidgeClassifier": RidgeClassifier(),
    "LogisticRegression": LogisticRegression(),
    "GridSearchCV": GridSearchCV(SVC(), {"C": [0.1, 1.0]}, cv=2),
    "OneVsRestClassifier": OneVsRestClassifier(SVC(decision_function_shape="ovo")),
}


def oracle(y_true, preds, classes, **options):
    """The loss by the oracle, for classes in the order of the columns."""
    return expected(preds, [list(classes).index(label) for label in y_true], **options)


@pytest.fixture(scope="module", params=sorted(DATA))
def halves(request):
    """Real data in two halves: data, held-out data, and the labels of each."""
    data, y = DATA[request.param](return_X_y=True)
    return train_test_split(data, y, test_size=0.5, random_state=0, stratify=y)


@pytest.fixture(scope="module", params=sorted(CLASSIFIERS))
def fitted(request, halves):
    """A classifier that was fitted, and rows it has not seen."""
    data, held_out, y, y_held_out = halves
    pipeline = make_pipeline(StandardScaler(), CLASSIFIERS[request.param])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # not all versions converge as soon
        return pipeline.fit(data, y), held_out, y_held_out


class TestRealClassifiers:
    @pytest.mark.parametrize("weighted", [False, True])
    def test_loss(self, fitted, weighted):
        classifier, data, y = fitted
        preds = classifier.decision_function(data)
        weight = np.random.default_rng(0).random(len(y)) if weighted else None
        found = hinge_loss(y, preds, sample_weight=weight)
        assert bits(found) == bits(oracle(y, preds, np.unique(y), sample_weight=weight))
        theirs = sklearn.metrics.hinge_loss(y, preds, sample_weight=weight)
        assert found == pytest.approx(theirs, rel=1e-12, abs=0)

    @pytest.mark.parametrize("weighted", [False, True])
    def test_scorer(self, fitted, weighted, calls):
        classifier, data, y = fitted
        weight = np.random.default_rng(0).random(len(y)) if weighted else None
        found = hinge_scorer(classifier, data, y, weight)
        assert type(found) is float
        wanted = oracle(y, calls[0].preds, np.unique(y), sample_weight=weight)
        assert bits(found) == bits(-wanted)

    def test_scorer_on_each_class_alone(self, fitted, calls):
        classifier, data, y = fitted
        classes = np.unique(y)
        for label in classes:
            rows = y == label
            found = hinge_scorer(classifier, data[rows], y[rows])
            assert bits(found) == bits(-oracle(y[rows], calls[-1].preds, classes)), label


class Stub(ClassifierMixin, BaseEstimator):
    """Answers what it was given."""

    def __init__(self, preds=None, classes=None):
        self.preds = preds
        self.classes_ = classes

    def decision_function(self, data):
        return self.preds


class TestScorer:
    data, y = load_iris(return_X_y=True)

    def test_columns_follow_classes_as_they_are(self):
        stub = Stub([[2.0, 0.5, 0.0], [1.0, 0.25, 3.0]], np.array(["c", "a", "b"]))
        assert bits(hinge_scorer(stub, None, ["a", "b"])) == bits(-expected(stub.preds, [1, 2]))
        stub = Stub([2.0, 0.5], np.array(["no", "a"]))
        assert bits(hinge_scorer(stub, None, ["a", "no"])) == bits(-expected(stub.preds, [1, 0]))

    @pytest.mark.parametrize("wrap", ["none", "pipeline", "search", "selection", "stack", "nested"])
    def test_columns_of_pairs(self, wrap, calls):
        svc = SVC(decision_function_shape="ovo", kernel="linear")
        search = GridSearchCV(svc, {"C": [1.0]}, cv=2)
        classifier = {
            "none": svc,
            "pipeline": make_pipeline(StandardScaler(), svc),
            "search": search,
            "selection": RFE(svc, n_features_to_select=2),
            "stack": StackingClassifier([("ridge", RidgeClassifier())], svc),
            "nested": GridSearchCV(make_pipeline(StandardScaler(), svc), {"svc__C": [1.0]}, cv=2),
        }[wrap].fit(self.data, self.y)
        with pytest.raises(ValueError, match="decision_function_shape='ovr'"):
            hinge_scorer(classifier, self.data, self.y)
        two = self.y < 2
        classifier.fit(self.data[two], self.y[two])  # one pair is no matter
        found = hinge_scorer(classifier, self.data[two], self.y[two])
        assert bits(found) == bits(-expected(calls[-1].preds, self.y[two]))

    def test_pairs_that_only_select(self, calls):
        selector = RFE(SVC(decision_function_shape="ovo", kernel="linear"))
        classifier = make_pipeline(selector, SVC()).fit(self.data, self.y)
        found = hinge_scorer(classifier, self.data, self.y)
        assert bits(found) == bits(-expected(calls[-1].preds, self.y))

    @pytest.mark.parametrize("wrapped", [False, True])
    def test_without_decision_function(self, wrapped):
        forest = RandomForestClassifier(5, random_state=0)
        classifier = make_pipeline(StandardScaler(), forest) if wrapped else forest
        with pytest.raises(AttributeError, match=says("estimator", "decision_function")):
            hinge_scorer(classifier.fit(self.data, self.y), self.data, self.y)

    def test_without_classes(self):
        with pytest.raises(AttributeError, match=says("classes_", "OneClassSVM")):
            hinge_scorer(OneClassSVM().fit(self.data), self.data, self.y)

    def test_class_never_seen(self):
        seen = self.y > 0
        classifier = SVC().fit(self.data[seen], self.y[seen])
        with pytest.raises(ValueError, match=says("y_true", "1, 2", "0 at index 0")):
            hinge_scorer(classifier, self.data, self.y)

    def test_several_outputs(self):
        y = np.stack([self.y, self.y], axis=1)
        with pytest.raises(ValueError, match="y_true"):
            hinge_scorer(SVC().fit(self.data, self.y), self.data, y)


PREDS2, INDICES2 = [-2.2, 2.4, 0.1, -0.5], [0, 1, 1, 0]
PREDS3 = [[-1.0, 0.9, 0.2], [0.5, -1.1, 0.8], [2.2, -0.5, 0.3], [0.1, 0.2, 0.3]]
INDICES3 = [0, 1, 2, 1]
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


def pandas():
    return pytest.importorskip("pandas")


def polars():
    return pytest.importorskip("polars")


def categories(labels, order):
    """Labels that a program orders in another way than scikit-learn does."""
    return pandas().Series(labels).astype(pandas().CategoricalDtype(order))


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
        stub = Stub(np.array(PREDS3), NS[[2, 0, 1]])
        found = hinge_scorer(stub, None, [DAYS[i] for i in (0, 1, 2, 0)])
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

    def test_searches(self, monkeypatch):
        """Without a step of Python's for each label."""
        monkeypatch.setattr("hingemetrics._inputs.labels._indices_by_hash", None)
        for labels, dtype in SAME.values():
            y_true = np.array(labels, dtype=dtype)
            assert class_indices(y_true, labels).tolist() == [*range(len(labels))]
        assert class_indices(np.array([True, False]), [0, 1]).tolist() == [1, 0]
        assert class_indices(np.array([12, 0], "i1"), [0, 12]).tolist() == [1, 0]


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


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("weight", [None, [0.1, 3.0, 0.0, 0.7]])
class TestOptions:
    def test_two_classes(self, squared, weight):
        options = {"squared": squared, "sample_weight": weight}
        for preds in (PREDS2, np.array(PREDS2, "f4")[:, np.newaxis], (*PREDS2,)):
            found = hinge_loss(["b", "c", "c", "b"], preds, **options)
            values = np.asarray(preds).ravel()
            assert bits(found) == bits(expected(values, INDICES2, **options))

    @pytest.mark.parametrize("mode", [None, "crammer-singer", "one-vs-all", "ONE_VS_ALL"])
    def test_three_classes(self, squared, weight, mode):
        options = {"squared": squared, "sample_weight": weight}
        y_true = [["c", "d", "e"][i] for i in INDICES3]
        oracle_mode = mode and mode.lower().replace("_", "-")
        for preds in (PREDS3, np.asfortranarray(PREDS3), np.array(PREDS3, "f2")):
            found = hinge_loss(y_true, preds, multiclass_mode=mode, **options)
            assert bits(found) == bits(expected(preds, INDICES3, mode=oracle_mode, **options))


class TestOneClass:
    def test_is_ambiguous_without_labels(self):
        for label in (-1, 0, 1, True, "spam"):
            with pytest.raises(ValueError, match=says("labels", "y_true", repr(label))):
                hinge_loss([label] * 2, [0.5, 0.7])
        assert hinge_loss([1, 1], [0.5, 0.75], labels=[0, 1]) == 0.375
        assert hinge_loss([1, 1], [0.5, 0.75], labels=[1, 2]) == 1.625

    def test_scikit_learn_takes_it_for_the_negative(self):
        """The reason for doing otherwise; should it change, so may we."""
        assert sklearn.metrics.hinge_loss([1, 1], [0.5, 0.75], labels=[0, 1]) == 1.625


W = "sample_weight"
REFUSED = {  # both functions refuse, with the same type of exception
    "nan": (ValueError, ([0, 1], [NAN, 1.0]), {}, ("pred_decision", "nan", "index 0")),
    "inf": (ValueError, ([0, 1], [1.0, np.inf]), {}, ("pred_decision", "inf", "index 1")),
    "inf in a row": (
        ValueError,
        ([0, 1, 2], [[0.0, 1, 2], [0, 1, -np.inf], [0, 1, 2]]),
        {},
        ("pred_decision", "-inf", "index 1, 2"),
    ),
    "lengths": (ValueError, ([0, 1], [1.0]), {}, ("pred_decision", "(2,)", "(1,)")),
    "length of weights": (ValueError, ([0, 1], PREDS2[:2]), {W: [1.0]}, (W, "(2,)", "(1,)")),
    "zero weights": (ZeroDivisionError, ([0, 1], PREDS2[:2]), {W: [0.0, 0.0]}, (W, "zeros")),
    "weights of strings": (TypeError, ([0, 1], PREDS2[:2]), {W: ["a", "b"]}, (W, "strings")),
    "one weight": (ValueError, ([0, 1], PREDS2[:2]), {W: 1.0}, (W, "(2,)", "()")),
    "nothing": (ValueError, ([], []), {}, ("y_true", "(0,)")),
    "a number": (ValueError, (0, 1.0), {}, ("y_true", "int")),
    "a string": (ValueError, ("ab", PREDS2[:2]), {}, ("y_true", "str")),
    "None": (ValueError, (None, PREDS2[:2]), {}, ("y_true", "NoneType")),
    "no decisions": (ValueError, ([0, 1], None), {}, ("pred_decision", "NoneType")),
    "complex": (ValueError, ([0, 1], [1j, 2]), {}, ("pred_decision", "complex")),
    "strings": (ValueError, ([0, 1], ["1", "2"]), {}, ("pred_decision", "strings")),
    "three dimensions": (ValueError, ([0, 1], np.ones((2, 1, 1))), {}, ("pred_decision", "(2,)")),
    "no columns": (ValueError, ([0, 1], np.ones((2, 0))), {}, ("pred_decision", "(2, 0)")),
    "ragged": (ValueError, ([0, 1], [[1.0], [1.0, 2.0]]), {}, ("pred_decision", "ragged")),
    "ragged labels": (ValueError, ([[0], [1, 2]], PREDS2[:2]), {}, ("y_true", "ragged")),
    "matrix of labels": (ValueError, ([[0, 1], [1, 0]], PREDS2[:2]), {}, ("y_true", "(2, 2)")),
    "two columns": (ValueError, ([0, 1], np.ones((2, 2))), {}, ("(2,)", "2 classes", "(2, 2)")),
    "one column": (ValueError, ([0, 1, 2], np.ones(3)), {}, ("(3, 3)", "(3,)")),
    "too many columns": (
        ValueError,
        ([0, 1, 2], np.ones((3, 4))),
        {},
        ("(3, 3)", "(3, 4)", "labels"),
    ),
    "too few columns": (
        ValueError,
        ([0, 1, 2], np.ones((3, 3))),
        {"labels": [0, 1, 2, 3]},
        ("(3, 4)", "(3, 3)"),
    ),
    "foreign label": (
        ValueError,
        (["a", "d", "c"], np.ones((3, 3))),
        {"labels": ["a", "b", "c"]},
        ("y_true", "'a', 'b', 'c'", "'d'", "index 1"),
    ),
    "None among labels": (TypeError, (["a", None], PREDS2[:2]), {}, ("y_true", "None", "index 1")),
    "None among all labels": (
        TypeError,
        ([0, 1, 2], np.ones((3, 4))),
        {"labels": [0, 1, 2, None]},
        ("labels", "None", "index 3"),
    ),
    "NaN": (ValueError, ([0.0, NAN], PREDS2[:2]), {}, ("y_true", "nan", "index 1")),
    "types": (
        TypeError,
        (np.array([1, "a"], object), PREDS2[:2]),
        {},
        ("y_true", "sorted", "int and str"),
    ),
}
WE_REFUSE = {  # and scikit-learn gives a number that is wrong, or none
    "foreign label of two": (
        ValueError,
        ([0, 1, 2], PREDS2[:3]),
        {"labels": [0, 1]},
        ("y_true", "0, 1", "2", "index 2"),
    ),
    "NaN of strings": (ValueError, (["a", NAN], PREDS2[:2]), {}, ("y_true", "nan", "index 1")),
    "NaN of three": (ValueError, ([0, 1, NAN], np.ones((3, 3))), {}, ("y_true", "index 2")),
    "NaT": (
        ValueError,
        (np.array(["2024-01-01", "NaT"], "M8[ns]"), PREDS2[:2]),
        {},
        ("y_true", "NaT", "index 1"),
    ),
    "masked": (ValueError, (np.ma.array([0, 1], mask=[0, 1]), PREDS2[:2]), {}, ("masked", "1")),
    "mixed": (TypeError, ([1, "a"], PREDS2[:2]), {}, ("y_true", "int and str")),
    "numbers as strings": (
        ValueError,
        ([0, 1, 2], np.ones((3, 3))),
        {"labels": ["0", "1", "2"]},
        ("y_true", "'0'", "0 at index 0"),
    ),
    "no labels": (ValueError, ([0, 1], PREDS2[:2]), {"labels": []}, ("labels", "(0,)")),
    "one label": (ValueError, ([1, 1], PREDS2[:2]), {"labels": [1]}, ("labels", "2", "1")),
    "negative weight": (ValueError, ([0, 1], PREDS2[:2]), {W: [2, -1]}, (W, "-1", "index 1")),
    "NaN weight": (ValueError, ([0, 1], PREDS2[:2]), {W: [2, NAN]}, (W, "nan", "index 1")),
}


class TestRefused:
    @pytest.mark.parametrize("case", [*REFUSED, *WE_REFUSE])
    def test_with_a_reason(self, case):
        error, arguments, options, words = {**REFUSED, **WE_REFUSE}[case]
        with pytest.raises(error, match=says(*words)) as caught:
            hinge_loss(*arguments, **options)
        assert type(caught.value) is error

    @pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # on its way to refusing
    @pytest.mark.parametrize("case", REFUSED)
    def test_as_scikit_learn_refuses(self, case):
        error, arguments, options, _ = REFUSED[case]
        with pytest.raises(error):
            sklearn.metrics.hinge_loss(*arguments, **options)

    def test_nulls(self):
        for y_true in (
            pandas().Series([1, None], dtype="Int64"),
            pandas().Series(["a", None]),
            np.array(["a", pandas().NA], dtype=object),
            categories(["a", None], ["b", "a"]),
        ):
            with pytest.raises((TypeError, ValueError), match=says("y_true", "index 1")):
                hinge_loss(y_true, PREDS2[:2])

    def test_nulls_of_polars(self):
        for values in ([1, None], ["a", None], [True, None]):
            with pytest.raises((TypeError, ValueError), match=says("y_true", "index 1")):
                hinge_loss(polars().Series(values), PREDS2[:2])
        with pytest.raises(ValueError, match=says("pred_decision", "index 1")):
            hinge_loss([0, 1], polars().Series([0.5, None]))

    def test_classes_by_the_thousand(self):
        with pytest.raises(ValueError, match=says("0, 1, 2", "1000 in all")) as caught:
            hinge_loss([-1], np.ones((1, 1000)), labels=range(1000))
        assert len(str(caught.value)) < 200

    def test_only_what_helps(self):
        with pytest.raises(ValueError, match="index") as caught:
            hinge_loss([0, 1, 2], np.ones((3, 3)), labels=[0, 1, 3])
        assert "pass labels" not in str(caught.value)

    @pytest.mark.parametrize(
        ("option", "error"),
        [({"squared": 1}, TypeError), ({"multiclass_mode": "ovr"}, ValueError)],
    )
    def test_options(self, option, error):
        with pytest.raises(error, match=next(iter(option))):
            hinge_loss([0, 1], PREDS2[:2], **option)


class TestExactness:
    def test_order(self):
        data, y = load_digits(return_X_y=True)
        preds = RidgeClassifier().fit(data[:900], y[:900]).decision_function(data)
        whole = bits(hinge_loss(y, preds))
        for seed in range(3):
            order = np.random.default_rng(seed).permutation(len(y))
            assert bits(hinge_loss(y[order].astype(str), preds[order])) == whole

    def test_as_the_library(self):
        """To class indices there is nothing to do."""
        found = hinge_loss(INDICES3, PREDS3, multiclass_mode="one-vs-all", squared=True)
        wanted = hingemetrics.hinge_loss(PREDS3, INDICES3, True, "one-vs-all")
        assert bits(found) == bits(wanted)

    def test_arguments_stay_as_they_are(self):
        y_true, preds, weight = np.array(INDICES3), np.array(PREDS3), np.array([1.0, 2, 3, 4])
        arrays = (y_true, preds, weight)
        copies = [array.copy() for array in arrays]
        hinge_loss(y_true, preds, sample_weight=weight)
        assert all((a == b).all() for a, b in zip(arrays, copies, strict=True))


def test_without_scikit_learn(python):
    code = """
import sys
sys.modules.update(dict.fromkeys(["sklearn", "scipy", "pandas", "matplotlib"]))
from hingemetrics.sklearn import hinge_loss
print(hinge_loss(["ham", "spam", "spam"], [-2.2, 2.4, 0.1]))
"""
    run = python("-W", "error", "-c", code)
    assert (run.stdout, run.stderr) == ("0.3\n", "")
