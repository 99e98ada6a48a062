"""Exact hinge loss: the same bits for any order, batching, thread count, machine and merge tree."""

from hingemetrics.engine import get_backend, set_backend
from hingemetrics.functional import hinge_loss
from hingemetrics.metric import HingeLoss
from hingemetrics.state import HingeState, MulticlassMode

__version__ = "0.1.0"

__all__ = [
    "HingeLoss",
    "HingeState",
    "MulticlassMode",
    "__version__",
    "get_backend",
    "hinge_loss",
    "set_backend",
]
