"""HingeState: everything a metric has seen, as an immutable value with `+`, `-`, `==` and bytes."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, overload

from hingemetrics._core import wire
from hingemetrics._core.config import Config, MulticlassMode, OneNumber
from hingemetrics._core.exact_state import ExactState
from hingemetrics._core.tally import Tally
from hingemetrics._core.typing import Value_co
from hingemetrics._engine.measure import measure
from hingemetrics._inputs.batch import Batch

if TYPE_CHECKING:
    from fractions import Fraction


class HingeState(ExactState, Generic[Value_co]):
    """What a hinge loss has seen: exact sums and counts, as an immutable value.

    States of disjoint shards are merged with ``+`` (or ``sum``) and unmerged with ``-``; both are
    exact, so any order and any tree of merges gives the same bytes, and ``(a + b) - b == a``. A
    state whose count is zero is the empty state of its configuration and the identity of ``+``.

    Parameters
    ----------
    squared : bool, default False
        Whether each loss is squared.
    multiclass_mode : None, str or MulticlassMode, default None
        ``"crammer-singer"`` (also None) or ``"one-vs-all"``. Binary data ignores it.

    Raises
    ------
    TypeError
        If `squared` is not a bool.
    ValueError
        If `multiclass_mode` is not one of the choices.

    Examples
    --------
    >>> from hingemetrics import HingeLoss
    >>> monday, tuesday = HingeLoss(), HingeLoss()
    >>> monday.update([-2.2, 2.4], [0, 1])
    >>> tuesday.update([0.1], [1])
    >>> total = monday.state + tuesday.state
    >>> total.value(), total.count
    (0.3, 3)
    >>> total - tuesday.state == monday.state
    True
    """

    __slots__ = ()

    _tally: Tally
    _wire: ClassVar[ModuleType] = wire

    @overload
    def __new__(
        cls, squared: bool = ..., multiclass_mode: OneNumber = ...
    ) -> HingeState[float]: ...

    @overload
    def __new__(
        cls, squared: bool = ..., multiclass_mode: str | MulticlassMode | None = ...
    ) -> HingeState: ...

    def __new__(
        cls, squared: bool = False, multiclass_mode: str | MulticlassMode | None = None
    ) -> HingeState[Any]:
        """Return the empty state of a configuration."""
        return state_of(Tally(Config.checked(squared, multiclass_mode)))

    def value(self, reduction: str = "mean") -> Value_co:
        """Return the loss, correctly rounded from the exact sums.

        Parameters
        ----------
        reduction : {"mean", "sum"}, default "mean"
            The mean is the sum of the (weighted) losses over the sum of the weights.

        Returns
        -------
        float or ndarray of float64, shape (C,)
            One loss per class for one-vs-all, else one number; dimensionless. NaN, with a
            UserWarning, for the mean of nothing or of weights that are all zero.

        Raises
        ------
        ValueError
            If `reduction` is not one of the choices.
        """
        found: Any = self._tally.value(reduction)
        return found  # type: ignore[no-any-return]

    def as_fraction(self, reduction: str = "mean") -> Fraction | tuple[Fraction, ...]:
        """Return the loss as the exact rational number that `value` rounds.

        Parameters
        ----------
        reduction : {"mean", "sum"}, default "mean"
            As for `value`.

        Returns
        -------
        fractions.Fraction or tuple of fractions.Fraction, length C
            One loss per class for one-vs-all, else one number; dimensionless.

        Raises
        ------
        ValueError
            If `reduction` is not one of the choices, or the loss is not a rational number: if it,
            or that of any class, is NaN or infinite, or if no sample was seen.

        Examples
        --------
        >>> from hingemetrics import HingeLoss
        >>> metric = HingeLoss()
        >>> metric.update([0.5, 0.5, 0.25], [1, 1, 1])
        >>> metric.state.as_fraction()
        Fraction(7, 12)
        """
        exact = self._tally.fractions(reduction)
        if not self.count:
            raise ValueError("an exact loss must be of samples, got none")
        *losses, weights = self._tally.totals().columns
        if reduction == "mean" and not weights.finite:
            raise ValueError("an exact mean must have a positive total weight, got 0")
        for index, total in enumerate(losses):
            if exact[index] is None:
                got = "nan" if total.nan else "inf"
                raise ValueError(f"an exact loss must be finite, got {got} at index {index}")
        values: Any = tuple(exact)
        is_per_class = self._tally.config.is_per_class(self._tally.num_classes)
        return values if is_per_class else values[0]  # type: ignore[no-any-return]

    @classmethod
    def from_bytes(  # type: ignore[override]  # bytes do not tell a type checker of what they are
        cls, data: bytes | bytearray | memoryview
    ) -> HingeState:
        """Return the state that `to_bytes` wrote.

        Parameters
        ----------
        data : bytes-like
            ``b"hinge"``, the format's version (1), a byte of flags (1: squared, 2: one-vs-all),
            then numbers, then the CRC-32 of all that. A number is its length in bytes (LEB128)
            and that many little-endian bytes; a sum is two numbers, an exponent and an odd
            mantissa (0, 0 for zero): mantissa * 2**(exponent - 1077). The numbers are the number
            of classes (0: nothing seen, 1: binary), of samples, of targets 0 and of targets -1
            (binary only), the sum of the weights, and for the loss, or for each class's, the
            number of NaN, the number of inf and the sum of the rest.

        Returns
        -------
        HingeState

        Raises
        ------
        TypeError
            If `data` is not bytes-like.
        ValueError
            If `data` is not what `to_bytes` writes: damaged, truncated, of another version, or a
            state that no data could produce.
        """
        return super().from_bytes(data)


def state_of(tally: Tally) -> HingeState[Any]:
    """Wrap a tally as the state that users see."""
    return HingeState._of(tally)


def tally_of(state: HingeState[Any]) -> Tally:
    """Return the tally behind a state."""
    return state._tally


def updated(state: HingeState[Value_co], batch: Batch) -> HingeState[Value_co]:
    """Return a state plus one batch."""
    return HingeState._of(measure(batch, state._tally))
