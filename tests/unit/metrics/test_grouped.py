"""GroupedHingeLoss as a metric: options, merging, copies, state dicts, and what is refused."""

import copy
import datetime
import json
import pickle

import numpy as np
import pytest
from metrics import CLASSES, PREDS, ROWS, TARGET
from oracle import bits, expected, says

import hingemetrics
from hingemetrics import GroupedHingeLoss, HingeLoss, HingeState, hinge_loss_by

GROUPS = ["x", "y", "y"]


def fed(*options, groups=GROUPS, **configuration):
    """A metric that has seen the binary example."""
    metric = GroupedHingeLoss(*options, **configuration)
    metric.update(PREDS, TARGET, groups)
    return metric


def seen(metric):
    return metric.state_dict(), metric.state.to_bytes()


def test_by_group():
    metric = fed()
    assert metric.compute() == {"x": 0.0, "y": 0.45}
    assert metric.compute() == hinge_loss_by(PREDS, TARGET, GROUPS)
    assert {key: state.count for key, state in metric.states.items()} == {"x": 1, "y": 2}
    assert metric.state == sum(metric.states.values())
    assert all(isinstance(state, HingeState) for state in metric.states.values())


def test_options():
    metric = GroupedHingeLoss(True, "one-vs-all", -1)
    assert (metric.squared, metric.multiclass_mode, metric.ignore_index) == (
        True,
        hingemetrics.MulticlassMode.ONE_VS_ALL,
        -1,
    )
    assert repr(metric) == (
        "GroupedHingeLoss(squared=True, multiclass_mode='one-vs-all', ignore_index=-1)"
    )
    metric.update(ROWS, CLASSES, GROUPS, [0.1, 0.2, 0.3])
    found = metric.compute()
    for key, rows in (("x", slice(0, 1)), ("y", slice(1, 3))):
        wanted = expected(
            ROWS[rows], CLASSES[rows], True, "one-vs-all", sample_weight=[0.1, 0.2, 0.3][rows]
        )
        assert bits(found[key]) == bits(wanted)
    found["x"][:] = 7.0  # a copy
    assert bits(metric.compute()["y"]) == bits(wanted)


@pytest.mark.parametrize("call", [hinge_loss_by, lambda *a, **k: fed_all(*a, **k).compute()])
def test_ignored_rows_make_no_group(backend, call):
    found = call([0.5, 9.0, 0.25], [1, -1, 1], ["b", "a", "b"], ignore_index=-1)
    assert found == {"b": 0.625}
    assert call([0.5], [-1], ["a"], ignore_index=-1) == {}


def fed_all(preds, target, groups, **configuration):
    metric = GroupedHingeLoss(**configuration)
    metric.update(preds, target, groups)
    return metric


def test_nothing_seen():
    metric = GroupedHingeLoss(multiclass_mode="one-vs-all")
    for _ in range(2):
        assert (metric.compute(), metric.states) == ({}, {})
        assert metric.state == HingeState(multiclass_mode="one-vs-all")
        metric.update([], [], [])
    metric.update(ROWS, CLASSES, GROUPS)
    metric.reset()
    assert (metric.compute(), metric.state.count) == ({}, 0)
    metric.update(PREDS, TARGET, [1, 2, 3])  # another form, and another type of groups


def test_weights_of_zero(recwarn):
    metric = GroupedHingeLoss()
    metric.update([0.5, 0.25], [1, 1], ["a", "b"], [0.0, 2.0])
    found = metric.compute()
    (warning,) = recwarn
    assert (warning.category, warning.filename) == (UserWarning, __file__)
    assert "all its weights are zero" in str(warning.message)
    assert np.isnan(found.pop("a"))
    assert found == {"b": 0.75}


def test_merging():
    one, two, three = fed(), fed(groups=["y", "z", "x"]), GroupedHingeLoss()
    whole = GroupedHingeLoss()
    whole.update(PREDS * 2, TARGET * 2, [*GROUPS, "y", "z", "x"])
    three.merge_state([one, two])
    one.merge_state(two)
    assert seen(one) == seen(three) == seen(whole)
    one.merge_state([])
    one.merge_state(iter([GroupedHingeLoss()]))
    assert seen(one) == seen(whole)
    whole.merge_state(whole)
    assert whole.state == one.state + one.state


OTHERS = {
    "a state": (HingeState(), TypeError, "other GroupedHingeLoss HingeState"),
    "a metric": (HingeLoss(), TypeError, "other GroupedHingeLoss HingeLoss"),
    "among others": ([fed(), HingeLoss()], TypeError, "other HingeLoss at index 1"),
    "squared": (fed(True), ValueError, "same configuration"),
    "ignore_index": (fed(ignore_index=7), ValueError, "same ignore_index None 7"),
    "types": (fed(groups=[1, 2, 3]), TypeError, "groups of one type int after str"),
    "one of two": ([fed(), fed(groups=[1, 2, 3])], TypeError, "groups of one type int after str"),
    "coding": (fed_all([0.5], [-1], ["x"]), ValueError, "one coding of the negative class"),
    "classes": (fed_all(ROWS, CLASSES, GROUPS), ValueError, "3 classes after binary data"),
}


@pytest.mark.parametrize(("other", "kind", "words"), OTHERS.values(), ids=OTHERS)
def test_refused_merges_change_nothing(other, kind, words):
    metric = fed()
    before = seen(metric)
    with pytest.raises(kind, match=says(*words.split())):
        metric.merge_state(other)
    assert seen(metric) == before


UPDATES = {
    "target": ((PREDS, [0, 1, 2], GROUPS), ValueError, "target at index 2"),
    "weight": ((PREDS, TARGET, GROUPS, [1, 2, -1]), ValueError, "sample_weight at index 2"),
    "groups": ((PREDS, TARGET, ["x", None, "y"]), ValueError, "groups at index 1"),
    "type of groups": ((PREDS, TARGET, [1, 2, 3]), TypeError, "groups of one type int after str"),
    "length": ((PREDS, TARGET, ["x"]), ValueError, "groups shape (3,) (1,)"),
    "classes": ((ROWS, CLASSES, GROUPS), ValueError, "3 classes after binary data"),
    "coding": (([0.5, 0.5], [1, -1], ["x", "y"]), ValueError, "0 and -1 mixed at index 1"),
    "mixed coding": (([0.5] * 3, [0, 1, -1], GROUPS), ValueError, "0 and -1 mixed at index 2"),
}


@pytest.mark.parametrize(("batch", "kind", "words"), UPDATES.values(), ids=UPDATES)
def test_refused_updates_change_nothing(backend, batch, kind, words):
    metric = fed()
    before = seen(metric)
    with pytest.raises(kind, match=says(*words.split())):
        metric.update(*batch)
    assert seen(metric) == before


COPIES = (
    GroupedHingeLoss.clone,
    copy.copy,
    copy.deepcopy,
    *(lambda m, p=p: pickle.loads(pickle.dumps(m, p)) for p in range(2, 6)),
)


@pytest.mark.parametrize("duplicate", COPIES)
def test_copies_are_equal_but_independent(duplicate):
    metric = fed(True, ignore_index=5)
    twin = duplicate(metric)
    assert type(twin) is GroupedHingeLoss
    assert repr(twin) == repr(metric)
    assert seen(twin) == seen(metric)
    twin.update(PREDS, TARGET, GROUPS)
    assert (twin.state.count, metric.state.count) == (6, 3)
    twin.merge_state(metric)  # of the same configuration still


UTC = datetime.timezone.utc
KEYS = {
    "str": ["", "1", "\udc80é"],
    "int": [-(2**63), 1, 2**64 - 1],
    "bool": [False, True, True],
    "float": [float("-inf"), 0.1, float("inf")],
    "date": [datetime.date(1, 1, 1), datetime.date(2020, 2, 29), datetime.date(9999, 12, 31)],
    "datetime": [datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 1, 1, 2, 3, 4)] * 2,
    "datetime with a time zone": [
        datetime.datetime(2020, 1, 1, hour, tzinfo=UTC) for hour in (1, 2, 3)
    ],
}


@pytest.mark.parametrize(("kind", "keys"), KEYS.items(), ids=KEYS)
def test_state_dicts_hold_keys_of_all_types(kind, keys):
    metric = fed(groups=keys[:3])
    text = json.dumps(metric.state_dict(), allow_nan=False)
    saved = json.loads(text)
    assert saved["group_type"] == kind
    other = GroupedHingeLoss()
    other.load_state_dict(saved)
    assert repr(other.compute()) == repr(metric.compute())
    assert seen(other) == seen(metric)
    other.update(PREDS, TARGET, keys[:3])


def test_state_dict_of_nothing():
    other = fed()
    saved = GroupedHingeLoss().state_dict()
    assert (saved["group_type"], saved["groups"], saved["states"]) == (None, [], [])
    other.load_state_dict(saved)
    assert other.compute() == {}


SAVED = fed().state_dict()
X, Y = SAVED["states"]
OF_CLASSES = fed_all(ROWS, CLASSES, GROUPS).state_dict()["states"][0]
NEGATIVE = fed_all([0.5], [-1], ["x"]).state_dict()["states"][0]
HOSTILE = {
    "not a mapping": (["version"], TypeError, "state_dict mapping list"),
    "version": ({"version": 2}, ValueError, "version 1 2"),
    "configuration": ({"squared": True}, ValueError, "squared False True"),
    "a further field": ({"update_count": 1}, ValueError, "unknown update_count"),
    "no type": ({"group_type": None}, ValueError, "group_type str None"),
    "unknown type": ({"group_type": "tuple"}, ValueError, "group_type tuple"),
    "a type of another type": ({"group_type": ["str"]}, ValueError, "group_type"),
    "another type": ({"group_type": "int"}, ValueError, "groups int at index 0"),
    "a type without groups": ({"groups": [], "states": []}, ValueError, "group_type None str"),
    "groups": ({"groups": "xy"}, TypeError, "groups lists str"),
    "states": ({"states": {"x": X}}, TypeError, "states lists dict"),
    "too few states": ({"states": [X]}, ValueError, "states each of 2 groups 1"),
    "one group twice": ({"groups": ["x", "x"]}, ValueError, "groups sorted twice"),
    "not sorted": ({"groups": ["y", "x"]}, ValueError, "groups sorted"),
    "a key of another type": ({"groups": ["x", 1]}, ValueError, "groups str at index 1"),
    "bool for int": ({"group_type": "int", "groups": [0, True]}, ValueError, "int at index 1"),
    "float for int": ({"group_type": "int", "groups": [0, 1.0]}, ValueError, "int at index 1"),
    "int for bool": ({"group_type": "bool", "groups": [False, 1]}, ValueError, "bool at index 1"),
    "a large int": ({"group_type": "int", "groups": [0, 2**64]}, ValueError, "int at index 1"),
    "NaN": ({"group_type": "float", "groups": ["0x0.0p+0", "nan"]}, ValueError, "float at index 1"),
    "-0.0": ({"group_type": "float", "groups": ["-0x0.0p+0", "inf"]}, ValueError, "float index 0"),
    "decimals": ({"group_type": "float", "groups": ["0.5", "inf"]}, ValueError, "float index 0"),
    "a time": (
        {"group_type": "date", "groups": ["2020-01-01T00", "x"]},
        ValueError,
        "date index 0",
    ),
    "no date": ({"group_type": "date", "groups": [1, 2]}, ValueError, "date index 0"),
    "no zone": (
        {"group_type": "datetime with a time zone", "groups": ["2020-01-01T00:00:00", "x"]},
        ValueError,
        "zone index 0",
    ),
    "another zone": (
        {"group_type": "datetime with a time zone", "groups": ["2020-01-01T00:00:00+01:00", "x"]},
        ValueError,
        "zone index 0",
    ),
    "a state of another type": ({"states": [X, 1]}, TypeError, "states 1 str int"),
    "a corrupt state": ({"states": [X, Y[:-2]]}, ValueError, "states 1 corrupt"),
    "capital digits": ({"states": [X.upper(), Y]}, ValueError, "states 0 lower-case"),
    "an empty state": (
        {"states": [X, HingeState().to_bytes().hex()]},
        ValueError,
        "states 1 at least one sample",
    ),
    "a state of another configuration": (
        {"states": [X, HingeState(True).to_bytes().hex()]},
        ValueError,
        "states",
    ),
    "classes": ({"states": [X, OF_CLASSES]}, ValueError, "states fit together classes"),
    "codings": ({"states": [X, NEGATIVE]}, ValueError, "states fit together coding"),
}


@pytest.mark.parametrize(("change", "kind", "words"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_state_dicts_are_refused(change, kind, words):
    metric = fed()
    before = seen(metric)
    with pytest.raises(kind, match=says(*words.split())):
        metric.load_state_dict({**SAVED, **change} if isinstance(change, dict) else change)
    assert seen(metric) == before


def test_a_field_is_missing():
    for field in SAVED:
        with pytest.raises(ValueError, match=says("state_dict", field)):
            fed().load_state_dict({name: SAVED[name] for name in SAVED if name != field})


def test_all_negative_is_one_coding():
    for target in ([-1, 1, -1], [0, 1, 0]):
        metric = fed_all(PREDS, target, GROUPS)
        for key, rows in (("x", [0]), ("y", [1, 2])):
            one = HingeLoss()
            one.update([PREDS[row] for row in rows], [target[row] for row in rows])
            assert metric.states[key].to_bytes() == one.state.to_bytes()


@pytest.mark.parametrize("target", [[0, 1, -1], [-1, 1, 0]])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_mixed_codings_are_refused_at_first_sight(backend, target, dtype):
    """Also where they are in two groups."""
    with pytest.raises(ValueError, match=says("0 and -1 mixed at index 2")):
        hinge_loss_by(np.array(PREDS, dtype), target, ["a", "b", "c"])
