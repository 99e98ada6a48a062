"""Classifiers: what they decide, and the order of their classes."""

import numpy as np
import pytest
from decided import Stub
from oracle import bits, expected, says
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.feature_selection import RFE
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, OneClassSVM

from hingemetrics.sklearn import hinge_scorer


class TestDecisions:
    data, y = load_iris(return_X_y=True)

    def test_columns_follow_classes_as_they_are(self):
        preds, classes = [[2.0, 0.5, 0.0], [1.0, 0.25, 3.0]], np.array(["c", "a", "b"])
        found = hinge_scorer(Stub(classes), preds, ["a", "b"])
        assert bits(found) == bits(-expected(preds, [1, 2]))
        found = hinge_scorer(Stub(np.array(["no", "a"])), [2.0, 0.5], ["a", "no"])
        assert bits(found) == bits(-expected([2.0, 0.5], [1, 0]))

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
