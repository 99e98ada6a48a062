"""Decision values, the classes they decide between, and tables that hold labels."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

PREDS2, INDICES2 = [-2.2, 2.4, 0.1, -0.5], [0, 1, 1, 0]
PREDS3 = [[-1.0, 0.9, 0.2], [0.5, -1.1, 0.8], [2.2, -0.5, 0.3], [0.1, 0.2, 0.3]]
INDICES3 = [0, 1, 2, 1]


def pandas():
    return pytest.importorskip("pandas")


def polars():
    return pytest.importorskip("polars")


def categories(labels, order):
    """Labels that a program orders in another way than scikit-learn does."""
    return pandas().Series(labels).astype(pandas().CategoricalDtype(order))


class Stub(ClassifierMixin, BaseEstimator):
    """Decides what its data are."""

    def __init__(self, classes=None):
        self.classes = classes
        self.classes_ = classes

    def fit(self, data, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, data):
        return np.asarray(data)
