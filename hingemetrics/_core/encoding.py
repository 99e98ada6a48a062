"""Numbers and exact sums as bytes, in one canonical form each, with a checksum at the end."""

from __future__ import annotations

import zlib

from hingemetrics._core.tally import LARGEST

_CHECKSUM_BYTES = 4  # of a CRC-32 of everything before it, little-endian
_LARGEST_BITS = LARGEST.bit_length()
_MAX_NUMBER_BYTES = 560  # enough for every sum of products of fewer than 2**128 doubles


def opened(raw: bytes, magic: bytes) -> Reader:
    """Return a reader of the body behind `magic`, a format's name and version, or raise."""
    if raw[: len(magic) - 1] != magic[:-1]:
        raise ValueError("something else")
    if raw[len(magic) - 1 : len(magic)] != magic[-1:]:
        version = raw[len(magic) - 1 : len(magic)].hex() or "none"
        raise ValueError(f"format version 0x{version} (this package reads 0x{magic[-1]:02x})")
    body, found = raw[:-_CHECKSUM_BYTES], raw[-_CHECKSUM_BYTES:]
    if checksum(body) != found:
        raise ValueError("a wrong checksum: the bytes were damaged or cut")
    return Reader(body, len(magic))


class Reader:
    """A cursor over bytes that accepts numbers in their canonical encoding only."""

    def __init__(self, data: bytes, start: int) -> None:
        self._data = data
        self._at = start

    def left(self) -> int:
        """Return the number of unread bytes."""
        return len(self._data) - self._at

    def close(self) -> None:
        """Raise if anything is left."""
        if self.left():
            raise ValueError(f"{self.left()} bytes too many")

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
        number = self.taken(length)
        if (byte == 0 and shift > 7) or number.endswith(b"\0"):
            raise ValueError("a non-canonical form: a number with zeros on top")
        return int.from_bytes(number, "little")

    def taken(self, length: int) -> bytes:
        """Return the next bytes."""
        if length > self.left():
            raise ValueError("too few bytes")
        self._at += length
        return self._data[self._at - length : self._at]

    def sum(self, samples: int, factors: int = 1) -> int:
        """Return the next sum, or raise if it is too large for this many products of doubles."""
        exponent, mantissa = self.number(), self.number()
        if mantissa & 1 == 0 and (mantissa or exponent):
            raise ValueError("a non-canonical form: a sum with an even mantissa")
        if exponent + mantissa.bit_length() > factors * _LARGEST_BITS + samples.bit_length():
            raise ValueError("an impossible sum")
        return mantissa << exponent

    def signed_sum(self, samples: int, factors: int) -> int:
        """Return the next sum, behind a number that is 1 if it is negative."""
        sign, size = self.number(), self.sum(samples, factors)
        if sign > 1 or (sign and not size):
            raise ValueError("a non-canonical form: a sum with a wrong sign")
        return -size if sign else size


def number_bytes(number: int) -> bytes:
    """Encode a number: its length in bytes (LEB128), then that many little-endian bytes."""
    length = (number.bit_length() + 7) // 8
    head = bytearray()
    rest = length
    while rest > 0x7F:
        head.append(rest & 0x7F | 0x80)
        rest >>= 7
    head.append(rest)
    return bytes(head) + number.to_bytes(length, "little")


def sum_bytes(total: int) -> bytes:
    """Encode a sum: its exponent and odd mantissa."""
    exponent = max((total & -total).bit_length() - 1, 0)
    return number_bytes(exponent) + number_bytes(total >> exponent)


def signed_sum_bytes(total: int) -> bytes:
    """Encode a sum of any sign: 1 if it is negative, else 0, then its size."""
    return number_bytes(int(total < 0)) + sum_bytes(abs(total))


def checksum(body: bytes | bytearray) -> bytes:
    return zlib.crc32(body).to_bytes(_CHECKSUM_BYTES, "little")
