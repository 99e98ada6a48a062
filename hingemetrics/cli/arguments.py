"""The command's arguments: parser and help, checks, and the columns they name."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, NoReturn

from hingemetrics._core.text import closest
from hingemetrics._engine.installation import configuration
from hingemetrics._files import Columns, columns, columns_of
from hingemetrics.cli import argument_types as types
from hingemetrics.cli.console import fail, show
from hingemetrics.cli.intervals import DEFAULT_LEVEL

_BASELINE_ENDINGS = (".state", ".json")
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
    "against": "--against",
    "by": "--by",
    "interval": "--interval",
}
_NEED_ANOTHER = [  # what an option makes no sense without
    ("expect", "merge"),
    ("max_increase", "baseline"),
    ("same_rows", "baseline"),
    ("update_baseline", "baseline"),
    ("accept_worse", "update_baseline"),
    ("fail_if_worse", "against"),
    ("fail_above_difference", "against"),
    ("bootstrap", "interval"),
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
  hingemetrics new.npy target.npy --against old.npy --fail-if-worse
  hingemetrics scores.csv --preds score --target label --by country --fail-above 0.3
"""


class _Parser(argparse.ArgumentParser):
    """A parser that reports bad usage in one line, like every other error of the command."""

    def error(self, message: str) -> NoReturn:
        fail(message)

    def print_help(self, file: object = None) -> None:
        show(self.format_help().rstrip())

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
        "--ignore-index", type=types.integer, metavar="LABEL", help="leave out rows with this label"
    )
    group.add_argument(
        "--against",
        metavar="FILE",
        help="compare with the decision values of another model; with --preds, columns of FILE",
    )
    group.add_argument(
        "--by",
        metavar="FILE",
        help="groups of rows, such as FILE:COLUMN, text or not; with --preds, a column of FILE",
    )
    group.add_argument(
        "--merge",
        type=types.file_path,
        nargs="+",
        metavar="STATE",
        help="add up files that --state-out wrote",
    )
    group.add_argument(
        "--expect", type=types.positive_integer, metavar="N", help="refuse any other number of them"
    )


def _add_loss(group: Any) -> None:
    group.add_argument("--squared", action="store_true", help="square each loss")
    group.add_argument(
        "--multiclass-mode",
        type=types.multiclass_mode,
        metavar="MODE",
        help="crammer-singer (default) or one-vs-all",
    )


def _add_gates(group: Any) -> None:
    group.add_argument(
        "--fail-above",
        type=types.number,
        metavar="X",
        help="exit with status 1 if the loss, or that of any class or group, is above X or NaN",
    )
    group.add_argument(
        "--baseline",
        type=types.file_path,
        metavar="FILE",
        help="the same if it is above that in FILE, written by --state-out or --json",
    )
    group.add_argument(
        "--max-increase",
        type=types.increase,
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
    group.add_argument(
        "--fail-if-worse",
        action="store_true",
        help="exit with status 1 if the interval of the difference lies above 0 (--against)",
    )
    group.add_argument(
        "--fail-above-difference",
        type=types.bound,
        metavar="X",
        help="the same if the difference is above X",
    )


def _add_output(group: Any) -> None:
    group.add_argument(
        "--format",
        type=types.format_name,
        metavar="NAME",
        help="text (default), json, markdown (for a job's summary) or junit (XML)",
    )
    group.add_argument("--json", action="store_true", help="short for --format json")
    group.add_argument(
        "--worst",
        type=types.positive_integer,
        metavar="K",
        help="also print the K samples of greatest (weighted) loss",
    )
    group.add_argument(
        "--per-class", action="store_true", help="also print the loss of each class's samples"
    )
    group.add_argument(
        "--interval",
        type=types.level,
        nargs="?",
        const=DEFAULT_LEVEL,
        metavar="LEVEL",
        help="print the confidence interval (default: 0.95), or with --against set its level",
    )
    group.add_argument(
        "--bootstrap",
        type=types.positive_integer,
        metavar="N",
        help="take it from N resamples in place of the standard error",
    )
    group.add_argument(
        "--state-out", type=types.file_path, metavar="FILE", help="write what was seen, for --merge"
    )
    group.add_argument(
        "--plot",
        type=types.picture_path,
        metavar="FILE",
        help="draw the margins: .png, .svg or .pdf",
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
        show(configuration())
        parser.exit()


def _add_speed(group: Any) -> None:
    group.add_argument(
        "--threads",
        type=types.positive_integer,
        metavar="N",
        help="threads that share large work (default: HINGEMETRICS_NUM_THREADS, or 1)",
    )
    group.add_argument(
        "--backend",
        type=types.backend,
        metavar="NAME",
        help="auto, numpy or numba (default: HINGEMETRICS_BACKEND, or auto)",
    )


class Inputs(NamedTuple):
    """The columns of each argument that is read; the names are those of `blocks`."""

    preds: Columns
    target: Columns
    sample_weight: Columns | None
    baseline_preds: Columns | None
    groups: Columns | None


def input_columns(options: argparse.Namespace) -> Inputs:
    """Return the columns of preds and target and, if given, of all else."""
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

    def read_if_given(argument: str, text: str | None) -> Columns | None:
        return None if text is None else read(argument, text)

    return Inputs(
        read("preds", preds),
        read("target", target),
        read_if_given("sample_weight", options.sample_weight),
        read_if_given("baseline_preds", options.against),
        read_if_given("groups", options.by),
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
    if options.bootstrap is not None and options.against is not None:
        raise ValueError("--bootstrap must be given without --against: it is of one model's loss")
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


def against_label(options: argparse.Namespace) -> str:
    """The decision values that are compared with, in the same form."""
    file = "" if options.preds_columns is None else f"{options.preds}:"
    return f"{file}{options.against}"
