"""Arrays in .npy and .npz files, read block by block into memory of our own.

Nothing is mapped: if a mapped file becomes shorter, the system kills the process.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from hingemetrics._core.text import shortened
from hingemetrics._core.typing import Array
from hingemetrics._files.columns import GROUPS, PREDICTIONS, Chunks, Columns
from hingemetrics._files.refusals import (
    TableError,
    check_regular,
    check_width,
    listed,
    reading,
)
from hingemetrics._inputs.batch import Batch, check_same_shape


class Header(NamedTuple):
    """What a file declares about an array."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        """Number of bytes of the array."""
        return math.prod(self.shape) * self.dtype.itemsize


def npy_header(path: str, part: Columns) -> Header:
    """Return the header of a .npy file, or raise if the file is too short for it."""
    with _opened_array(path, part) as (_, header):
        return header


def npy_chunks(path: str, part: Columns, elements: int) -> Chunks:
    """Yield the rows of a .npy file."""
    with _opened_array(path, part) as (file, header):
        yield from _array_chunks(file, _with_rows_shape(header, part, path), path, elements)


def npz_chunks(path: str, part: Columns, elements: int) -> Chunks:
    """Yield the rows of an array in a .npz file."""
    import tempfile
    import zipfile

    check_regular(path)
    with reading(path, "a .npz file of real numbers"), zipfile.ZipFile(path) as archive:
        name = _member(part, path, archive.namelist())
        with archive.open(name) as member:
            header = _header(member, path, part)
            rows_header = _with_rows_shape(header, part, path)
            held = archive.getinfo(name).file_size - member.tell()
            if header.size != held:
                raise TableError(f"{path} must hold {header.size} bytes in {name}, got {held}")
            if not _is_by_columns(rows_header):
                yield from _array_chunks(member, rows_header, path, elements)
                return
            with tempfile.TemporaryFile() as unpacked:  # each row is spread over the whole file
                _unpack(member, unpacked)
                yield from _array_chunks(unpacked, rows_header, path, elements)


def check_shapes(wanted: Sequence[Columns], paths: Sequence[Sequence[str]]) -> None:
    """Raise for .npy files whose shapes do not fit together, before any is read.

    Stand-ins with the declared shapes are checked by `Batch`, so its errors are the same as for
    the arrays.
    """
    pairs = zip(wanted, paths, strict=True)
    try:
        _check_fit(**{part.argument: _stand_in(part, files) for part, files in pairs})
    except TableError:
        raise
    except ValueError as error:  # also NumPy's own, for a shape larger than any array
        raise TableError(f"{', '.join(part.path for part in wanted)}: {error}") from error


def _check_fit(
    preds: Array,
    target: Array,
    sample_weight: Array | None = None,
    baseline_preds: Array | None = None,
    groups: Array | None = None,
) -> None:
    """Raise for arrays whose shapes do not fit together."""
    batch = Batch(preds, target, sample_weight, None)
    if baseline_preds is not None:
        check_same_shape(batch, Batch(baseline_preds, target, None, None, "baseline_preds"))
    if groups is not None and len(groups) != batch.rows:
        raise ValueError(
            f"groups must have shape ({batch.rows},) like target, got ({len(groups)},)"
        )


def check_width_of_rows(
    shape: tuple[int, ...], path: str, first_shape: tuple[int, ...], first_path: str
) -> None:
    """Raise if a file's rows are not as wide as those of the first of several files."""
    if shape[1:] != first_shape[1:]:
        raise TableError(
            f"{path} must have shape {_shape_of_rows(first_shape)} like {first_path}, "
            f"got {_shape_of_rows(shape)}"
        )


def _shape_of_rows(shape: tuple[int, ...]) -> str:
    """A shape without its number of rows, for error messages: (N,) or (N, 3)."""
    return f"(N, {', '.join(map(str, shape[1:]))})" if shape[1:] else "(N,)"


def rows_shape(shape: tuple[int, ...], argument: str, path: str) -> tuple[int, ...]:
    """Return (N,), or for preds (N, C): what `hinge_loss` makes of a shape.

    Dimensions of size 1 are dropped, except the first one of preds with a single sample.
    """
    kept = tuple(n for n in shape if n != 1)
    if argument in PREDICTIONS and len(kept) < 2 and shape[:1] == (1,):
        kept = (1, *kept)
    if kept and kept[0] and not math.prod(kept[1:]):
        raise TableError(f"{path} must have at least one column, got shape {shape}")
    most, must = (2, "(N,) or (N, C)") if argument in PREDICTIONS else (1, "(N,)")
    if not shape or len(kept) > most:
        raise TableError(f"{path} must have shape {must}, got {shape}")
    check_width(math.prod(kept[1:]), path)
    return kept or (1,)


def _with_rows_shape(header: Header, part: Columns, path: str) -> Header:
    """Return a header with the shape that `hinge_loss` would reduce it to."""
    return Header(rows_shape(header.shape, part.argument, path), header.fortran, header.dtype)


def _stand_in(part: Columns, paths: Sequence[str]) -> Array:
    """Return an array that takes no memory, with the shape of all files joined."""
    headers = [npy_header(path, part) for path in paths]
    shape = headers[0].shape
    if len(paths) > 1:
        shapes = [
            rows_shape(header.shape, part.argument, path)
            for header, path in zip(headers, paths, strict=True)
        ]
        for path, other in zip(paths, shapes, strict=True):
            check_width_of_rows(other, path, shapes[0], paths[0])
        shape = (sum(rows for rows, *_ in shapes), *shapes[0][1:])
    return np.broadcast_to(np.zeros((), headers[0].dtype), shape)


@contextmanager
def _opened_array(path: str, part: Columns) -> Iterator[tuple[Any, Header]]:
    """Open a .npy file, positioned after its header."""
    if part.names is not None:
        raise TableError(f"{path} must be a table to name columns of, got a .npy file")
    check_regular(path)
    with reading(path, "a .npy file of real numbers"), open(path, "rb", buffering=0) as file:
        header = _header(file, path, part)
        held = os.fstat(file.fileno()).st_size - file.tell()
        if held < header.size:
            raise TableError(f"{path} must hold {header.size} bytes behind its header, got {held}")
        yield file, header


def _header(file: Any, path: str, part: Columns) -> Header:
    """Read a header, or raise unless it declares an array of real numbers, or one of groups."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise TableError(f"{path} must hold arrays of .npy format 1.0 or 2.0, got {version}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy warns about headers written by Python 2
        if version == (1, 0):
            header = Header(*np.lib.format.read_array_header_1_0(file))
        else:
            header = Header(*np.lib.format.read_array_header_2_0(file))
    are_groups = part.argument == GROUPS
    if header.dtype.kind not in ("fiubUM" if are_groups else "fiub"):
        must = "real numbers, text or dates" if are_groups else "real numbers"
        got = "Python objects" if header.dtype.hasobject else f"dtype {header.dtype}"
        raise TableError(f"{path} must hold {must}, got {got}")
    if min(header.shape, default=0) < 0:
        raise TableError(f"{path} must have a shape, got {header.shape}")
    return header


def _member(part: Columns, path: str, names: Sequence[str]) -> str:
    """Return the member of an archive that holds the requested array."""
    arrays = [name.removesuffix(".npy") for name in names]
    if not arrays:
        raise TableError(f"{path} must hold arrays, got none")
    if part.names is None and len(names) == 1:
        return names[0]
    asked = None if part.names is None else ",".join(part.names)
    if asked in arrays:
        return names[arrays.index(asked)]
    got = "no name" if asked is None else shortened(asked)
    raise TableError(f"{path}:NAME must name one of {listed(arrays)}, got {got}")


def _is_by_columns(header: Header) -> bool:
    """Whether columns, not rows, of an array of shape (N,) or (N, C) are contiguous."""
    return header.fortran and len(header.shape) > 1


def _unpack(member: Any, unpacked: Any) -> None:
    """Copy the rest of an archive's member to a seekable file."""
    import shutil

    shutil.copyfileobj(member, unpacked)
    unpacked.seek(0)


def _array_chunks(file: Any, header: Header, path: str, elements: int) -> Chunks:
    """Yield the rows of the array at a file's position, all in one reused buffer.

    With new memory for each chunk, page faults would take as long as reading.
    """
    (count, *rest), by_columns = header.shape, _is_by_columns(header)
    width = math.prod(rest)
    rows = max(min(elements // max(width, 1), count), 1)
    begin = file.tell() if by_columns else 0
    buffer = np.empty(rows * width, header.dtype)
    for start in range(0, count, rows):
        here = min(rows, count - start)
        chunk = buffer[: here * width]
        if by_columns:
            chunk = chunk.reshape(width, here)
            for column, values in enumerate(chunk):
                file.seek(begin + (column * count + start) * header.dtype.itemsize)
                _fill(values, file, path)
            yield [chunk.T]
        else:
            _fill(chunk, file, path)
            yield [chunk.reshape(here, *rest)]


def _fill(array: Array, file: Any, path: str) -> None:
    """Fill a contiguous array from a file."""
    left = array.view(np.uint8).data
    while left:
        read = file.readinto(left)
        if not read:
            raise TableError(f"{path} must stay as long as it is while it is read, got its end")
        left = left[read:]
