"""The command line: hingemetrics PREDS TARGET."""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from importlib.util import find_spec
from typing import Any, NamedTuple, NoReturn

import numpy as np

from hingemetrics import (
    HingeLoss,
    HingeState,
    MulticlassMode,
    __version__,
    get_backend,
    get_num_threads,
)
from hingemetrics._files import (
    STDIN,
    Block,
    Blocks,
    Columns,
    blocks,
    columns,
    columns_of,
    paths_of,
    row_count,
)
from hingemetrics.breakdown import (
    ClassLoss,
    ClassLosses,
    Picture,
    WorstSample,
    WorstSamples,
    kept_rows,
)
from hingemetrics.exact import Column, Floats

ABOVE_LIMIT, BAD_INPUT = 1, 2
_PLOT_ENDINGS = (".png", ".svg", ".pdf")
_STATE_BYTES = 1 << 26  # more than those of any state of 100,000 classes
_REFUSED_WHILE_MERGING = {
    "squared": "--squared",
    "multiclass_mode": "--multiclass-mode",
    "ignore_index": "--ignore-index",
    "preds_columns": "--preds",
    "target_columns": "--target",
    "sample_weight": "--sample-weight",
    "worst": "--worst",
    "per_class": "--per-class",
    "plot": "--plot",
}
_EXAMPLES = """\
files: .npy, .npz, .csv, .tsv, .parquet, .arrow or .feather; "-" is a CSV on standard input.
FILE:COLUMN,COLUMN picks columns by name or 0-based number, FILE.npz:NAME an array.
FILE may be a quoted pattern, 'part-*.csv.gz', or a folder of .parquet files: rows of all, by name.
What starts with "-" goes behind "=" or "--": --fail-above=-1e-3 -- a.npy -:0

examples:
  hingemetrics preds.npy target.npy --fail-above 0.2
  hingemetrics scores.parquet --preds cat,dog,owl --target label --worst 10
  hingemetrics scores.csv:1 labels.csv:y --sample-weight labels.csv:weight --json
  hingemetrics monday.npz:preds monday.npz:target --state-out monday.state
  hingemetrics --merge monday.state tuesday.state
"""


class _Parser(argparse.ArgumentParser):
    """Reports bad usage in one line, as every other error here."""

    def error(self, message: str) -> NoReturn:
        _fail(message)


class _Report(NamedTuple):
    """What was found out about the data."""

    state: HingeState
    rows: int | None = None  # ignored ones included; None where only states were read
    ignore_index: int | None = None
    worst: list[WorstSample] | None = None
    classes: list[ClassLoss] | None = None
    picture: Picture | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command's arguments, by default those of the process.

    Returns
    -------
    int
        0, or 1 if the loss is above ``--fail-above`` (or NaN). Bad usage or input exits with 2.

    Raises
    ------
    SystemExit
        With status 2 for bad usage or input, and with 0 after ``--help`` or ``--version``.

    Examples
    --------
    >>> from hingemetrics.cli import main
    >>> main(["--version"])
    Traceback (most recent call last):
    SystemExit: 0
    """
    try:
        return _run(_parser().parse_args(arguments))
    except KeyboardInterrupt:
        if arguments is None:  # this is the command: Python ends it by SIGINT, without a traceback
            sys.excepthook = lambda *_: None
        raise


def _run(options: argparse.Namespace) -> int:
    """Do what the arguments say and return the exit status."""
    try:
        _check_environment(options)
        report = _merged(options) if options.merge else _measured(options)
        if options.state_out is not None:
            _write(options.state_out, report.state.to_bytes())
    except (ImportError, OSError, TypeError, ValueError) as error:
        _fail(_reason(error))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        value = report.state.value()
    for warning in caught:
        _say(f"warning: {warning.message}")
    _print(_json(report, value) if options.json else _text(report, value))
    if report.picture is not None:
        _draw(report.picture, options.plot)
    if options.fail_above is not None and not np.all(np.asarray(value) <= options.fail_above):
        return ABOVE_LIMIT
    return 0


# Arguments


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command's arguments."""
    parser = _Parser(
        allow_abbrev=False,
        prog="hingemetrics",
        usage="hingemetrics [options] PREDS TARGET\n"
        "       hingemetrics [options] FILE --preds COLUMNS --target COLUMN\n"
        "       hingemetrics [options] --merge STATE ...",
        description="Print the exact hinge loss of decision values in files of any size.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_input(parser.add_argument_group("input"))
    _add_loss(parser.add_argument_group("loss"))
    _add_output(parser.add_argument_group("output"))
    return parser


def _add_input(group: Any) -> None:
    """Add the arguments that say what to read."""
    group.add_argument(
        "preds", nargs="?", metavar="PREDS", help="decision values: (N,), or a column a class"
    )
    group.add_argument("target", nargs="?", metavar="TARGET", help="labels, numbers: (N,)")
    group.add_argument(
        "--preds", dest="preds_columns", metavar="COLUMNS", help="columns of one FILE in place of"
    )
    group.add_argument("--target", dest="target_columns", metavar="COLUMN", help="PREDS and TARGET")
    group.add_argument(
        "--sample-weight", metavar="FILE", help="weights: (N,); with --preds, a column of FILE"
    )
    group.add_argument(
        "--ignore-index", type=int, metavar="LABEL", help="leave out rows with this label"
    )
    group.add_argument(
        "--merge",
        type=_file,
        nargs="+",
        metavar="STATE",
        help="add up files that --state-out wrote",
    )


def _add_loss(group: Any) -> None:
    """Add the arguments that say which loss it is."""
    group.add_argument("--squared", action="store_true", help="square each loss")
    group.add_argument(
        "--multiclass-mode",
        type=_mode,
        metavar="MODE",
        help="crammer-singer (default) or one-vs-all",
    )


def _add_output(group: Any) -> None:
    """Add the arguments that say what to do with the loss."""
    group.add_argument("--json", action="store_true", help="print a JSON object")
    group.add_argument(
        "--fail-above",
        type=_limit,
        metavar="X",
        help="exit with status 1 if the loss, or that of any class, is above X or NaN",
    )
    group.add_argument(
        "--worst",
        type=_count,
        metavar="K",
        help="also print the K samples of greatest (weighted) loss",
    )
    group.add_argument(
        "--per-class", action="store_true", help="also print the loss of each class's samples"
    )
    group.add_argument(
        "--state-out", type=_file, metavar="FILE", help="write what was seen, for --merge"
    )
    group.add_argument(
        "--plot", type=_picture, metavar="FILE", help="draw the margins: .png, .svg or .pdf"
    )
    group.add_argument("--version", action="version", version=f"hingemetrics {__version__}")


def _mode(text: str) -> MulticlassMode:
    """Return the mode that an argument names."""
    try:
        return MulticlassMode(text)
    except ValueError:
        choices = ", ".join(mode.value for mode in MulticlassMode)
        raise argparse.ArgumentTypeError(f"must be one of {choices}, got {text!r}") from None


def _limit(text: str) -> float:
    """Return the limit that an argument names."""
    try:
        limit = float(text)
    except ValueError:
        limit = math.nan
    if math.isnan(limit):
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}")
    return limit


def _count(text: str) -> int:
    """Return how many an argument asks for."""
    try:
        count = int(text)
    except ValueError:
        count = 0
    if count < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number >= 1, got {text!r}")
    return count


def _file(text: str) -> str:
    """Return the file that an argument names."""
    if not text:
        raise argparse.ArgumentTypeError("must be a file, got ''")
    return text


def _picture(text: str) -> str:
    """Return the picture's file, whose ending says what it is."""
    if not text.lower().endswith(_PLOT_ENDINGS):
        raise argparse.ArgumentTypeError(f"must end in .png, .svg or .pdf, got {text!r}")
    return text


def _inputs(options: argparse.Namespace) -> tuple[Columns, Columns, Columns | None]:
    """Return what to read preds, target and weights from."""
    one_file = options.preds_columns is not None or options.target_columns is not None
    preds, target = options.preds, options.target
    if one_file:
        preds, target = options.preds_columns, options.target_columns
        if options.preds is None or options.target is not None or None in (preds, target):
            raise ValueError("--preds and --target must be given together, with one FILE")
    elif preds is None:
        raise ValueError("PREDS must be given, got no file")
    elif target is None:
        raise ValueError("TARGET must be given, or --preds and --target, got PREDS alone")

    def read(argument: str, text: str) -> Columns:
        return columns_of(argument, options.preds, text) if one_file else columns(argument, text)

    weight = options.sample_weight
    return (
        read("preds", preds),
        read("target", target),
        None if weight is None else read("sample_weight", weight),
    )


def _check_environment(options: argparse.Namespace) -> None:
    """Raise for what would only show after the data has been read."""
    get_backend()
    get_num_threads()
    if options.plot and find_spec("matplotlib") is None:
        raise ImportError("plots need matplotlib: pip install matplotlib")


def _check_outputs(options: argparse.Namespace, inputs: Sequence[str | int]) -> None:
    """Raise for files that cannot be written, or that would take the place of what is read."""
    for option, path in (("--state-out", options.state_out), ("--plot", options.plot)):
        if path is None:
            continue
        folder = os.path.dirname(os.path.realpath(path))
        if os.path.isdir(path) or not os.path.isdir(folder):
            raise ValueError(f"{option} must be a file in a folder that exists, got {path}")
        if os.path.isfile(path) and any(os.path.samefile(path, read) for read in inputs):
            raise ValueError(f"{option} must be another file than those that are read, got {path}")


# From files


def _measured(options: argparse.Namespace) -> _Report:
    """Return what the files hold."""
    preds, target, weight = _inputs(options)
    parts = [part for part in (preds, target, weight) if part is not None]
    paths = [path for part in parts for path in paths_of(part.path)]
    _check_outputs(options, [0 if path == STDIN else path for path in paths])
    metric = HingeLoss(options.squared, options.multiclass_mode, ignore_index=options.ignore_index)
    worst = WorstSamples(options.worst, metric) if options.worst else None
    classes = ClassLosses(metric) if options.per_class else None
    shown = Picture(metric) if options.plot else None
    watching = [watch for watch in (worst, classes, shown) if watch is not None]
    rows = 0
    with closing(_with_progress(blocks(preds, target, weight, note=_note), preds)) as read:
        for block in read:
            _update(metric, block)
            rows += len(block.target)
            if watching:
                kept = kept_rows(block, metric.ignore_index)
                for watch in watching:
                    watch.add(kept)
    return _Report(
        metric.state,
        rows,
        metric.ignore_index,
        None if worst is None else worst.listed(),
        None if classes is None else classes.listed(),
        shown,
    )


def _update(metric: HingeLoss, block: Block) -> None:
    """Add a block; what is refused has its index in all files, where the metric knows the block."""
    try:
        metric.update(block.preds, block.target, block.sample_weight)
    except (TypeError, ValueError) as error:
        message = re.sub(
            r"(?<= at index )\d+", lambda index: str(int(index[0]) + block.first), str(error)
        )
        raise ValueError(f"{', '.join(map(str, block.sources))}: {message}") from error


def _with_progress(read: Blocks, part: Columns) -> Blocks:
    """Yield blocks; on a terminal, show how far they are if that takes long."""
    bar = _bar(part)
    with closing(read), nullcontext() if bar is None else bar:
        for block in read:
            yield block
            if bar is not None:
                bar.update(len(block.target))


def _bar(part: Columns) -> Any:
    """Return a progress bar, or None where nobody would see it or tqdm is missing."""
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(total=row_count(part), unit=" rows", unit_scale=True, delay=1, leave=False)


# From states


def _merged(options: argparse.Namespace) -> _Report:
    """Return what state files hold together."""
    _check_merging(options)
    _check_outputs(options, options.merge)
    first, *rest = options.merge
    total = _state(first)
    for path in rest:
        state = _state(path)
        try:
            total = total + state
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    return _Report(total)


def _check_merging(options: argparse.Namespace) -> None:
    """Raise for arguments that need the data."""
    if options.preds is not None:
        raise ValueError(f"--merge must be given without PREDS, got {options.preds}")
    for name, option in _REFUSED_WHILE_MERGING.items():
        value = getattr(options, name)
        if value is not None and value is not False:  # a label 0 is neither
            raise ValueError(f"--merge must be given without {option}: states hold sums, not rows")


def _state(path: str) -> HingeState:
    """Return the state in a file."""
    with open(path, "rb") as file:
        data = file.read(_STATE_BYTES + 1)
    if len(data) > _STATE_BYTES:
        raise ValueError(f"{path} must be a state of at most {_STATE_BYTES} bytes, got more")
    try:
        return HingeState.from_bytes(data)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _write(path: str, data: bytes) -> None:
    """Write a file; a pipe or device is only written to. Errors name the path that was typed."""
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            with open(path, "wb") as stream:
                stream.write(data)
        else:
            _replace(os.path.realpath(path), data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error


def _replace(path: str, data: bytes) -> None:
    """Write a file, all of it or, on any error, nothing."""
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "xb") as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            os.remove(temporary)
            raise


# Output


def _print(text: str) -> None:
    """Print the result; a reader that has gone away is no error, a full disk is."""
    try:
        print(text, flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or exit would try again
        if not isinstance(error, BrokenPipeError):
            _fail(f"standard output: {error.strerror}")


def _draw(picture: Picture, path: str) -> None:
    """Draw a picture, after the result; what cannot be drawn changes no exit status."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            drawing = picture.drawn(os.path.splitext(path)[1].lower())
        _write(path, drawing)
    except (ImportError, OSError) as error:
        _fail(_reason(error))
    except Exception as error:  # whatever Matplotlib does not like in the data
        _say(f"note: no picture: {error}")
        return
    if picture.left_out:
        _say(f"note: {path} shows {picture.left_out}")


def _text(report: _Report, value: float | Floats) -> str:
    """Return the value, one line a class, then tables; repr keeps every bit."""
    lines = [repr(float(number)) for number in np.atleast_1d(value)]
    if report.worst is not None:
        lines += ["", *_aligned(_worst_table(report.worst))]
    if report.classes is not None:
        lines += ["", *_aligned(_class_table(report.classes))]
    return "\n".join(lines)


def _worst_table(worst: Sequence[WorstSample]) -> Iterator[list[str]]:
    """Yield header and rows of the table of worst samples."""
    one_vs_all = any(sample.class_ is not None for sample in worst)
    yield ["index", "target", *["class"] * one_vs_all, "loss"]
    for row, target, class_, loss in worst:
        yield [str(row), str(target), *[str(class_)] * one_vs_all, repr(loss)]


def _class_table(classes: Sequence[ClassLoss]) -> Iterator[list[str]]:
    """Yield header and rows of the table of classes; for one-vs-all with a column a class."""
    vector = any(isinstance(value, list) for _, _, value in classes)
    yield ["class", "count", *([f"loss {c.label}" for c in classes] if vector else ["loss"])]
    for label, samples, value in classes:
        yield [str(label), str(samples), *map(repr, value if isinstance(value, list) else [value])]


def _aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table whose columns are aligned on the right."""
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(map(str.rjust, row, widths)) for row in table]


def _json(report: _Report, value: float | Floats) -> str:
    """Return the value and what it is of, as JSON; a number JSON cannot hold is null."""
    from base64 import b64encode

    state = report.state
    record = state._record()
    exact = [_ratio(column, record.weight) for column in record.losses] or [None]
    found: dict[str, Any] = {
        "value": _jsonable(value),
        "count": state.count,
        "ignored": None if report.rows is None else report.rows - state.count,
        "num_classes": state.num_classes,
        "squared": state.squared,
        "multiclass_mode": state.multiclass_mode.value,
        "ignore_index": report.ignore_index,
        "exact": exact if isinstance(value, np.ndarray) else exact[0],
        "state": b64encode(state.to_bytes()).decode(),
    }
    if report.worst is not None:
        found["worst"] = [_worst_object(sample) for sample in report.worst]
    if report.classes is not None:
        found["per_class"] = [
            {"class": label, "count": samples, "value": _jsonable(mean)}
            for label, samples, mean in report.classes
        ]
    return json.dumps(found)


def _worst_object(sample: WorstSample) -> dict[str, Any]:
    """Return a sample as JSON."""
    row, target, class_, loss = sample
    of_class = {} if class_ is None else {"class": class_}
    return {"index": row, "target": target, **of_class, "loss": _jsonable(loss)}


def _jsonable(value: float | list[float] | Floats) -> Any:
    """Return a number, or several; null where JSON cannot hold it."""
    if isinstance(value, (list, np.ndarray)):
        return [_jsonable(number) for number in value]
    return float(value) if math.isfinite(value) else None


def _ratio(losses: Column, weight: int) -> str | None:
    """Return an exact mean as p/q, or None where there is none."""
    if losses.nan or losses.inf or not weight:
        return None
    divisor = math.gcd(losses.total, weight)
    return f"{losses.total // divisor}/{weight // divisor}"


def _reason(error: Exception) -> str:
    """Return what went wrong."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _say(message: str) -> None:
    """Say something beside the result, in one line, if there is anywhere to."""
    if sys.stderr is not None:
        print(f"hingemetrics: {' '.join(message.split())}", file=sys.stderr)


def _note(message: str) -> None:
    """Say what is no error, but may not be meant."""
    _say(f"note: {message}")


def _fail(message: str) -> NoReturn:
    """Say what is wrong in one line and exit."""
    _say(f"error: {message}")
    raise SystemExit(BAD_INPUT)
