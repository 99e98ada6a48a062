"""Refusals, the same through both doors."""

import numpy as np
import pytest
from oracle import says

from hingemetrics import HingeLoss, hinge_loss


def refuse(error, words, preds, target, sample_weight=None, ignore_index=None, mode=None):
    """Both doors refuse in the same words, and nothing is half-counted."""
    options = {"multiclass_mode": mode, "ignore_index": ignore_index}
    with pytest.raises(error, match=says(*words)) as one:
        hinge_loss(preds, target, sample_weight=sample_weight, **options)
    metric = HingeLoss(**options)
    nothing = metric.state.to_bytes()
    with pytest.raises(error, match=says(*words)) as other:
        metric.update(preds, target, sample_weight)
    assert type(one.value) is type(other.value)
    assert str(one.value) == str(other.value)
    assert (metric.state.to_bytes(), metric.update_count) == (nothing, 0)


def spoilt(array, index, value):
    copy = np.array(array)
    copy[index] = value
    return copy
