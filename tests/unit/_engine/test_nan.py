"""NaN is NaN: its sign and payload, which processors choose as they like, change nothing."""

import numpy as np
import pytest

from hingemetrics import HingeLoss

NANS = {  # of float32; widened, they are such of float64
    "negative": 0xFFC00000,  # what x86 makes of 0 / 0
    "with a payload": 0x7FC12345,
}


def state_of(preds, mode):
    metric = HingeLoss(multiclass_mode=mode)
    metric.update(preds, np.arange(len(preds)) % 2)
    return metric.state.to_bytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("nan", NANS.values(), ids=NANS)
@pytest.mark.parametrize(
    ("classes", "mode"),
    [
        (None, None),
        *((classes, "crammer-singer") for classes in (2, 3, 11, 12, 20)),
        *((classes, "one-vs-all") for classes in (3, 70)),
    ],
)
def test_any_nan_is_the_same(backend, classes, mode, nan, sign, dtype):
    strange = np.uint32(nan).view(np.float32).astype(dtype)
    plain = np.full((5, classes) if classes else 5, 0.5 * sign, dtype)
    for place in {0, 1, classes - 1} if classes else {0}:
        expected, preds = plain.copy(), plain.copy()
        row = (2, place) if classes else 2
        expected[row], preds[row] = np.nan, strange
        assert state_of(preds, mode) == state_of(expected, mode)
