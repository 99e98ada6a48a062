"""The canonical bytes of a tally: equal tallies have equal bytes (see docs/state_format.md)."""

from __future__ import annotations

import zlib

from hingemetrics._core.config import Config, MulticlassMode
from hingemetrics._core.tally import LARGEST, TOO_MANY_SAMPLES, Tally
from hingemetrics._core.totals import Total, Totals

_MAGIC = b"hinge\x01"  # the format's name and version
_CHECKSUM_BYTES = 4  # of a CRC-32 of everything before it, little-endian
_LARGEST_BITS = LARGEST.bit_length()
_MAX_NUMBER_BYTES = 280  # enough for every sum of fewer than 2**128 doubles
_TOO_MANY_CLASSES = 1 << 63  # more columns than any array has
_MODES = (MulticlassMode.CRAMMER_SINGER, MulticlassMode.ONE_VS_ALL)


def to_bytes(tally: Tally) -> bytes:
    """Return the canonical bytes of a tally."""
    squared, mode = tally.config
    counters, (*losses, weights) = tally.totals()
    body = bytearray(_MAGIC)
    body.append(squared + 2 * _MODES.index(mode))
    for number in (tally.num_classes, *counters):
        body += _number(number)
    body += _sum(weights.finite)
    for nan, inf, finite in losses:
        body += _number(nan) + _number(inf) + _sum(finite)
    return bytes(body) + _checksum(body)


def from_bytes(raw: bytes) -> Tally:
    """Return the tally that bytes encode; ValueError says what is wrong with them."""
    if raw[: len(_MAGIC) - 1] != _MAGIC[:-1]:
        raise ValueError("something else")
    if raw[len(_MAGIC) - 1 : len(_MAGIC)] != _MAGIC[-1:]:
        version = raw[len(_MAGIC) - 1 : len(_MAGIC)].hex() or "none"
        raise ValueError(f"format version 0x{version} (this package reads 0x{_MAGIC[-1]:02x})")
    body, checksum = raw[:-_CHECKSUM_BYTES], raw[-_CHECKSUM_BYTES:]
    if _checksum(body) != checksum:
        raise ValueError("a wrong checksum: the bytes were damaged or cut")
    reader = _Reader(body, len(_MAGIC))
    flags = reader.byte()
    if flags > 3:
        raise ValueError(f"unknown flags 0x{flags:02x}")
    config = Config(bool(flags & 1), _MODES[flags >> 1])
    num_classes, samples, zeros, negatives = (reader.number() for _ in range(4))
    if samples >= TOO_MANY_SAMPLES or num_classes >= _TOO_MANY_CLASSES:
        raise ValueError("an impossible number of samples or classes")
    weight = reader.sum(samples)
    per_class = config.multiclass_mode is MulticlassMode.ONE_VS_ALL
    columns = num_classes if per_class else min(num_classes, 1)
    losses = [  # if `columns` is a lie, reading stops at the last byte
        Total(reader.number(), reader.number(), reader.sum(samples)) for _ in range(columns)
    ]
    if reader.left():
        raise ValueError(f"{reader.left()} bytes too many")
    totals = Totals((samples, zeros, negatives), (*losses, Total(0, 0, weight)))
    return Tally.of_totals(config, num_classes, totals)


class _Reader:
    """A cursor over bytes that accepts numbers in their canonical encoding only."""

    def __init__(self, data: bytes, start: int) -> None:
        self._data = data
        self._at = start

    def left(self) -> int:
        """Return the number of unread bytes."""
        return len(self._data) - self._at

    def byte(self) -> int:
        """Return the next byte."""
        if not self.left():
            raise ValueError("too few bytes")
        self._at += 1
        return self._data[self._at - 1]

    def number(self) -> int:
        """Return the next number: its length (LEB128), then little-endian bytes."""
        length = shift = 0
        while True:
            byte = self.byte()
            length |= (byte & 0x7F) << shift
            shift += 7
            if length > _MAX_NUMBER_BYTES or shift > 28:
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
        """Return the next sum, or raise if it is too large for this many doubles."""
        exponent, mantissa = self.number(), self.number()
        if mantissa & 1 == 0 and (mantissa or exponent):
            raise ValueError("a non-canonical form: a sum with an even mantissa")
        if exponent + mantissa.bit_length() > _LARGEST_BITS + samples.bit_length():
            raise ValueError("an impossible sum")
        return mantissa << exponent


def _number(number: int) -> bytes:
    """Encode a number: its length in bytes (LEB128), then that many little-endian bytes."""
    length = (number.bit_length() + 7) // 8
    head = bytearray()
    rest = length
    while rest > 0x7F:
        head.append(rest & 0x7F | 0x80)
        rest >>= 7
    head.append(rest)
    return bytes(head) + number.to_bytes(length, "little")


def _sum(total: int) -> bytes:
    """Encode a sum: its exponent and odd mantissa."""
    exponent = max((total & -total).bit_length() - 1, 0)
    return _number(exponent) + _number(total >> exponent)


def _checksum(body: bytes | bytearray) -> bytes:
    return zlib.crc32(body).to_bytes(_CHECKSUM_BYTES, "little")
