"""A warning points at the line that called into the package, however deep it was found."""

import inspect
import warnings
from pathlib import Path

import numpy as np
import pytest

import hingemetrics

NOTHING = np.empty(0)


WARNING = {
    "hinge_loss": lambda: hingemetrics.hinge_loss(NOTHING, NOTHING),
    "weights of zero": lambda: hingemetrics.hinge_loss([0.5], [1], sample_weight=[0.0]),
    "compute": lambda: hingemetrics.HingeLoss().compute(),
    "a metric's forward": lambda: hingemetrics.HingeLoss()(NOTHING, NOTHING),
    "compute of a window": lambda: hingemetrics.RunningHingeLoss(2).compute(),
    "compute of an interval": lambda: hingemetrics.BootstrapHingeLoss().compute(),
    "value": lambda: hingemetrics.HingeState().value(),
    "a deprecated argument": lambda: hingemetrics.HingeLoss(compute_on_step=True),
}


@pytest.mark.parametrize("call", WARNING.values(), ids=WARNING)
def test_it_points_at_the_caller(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert caught
    line = inspect.getsourcelines(call)[1]
    for warning in caught:
        assert (Path(warning.filename), warning.lineno) == (Path(__file__), line)
