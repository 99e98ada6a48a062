"""The same data as files of any format, and what is read from them."""

import csv
import gzip
import io
import itertools
import random
import tracemalloc
from decimal import Decimal
from functools import partial

import numpy as np
import pyarrow
import pytest
from pyarrow import feather, parquet

from hingemetrics._files import Block, TableError, blocks, columns, columns_of

SIZES = (1, 7, 100, 2**20)


def table(case):
    """Names and columns of a case, as one table."""
    preds = case.preds.reshape(len(case), -1)
    names = [f"score {k}" for k in range(preds.shape[1])]
    found = {**dict(zip(names, preds.T, strict=True)), "label": case.target, "id": case.target}
    return found if case.weight is None else {**found, "weight": case.weight}


def text_of(case, header=True, newline="\n", quoting=csv.QUOTE_MINIMAL, delimiter=","):
    data, out = table(case), io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=newline, quoting=quoting)
    if header:
        writer.writerow(data)
    writer.writerows(zip(*(column.tolist() for column in data.values()), strict=True))
    return out.getvalue().encode()


def numbered(case):
    """The columns of `table` by number."""
    names = list(table(case))
    picked = [k for k, column in enumerate(names) if column.startswith("score")]
    weight = None if case.weight is None else str(names.index("weight"))
    return ",".join(map(str, picked)), str(names.index("label")), weight


def named(case):
    names = ",".join(column for column in table(case) if column.startswith("score"))
    return names, "label", None if case.weight is None else "weight"


def of_one_file(path, picked):
    preds, target, weight = picked
    return (
        columns_of("preds", str(path), preds),
        columns_of("target", str(path), target),
        None if weight is None else columns_of("sample_weight", str(path), weight),
    )


def as_csv(case, folder, suffix="csv", by=named, mark=b"", end=None, **how):
    path = folder / f"table.{suffix}"
    path.write_bytes((mark + text_of(case, **how))[:end])
    return of_one_file(path, by(case))


def as_gzipped_csv(case, folder, suffix="csv", **how):
    as_csv(case, folder, suffix, **how)
    path = folder / f"table.{suffix}"
    (folder / f"table.{suffix}.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
    return of_one_file(folder / f"table.{suffix}.gz", named(case))


def as_parquet(case, folder, **how):
    parquet.write_table(pyarrow.table(table(case)), folder / "table.parquet", **how)
    return of_one_file(folder / "table.parquet", named(case))


def as_arrow(case, folder, opened=pyarrow.ipc.new_file, rows=None, by=named):
    whole = pyarrow.table(table(case))
    with opened(str(folder / "table.arrow"), whole.schema) as writer:
        writer.write_table(whole, rows)
    return of_one_file(folder / "table.arrow", by(case))


def as_feather(case, folder, compression):
    whole = pyarrow.table(table(case))
    feather.write_feather(whole, str(folder / "table.feather"), compression, chunksize=37)
    return of_one_file(folder / "table.feather", named(case))


def as_npz(case, folder, save, order):
    arrays = {"scores": np.asarray(case.preds, order=order), "label": case.target}
    if case.weight is not None:
        arrays["weight"] = case.weight
    save(folder / "arrays.npz", **arrays)
    return of_one_file(
        folder / "arrays.npz", ("scores", "label", "weight" if "weight" in arrays else None)
    )


def as_npy(case, folder, order="C"):
    files = {"preds": np.asarray(case.preds, order=order), "target": case.target}
    if case.weight is not None:
        files["sample_weight"] = case.weight
    for argument, array in files.items():
        np.save(folder / f"{argument}.npy", array)
    return tuple(columns(argument, str(folder / f"{argument}.npy")) for argument in files)


def as_mixture(case, folder):
    preds, _, _ = as_parquet(case, folder, row_group_size=70)
    _, target, _ = as_csv(case, folder)
    _, _, weight = as_npz(case, folder, np.savez, "C")
    return preds, target, weight


def as_another_mixture(case, folder):
    preds, *_ = as_npy(case, folder)
    _, target, weight = as_arrow(case, folder, rows=41)
    return preds, target, weight


FORMATS = {
    "npy": as_npy,
    "npy, Fortran order": partial(as_npy, order="F"),
    "npz": partial(as_npz, save=np.savez, order="C"),
    "npz, compressed": partial(as_npz, save=np.savez_compressed, order="C"),
    "npz, Fortran order": partial(as_npz, save=np.savez_compressed, order="F"),
    "csv": as_csv,
    "csv by numbers": partial(as_csv, by=numbered),
    "csv without a header": partial(as_csv, by=numbered, header=False),
    "csv of Excel": partial(as_csv, mark=b"\xef\xbb\xbf", newline="\r\n"),
    "csv in quotes": partial(as_csv, quoting=csv.QUOTE_ALL),
    "csv without a last newline": partial(as_csv, end=-1),
    "tsv": partial(as_csv, suffix="TSV", delimiter="\t"),
    "csv, gzipped": as_gzipped_csv,
    "tsv, gzipped": partial(as_gzipped_csv, suffix="tsv", delimiter="\t"),
    "parquet": as_parquet,
    "parquet, short groups": partial(as_parquet, row_group_size=33, compression="gzip"),
    "arrow": as_arrow,
    "arrow by numbers": partial(as_arrow, by=numbered, rows=50),
    "arrow stream": partial(as_arrow, opened=pyarrow.ipc.new_stream, rows=29),
    "feather": partial(as_feather, compression="uncompressed"),
    "feather, compressed": partial(as_feather, compression="zstd"),
    "mixture": as_mixture,
    "another mixture": as_another_mixture,
}


def copied(block):
    """A block whose arrays are its own: the next one may be read into the same memory."""
    arrays = (None if array is None else array.copy() for array in block[1:4])
    return Block(block.first, *arrays, block.sources)


def read(wanted, elements=2**20):
    """What the blocks hold, put together, after a look at where they begin and end."""
    found = list(map(copied, blocks(*wanted, elements=elements)))
    ends = [0, *itertools.accumulate(len(block.preds) for block in found)]
    assert [block.first for block in found] == ends[:-1]
    for block in found:
        assert 0 < len(block.preds) == len(block.target)
        assert block.preds.size <= max(elements, block.preds[:1].size)
    columns = zip(*(block[1:4] for block in found), strict=True)
    return [None if parts[0] is None else np.concatenate(parts) for parts in columns]


def one_column(folder, lines, argument="preds", suffix="csv"):
    path = folder / f"{argument}.{suffix}"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return columns(argument, str(path))


def peak(action):
    """The most memory that an action took, which must fail."""
    tracemalloc.start()
    try:
        with pytest.raises((TableError, OSError)):
            action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def seen(found, thing):
    """Keep a thing in a list and pass it on."""
    found.append(thing)
    return thing


def refusal(wanted):
    """What is said against files, or None; nothing but the two kinds of error may be raised."""
    try:
        list(blocks(*wanted))
    except (TableError, OSError) as error:
        return str(error)
    return None


def numbers_of_many_forms(seed, count):
    """Texts of numbers: as repr, printf and people write them, near ties, at the ends, and none."""
    rng = random.Random(seed)
    digits = lambda most: "".join(rng.choices("0123456789", k=rng.randrange(1, most)))  # noqa: E731
    forms = (
        lambda: repr(rng.gauss(0, 1)),
        lambda: repr(rng.random() / 10 ** rng.randrange(9)),
        lambda: repr(rng.gauss(0, 1) * 10.0 ** rng.randrange(-330, 300)),
        lambda: f"{rng.gauss(0, 10 ** rng.randrange(12)):.{rng.randrange(30)}f}",
        lambda: f"{rng.choice(['', '+', '-'])}{digits(12)}.{digits(26)}",
        lambda: f"{digits(20)}",
        lambda: f"0.{'0' * rng.randrange(22)}{digits(20)}",
        lambda: f"{rng.randrange(2**64)}e-{rng.randrange(30)}",
        lambda: tie(rng),
        lambda: rng.choice([".5", "5.", "-.5", "+5.", "-0", "-0.0", "0", "nan", "-inf", "1e400"]),
    )
    return [rng.choice(forms)() for _ in range(count)]


def tie(rng):
    """A decimal halfway between two doubles, or next to it."""
    exponent = rng.randrange(1, 11)
    odd = Decimal(2 * rng.randrange(2**52, 2**53) + 1) / 2**exponent
    text = f"{odd:f}"
    return rng.choice([text, text, text[:-1], f"{text}{'' if '.' in text else '.'}1"])
