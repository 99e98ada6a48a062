"""The canonical bytes of a paired tally: equal tallies have equal bytes."""

from __future__ import annotations

import json

from hingemetrics._core.clusters import NO_CLUSTERS, Cluster, Clusters
from hingemetrics._core.encoding import (
    Reader,
    checksum,
    number_bytes,
    opened,
    signed_sum_bytes,
    sum_bytes,
)
from hingemetrics._core.group_keys import KINDS, Key, decoded, encoded
from hingemetrics._core.moments import Moments
from hingemetrics._core.paired import Counts, PairedTally, check_moments
from hingemetrics._core.totals import Total
from hingemetrics._core.wire import header_bytes, read_header, read_total, total_bytes

_MAGIC = b"paired-hinge\x01"  # the format's name and version
_SCALARS = b'"-0123456789tf'  # how keys begin in JSON


def to_bytes(tally: PairedTally) -> bytes:
    """Return the canonical bytes of a paired tally."""
    body = _MAGIC + header_bytes(tally.config, tally.num_classes, tally.counts)
    body += sum_bytes(tally.weights.first.finite) + sum_bytes(tally.weights.squares)
    for first, second, squares, products in tally.columns:
        body += total_bytes(first) + total_bytes(second)
        body += sum_bytes(squares) + signed_sum_bytes(products)
    body += _clusters_bytes(tally.clusters)
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
    clusters = _read_clusters(reader, columns, counts.samples)
    reader.close()
    check_moments(num_classes, counts, found, weights, clusters)
    if (counts.samples == 0) != (num_classes == 0):
        raise ValueError(f"{counts.samples} samples of {num_classes} classes")
    return PairedTally.of(config, num_classes, counts, found, weights, clusters)


def _read_moments(reader: Reader, samples: int) -> Moments:
    return Moments(
        read_total(reader, samples),
        read_total(reader, samples),
        reader.sum(samples, factors=2),
        reader.signed_sum(samples, factors=2),
    )


def _clusters_bytes(clusters: Clusters) -> bytes:
    """Encode the kind of keys (0: none), then the clusters by their sorted keys, as JSON."""
    if not clusters.kind:
        return number_bytes(0)
    found = bytearray(number_bytes(KINDS.index(clusters.kind) + 1))
    keys = sorted(clusters.sums)
    found += number_bytes(len(keys))
    for key, text in zip(keys, encoded(keys), strict=True):
        samples, weight, differences = clusters.sums[key]
        name = json.dumps(text).encode()
        found += number_bytes(len(name)) + name + number_bytes(samples) + sum_bytes(weight)
        found += b"".join(map(signed_sum_bytes, differences))
    return bytes(found)


def _read_clusters(reader: Reader, columns: int, samples: int) -> Clusters:
    kind = reader.number()
    if not kind:
        return NO_CLUSTERS
    if kind > len(KINDS):
        raise ValueError("groups of an unknown type")
    groups = reader.number()
    if not 0 < groups <= samples:
        raise ValueError(f"{groups} groups of {samples} samples")
    sums: dict[Key, Cluster] = {}
    last: Key | None = None
    for _ in range(groups):
        name = reader.taken(reader.number())
        if not name or name[0] not in _SCALARS:  # no key, and perhaps too deep for a parser
            raise ValueError("the name of a group that is none")
        text = json.loads(name)
        if json.dumps(text).encode() != name:
            raise ValueError("a non-canonical form: the name of a group")
        (key,) = decoded(KINDS[kind - 1], [text])
        if last is not None and not last < key:  # type: ignore[operator]
            raise ValueError("a non-canonical form: groups that are not sorted")
        last = key
        number, weight = reader.number(), reader.sum(samples)
        differences = (reader.signed_sum(samples, factors=1) for _ in range(columns))
        sums[key] = Cluster(number, weight, tuple(differences))
    return Clusters(KINDS[kind - 1], sums)
