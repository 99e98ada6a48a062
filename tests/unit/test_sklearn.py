"""The adapter for scikit-learn: its own function where that is right, the oracle everywhere."""

import warnings

import numpy as np
import pytest
import sklearn.metrics
from decided import INDICES2, INDICES3, PREDS2, PREDS3, categories, pandas, polars
from oracle import bits, expected, says
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

import hingemetrics
from hingemetrics.sklearn import hinge_loss, hinge_scorer

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
    "LogisticRegression": LogisticRegression(tol=0.1),
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
