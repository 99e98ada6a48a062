"""The peers, one small adapter each, imported when first needed and skipped by name if missing.

An adapter prepares the data in the form that suits the peer, outside the timing, and returns what
is timed.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

warnings.filterwarnings("ignore", module="torchmetrics")  # it imports what setuptools deprecates

PACKAGES = ("scikit-learn", "torch", "torchmetrics", "jax", "xsum", "bitrep")
MISSING = "missing"
# read when a peer is imported
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
TIME_ONLY = "torchmetrics from 0.11 on puts a sigmoid or softmax first: only its time is compared"

skipped: dict[str, str] = {}  # what could not be measured, and why


def prepared(adapters: Mapping[str, Callable[..., Any]], *data: Any) -> dict[str, Any]:
    """Return what each adapter makes of the data, without those whose package is missing."""
    found = {name: _prepared(name, adapter, *data) for name, adapter in adapters.items()}
    return {name: made for name, made in found.items() if made is not None}


def version_of(package: str) -> str:
    """Return the version of a package, or that it is missing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return MISSING


def computes_the_same(name: str) -> bool:
    """Tell whether a peer computes the plain hinge loss; the later torchmetrics does not."""
    return name != "torchmetrics" or not _has_tasks()


# The hinge loss of (N,) or, after Crammer and Singer, of (N, C)


def numpy_hinge(preds: np.ndarray, target: np.ndarray) -> Callable[[], float]:
    """Prepare the hinge loss in a few lines of NumPy."""

    def binary() -> float:
        return np.maximum(0.0, 1.0 - np.where(target == 1, preds, -preds)).mean()

    def crammer_singer() -> float:
        own = np.arange(preds.shape[1]) == target[:, np.newaxis]
        rival = np.where(own, -np.inf, preds).max(axis=1)
        return np.maximum(0.0, 1.0 - (preds[own] - rival)).mean()

    return binary if preds.ndim == 1 else crammer_singer


def sklearn_hinge(preds: np.ndarray, target: np.ndarray) -> Callable[[], float]:
    """Prepare scikit-learn's hinge_loss."""
    from sklearn.metrics import hinge_loss

    return lambda: hinge_loss(target, preds)


def torchmetrics_hinge(preds: np.ndarray, target: np.ndarray) -> Callable[[], Any]:
    """Prepare torchmetrics' functional hinge_loss."""
    import torch
    from torchmetrics.functional import hinge_loss

    tensors, task = (torch.from_numpy(preds), torch.from_numpy(target)), _task(preds)
    return lambda: hinge_loss(*tensors, **task)


def jax_hinge(preds: np.ndarray, target: np.ndarray) -> Callable[[], Any]:
    """Prepare the hinge loss in jitted JAX, on the CPU and in the dtype of preds."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_x64", True)

    def binary(preds: Any, target: Any) -> Any:
        return jnp.maximum(0.0, 1.0 - jnp.where(target == 1, preds, -preds)).mean()

    def crammer_singer(preds: Any, target: Any) -> Any:
        own = jnp.arange(preds.shape[1]) == target[:, jnp.newaxis]
        margin = jnp.where(own, preds, 0.0).sum(axis=1) - jnp.where(own, -jnp.inf, preds).max(1)
        return jnp.maximum(0.0, 1.0 - margin).mean()

    compiled = jax.jit(binary if preds.ndim == 1 else crammer_singer)
    arrays = jax.block_until_ready((jnp.asarray(preds), jnp.asarray(target)))
    return lambda: compiled(*arrays).block_until_ready()


HINGE = {
    "NumPy": numpy_hinge,
    "scikit-learn": sklearn_hinge,
    "torchmetrics": torchmetrics_hinge,
    "JAX": jax_hinge,
}


# A metric that is updated with a batch


def torchmetrics_metric(preds: np.ndarray, target: np.ndarray, mode: str | None) -> tuple[Any, ...]:
    """Prepare torchmetrics' HingeLoss, and a batch for its update."""
    import torch
    from torchmetrics import HingeLoss

    metric = HingeLoss(multiclass_mode=mode, **_task(preds))
    return metric, torch.from_numpy(preds), torch.from_numpy(target)


METRICS = {"torchmetrics": torchmetrics_metric}


# The exact sum of doubles


def fsum(values: np.ndarray) -> Callable[[], float]:
    """Prepare math.fsum of a list, which is faster for it than an array."""
    numbers = values.tolist()
    return lambda: math.fsum(numbers)


def xsum(values: np.ndarray) -> Callable[[], float]:
    """Prepare xsum's large superaccumulator, which is its faster one for many values."""
    from xsum import xsum_large

    def total() -> float:
        accumulator = xsum_large()
        accumulator.add(values)
        return accumulator.round()

    return total


def bitrep_sum(values: np.ndarray) -> Callable[[], float]:
    """Prepare bitrep's FastSumF64 of a list, which is faster for it than an array."""
    from bitrep import FastSumF64

    numbers = values.tolist()

    def total() -> float:
        accumulator = FastSumF64()
        accumulator.extend(numbers)
        return accumulator.finish().value()

    return total


SUMS = {"math.fsum": fsum, "xsum": xsum, "bitrep": bitrep_sum}


# The first result of a new process that has preds and target

BATCH = "import numpy as np; preds, target = np.linspace(-2, 2, 1000), np.arange(1000) % 2; "


def sklearn_start() -> str:
    """Return the code of a process that uses scikit-learn's hinge_loss once."""
    import sklearn  # noqa: F401

    return "from sklearn.metrics import hinge_loss; print(hinge_loss(target, preds))"


def torchmetrics_start() -> str:
    """Return the code of a process that uses torchmetrics' hinge_loss once."""
    import torchmetrics  # noqa: F401

    call = f"hinge_loss(*map(torch.from_numpy, (preds, target)), **{_task(np.empty(1))})"
    return f"import torch; from torchmetrics.functional import hinge_loss; print({call}.item())"


STARTS = {"scikit-learn": sklearn_start, "torchmetrics": torchmetrics_start}


def _prepared(name: str, adapter: Callable[..., Any], *data: Any) -> Any:
    """Return what an adapter makes of the data, or None and take note if its package is missing."""
    try:
        return adapter(*data)
    except ImportError as error:
        skipped[name] = str(error)
        return None


def _has_tasks() -> bool:
    """Tell whether torchmetrics is there and new enough to ask for a task."""
    found = version_of("torchmetrics")
    return found != MISSING and tuple(map(int, found.split(".")[:2])) >= (0, 11)


def _task(preds: np.ndarray) -> dict[str, Any]:
    """Return the further arguments that the later torchmetrics asks for."""
    if not _has_tasks():
        return {}
    if preds.ndim == 1:
        return {"task": "binary"}
    return {"task": "multiclass", "num_classes": preds.shape[1]}
