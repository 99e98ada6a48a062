"""Against scikit-learn, on real data."""

import numpy as np
import pytest
from oracle import bits, expected
from places import EXAMPLES
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.metrics import hinge_loss as sklearn_hinge_loss
from sklearn.svm import LinearSVC

from hingemetrics import hinge_loss

pytestmark = pytest.mark.usefixtures("backend")


def held_out(load):
    """Decision values of an SVM on the odd rows of a data set, learnt on the even ones."""
    x, y = load(return_X_y=True)
    x = (x - x.mean(axis=0)) / (x.std(axis=0) + 1)
    return LinearSVC(dual=False).fit(x[::2], y[::2]).decision_function(x[1::2]), y[1::2]


def saved(example):
    return [np.load(EXAMPLES / f"{example}_{part}.npy") for part in ("preds", "target")]


REAL_DATA = {
    **{load.__name__: (held_out, load) for load in (load_breast_cancer, load_digits, load_iris)},
    "load_wine": (held_out, load_wine),
    **({e: (saved, e) for e in ("breast_cancer", "digits")} if EXAMPLES.is_dir() else {}),
}


@pytest.mark.parametrize("source", REAL_DATA)
class TestAgainstScikitLearn:
    @pytest.fixture
    def batch(self, source):
        make, what = REAL_DATA[source]
        return make(what)

    @pytest.fixture
    def weight(self, batch):
        return np.random.default_rng(0).random(len(batch[0]))

    def test_mean(self, batch, weight):
        preds, target = batch
        for w in (None, weight):
            theirs = sklearn_hinge_loss(target, preds, sample_weight=w)
            assert hinge_loss(preds, target, sample_weight=w) == pytest.approx(theirs, rel=1e-12)

    def test_one_vs_all(self, batch, weight):
        preds, target = batch
        if preds.ndim == 1:
            preds = np.stack([-preds, preds], axis=1)
        theirs = [
            sklearn_hinge_loss(target == c, column, sample_weight=weight)
            for c, column in enumerate(preds.T)
        ]
        ours = hinge_loss(preds, target, multiclass_mode="one-vs-all", sample_weight=weight)
        assert ours == pytest.approx(np.array(theirs), rel=1e-12)

    def test_to_the_bit_of_the_oracle(self, batch, weight):
        preds, target = batch
        for mode in (None, "one-vs-all"):
            for w in (None, weight):
                found = hinge_loss(preds, target, multiclass_mode=mode, sample_weight=w)
                assert bits(found) == bits(expected(preds, target, mode=mode, sample_weight=w))
