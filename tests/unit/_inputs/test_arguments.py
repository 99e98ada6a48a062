"""Refusals that know their row."""

import copy
import pickle

import pytest

from hingemetrics import HingeLoss, hinge_loss
from hingemetrics._inputs.arguments import RowError


class TestRowError:
    def test_text(self):
        error = RowError("target must be in {0, 1}, got 7", 3, "; if it is none, say so")
        assert str(error) == "target must be in {0, 1}, got 7 at index 3; if it is none, say so"
        assert str(RowError("no", 0)) == "no at index 0"

    def test_shifted(self):
        error = RowError("got ' at index 5', no", 3, " at index 9").shifted(100)
        assert (error.row, str(error)) == (103, "got ' at index 5', no at index 103 at index 9")

    @pytest.mark.parametrize("way", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy])
    def test_comes_whole_out_of_another_process(self, way):
        error = RowError("no", 3, "; hint")
        error.__notes__ = ["block 7"]
        received = way(error)
        assert type(received) is RowError
        assert (received.args, received.row, received.__notes__) == (error.args, 3, ["block 7"])
        assert str(received.shifted(1)) == "no at index 4; hint"


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
        with pytest.raises(RowError) as refused:
            call()
        assert refused.value.row == 2
        assert " at index 2" in str(refused.value)
