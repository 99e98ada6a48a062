"""HingeState: what has been seen, as an immutable value with `+`, `-`, `==` and bytes."""

from __future__ import annotations

import itertools
import math
import sys
import warnings
import zlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, overload

from hingemetrics._core.config import BINARY, Config, MulticlassMode, OneNumber
from hingemetrics._core.exact import (
    COUNTERS,
    LOWEST,
    NEAR_LIMIT,
    ONE,
    Column,
    Sums,
    Totals,
    stacked,
    unstacked,
)
from hingemetrics._core.float_unit import check_float_unit
from hingemetrics._core.typing import Value_co
from hingemetrics._inputs.arguments import RowError

if TYPE_CHECKING:
    from fractions import Fraction

_MAGIC = b"hinge\x01"  # the format's name and version
_CHECK_BYTES = 4  # CRC-32 of everything before it, little-endian
_FINEST = 1 << -1074 - LOWEST  # units: every double is a multiple of the smallest one above zero
_LARGEST = (1 << 53) - 1 << 971 - LOWEST  # units: the largest finite double
_LARGEST_BITS = _LARGEST.bit_length()
_LONGEST_NUMBER = 280  # bytes: every sum of fewer than 2**128 doubles
_TOO_MANY_CLASSES = 1 << 63  # for any array
_TOO_MANY_SAMPLES = 1 << 128  # more than any data; bounds what hostile bytes can ask for

SAMPLES, ZEROS, NEGATIVES, UNWEIGHTED = range(COUNTERS)
"""What the counters count: samples seen, binary targets 0 and -1, samples without a weight."""


class MixedCodingsError(ValueError):
    """Binary targets 0 and -1 do not mix."""

    _REFUSAL = "target must use one coding of the negative class, got 0 and -1 mixed"
    _HINT = "; if -1 marks rows to leave out, pass ignore_index=-1"

    def __init__(self) -> None:
        super().__init__(f"{self._REFUSAL}{self._HINT}")

    def __reduce__(self) -> tuple[type[ValueError], tuple[object, ...]]:
        return ValueError, self.args  # for its class is made of nothing

    @classmethod
    def at(cls, row: int) -> RowError:
        """Return the same refusal with the row at which the second coding begins."""
        return RowError(cls._REFUSAL, row, cls._HINT)


class Record(NamedTuple):
    """A state in canonical form: equal records are equal states."""

    config: Config
    num_classes: int  # 0: nothing seen
    samples: int
    zeros: int
    negatives: int
    weight: int  # total weight, in units of 2**LOWEST
    losses: tuple[Column, ...]  # weighted losses: one column, or one a class


class HingeState(Generic[Value_co]):
    """What a hinge loss has seen: exact sums and counts, as an immutable value.

    States of disjoint shards are merged with ``+`` (or ``sum``) and taken apart with ``-``; both
    are exact, so any order and any tree of merges gives the same bytes, and
    ``(a + b) - b == a``. A state whose count is zero is the empty state of its configuration and
    the identity of ``+``.

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
        If `multiclass_mode` is none of the choices.

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

    __slots__ = ("_config", "_num_classes", "_sums")

    _config: Config
    _num_classes: int
    _sums: Sums | None  # one column a loss, then the weights; None when nothing was seen

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
        state = super().__new__(cls)
        state._config = Config.checked(squared, multiclass_mode)
        state._num_classes = 0
        state._sums = None
        return state

    def _of(self, num_classes: int, sums: Sums) -> HingeState[Value_co]:
        """Return a state of this configuration: of `num_classes`, with these counters and sums."""
        samples, zeros, negatives, _ = sums.counters()
        if zeros and negatives and num_classes == BINARY:
            raise MixedCodingsError
        if samples >= _TOO_MANY_SAMPLES:
            raise ValueError(f"a state must be of fewer than 2**128 samples, got {samples}")
        state = object.__new__(HingeState)
        state._config = self._config
        if samples:
            state._num_classes, state._sums = num_classes, sums
        else:  # a count of zero is the empty state
            state._num_classes, state._sums = 0, None
        return state

    def _emptied(self) -> HingeState[Value_co]:
        """Return the empty state of this configuration."""
        empty: HingeState[Any] = HingeState(*self._config)
        return empty

    def _counted(self, index: int) -> int:
        """Return one of the counters."""
        return 0 if self._sums is None else self._sums.counters()[index]

    @property
    def squared(self) -> bool:
        """Whether each loss is squared."""
        return self._config.squared

    @property
    def multiclass_mode(self) -> MulticlassMode:
        """The multi-class loss; binary data ignores it."""
        return self._config.multiclass_mode

    @property
    def num_classes(self) -> int | None:
        """Number of classes seen: 1 for binary data, None when nothing was seen."""
        return self._num_classes or None

    @property
    def count(self) -> int:
        """Number of samples seen (ignored ones are not)."""
        return self._counted(SAMPLES)

    def value(self, reduction: str = "mean") -> Value_co:
        """Return the loss, correctly rounded from the exact sums.

        Parameters
        ----------
        reduction : {"mean", "sum"}, default "mean"
            The mean is the sum of the (weighted) losses over the sum of the weights.

        Returns
        -------
        float or ndarray of float64, shape (C,)
            One loss a class for one-vs-all, else one number; dimensionless. NaN, with a
            UserWarning, for the mean of nothing or of weights that are all zero.

        Raises
        ------
        ValueError
            If `reduction` is not one of the choices.
        """
        _check_reduction(reduction)
        check_float_unit()
        sums, divisor = self._sums, ONE
        if reduction == "mean":
            divisor = 0 if sums is None else _weight_of(sums)
            if divisor == 0:
                why = "no sample was seen" if sums is None else "all weights are zero"
                _warn(f"the mean hinge loss is NaN: {why}")
        found: Any
        if sums is None:
            found = 0.0 if divisor else math.nan
        elif self._per_class:
            found = sums.over(divisor)[:-1]
        else:
            (losses,) = sums.chosen(slice(1))
            found = losses.over(divisor)
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
            One loss a class for one-vs-all, else one number; dimensionless.

        Raises
        ------
        ValueError
            If `reduction` is not one of the choices, or where no rational number is the loss: if
            it, or that of any class, is NaN or infinite, or if no sample was seen.

        Examples
        --------
        >>> from hingemetrics import HingeLoss
        >>> metric = HingeLoss()
        >>> metric.update([0.5, 0.5, 0.25], [1, 1, 1])
        >>> metric.state.as_fraction()
        Fraction(7, 12)
        """
        from fractions import Fraction  # 2 ms that nothing else here needs

        _check_reduction(reduction)
        record = self._record()
        if not record.samples:
            raise ValueError("an exact loss must be of samples, got none")
        divisor = ONE if reduction == "sum" else record.weight
        if not divisor:
            raise ValueError("an exact mean must have a positive total weight, got 0")
        for index, (nan, inf, _) in enumerate(record.losses):
            if nan or inf:
                got = "nan" if nan else "inf"
                raise ValueError(f"an exact loss must be finite, got {got} at index {index}")
        values = tuple(Fraction(column.total, divisor) for column in record.losses)
        return values if self._per_class else values[0]

    @property
    def _per_class(self) -> bool:
        """Whether there is one loss a class."""
        return self._config.form(self._num_classes) == "one-vs-all"

    def __add__(self, other: HingeState) -> HingeState[Value_co]:
        if not isinstance(other, HingeState):
            return NotImplemented
        self._check_config(other)
        if other._sums is None:
            return self
        if self._sums is None:
            return other  # type: ignore[return-value]  # its configuration is the same
        self._check_classes(other._num_classes)
        return self._of(self._num_classes, self._sums + other._sums)

    def __radd__(self, other: object) -> HingeState[Value_co]:
        if isinstance(other, int) and other == 0:  # where sum() starts
            return self
        return NotImplemented

    def __sub__(self, other: HingeState) -> HingeState[Value_co]:
        if not isinstance(other, HingeState):
            return NotImplemented
        self._check_config(other)
        if other._sums is None:
            return self
        if self._sums is None:
            rest = other._sums - other._sums - other._sums
        else:
            self._check_classes(other._num_classes)
            rest = self._sums - other._sums
        samples, zeros, negatives, _ = rest.counters()
        weight = _weight_of(rest)
        try:
            _check_counts(other._num_classes, samples, zeros, negatives, weight)
            # Most are sums of near digits, far below every bound where there is an ordinary weight.
            ordinary = samples > 0 and weight << 1024 >= NEAR_LIMIT
            for losses in rest.unusual(rest.columns - 1, zero=not ordinary):
                _check_losses(losses, samples, weight)
        except ValueError as error:
            raise ValueError(
                f"cannot subtract a state that was never added: the rest would have {error}"
            ) from None
        return self._of(other._num_classes, rest)

    def _check_config(self, other: HingeState) -> None:
        """Raise unless both states have the same configuration."""
        if self._config != other._config:
            raise ValueError(
                f"states must have the same configuration, got {_described(self._config)} "
                f"and {_described(other._config)}"
            )

    def _check_classes(self, num_classes: int) -> None:
        """Raise unless what comes is of the same kind as what was seen."""
        if self._num_classes != num_classes:
            kinds = [
                "binary data" if n == BINARY else f"{n} classes"
                for n in (self._num_classes, num_classes)
            ]
            raise ValueError(
                f"preds must have one form and number of classes throughout, "
                f"got {kinds[1]} after {kinds[0]}"
            )

    def _record(self) -> Record:
        """Return the canonical form."""
        if self._sums is None:
            return Record(self._config, 0, 0, 0, 0, 0, ())
        (samples, zeros, negatives, unweighted), (*losses, weights) = self._sums.totals()
        weight = weights.total + unweighted * ONE
        return Record(
            self._config, self._num_classes, samples, zeros, negatives, weight, tuple(losses)
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, HingeState):
            return NotImplemented
        return self._record() == other._record()

    def __hash__(self) -> int:
        return hash(self._record())

    def __reduce__(self) -> tuple[object, tuple[bytes]]:
        return HingeState.from_bytes, (self.to_bytes(),)

    def __copy__(self) -> HingeState[Value_co]:
        return self  # it cannot change

    def __deepcopy__(self, memo: object) -> HingeState[Value_co]:
        return self

    def __repr__(self) -> str:
        return (
            f"HingeState({_described(self._config)}, num_classes={self.num_classes}, "
            f"count={self.count})"
        )

    def to_bytes(self) -> bytes:
        """Return the state as canonical bytes: equal states have equal bytes.

        Returns
        -------
        bytes
            Format version 1; see `from_bytes`.
        """
        record = self._record()
        body = bytearray(_MAGIC)
        one_vs_all = record.config.multiclass_mode is MulticlassMode.ONE_VS_ALL
        body.append(record.config.squared + 2 * one_vs_all)
        for number in (record.num_classes, record.samples, record.zeros, record.negatives):
            body += _packed(number)
        body += _packed_sum(record.weight)
        for nan, inf, total in record.losses:
            body += _packed(nan) + _packed(inf) + _packed_sum(total)
        return bytes(body) + _check(body)

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview) -> HingeState:
        """Return the state that `to_bytes` wrote.

        Parameters
        ----------
        data : bytes-like
            ``b"hinge"``, the format's version (1), a byte of flags (1: squared, 2: one-vs-all),
            then numbers, then the CRC-32 of all that. A number is its length in bytes (LEB128)
            and so many little-endian bytes; a sum is two numbers, an exponent and an odd
            mantissa (0, 0 for zero): mantissa * 2**(exponent - 1077). The numbers are the number
            of classes (0: nothing seen, 1: binary), of samples, of targets 0 and of targets -1
            (binary only), the sum of the weights, and for the loss, or for each class's, the
            number of NaN, the number of inf and the sum of the others.

        Returns
        -------
        HingeState

        Raises
        ------
        TypeError
            If `data` is not bytes-like.
        ValueError
            If `data` is not what `to_bytes` writes: damaged, cut, of another version, or such
            that no data could have made it.
        """
        try:
            raw = bytes(memoryview(data))
        except TypeError:
            raise TypeError(f"data must be bytes-like, got {type(data).__name__}") from None
        try:
            return _from_record(_parsed(raw))
        except ValueError as error:
            raise ValueError(f"data must be the bytes of a HingeState, got {error}") from None


def exact_means(state: HingeState[Any]) -> list[Fraction | None]:
    """Return the exact mean of each loss; None where it is NaN, infinite or of no weight."""
    from fractions import Fraction  # 2 ms that nothing else here needs

    record = state._record()
    return [
        None if nan or inf or not record.weight else Fraction(total, record.weight)
        for nan, inf, total in record.losses
    ]


def _check_reduction(reduction: object) -> None:
    """Raise unless a state can be reduced that way."""
    if not isinstance(reduction, str) or reduction not in ("mean", "sum"):
        raise ValueError(f"reduction must be 'mean' or 'sum', got {reduction!r}")


def _warn(message: str) -> None:
    """Warn at the line that called into the package, however deep this is."""
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(f"{__package__}."):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)


def _described(config: Config) -> str:
    """Return a configuration as its arguments."""
    return f"squared={config.squared}, multiclass_mode={config.multiclass_mode.value!r}"


def packed(states: Iterable[HingeState[Any]]) -> list[tuple[Any, ...]]:
    """Return states as few large arrays, which pickle much faster, for `unpacked`."""
    packs = []
    for num_classes, group in itertools.groupby(states, lambda state: state._num_classes):
        alike = list(group)
        sums = [state._sums for state in alike if state._sums is not None]  # none of them, or all
        packs.append((alike[0]._emptied(), num_classes, len(alike), stacked(sums)))
    return packs


def unpacked(packs: list[tuple[Any, ...]]) -> Iterator[HingeState[Any]]:
    """Yield what was packed, states of one configuration."""
    for empty, num_classes, count, stacks in packs:
        if num_classes:
            yield from (empty._of(num_classes, sums) for sums in unstacked(stacks))
        else:
            yield from itertools.repeat(empty, count)


def _weight_of(sums: Sums) -> int:
    """Return the total weight, in units of 2**LOWEST."""
    (weights,) = sums.chosen(slice(-1, None))
    return weights.total + sums.counters()[UNWEIGHTED] * ONE


def _from_record(record: Record) -> HingeState[Any]:
    """Return the state of a record; ValueError says what no data could have made."""
    _, num_classes, samples, zeros, negatives, weight, losses = record
    _check_counts(num_classes, samples, zeros, negatives, weight)
    for column in losses:
        _check_losses(column, samples, weight)
    if (samples == 0) != (num_classes == 0):
        raise ValueError(f"{samples} samples of {num_classes} classes")
    columns = (*losses, Column(0, 0, weight))
    return HingeState(*record.config)._of(
        num_classes, Sums.of(Totals((samples, zeros, negatives, 0), columns))
    )


def _check_counts(num_classes: int, samples: int, zeros: int, negatives: int, weight: int) -> None:
    """Raise for what no data could have made."""
    if samples < 0:
        raise ValueError(f"a negative count ({samples})")
    if min(zeros, negatives) < 0 or zeros + negatives > (samples if num_classes == BINARY else 0):
        raise ValueError(f"{zeros} targets 0 and {negatives} targets -1 in {samples} samples")
    if weight % _FINEST or not 0 <= weight <= samples * _LARGEST:
        raise ValueError("an impossible total weight")


def _check_losses(losses: Column, samples: int, weight: int) -> None:
    """Raise for what no data could have made.

    Weights and losses are doubles >= 0. A weight times a loss is infinite only if the weight is at
    least the smallest double above zero, and else, where it is no NaN, below 2**1024 times the
    weight. It is NaN with any weight: 0 * inf is.
    """
    nan, inf, total = losses
    finite = samples - nan - inf
    if total % _FINEST or min(nan, inf, finite) < 0 or not 0 <= total <= finite * _LARGEST:
        raise ValueError("an impossible sum of losses")
    rest = weight - inf * _FINEST
    if rest < 0 or total > rest << 1024:
        raise ValueError("losses of more than their weight")


def _parsed(raw: bytes) -> Record:
    """Return the record that bytes spell; ValueError says what is wrong with them."""
    if raw[: len(_MAGIC) - 1] != _MAGIC[:-1]:
        raise ValueError("something else")
    if raw[len(_MAGIC) - 1 : len(_MAGIC)] != _MAGIC[-1:]:
        version = raw[len(_MAGIC) - 1 : len(_MAGIC)].hex() or "none"
        raise ValueError(f"format version 0x{version} (this package reads 0x{_MAGIC[-1]:02x})")
    body, check = raw[:-_CHECK_BYTES], raw[-_CHECK_BYTES:]
    if _check(body) != check:
        raise ValueError("a wrong checksum: the bytes were damaged or cut")
    reader = _Reader(body, len(_MAGIC))
    flags = reader.byte()
    if flags > 3:
        raise ValueError(f"unknown flags 0x{flags:02x}")
    modes = (MulticlassMode.CRAMMER_SINGER, MulticlassMode.ONE_VS_ALL)
    config = Config(bool(flags & 1), modes[flags >> 1])
    num_classes, samples, zeros, negatives = (reader.number() for _ in range(4))
    if samples >= _TOO_MANY_SAMPLES or num_classes >= _TOO_MANY_CLASSES:
        raise ValueError("an impossible number of samples or classes")
    weight = reader.sum(samples)
    per_class = config.multiclass_mode is MulticlassMode.ONE_VS_ALL
    columns = num_classes if per_class else min(num_classes, 1)
    losses = tuple(  # a lie about their number ends at the last byte
        Column(reader.number(), reader.number(), reader.sum(samples)) for _ in range(columns)
    )
    if reader.left():
        raise ValueError(f"{reader.left()} bytes too many")
    return Record(config, num_classes, samples, zeros, negatives, weight, losses)


class _Reader:
    """Reads numbers off bytes, each in the one form that it is written in."""

    def __init__(self, data: bytes, start: int) -> None:
        self._data = data
        self._at = start

    def left(self) -> int:
        """Return how many bytes are left."""
        return len(self._data) - self._at

    def byte(self) -> int:
        """Return the next byte."""
        if not self.left():
            raise ValueError("too few bytes")
        self._at += 1
        return self._data[self._at - 1]

    def number(self) -> int:
        """Return the next number."""
        length = shift = 0
        while True:
            byte = self.byte()
            length |= (byte & 0x7F) << shift
            shift += 7
            if length > _LONGEST_NUMBER or shift > 28:
                raise ValueError("too long a number")
            if byte < 0x80:
                break
        if length > self.left():
            raise ValueError("too few bytes")
        self._at += length
        if (byte == 0 and shift > 7) or (length and self._data[self._at - 1] == 0):
            raise ValueError("a non-canonical form: a number with zeros on top")
        return int.from_bytes(self._data[self._at - length : self._at], "little")

    def sum(self, samples: int) -> int:
        """Return the next sum, which so many doubles must be able to reach."""
        exponent, mantissa = self.number(), self.number()
        if mantissa & 1 == 0 and (mantissa or exponent):
            raise ValueError("a non-canonical form: a sum with an even mantissa")
        if exponent + mantissa.bit_length() > _LARGEST_BITS + samples.bit_length():
            raise ValueError("an impossible sum")
        return mantissa << exponent


def _packed(number: int) -> bytes:
    """Return a number: its length in bytes (LEB128), then so many little-endian bytes."""
    length = (number.bit_length() + 7) // 8
    head = bytearray()
    rest = length
    while rest > 0x7F:
        head.append(rest & 0x7F | 0x80)
        rest >>= 7
    head.append(rest)
    return bytes(head) + number.to_bytes(length, "little")


def _packed_sum(total: int) -> bytes:
    """Return a sum: the exponent and the odd mantissa."""
    exponent = max((total & -total).bit_length() - 1, 0)
    return _packed(exponent) + _packed(total >> exponent)


def _check(body: bytes | bytearray) -> bytes:
    """Return the checksum of a body."""
    return zlib.crc32(body).to_bytes(_CHECK_BYTES, "little")
