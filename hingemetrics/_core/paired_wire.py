"""The canonical bytes of a paired tally: equal tallies have equal bytes."""

from __future__ import annotations

from hingemetrics._core.encoding import Reader, checksum, opened, signed_sum_bytes, sum_bytes
from hingemetrics._core.moments import Moments
from hingemetrics._core.paired import Counts, PairedTally, check_moments
from hingemetrics._core.totals import Total
from hingemetrics._core.wire import header_bytes, read_header, read_total, total_bytes

_MAGIC = b"paired-hinge\x01"  # the format's name and version


def to_bytes(tally: PairedTally) -> bytes:
    """Return the canonical bytes of a paired tally."""
    body = _MAGIC + header_bytes(tally.config, tally.num_classes, tally.counts)
    body += sum_bytes(tally.weights.first.finite) + sum_bytes(tally.weights.squares)
    for first, second, squares, products in tally.columns:
        body += total_bytes(first) + total_bytes(second)
        body += sum_bytes(squares) + signed_sum_bytes(products)
    return body + checksum(body)


def from_bytes(raw: bytes) -> PairedTally:
    """Return the paired tally that bytes encode; ValueError says what is wrong with them."""
    reader = opened(raw, _MAGIC)
    config, num_classes, counters = read_header(reader)
    counts = Counts(*counters)
    weight = Total(0, 0, reader.sum(counts.samples))
    weights = Moments(weight, Total(0, 0, 0), reader.sum(counts.samples, factors=2), 0)
    columns = config.losses_per_sample(num_classes) if num_classes else 0
    found = tuple(_read_moments(reader, counts.samples) for _ in range(columns))
    reader.close()
    check_moments(num_classes, counts, found, weights)
    if (counts.samples == 0) != (num_classes == 0):
        raise ValueError(f"{counts.samples} samples of {num_classes} classes")
    return PairedTally.of(config, num_classes, counts, found, weights)


def _read_moments(reader: Reader, samples: int) -> Moments:
    return Moments(
        read_total(reader, samples),
        read_total(reader, samples),
        reader.sum(samples, factors=2),
        reader.signed_sum(samples, factors=2),
    )
