"""Refusals that know their row."""

import copy
import pickle

import pytest

from hingemetrics import HingeLoss, hinge_loss
from hingemetrics._inputs.arguments import row_error, shifted


class TestRowError:
    def test_text(self):
        error = row_error("target must be in {0, 1}, got 7", 3, "; if it is none, say so")
        assert str(error) == "target must be in {0, 1}, got 7 at index 3; if it is none, say so"
        assert str(row_error("no", 0)) == "no at index 0"

    def test_shifted(self):
        error = shifted(row_error("got ' at index 5', no", 3, " at index 9"), 100)
        assert str(error) == "got ' at index 5', no at index 103 at index 9"
        assert str(shifted(error, 1)) == "got ' at index 5', no at index 104 at index 9"

    def test_other_errors_stay(self):
        error = ValueError("no at index 3")
        assert shifted(error, 100) is error

    @pytest.mark.parametrize("way", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy])
    def test_comes_whole_out_of_another_process(self, way):
        error = row_error("no", 3, "; hint")
        error.__notes__ = ["block 7"]
        received = way(error)
        assert type(received) is ValueError
        assert (received.args, received.__notes__) == (error.args, ["block 7"])
        assert str(shifted(received, 1)) == "no at index 4; hint"


@pytest.mark.parametrize(
    ("preds", "target", "weight"),
    [
        ([0.5] * 3, [0, 1, 7], None),
        ([[0.5, 1.0]] * 3, [0, 1, -1], None),
        ([0.5] * 3, [0, 1, 1], [1.0, 1.0, -1.0]),
        ([0.5] * 3, [0, 0, -1], None),
    ],
)
def test_refusals_of_values_know_their_row(preds, target, weight):
    metric = HingeLoss()
    calls = (
        lambda: metric.update(preds, target, weight),
        lambda: hinge_loss(preds, target, sample_weight=weight, reduction="none"),
    )
    for call in calls:
        with pytest.raises(ValueError, match=" at index 2") as refused:
            call()
        assert type(refused.value) is ValueError
        assert " at index 9" in str(shifted(refused.value, 7))
