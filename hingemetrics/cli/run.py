"""The command, from its arguments to its exit status."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import ExitStack, closing, nullcontext
from importlib.util import find_spec

from hingemetrics._engine.backend import changed_settings, get_backend, get_num_threads
from hingemetrics._files import STDIN, Block, Blocks, Columns, blocks, paths_of, row_count
from hingemetrics._inputs.arguments import shifted
from hingemetrics.cli.arguments import check_merging, input_columns, parsed
from hingemetrics.cli.breakdown import ClassLosses, Picture, WorstSamples, kept_rows
from hingemetrics.cli.console import end_streams, fail, note, progress_bar, reason, say, show
from hingemetrics.cli.gate import complaint
from hingemetrics.cli.merging import merged_state
from hingemetrics.cli.outputs import check_outputs, write
from hingemetrics.cli.report import Report, as_json, as_text
from hingemetrics.metrics.hinge import HingeLoss

ABOVE_LIMIT = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command's arguments, by default those of the process.

    Returns
    -------
    int
        0, or 1 if the loss is above ``--fail-above`` or NaN. Bad usage or input exits with 2.

    Raises
    ------
    SystemExit
        With status 2 for bad usage or input, and with 0 after ``--help`` or ``--version``.

    Notes
    -----
    ``--threads`` and ``--backend`` apply until it returns; the process's own settings are restored.

    Examples
    --------
    >>> from hingemetrics.cli import main
    >>> main(["--version"])
    Traceback (most recent call last):
    SystemExit: 0
    """
    try:
        return _run(parsed(arguments))
    except KeyboardInterrupt:
        if arguments is None:  # run as the command: Python ends it by SIGINT, without a traceback
            sys.excepthook = lambda *_: None
        raise
    finally:
        if arguments is None:
            end_streams()


def _run(options: argparse.Namespace) -> int:
    with ExitStack() as settings:
        try:
            settings.enter_context(changed_settings(options.backend, options.threads))
            _check_environment(options)
            report = _report_of_states(options) if options.merge else _report_of_files(options)
            if options.state_out is not None:
                write(options.state_out, report.state.to_bytes())
        except (ImportError, OSError, RuntimeError, TypeError, ValueError) as error:
            fail(reason(error))
        return _print_report(report, options)


def _print_report(report: Report, options: argparse.Namespace) -> int:
    """Print a report, draw its picture, and return the exit status."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        value = report.state.value()
    for warning in caught:
        say(f"warning: {warning.message}")
    show(as_json(report, value) if options.json else as_text(report, value))
    wrong = None if options.fail_above is None else complaint(value, options.fail_above)
    if wrong is not None:
        say(wrong)
    if report.picture is not None:
        _draw(report.picture, options.plot)
    return 0 if wrong is None else ABOVE_LIMIT


def _check_environment(options: argparse.Namespace) -> None:
    """Raise now for what would otherwise fail only after the data has been read."""
    get_backend()
    get_num_threads()
    if options.plot and find_spec("matplotlib") is None:
        raise ImportError("plots need matplotlib: pip install matplotlib")


def _check_outputs(options: argparse.Namespace, read: Sequence[str | int]) -> None:
    """Raise if the files of --state-out and --plot cannot, or must not, be written."""
    outputs = {"--state-out": options.state_out, "--plot": options.plot}
    check_outputs({option: path for option, path in outputs.items() if path is not None}, read)


def _report_of_states(options: argparse.Namespace) -> Report:
    check_merging(options)
    _check_outputs(options, options.merge)
    return Report(merged_state(options.merge))


def _report_of_files(options: argparse.Namespace) -> Report:
    preds, target, weight = input_columns(options)
    parts = [part for part in (preds, target, weight) if part is not None]
    paths = [path for part in parts for path in paths_of(part.path)]
    _check_outputs(options, [0 if path == STDIN else path for path in paths])
    metric = HingeLoss(options.squared, options.multiclass_mode, ignore_index=options.ignore_index)
    worst = WorstSamples(options.worst, metric) if options.worst else None
    classes = ClassLosses(metric) if options.per_class else None
    picture = Picture(metric) if options.plot else None
    breakdowns = [part for part in (worst, classes, picture) if part is not None]
    rows = 0
    with closing(_with_progress(blocks(preds, target, weight, note=note), preds)) as read:
        for block in read:
            _update(metric, block)
            rows += len(block.target)
            if breakdowns:
                kept = kept_rows(block, metric.ignore_index)
                for breakdown in breakdowns:
                    breakdown.add(kept)
    return Report(
        metric.state,
        rows,
        metric.ignore_index,
        None if worst is None else worst.samples(),
        None if classes is None else classes.losses(),
        picture,
    )


def _update(metric: HingeLoss, block: Block) -> None:
    """Add a block; errors name its files, and count rows over all files."""
    try:
        metric.update(block.preds, block.target, block.sample_weight)
    except (TypeError, ValueError) as error:
        located = shifted(error, block.first)
        raise ValueError(f"{', '.join(map(str, block.sources))}: {located}") from error


def _with_progress(read: Blocks, part: Columns) -> Blocks:
    """Yield blocks; on a terminal, show progress if it takes long."""
    bar = progress_bar(lambda: row_count(part))
    with closing(read), nullcontext() if bar is None else bar:
        for block in read:
            yield block
            if bar is not None:
                bar.update(len(block.target))


def _draw(picture: Picture, path: str) -> None:
    """Draw the picture; data that cannot be drawn does not change the exit status."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            drawing = picture.drawn(os.path.splitext(path)[1].lower())
        write(path, drawing)
    except (ImportError, OSError) as error:
        fail(reason(error))
    except Exception as error:  # matplotlib raises all sorts of errors for data it cannot draw
        note(f"no picture: {error}")
        return
    if picture.left_out:
        note(f"{path} shows {picture.left_out}")
