"""The canonical bytes of a tally: equal tallies have equal bytes (see docs/state_format.md)."""

from __future__ import annotations

from collections.abc import Iterable

from hingemetrics._core.config import Config, MulticlassMode
from hingemetrics._core.encoding import Reader, checksum, number_bytes, opened, sum_bytes
from hingemetrics._core.tally import TOO_MANY_SAMPLES, Tally
from hingemetrics._core.totals import Total, Totals

_MAGIC = b"hinge\x01"  # the format's name and version
_TOO_MANY_CLASSES = 1 << 63  # more columns than any array has
_MODES = (MulticlassMode.CRAMMER_SINGER, MulticlassMode.ONE_VS_ALL)


def to_bytes(tally: Tally) -> bytes:
    """Return the canonical bytes of a tally."""
    counters, (*losses, weights) = tally.totals()
    body = _MAGIC + header_bytes(tally.config, tally.num_classes, counters)
    body += sum_bytes(weights.finite) + b"".join(map(total_bytes, losses))
    return body + checksum(body)


def from_bytes(raw: bytes) -> Tally:
    """Return the tally that bytes encode; ValueError says what is wrong with them."""
    reader = opened(raw, _MAGIC)
    config, num_classes, counters = read_header(reader)
    weight = reader.sum(counters[0])
    columns = config.losses_per_sample(num_classes) if num_classes else 0
    losses = [  # if `columns` is a lie, reading stops at the last byte
        read_total(reader, counters[0]) for _ in range(columns)
    ]
    reader.close()
    totals = Totals(counters, (*losses, Total(0, 0, weight)))
    return Tally.of_totals(config, num_classes, totals)


def header_bytes(config: Config, num_classes: int, counters: Iterable[int]) -> bytes:
    """Encode the flags of a configuration, the number of classes, and counters."""
    flags = config.squared + 2 * _MODES.index(config.multiclass_mode)
    return bytes([flags]) + b"".join(map(number_bytes, (num_classes, *counters)))


def read_header(reader: Reader) -> tuple[Config, int, tuple[int, int, int]]:
    """Return a configuration, the number of classes, and three counters, samples first."""
    flags = reader.byte()
    if flags > 3:
        raise ValueError(f"unknown flags 0x{flags:02x}")
    config = Config(bool(flags & 1), _MODES[flags >> 1])
    num_classes, samples, zeros, negatives = (reader.number() for _ in range(4))
    if samples >= TOO_MANY_SAMPLES or num_classes >= _TOO_MANY_CLASSES:
        raise ValueError("an impossible number of samples or classes")
    return config, num_classes, (samples, zeros, negatives)


def total_bytes(total: Total) -> bytes:
    """Encode the sum of one column."""
    return number_bytes(total.nan) + number_bytes(total.inf) + sum_bytes(total.finite)


def read_total(reader: Reader, samples: int) -> Total:
    """Return the sum of one column of this many samples."""
    return Total(reader.number(), reader.number(), reader.sum(samples))
