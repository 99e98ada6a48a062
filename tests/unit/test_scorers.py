"""Scorers: in all places of scikit-learn that take one, with the weights that were asked for."""

import copy
import pickle
import warnings
from fractions import Fraction

import numpy as np
import pytest
import sklearn
from cases import scores, weights
from decided import Stub
from oracle import bits, exact_sum, expected, says
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.feature_selection import SequentialFeatureSelector
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, RidgeClassifier
from sklearn.metrics import accuracy_score, get_scorer, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    TunedThresholdClassifierCV,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import hingemetrics.sklearn
from hingemetrics import MulticlassMode
from hingemetrics.sklearn import HingeScorer, hinge_loss, hinge_scorer, make_hinge_scorer

X, Y = load_iris(return_X_y=True)
WEIGHT = X[:, 0].copy()  # so that a row tells its weight
FOLDS = KFold(4, shuffle=True, random_state=0)
ROUTED = {"sample_weight": WEIGHT}
OPTIONS = [
    {"squared": squared, "multiclass_mode": mode}
    for squared in (False, True)
    for mode in (None, "one-vs-all")
]


@pytest.fixture
def routing():
    """Metadata routing, as its users have it."""
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def svc():
    """A classifier that asks for weights where it is fitted."""
    return SVC().set_fit_request(sample_weight=True)


class TestSelection:
    """Folds by row order: iris is such that folds miss classes."""

    folds = KFold(10)

    def test_cross_val_score(self, calls):
        assert any(len(set(Y[test])) == 1 for _, test in self.folds.split(X))
        options = {"scoring": hinge_scorer, "cv": self.folds, "error_score": "raise"}
        found = cross_val_score(SVC(), X, Y, **options)
        assert bits(found) == bits(-np.array([expected(c.preds, c.target) for c in calls]))

    def test_cross_validate(self, calls):
        options = {"scoring": {"hinge": hinge_scorer}, "cv": self.folds}
        found = cross_validate(RidgeClassifier(), X, Y, **options)["test_hinge"]
        assert bits(found) == bits(-np.array([expected(c.preds, c.target) for c in calls]))

    def test_grid_search(self, calls):
        search = GridSearchCV(SVC(), {"C": [0.01, 1.0, 100.0]}, scoring=hinge_scorer, cv=self.folds)
        search.fit(X, Y)
        losses = [expected(c.preds, c.target) for c in calls]
        assert search.best_index_ == np.reshape(losses, (3, 10)).mean(axis=1).argmin()
        assert search.score(X, Y) == -expected(calls[-1].preds, Y)

    def test_make_scorer(self):
        """With the function, which only sees a fold's labels."""
        options = {"response_method": "decision_function", "greater_is_better": False}
        seen = []

        def theirs_and_ours(y_true, preds):
            ours = hinge_loss(y_true, preds)
            seen.append((ours, sklearn.metrics.hinge_loss(y_true, preds)))
            return ours

        data, y = load_breast_cancer(return_X_y=True)
        scorer = make_scorer(theirs_and_ours, **options)
        found = cross_val_score(make_pipeline(StandardScaler(), SVC()), data, y, scoring=scorer)
        ours, theirs = np.transpose(seen)
        assert bits(found) == bits(-ours)
        assert ours == pytest.approx(theirs, rel=1e-12, abs=0)  # of the same decision values


def search(scorer, **options):
    return GridSearchCV(svc(), {"C": [0.1, 1.0]}, scoring=scorer, cv=FOLDS, **options)


def fitted_scores(model, **routed):
    """What a search has found in its folds, as its scorer was called."""
    found = model.fit(X, Y, **routed).cv_results_
    names = sorted(name for name in found if name.startswith("split"))
    return np.transpose([found[name] for name in names]).ravel()


def by_search(scorer):
    return fitted_scores(search(scorer, refit=False), **ROUTED)


def by_multimetric_search(scorer):
    return fitted_scores(search({"hinge": scorer}, refit=False), **ROUTED)


def by_cross_val_score(scorer):
    return cross_val_score(svc(), X, Y, scoring=scorer, cv=FOLDS, params=ROUTED)


def by_cross_validate(scorer):
    options = {"scoring": scorer, "cv": FOLDS, "params": ROUTED, "error_score": "raise"}
    return cross_validate(svc(), X, Y, **options)["test_score"]


def by_multimetric(scorer):
    accuracy = make_scorer(accuracy_score).set_score_request(sample_weight=True)
    scoring = {"hinge": scorer, "accuracy": accuracy}
    return cross_validate(svc(), X, Y, scoring=scoring, cv=FOLDS, params=ROUTED)["test_hinge"]


def by_pipeline(scorer):
    model = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), svc())
    return cross_val_score(model, X, Y, scoring=scorer, cv=FOLDS, params=ROUTED)


def by_nested_search(scorer):
    """Both the inner and the outer one are scored: only the outer scores are reported."""
    options = {"scoring": scorer, "cv": FOLDS, "params": ROUTED, "error_score": "raise"}
    return cross_val_score(search(scorer), X, Y, **options)


def by_logistic_regression(scorer):
    model = LogisticRegressionCV(Cs=[0.1, 1.0], cv=FOLDS, scoring=scorer, tol=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of defaults, in each version another
        model.fit(X, Y, **ROUTED)
        return np.ravel(model.scores_[0] if isinstance(model.scores_, dict) else model.scores_)


ROUTERS = [
    by_search,
    by_multimetric_search,
    by_cross_val_score,
    by_cross_validate,
    by_multimetric,
    by_pipeline,
    by_nested_search,
    by_logistic_regression,
]


@pytest.mark.parametrize("router", ROUTERS)
@pytest.mark.usefixtures("routing")
class TestRouting:
    def check(self, found, calls, weighted):
        """Each call got the weights of its rows, or none, and what it answered is reported."""
        assert calls
        for call in calls:
            assert (call.weight is not None) is weighted
            if weighted:
                assert (np.asarray(call.weight) == call.data[:, 0]).all()
            wanted = -expected(call.preds, call.target, sample_weight=call.weight)
            assert bits(call.score) == bits(wanted)
        assert {*np.ravel(found).tolist()} <= {call.score for call in calls}

    def test_weights_that_were_asked_for(self, router, calls):
        found = router(hinge_scorer.set_score_request(sample_weight=True))
        self.check(found, calls, weighted=True)

    def test_weights_that_were_declined(self, router, calls):
        found = router(hinge_scorer.set_score_request(sample_weight=False))
        self.check(found, calls, weighted=False)

    def test_nobody_said(self, router):
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            router(hinge_scorer)


@pytest.mark.usefixtures("routing")
class TestRequest:
    def test_by_another_name(self, calls):
        scorer = hinge_scorer.set_score_request(sample_weight="importance")
        options = {"scoring": scorer, "cv": FOLDS, "error_score": "raise"}
        cross_val_score(svc(), X, Y, params={"importance": WEIGHT}, **options)
        for call in calls:
            assert (call.weight == call.data[:, 0]).all()

    def test_score_of_a_search(self, calls):
        scorer = hinge_scorer.set_score_request(sample_weight=True)
        model = search(scorer).fit(X, Y, **ROUTED)
        assert bits(model.score(X, Y, **ROUTED)) == bits(calls[-1].score)
        assert calls[-1].weight is WEIGHT
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            search(hinge_scorer).fit(X, Y).score(X, Y, **ROUTED)

    def test_a_selector_without_routing_of_its_own(self, calls):
        selector = SequentialFeatureSelector(SVC(), n_features_to_select=1, scoring=hinge_scorer)
        selector.fit(X, Y)
        assert calls
        assert all(call.weight is None for call in calls)

    def test_the_error_says_what_to_call(self):
        with pytest.raises(UnsetMetadataPassedError) as caught:
            search(hinge_scorer).fit(X, Y, **ROUTED)
        assert f"{hinge_scorer!r}.set_score_request" in str(caught.value)

    def test_nothing_is_routed(self, calls):
        cross_val_score(svc(), X, Y, scoring=hinge_scorer, cv=FOLDS, error_score="raise")
        assert len(calls) == 4
        assert all(call.weight is None for call in calls)

    def test_scorers_do_not_change(self):
        before = repr(hinge_scorer)
        asking = hinge_scorer.set_score_request(sample_weight=True)
        assert asking != hinge_scorer
        assert repr(hinge_scorer) == before
        assert asking.set_score_request(sample_weight=None) == hinge_scorer
        assert asking == make_hinge_scorer().set_score_request(sample_weight=True)

    @pytest.mark.parametrize("bad", [3, "not a name", 0.5])
    def test_what_is_no_request(self, bad):
        with pytest.raises(ValueError, match=says("sample_weight", str(bad))):
            hinge_scorer.set_score_request(sample_weight=bad)

    def test_other_metadata(self):
        with pytest.raises(TypeError, match="groups"):
            hinge_scorer.set_score_request(groups=True)


def test_request_without_routing():
    """As scikit-learn's own scorers refuse it."""
    for scorer in (hinge_scorer, get_scorer("accuracy")):
        with pytest.raises(RuntimeError, match="enable_metadata_routing=True"):
            scorer.set_score_request(sample_weight=True)


class TestWithoutRouting:
    def test_weights_of_a_fit(self, calls):
        """Newer versions pass them on to scorers that take them, also in a dictionary."""
        for scoring in (hinge_scorer, {"hinge": hinge_scorer}):
            options = {"scoring": scoring, "cv": FOLDS, "refit": False, "error_score": "raise"}
            GridSearchCV(SVC(), {"C": [1.0]}, **options).fit(X, Y, sample_weight=WEIGHT)
        assert len(calls) == 8
        for call in calls:
            assert call.weight is None or (call.weight == call.data[:, 0]).all()

    def test_weights_by_hand(self, calls):
        model = SVC().fit(X, Y)
        hinge_scorer(model, X, Y, WEIGHT)
        hinge_scorer(model, X, y=Y, sample_weight=WEIGHT)
        assert [call.weight is WEIGHT for call in calls] == [True, True]

    def test_permutation_importance(self, calls):
        options = {"scoring": hinge_scorer, "n_repeats": 2, "random_state": 0}
        permutation_importance(SVC().fit(X, Y), X, Y, sample_weight=WEIGHT, **options)
        assert len(calls) == 9
        assert all(call.weight is WEIGHT for call in calls)


def mean_over_classes(preds, target, squared, weight):
    """The mean of the classes' exact mean losses."""
    losses = expected(
        preds, target, squared, "one-vs-all", sample_weight=weight, reduction="none"
    ).ravel()
    total = exact_sum(losses.tolist())
    if not isinstance(total, Fraction):
        return total
    whole = exact_sum([1.0] * len(preds) if weight is None else weight.tolist())
    return float(total / (whole * preds.shape[1]))


@pytest.mark.parametrize("flavour", ["normal", "edges", "exponents", "near one", "cancelling"])
@pytest.mark.parametrize("kind", [None, "tenths", "wild"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
class TestScores:
    def test_classes(self, options, kind, flavour):
        scorer = make_hinge_scorer(**options)
        for seed, classes in enumerate((3, 7)):
            rng = np.random.default_rng(seed)
            preds, weight = scores(rng, (60, classes), flavour), weights(rng, 60, kind)
            target = rng.integers(0, classes, 60)
            found = scorer(Stub(np.arange(classes)), preds, target, weight)
            if options["multiclass_mode"] is None:
                wanted = expected(preds, target, options["squared"], sample_weight=weight)
            else:
                wanted = mean_over_classes(preds, target, options["squared"], weight)
            assert type(found) is float
            assert bits(found) == bits(-wanted)

    def test_two_classes(self, options, kind, flavour):
        rng = np.random.default_rng(0)
        preds, weight = scores(rng, (60,), flavour), weights(rng, 60, kind)
        target = rng.integers(0, 2, 60)
        found = make_hinge_scorer(**options)(Stub(np.arange(2)), preds, target, weight)
        wanted = expected(preds, target, options["squared"], sample_weight=weight)
        assert bits(found) == bits(-wanted)


class TestMeanOverClasses:
    scorer = make_hinge_scorer(squared=True, multiclass_mode="one-vs-all")

    def test_is_rounded_once(self):
        """The mean of rounded means is another number, now and then."""
        others = 0
        for seed in range(50):
            rng = np.random.default_rng(seed)
            preds, target = rng.normal(size=(7, 3)), rng.integers(0, 3, 7)
            found = self.scorer(Stub(np.arange(3)), preds, target)
            assert bits(found) == bits(-mean_over_classes(preds, target, True, None))
            rounded = hinge_loss(
                target, preds, labels=[0, 1, 2], squared=True, multiclass_mode="one-vs-all"
            )
            others += found != -rounded.mean()
        assert others

    @pytest.mark.parametrize(
        ("huge", "weight", "score"),
        [(1e200, None, -np.inf), (1e200, [0.0, 1.0], np.nan), (1e150, None, None)],
    )
    def test_what_is_not_finite(self, huge, weight, score):
        preds = np.array([[0.0, huge, 0.0], [0.0, 0.0, 2.0]])
        found = self.scorer(Stub(np.arange(3)), preds, [0, 1], weight)
        wanted = -mean_over_classes(preds, [0, 1], True, weight and np.array(weight))
        assert bits(found) == bits(wanted)
        assert score is None or bits(found) == bits(float(score))


class TestValues:
    SCORERS = tuple(make_hinge_scorer(**options) for options in OPTIONS)

    @pytest.fixture(params=["plain", "asking"])
    def scorers(self, request, routing):
        if request.param == "plain":
            return self.SCORERS
        return [scorer.set_score_request(sample_weight=True) for scorer in self.SCORERS]

    def test_copies(self, scorers):
        for scorer in scorers:
            for other in (
                copy.copy(scorer),
                copy.deepcopy(scorer),
                clone(scorer),
                clone(scorer, safe=False),
                clone(search(scorer)).scoring,
                pickle.loads(pickle.dumps(scorer)),
                eval(repr(scorer)),
            ):
                assert other == scorer
                assert hash(other) == hash(scorer)
                assert repr(other) == repr(scorer)

    def test_differ(self, scorers):
        assert len({*scorers, *self.SCORERS}) == len(
            {*map(repr, scorers), *map(repr, self.SCORERS)}
        )
        assert len({*scorers}) == len(OPTIONS)

    def test_stay_as_they_are(self, scorers):
        with pytest.raises(AttributeError):
            scorers[0].squared = True

    def test_default(self):
        assert hinge_scorer == make_hinge_scorer() == make_hinge_scorer(False, "crammer-singer")
        assert isinstance(hinge_scorer, HingeScorer)
        assert hinge_scorer.multiclass_mode is MulticlassMode.CRAMMER_SINGER
        assert not hinge_scorer.squared

    def test_are_listed(self):
        assert {"make_hinge_scorer", "hinge_scorer", "HingeScorer"} <= {
            *hingemetrics.sklearn.__all__
        }

    def test_without_scikit_learn(self, python, routing):
        """None is imported where a scorer is made, shown, unpickled, or called."""
        asking = pickle.dumps(hinge_scorer.set_score_request(sample_weight=True))
        code = f"""
import pickle, sys
sys.modules.update(dict.fromkeys(["sklearn", "scipy"]))
from hingemetrics.sklearn import hinge_scorer, make_hinge_scorer
class Half:
    classes_ = [0, 1]
    def decision_function(self, X):
        return X
print(make_hinge_scorer(squared=True)(Half(), [0.5, -0.5], [1, 0]))
print(pickle.loads({asking!r}))
"""
        run = python("-W", "error", "-c", code)
        assert run.stderr == ""
        shown = "make_hinge_scorer(squared=False, multiclass_mode='crammer-singer')"
        assert run.stdout == f"-0.25\n{shown}.set_score_request(sample_weight=True)\n"

    @pytest.mark.parametrize(
        ("option", "error"),
        [({"squared": 1}, TypeError), ({"multiclass_mode": "ovr"}, ValueError)],
    )
    def test_options(self, option, error):
        with pytest.raises(error, match=next(iter(option))):
            make_hinge_scorer(**option)


NAMES = np.array(["ham", "spam"])


class TestThreshold:
    """What tunes a threshold passes labels: they count as decisions of -1 and +1."""

    thresholds = np.linspace(-1.0, 1.0, 9)
    rng = np.random.default_rng(0)
    data = rng.normal(size=80)
    y = NAMES[(data + rng.normal(size=80) > 0).astype(int)]

    def tuned(self, scorer, **routed):
        tuner = TunedThresholdClassifierCV(
            Stub(NAMES),
            scoring=scorer,
            response_method="decision_function",
            thresholds=self.thresholds,
            cv="prefit",
            refit=False,
            store_cv_results=True,
        )
        return tuner.fit(self.data, self.y, **routed)

    def losses(self, squared=False, weight=None):
        for threshold in self.thresholds:
            sides = np.where(self.data >= threshold, 1.0, -1.0)
            yield expected(sides, self.y == "spam", squared, sample_weight=weight)

    @pytest.mark.parametrize("options", OPTIONS, ids=str)
    def test_scores(self, options):
        tuner = self.tuned(make_hinge_scorer(**options))
        losses = np.array([*self.losses(options["squared"])])
        assert bits(tuner.cv_results_["scores"]) == bits(-losses)
        assert tuner.best_threshold_ == self.thresholds[losses.argmin()]
        assert tuner.predict(self.data).tolist() == [
            NAMES[int(value >= tuner.best_threshold_)] for value in self.data
        ]

    def test_is_the_rate_of_errors(self):
        scores = self.tuned(hinge_scorer).cv_results_["scores"]
        accuracies = self.tuned("accuracy").cv_results_["scores"]
        assert scores == pytest.approx(2 * (accuracies - 1), rel=1e-12)

    def test_weights(self, routing):
        weight = self.rng.random(80)
        scorer = hinge_scorer.set_score_request(sample_weight=True)
        found = self.tuned(scorer, sample_weight=weight).cv_results_["scores"]
        assert bits(found) == bits(-np.array([*self.losses(weight=weight)]))
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            self.tuned(hinge_scorer, sample_weight=weight)

    def test_of_a_real_classifier(self):
        data, y = load_breast_cancer(return_X_y=True)
        model = make_pipeline(StandardScaler(), LogisticRegression())
        tuner = TunedThresholdClassifierCV(model, scoring=hinge_scorer, cv=3).fit(data, y)
        assert -2.0 <= tuner.best_score_ <= 0.0
        found = hinge_scorer(tuner, data, y)  # of the decisions, which a threshold leaves alone
        assert found == pytest.approx(hinge_scorer(tuner.estimator_, data, y), rel=1e-9)

    def test_decision_values_are_no_labels(self):
        with pytest.raises(ValueError, match=says("y_pred", "two classes")):
            hinge_scorer._score_func(np.array([0, 1]), np.array([0.5, -0.25]), squared=False)
