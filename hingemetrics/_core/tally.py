"""Everything seen of one loss: configuration, number of classes and exact sums, as a value."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from hingemetrics._core.config import BINARY, Config
from hingemetrics._core.exact import COUNTERS, Accumulator, Sums, stacked, unstacked
from hingemetrics._core.float_unit import check_float_unit
from hingemetrics._core.grid import LOWEST, NARROW_LIMIT, ONE
from hingemetrics._core.totals import Total, Totals
from hingemetrics._core.typing import Floats
from hingemetrics._core.warn import warn_caller

if TYPE_CHECKING:
    from fractions import Fraction

SAMPLES, ZEROS, NEGATIVES, UNWEIGHTED = range(COUNTERS)
"""The counters: samples seen, binary targets 0 and -1, samples without a weight."""

TOO_MANY_SAMPLES = 1 << 128  # more than any data; bounds the work that hostile bytes can cause
FINEST = 1 << -1074 - LOWEST  # units: every double is a multiple of the smallest one above zero
LARGEST = (1 << 53) - 1 << 971 - LOWEST  # units: the largest finite double


class MixedCodingsError(ValueError):
    """Binary targets mix 0 and -1 for the negative class."""

    problem = "target must use one coding of the negative class, got 0 and -1 mixed"
    hint = "; if -1 marks rows to leave out, pass ignore_index=-1"

    def __init__(self) -> None:
        super().__init__(self.problem + self.hint)

    def __reduce__(self) -> tuple[type[ValueError], tuple[object, ...]]:
        return ValueError, self.args  # this class takes no arguments


class Tally:
    """The exact sums of one configuration, as an immutable value: `+` merges, `-` unmerges.

    `sums` has one column for each loss, then one for the weights. Before any data it is None, and
    `num_classes` is 0.
    """

    __slots__ = ("config", "num_classes", "sums")

    def __init__(self, config: Config, num_classes: int = 0, sums: Sums | None = None) -> None:
        self.config = config
        self.num_classes = num_classes
        self.sums = sums

    @classmethod
    def of(cls, config: Config, num_classes: int, sums: Sums) -> Tally:
        """Return the tally with these sums, or raise if no data can have them."""
        samples, zeros, negatives, _ = sums.counters()
        if zeros and negatives and num_classes == BINARY:
            raise MixedCodingsError
        if samples >= TOO_MANY_SAMPLES:
            raise ValueError(f"a state must be of fewer than 2**128 samples, got {samples}")
        return cls(config, num_classes, sums) if samples else cls(config)

    @classmethod
    def of_totals(cls, config: Config, num_classes: int, totals: Totals) -> Tally:
        """Return the tally with these totals (see `totals`), or raise if no data can have them."""
        samples, zeros, negatives = totals.counters
        *losses, weights = totals.columns
        check_counts(num_classes, samples, zeros, negatives, weights.finite)
        for total in losses:
            check_losses(total, samples, weights.finite)
        if (samples == 0) != (num_classes == 0):
            raise ValueError(f"{samples} samples of {num_classes} classes")
        return cls.of(config, num_classes, Sums.of(Totals((*totals.counters, 0), totals.columns)))

    @property
    def samples(self) -> int:
        """Number of samples."""
        return self.counted(SAMPLES)

    def counted(self, counter: int) -> int:
        """Return one of the counters; 0 before any data."""
        return 0 if self.sums is None else self.sums.counters()[counter]

    def accumulator(self, num_classes: int, rows: int) -> Accumulator:
        """Return an accumulator that starts from this tally, with room for this many rows."""
        if self.sums is None:
            return Accumulator.empty(self.config.losses_per_sample(num_classes) + 1)
        return self.sums.accumulator(rows)

    def totals(self) -> Totals:
        """Return the canonical form: samples, zeros, negatives; losses, weights.

        Equal tallies have equal totals: unweighted samples count as weights of 1 here.
        """
        if self.sums is None:
            return Totals((0, 0, 0), (Total(0, 0, 0),))
        (*counters, _), (*losses, _) = self.sums.totals()
        return Totals(tuple(counters), (*losses, Total(0, 0, _total_weight(self.sums))))

    def value(self, reduction: str = "mean", num_classes: int = 0) -> float | Floats:
        """Return the loss, or that of each class, rounded once; NaN, with a warning, for 0 / 0.

        `num_classes` is the number of classes of the data, for the case that no sample was seen.
        """
        check_reduction(reduction)
        check_float_unit()
        sums, divisor = self.sums, ONE
        if reduction == "mean":
            divisor = 0 if sums is None else _total_weight(sums)
            if divisor == 0:
                why = "no sample was seen" if sums is None else "all weights are zero"
                warn_caller(f"the mean hinge loss is NaN: {why}")
        if sums is None:
            nothing = 0.0 if divisor else math.nan
            per_class = self.config.is_per_class(num_classes) and num_classes
            return np.full(num_classes, nothing) if per_class else nothing
        if self.config.is_per_class(self.num_classes):
            return sums.over(divisor)[:-1]
        return sums.total_of(0).over(divisor)

    def fractions(self, reduction: str = "mean") -> list[Fraction | None]:
        """Return the losses before rounding, always a list; None where one is NaN or infinite."""
        from fractions import Fraction  # takes 2 ms to import

        check_reduction(reduction)
        *losses, weights = self.totals().columns  # no losses where nothing was seen
        divisor = ONE if reduction == "sum" else weights.finite
        return [
            None if total.nan or total.inf or not divisor else Fraction(total.finite, divisor)
            for total in losses
        ] or [None]

    def __add__(self, other: Tally) -> Tally:
        check_same_config(self.config, other.config)
        if other.sums is None:
            return self
        if self.sums is None:
            return other
        check_same_classes(self.num_classes, other.num_classes)
        return Tally.of(self.config, self.num_classes, self.sums + other.sums)

    def __sub__(self, other: Tally) -> Tally:
        check_same_config(self.config, other.config)
        if other.sums is None:
            return self
        if self.sums is None:
            rest = other.sums - other.sums - other.sums
        else:
            check_same_classes(self.num_classes, other.num_classes)
            rest = self.sums - other.sums
        try:
            _check_rest(other.num_classes, rest)
        except ValueError as error:
            raise ValueError(
                f"cannot subtract a state that was never added: the rest would have {error}"
            ) from None
        return Tally.of(self.config, other.num_classes, rest)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tally):
            return NotImplemented
        return (self.config, self.num_classes) == (other.config, other.num_classes) and (
            self.totals() == other.totals()
        )

    def __hash__(self) -> int:
        return hash((self.config, self.num_classes, self.totals()))


def check_same_config(config: Config, other: Config) -> None:
    """Raise unless what is to be merged has the same configuration."""
    if config != other:
        raise ValueError(f"states must have the same configuration, got {config} and {other}")


def check_same_classes(num_classes: int, other: int) -> None:
    """Raise unless both are binary, or both have the same number of classes."""
    if num_classes != other:
        kinds = ["binary data" if n == BINARY else f"{n} classes" for n in (num_classes, other)]
        raise ValueError(
            f"preds must have one form and number of classes throughout, "
            f"got {kinds[1]} after {kinds[0]}"
        )


def check_reduction(reduction: object) -> None:
    """Raise unless `reduction` is one that can be computed from sums: "mean" or "sum"."""
    if not isinstance(reduction, str) or reduction not in ("mean", "sum"):
        raise ValueError(f"reduction must be 'mean' or 'sum', got {reduction!r}")


def packed(tallies: Iterable[Tally]) -> list[tuple[Any, ...]]:
    """Pack tallies into a few large arrays, which pickle much faster."""
    packs = []
    for num_classes, group in itertools.groupby(tallies, lambda tally: tally.num_classes):
        alike = list(group)
        sums = [tally.sums for tally in alike if tally.sums is not None]  # all of them, or none
        packs.append((tuple(alike[0].config), num_classes, len(alike), stacked(sums)))
    return packs


def unpacked(packs: list[tuple[Any, ...]]) -> Iterator[Tally]:
    """Yield the tallies that `packed` packed."""
    for config, num_classes, count, stacks in packs:
        if num_classes:
            for sums in unstacked(stacks):
                yield Tally.of(Config(*config), num_classes, sums)
        else:
            yield from itertools.repeat(Tally(Config(*config)), count)


def _total_weight(sums: Sums) -> int:
    """Return the total weight, in units of 2**LOWEST; unweighted samples weigh 1."""
    weights = sums.total_of(sums.columns - 1)
    return weights.finite + sums.counters()[UNWEIGHTED] * ONE


def _check_rest(num_classes: int, rest: Sums) -> None:
    """Raise if no data could have the sums left after a subtraction."""
    samples, zeros, negatives, _ = rest.counters()
    weight = _total_weight(rest)
    check_counts(num_classes, samples, zeros, negatives, weight)
    # Most columns have narrow digits: with an ordinary weight, they are far below every bound.
    ordinary = samples > 0 and weight << 1024 >= NARROW_LIMIT
    for total in rest.unusual(rest.columns - 1, zero=not ordinary):
        check_losses(total, samples, weight)


def check_counts(num_classes: int, samples: int, zeros: int, negatives: int, weight: int) -> None:
    """Raise for counts, or a total weight, that no data could have."""
    if samples < 0:
        raise ValueError(f"a negative count ({samples})")
    if min(zeros, negatives) < 0 or zeros + negatives > (samples if num_classes == BINARY else 0):
        raise ValueError(f"{zeros} targets 0 and {negatives} targets -1 in {samples} samples")
    if weight % FINEST or not 0 <= weight <= samples * LARGEST:
        raise ValueError("an impossible total weight")


def check_losses(losses: Total, samples: int, weight: int) -> None:
    """Raise for a sum of losses that no data could have.

    Weights and losses are doubles >= 0. A weight times a loss is infinite only if the weight is at
    least the smallest double above zero; otherwise, unless NaN, it is below 2**1024 times the
    weight. It may be NaN with any weight, as 0 * inf is.
    """
    nan, inf, total = losses
    finite = samples - nan - inf
    if total % FINEST or min(nan, inf, finite) < 0 or not 0 <= total <= finite * LARGEST:
        raise ValueError("an impossible sum of losses")
    rest = weight - inf * FINEST
    if rest < 0 or total > rest << 1024:
        raise ValueError("losses of more than their weight")
