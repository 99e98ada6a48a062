"""Exact hinge loss: the same bits for any order, batching, thread count, machine and merge tree."""

from hingemetrics._core.config import MulticlassMode
from hingemetrics._core.version import __version__
from hingemetrics._engine.backend import (
    get_backend,
    get_num_threads,
    set_backend,
    set_num_threads,
    warmup,
)
from hingemetrics._engine.installation import show_config
from hingemetrics.comparison import Comparison, ComparisonState
from hingemetrics.functional import hinge_loss
from hingemetrics.metrics.bootstrap import (
    BootstrapHingeLoss,
    Interval,
    bootstrap_interval,
    leave_one_out,
)
from hingemetrics.metrics.comparison import HingeComparison, compare, loss_interval
from hingemetrics.metrics.grouped import GroupedHingeLoss, hinge_loss_by
from hingemetrics.metrics.hinge import HingeLoss
from hingemetrics.metrics.running import RunningHingeLoss
from hingemetrics.state import HingeState

__all__ = [
    "BootstrapHingeLoss",
    "Comparison",
    "ComparisonState",
    "GroupedHingeLoss",
    "HingeComparison",
    "HingeLoss",
    "HingeState",
    "Interval",
    "MulticlassMode",
    "RunningHingeLoss",
    "__version__",
    "bootstrap_interval",
    "compare",
    "get_backend",
    "get_num_threads",
    "hinge_loss",
    "hinge_loss_by",
    "leave_one_out",
    "loss_interval",
    "set_backend",
    "set_num_threads",
    "show_config",
    "warmup",
]

# Pickles, reprs and documentation show the public path, wherever the code lives.
for _public in (
    BootstrapHingeLoss,
    Comparison,
    ComparisonState,
    GroupedHingeLoss,
    HingeComparison,
    HingeLoss,
    HingeState,
    Interval,
    MulticlassMode,
    RunningHingeLoss,
    bootstrap_interval,
    compare,
    get_backend,
    get_num_threads,
    hinge_loss,
    hinge_loss_by,
    leave_one_out,
    loss_interval,
    set_backend,
    set_num_threads,
    show_config,
    warmup,
):
    _public.__module__ = __name__
del _public
