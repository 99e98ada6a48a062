"""The adapter's comparison of two models and its losses by group, against the package's own."""

import numpy as np
import pytest
from decided import INDICES2, INDICES3, PREDS2, PREDS3
from oracle import says

import hingemetrics
from hingemetrics.sklearn import compare, hinge_loss_by

LABELS = np.array(["ant", "bee", "cat"])
CASES = {
    "binary": (PREDS2, INDICES2, None),
    "crammer-singer": (PREDS3, INDICES3, None),
    "one-vs-all": (PREDS3, INDICES3, "one-vs-all"),
}


@pytest.fixture(params=CASES)
def case(request):
    preds, target, mode = CASES[request.param]
    preds, target = np.asarray(preds), np.asarray(target)
    return preds, target, mode, np.arange(len(target)) % 2


def assert_equal(found, wanted):
    for a, b in zip(found, wanted, strict=True):
        assert np.array_equal(a, b, equal_nan=True)


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_compare(case, squared, weighted):
    preds, target, mode, groups = case
    weight = 1.0 + np.arange(len(target)) if weighted else None
    options = {"squared": squared, "multiclass_mode": mode, "groups": groups}
    options |= {"sample_weight": weight, "confidence_level": 0.9}
    found = compare(LABELS[target], preds, preds / 2, **options)
    assert_equal(found, hingemetrics.compare(preds, preds / 2, target, **options))


def test_labels_that_are_missing():
    found = compare(["bee", "bee"], [0.5, 2.0], [0.25, 1.0], labels=["bee", "ant"])
    assert (found.value, found.baseline, found.difference) == (0.25, 0.375, -0.125)


@pytest.mark.parametrize(
    ("baseline", "words"),
    [
        ([0.5, 1.0, 2.0], ("baseline_decision", "(2,)", "(3,)")),
        ([0.5, float("nan")], ("baseline_decision", "finite", "index 1")),
        (["a", "b"], ("baseline_decision",)),
    ],
)
def test_a_wrong_baseline(baseline, words):
    with pytest.raises(ValueError, match=says(*words)):
        compare(["ant", "bee"], [0.5, 1.0], baseline)


@pytest.mark.parametrize("weighted", [False, True])
def test_hinge_loss_by(case, weighted):
    preds, target, mode, groups = case
    weight = 1.0 + np.arange(len(target)) if weighted else None
    names = np.array(["odd", "even"])[groups]
    found = hinge_loss_by(LABELS[target], preds, names, sample_weight=weight, multiclass_mode=mode)
    wanted = hingemetrics.hinge_loss_by(
        preds, target, names, multiclass_mode=mode, sample_weight=weight
    )
    assert found.pop("group") == ["even", "odd"]
    assert found.pop("count") == [np.count_nonzero(groups == 1), np.count_nonzero(groups == 0)]
    if mode is None:
        assert found == {"loss": list(wanted.values())}
    else:
        assert list(found) == [f"loss of {label}" for label in LABELS]
        assert [*zip(*found.values(), strict=True)] == [tuple(v.tolist()) for v in wanted.values()]


def test_a_missing_group():
    with pytest.raises(ValueError, match=says("groups", "index 1")):
        hinge_loss_by(["ant", "bee"], [0.5, 1.0], ["x", None])
