"""The two tiers, NumPy and compiled: both add the same losses to the same exact sums."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from hingemetrics._core.config import BINARY, Config
from hingemetrics._core.exact import BLOCK_ROWS, MAGIC, PLAIN_LEVELS, Accumulator
from hingemetrics._core.losses import losses
from hingemetrics._core.tally import NEGATIVES, SAMPLES, UNWEIGHTED, ZEROS
from hingemetrics._core.typing import Floats, Ints
from hingemetrics._engine import backend
from hingemetrics._inputs.batch import Batch

_CONVERTED_ELEMENTS = 1 << 18  # a converted block takes 2 MiB
_IN_PLACE_ELEMENTS = 1 << 22  # Ctrl-C is heard between blocks, some milliseconds each
_NO_WEIGHT = np.empty(0)


class NumpyTier:
    """The specification: works at once, everywhere."""

    def add(
        self, batch: Batch, start: int, stop: int, threads: int, config: Config, sums: Accumulator
    ) -> int:
        """Add the first rows of a span, a block that stays in the L2 cache; return where it ends.

        An invalid label or weight is refused.
        """
        end = min(start + (BLOCK_ROWS // batch.num_classes or 1), stop)
        preds, target, weight = batch.checked_block(start, end)
        count(target, weight, batch.num_classes, sums)
        loss = losses(preds, target, config.multiclass_mode, config.squared, weight)
        plain = weight is None and not config.squared
        sums.add(loss, levels=PLAIN_LEVELS if plain else len(MAGIC))
        if weight is not None:
            sums.add(weight[:, np.newaxis], first=loss.shape[1])
        return end

    def write_losses(
        self, batch: Batch, start: int, stop: int, config: Config, sums: Accumulator, out: Floats
    ) -> tuple[int, Floats | None]:
        """Write the (weighted) losses of the rows not ignored, (n, k), and count them in `sums`.

        Return how many there are, and their weights.
        """
        preds, target, weight = batch.checked_block(start, stop)
        count(target, weight, batch.num_classes, sums)
        rows = len(target)
        out[:rows] = losses(preds, target, config.multiclass_mode, config.squared, weight)
        return rows, weight


class CompiledTier:
    """One compiled kernel."""

    __slots__ = ("_kernel",)

    def __init__(self, kernel: Callable[..., int]) -> None:
        self._kernel = kernel

    def add(
        self, batch: Batch, start: int, stop: int, threads: int, config: Config, sums: Accumulator
    ) -> int:
        """Add what fits into a share of the cache if it must be converted, else more.

        Where the kernel stops, say why, or give it the wide grid of digits.
        """
        elements = _IN_PLACE_ELEMENTS if batch.in_place else _CONVERTED_ELEMENTS // threads
        end = min(start + (elements // batch.num_classes or 1), stop)
        preds, target, weight = batch.block(start, end)
        rows = len(target)
        if not rows:  # all are ignored
            return end
        if weight is None:
            weight = _NO_WEIGHT
        done = self._kernel(preds, target, weight, config.squared, 0, sums.digits, sums.wide)
        if done == rows:
            return end
        done = self._kernel(preds, target, weight, config.squared, done, sums.digits, sums.widen())
        if done == rows:
            return end
        raise _refusal(batch, start, end)

    def write_losses(
        self, batch: Batch, start: int, stop: int, config: Config, sums: Accumulator, out: Floats
    ) -> tuple[int, Floats | None]:
        """Have the kernel write them."""
        preds, target, weight = batch.block(start, stop)
        rows = len(target)
        given = _NO_WEIGHT if weight is None else weight
        if rows and rows != self._kernel(
            preds, target, given, config.squared, 0, sums.digits, sums.wide, out
        ):
            raise _refusal(batch, start, stop)
        return rows, weight


def _refusal(batch: Batch, start: int, stop: int) -> Exception:
    """Raise the error of an invalid label or weight, or return that of one that is gone."""
    batch.checked_block(start, stop)
    return RuntimeError("target or sample_weight changed while they were read")


Tier = NumpyTier | CompiledTier
_NUMPY = NumpyTier()
_compiled = cache(CompiledTier)  # one for each kernel


def select_tier(config: Config, batch: Batch) -> Tier:
    """Return the tier that adds a batch."""
    kernel = backend.kernel(config.form(batch.num_classes), batch.dtype)
    return _NUMPY if kernel is None else _compiled(kernel)


def count(target: Ints, weight: Floats | None, num_classes: int, sums: Accumulator) -> None:
    """Count samples, and how they are labelled and weighted."""
    sums.digits[SAMPLES] += len(target)
    if weight is None:
        sums.digits[UNWEIGHTED] += len(target)
    if num_classes == BINARY:
        sums.digits[ZEROS] += len(target) - np.count_nonzero(target)
        sums.digits[NEGATIVES] += np.count_nonzero(target < 0)
