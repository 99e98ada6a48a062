"""The command line: hingemetrics PREDS TARGET."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from hingemetrics import HingeLoss, MulticlassMode, __version__
from hingemetrics.exact import Floats

ABOVE_LIMIT, BAD_INPUT = 1, 2


class _Parser(argparse.ArgumentParser):
    """Reports bad usage in one line, as every other error here."""

    def error(self, message: str) -> NoReturn:
        _fail(message)


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
    """
    options = _parser().parse_args(arguments)
    metric = HingeLoss(options.squared, options.multiclass_mode, ignore_index=options.ignore_index)
    preds, target = _load(options.preds), _load(options.target)
    weight = None if options.sample_weight is None else _load(options.sample_weight)
    try:
        metric.update(preds, target, weight)
    except (ImportError, OSError, TypeError, ValueError) as error:
        _fail(str(error))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        value = metric.compute()
    for warning in caught:
        print(f"hingemetrics: warning: {warning.message}", file=sys.stderr)
    _print(_json(metric, value) if options.json else _text(value))
    if options.fail_above is not None and not np.all(np.asarray(value) <= options.fail_above):
        return ABOVE_LIMIT
    return 0


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command's arguments."""
    parser = _Parser(
        allow_abbrev=False,
        prog="hingemetrics",
        description="Print the exact hinge loss of decision values in .npy files.",
    )
    parser.add_argument("preds", metavar="PREDS", help="decision values, .npy: (N,) or (N, C)")
    parser.add_argument("target", metavar="TARGET", help="labels, .npy: (N,)")
    parser.add_argument("--squared", action="store_true", help="square each loss")
    parser.add_argument(
        "--multiclass-mode",
        type=_mode,
        metavar="MODE",
        help="crammer-singer (default) or one-vs-all",
    )
    parser.add_argument("--sample-weight", metavar="FILE", help="weights, .npy: (N,)")
    parser.add_argument(
        "--ignore-index", type=int, metavar="LABEL", help="leave out rows with this label"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    parser.add_argument(
        "--fail-above",
        type=_limit,
        metavar="X",
        help="exit with status 1 if the loss, or that of any class, is above X or NaN",
    )
    parser.add_argument("--version", action="version", version=f"hingemetrics {__version__}")
    return parser


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


def _load(path: str) -> Any:
    """Return the array of a .npy file, memory-mapped."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what NumPy thinks of a header is no news here
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        _fail(f"{path}: {error.strerror or error}")
    except Exception as error:  # a damaged header makes NumPy raise all sorts
        _fail(f"{path} must be a .npy file of real numbers, got one that does not load: {error}")
    if not isinstance(array, np.ndarray):
        _fail(f"{path} must be a .npy file, got an archive of several arrays")
    return array


def _print(text: str) -> None:
    """Print the result; a reader that has gone away is no error, a full disk is."""
    try:
        print(text, flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or exit would try again
        if not isinstance(error, BrokenPipeError):
            _fail(f"standard output: {error.strerror}")


def _text(value: float | Floats) -> str:
    """Return the value, one line a class; repr keeps every bit."""
    return "\n".join(repr(float(number)) for number in np.atleast_1d(value))


def _json(metric: HingeLoss, value: float | Floats) -> str:
    """Return the value and what it is of, as JSON; a number JSON cannot hold is null."""
    numbers = [float(n) if math.isfinite(n) else None for n in np.atleast_1d(value)]
    return json.dumps(
        {
            "value": numbers if isinstance(value, np.ndarray) else numbers[0],
            "count": metric.state.count,
            "num_classes": metric.state.num_classes,
            "squared": metric.squared,
            "multiclass_mode": metric.multiclass_mode.value,
            "ignore_index": metric.ignore_index,
        }
    )


def _fail(message: str) -> NoReturn:
    """Say what is wrong in one line and exit."""
    print(f"hingemetrics: error: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(BAD_INPUT)
