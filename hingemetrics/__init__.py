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
from hingemetrics.functional import hinge_loss
from hingemetrics.metrics.bootstrap import (
    BootstrapHingeLoss,
    Interval,
    bootstrap_interval,
    leave_one_out,
)
from hingemetrics.metrics.hinge import HingeLoss
from hingemetrics.metrics.running import RunningHingeLoss
from hingemetrics.state import HingeState

__all__ = [
    "BootstrapHingeLoss",
    "HingeLoss",
    "HingeState",
    "Interval",
    "MulticlassMode",
    "RunningHingeLoss",
    "__version__",
    "bootstrap_interval",
    "get_backend",
    "get_num_threads",
    "hinge_loss",
    "leave_one_out",
    "set_backend",
    "set_num_threads",
    "show_config",
    "warmup",
]

# Pickles, reprs and documentation show the public path, wherever the code lives.
for _public in (
    BootstrapHingeLoss,
    HingeLoss,
    HingeState,
    Interval,
    MulticlassMode,
    RunningHingeLoss,
    bootstrap_interval,
    get_backend,
    get_num_threads,
    hinge_loss,
    leave_one_out,
    set_backend,
    set_num_threads,
    show_config,
    warmup,
):
    _public.__module__ = __name__
del _public
