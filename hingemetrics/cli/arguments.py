"""The command's arguments: parser and help, checks, and the columns they name."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from hingemetrics._core.config import MulticlassMode
from hingemetrics._core.text import closest, shortened
from hingemetrics._engine.backend import BACKENDS
from hingemetrics._engine.installation import show_config
from hingemetrics._files import Columns, columns, columns_of
from hingemetrics.cli.console import fail
from hingemetrics.cli.formats import FORMATS
from hingemetrics.cli.increase import Increase

_BASELINE_ENDINGS = (".state", ".json")
_PLOT_ENDINGS = (".png", ".svg", ".pdf")
_NEED_ROWS = {
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
_NEED_ANOTHER = [  # what an option makes no sense without
    ("expect", "merge"),
    ("max_increase", "baseline"),
    ("same_rows", "baseline"),
    ("update_baseline", "baseline"),
    ("accept_worse", "update_baseline"),
]
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
  hingemetrics --merge monday.state tuesday.state --expect 2
  hingemetrics preds.npy target.npy --baseline main.state --max-increase 1%
"""


class _Parser(argparse.ArgumentParser):
    """A parser that reports bad usage in one line, like every other error of the command."""

    def error(self, message: str) -> NoReturn:
        fail(message)

    def suggestion(self, unknown: Iterable[str]) -> str:
        """A suggestion for the first unknown option, to end a message with; or nothing."""
        option = next((text.partition("=")[0] for text in unknown if text.startswith("-")), "")
        near = closest(option, self._option_string_actions)
        return f"; did you mean {near}?" if near else ""


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the arguments, by default those of the process; exit on bad usage."""
    parser = _build_parser()
    options, unknown = parser.parse_known_args(arguments)
    is_alone = options.preds is not None and options.target is None
    if unknown and is_alone and not unknown[0].startswith("-"):
        options.target = unknown.pop(0)  # after an option, where older Pythons miss it
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{parser.suggestion(unknown)}")
    return options


def _build_parser() -> _Parser:
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
    _add_gates(parser.add_argument_group("gates"))
    _add_output(parser.add_argument_group("output"))
    _add_speed(parser.add_argument_group("speed"))
    return parser


def _add_input(group: Any) -> None:
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
        "--ignore-index", type=_int, metavar="LABEL", help="leave out rows with this label"
    )
    group.add_argument(
        "--merge",
        type=_path,
        nargs="+",
        metavar="STATE",
        help="add up files that --state-out wrote",
    )
    group.add_argument(
        "--expect", type=_positive_int, metavar="N", help="refuse any other number of them"
    )


def _add_loss(group: Any) -> None:
    group.add_argument("--squared", action="store_true", help="square each loss")
    group.add_argument(
        "--multiclass-mode",
        type=_mode,
        metavar="MODE",
        help="crammer-singer (default) or one-vs-all",
    )


def _add_gates(group: Any) -> None:
    group.add_argument(
        "--fail-above",
        type=_number,
        metavar="X",
        help="exit with status 1 if the loss, or that of any class, is above X or NaN",
    )
    group.add_argument(
        "--baseline",
        type=_path,
        metavar="FILE",
        help="the same if it is above that in FILE, written by --state-out or --json",
    )
    group.add_argument(
        "--max-increase",
        type=_increase,
        metavar="X",
        help="let it be above the baseline by X, or by X%% of it (default: 0)",
    )
    group.add_argument(
        "--same-rows", action="store_true", help="refuse a baseline of another number of samples"
    )
    group.add_argument(
        "--update-baseline",
        action="store_true",
        help="write FILE anew if all gates are open and no loss is above it at all",
    )
    group.add_argument(
        "--accept-worse",
        action="store_true",
        help="open the baseline's gate, and write FILE all the same",
    )


def _add_output(group: Any) -> None:
    group.add_argument(
        "--format",
        type=_format,
        metavar="NAME",
        help="text (default), json, markdown (for a job's summary) or junit (XML)",
    )
    group.add_argument("--json", action="store_true", help="short for --format json")
    group.add_argument(
        "--worst",
        type=_positive_int,
        metavar="K",
        help="also print the K samples of greatest (weighted) loss",
    )
    group.add_argument(
        "--per-class", action="store_true", help="also print the loss of each class's samples"
    )
    group.add_argument(
        "--state-out", type=_path, metavar="FILE", help="write what was seen, for --merge"
    )
    group.add_argument(
        "--plot", type=_picture_path, metavar="FILE", help="draw the margins: .png, .svg or .pdf"
    )
    group.add_argument(
        "--version",
        action=_ShowConfig,
        nargs=0,
        help="print versions, where the compiled kernels come from, and settings",
    )


class _ShowConfig(argparse.Action):
    """What --version does."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        show_config()
        parser.exit()


def _add_speed(group: Any) -> None:
    group.add_argument(
        "--threads",
        type=_positive_int,
        metavar="N",
        help="threads that share large work (default: HINGEMETRICS_NUM_THREADS, or 1)",
    )
    group.add_argument(
        "--backend",
        type=_backend,
        metavar="NAME",
        help="auto, numpy or numba (default: HINGEMETRICS_BACKEND, or auto)",
    )


# Types of arguments: argparse calls them with the text, and prefixes their errors with the option.


def _mode(text: str) -> MulticlassMode:
    try:
        return MulticlassMode(text)
    except ValueError:
        raise _not_one_of([mode.value for mode in MulticlassMode], text) from None


def _backend(text: str) -> str:
    if text not in BACKENDS:
        raise _not_one_of(BACKENDS, text)
    return text


def _format(text: str) -> str:
    if text not in FORMATS:
        raise _not_one_of(list(FORMATS), text)
    return text


def _increase(text: str) -> Increase:
    try:
        return Increase.parsed(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be a decimal number >= 0, or one and a %, got {shortened(text)}"
        ) from None


def _not_one_of(choices: Sequence[str], text: str) -> argparse.ArgumentTypeError:
    """Return the error for an invalid choice, with a suggestion."""
    near = closest(text, choices)
    hint = f"; did you mean {near!r}?" if near else ""
    return argparse.ArgumentTypeError(
        f"must be one of {', '.join(choices)}, got {shortened(text)}{hint}"
    )


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise argparse.ArgumentTypeError(f"must be a number, got {shortened(text)}")
    return number


def _int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be an int, got {shortened(text)}") from None


def _positive_int(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number >= 1, got {shortened(text)}")
    return number


def _path(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("must be a file, got ''")
    return text


def _picture_path(text: str) -> str:
    if not text.lower().endswith(_PLOT_ENDINGS):
        raise argparse.ArgumentTypeError(f"must end in .png, .svg or .pdf, got {text!r}")
    return text


def input_columns(options: argparse.Namespace) -> tuple[Columns, Columns, Columns | None]:
    """Return the columns of preds, target and, if given, weights."""
    one_file = options.preds_columns is not None or options.target_columns is not None
    preds, target = options.preds, options.target
    if one_file:
        preds, target = options.preds_columns, options.target_columns
        if options.preds is None or options.target is not None or None in (preds, target):
            raise ValueError("--preds and --target must be given together, with one FILE")
    elif preds is None:
        raise ValueError("PREDS and TARGET must be given, got no file; see hingemetrics --help")
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


def check_together(options: argparse.Namespace) -> None:
    """Raise for options that need another one, or contradict each other."""
    for name, other in _NEED_ANOTHER:
        if _is_given(options, name) and not _is_given(options, other):
            option, other_option = (f"--{text.replace('_', '-')}" for text in (name, other))
            raise ValueError(f"{option} must be given with {other_option}, got {option} alone")
    if options.json and options.format not in (None, "json"):
        raise ValueError(f"--json is --format json, got --format {options.format} too")
    if options.update_baseline and not options.baseline.endswith(_BASELINE_ENDINGS):
        endings = " or ".join(_BASELINE_ENDINGS)
        raise ValueError(f"--baseline must end in {endings} to be updated, got {options.baseline}")
    if options.merge is not None:
        _check_merging(options)


def _check_merging(options: argparse.Namespace) -> None:
    """Raise for another number of states than is expected, and for options that need rows."""
    if options.preds is not None:
        raise ValueError(f"--merge must be given without PREDS, got {options.preds}")
    for name, option in _NEED_ROWS.items():
        if _is_given(options, name):
            raise ValueError(f"--merge must be given without {option}: states hold sums, not rows")
    if options.expect not in (None, len(options.merge)):
        raise ValueError(
            f"--merge must be given as many states as --expect says, {options.expect}, "
            f"got {len(options.merge)}"
        )


def _is_given(options: argparse.Namespace, name: str) -> bool:
    value = getattr(options, name)
    return value is not None and value is not False  # --ignore-index 0 counts as given


def data_label(options: argparse.Namespace) -> str:
    """What is read, in short: the decision values' file, or how many states."""
    if options.merge is not None:
        return f"{len(options.merge)} state{'s' * (len(options.merge) != 1)}"
    columns = "" if options.preds_columns is None else f":{options.preds_columns}"
    return f"{options.preds}{columns}"
