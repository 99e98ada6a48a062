"""The command, from its arguments to its exit status."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import replace
from importlib.util import find_spec

from hingemetrics._core.typing import Floats
from hingemetrics._engine.backend import changed_settings, get_backend, get_num_threads
from hingemetrics._files import STDIN, Block, Blocks, Columns, blocks, paths_of, row_count
from hingemetrics._inputs.arguments import shifted
from hingemetrics.cli.arguments import (
    against_label,
    check_together,
    data_label,
    input_columns,
    parsed,
)
from hingemetrics.cli.baseline import compared, gate_of, read_baseline, updated
from hingemetrics.cli.breakdown import ClassLosses, Picture, WorstSamples, kept_rows
from hingemetrics.cli.console import end_streams, fail, note, progress_bar, reason, say, show
from hingemetrics.cli.difference import difference_gate, worse_gate
from hingemetrics.cli.formats import FORMATS
from hingemetrics.cli.gate import Gate, limit_gate
from hingemetrics.cli.groups import GroupLosses, group_gate
from hingemetrics.cli.increase import Increase
from hingemetrics.cli.intervals import (
    DEFAULT_LEVEL,
    BootstrapInterval,
    IntervalOfBlocks,
    PairedLosses,
    StandardErrorInterval,
)
from hingemetrics.cli.merging import merged_state
from hingemetrics.cli.outputs import check_outputs, write
from hingemetrics.cli.report import Against, Report
from hingemetrics.metrics.hinge import HingeLoss
from hingemetrics.state import HingeState

GATE_CLOSED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command's arguments, by default those of the process.

    Returns
    -------
    int
        0, or 1 if the loss is NaN or above what ``--fail-above``, ``--baseline`` or the gates of
        ``--against`` let through. Bad usage or input exits with 2.

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
            check_together(options)
            report, picture = (
                _report_of_states(options) if options.merge else _report_of_files(options)
            )
            if options.state_out is not None:
                write(options.state_out, report.state.to_bytes())
            if report.baseline is not None and options.update_baseline:
                baseline = updated(report, report.baseline, options.accept_worse)
                report = replace(report, baseline=baseline)
        except (ImportError, OSError, RuntimeError, TypeError, ValueError) as error:
            fail(reason(error))
        return _print_report(report, picture, options)


def _print_report(report: Report, picture: Picture | None, options: argparse.Namespace) -> int:
    """Print a report and what its gates say, draw the picture, and return the exit status."""
    show(FORMATS["json" if options.json else options.format or "text"](report))
    for gate in report.gates:
        if not gate.is_open:
            say(gate.sentence)
    if report.baseline is not None and report.baseline.note is not None:
        note(report.baseline.note)
    if picture is not None:
        _draw(picture, options.plot)
    return 0 if report.is_open else GATE_CLOSED


def _check_environment(options: argparse.Namespace) -> None:
    """Raise now for what would otherwise fail only after the data has been read."""
    get_backend()
    get_num_threads()
    if options.plot and find_spec("matplotlib") is None:
        raise ImportError("plots need matplotlib: pip install matplotlib")


def _check_outputs(options: argparse.Namespace, read: Sequence[str | int]) -> None:
    """Raise if a file that may be written cannot, or must not, be."""
    outputs = {"--state-out": options.state_out, "--plot": options.plot}
    if options.update_baseline:
        outputs["--baseline"] = options.baseline
    elif options.baseline is not None:
        read = [*read, options.baseline]
    check_outputs({option: path for option, path in outputs.items() if path is not None}, read)


def _baseline_state(options: argparse.Namespace) -> HingeState | None:
    """The state of the baseline, before any data are read: None if there is none, or none yet."""
    if options.baseline is None:
        return None
    return read_baseline(options.baseline, may_be_missing=options.update_baseline)


def _report_of_states(options: argparse.Namespace) -> tuple[Report, None]:
    _check_outputs(options, options.merge)
    before = _baseline_state(options)
    state = merged_state(options.merge)
    return _judged(Report(data_label(options), state, _value(state)), before, options), None


def _report_of_files(options: argparse.Namespace) -> tuple[Report, Picture | None]:
    inputs = input_columns(options)
    parts = [part for part in inputs if part is not None]
    paths = [path for part in parts for path in paths_of(part.path)]
    _check_outputs(options, [0 if path == STDIN else path for path in paths])
    before = _baseline_state(options)
    metric = HingeLoss(options.squared, options.multiclass_mode, ignore_index=options.ignore_index)
    worst = WorstSamples(options.worst, metric) if options.worst else None
    classes = ClassLosses(metric) if options.per_class else None
    picture = Picture(metric) if options.plot else None
    breakdowns = [part for part in (worst, classes, picture) if part is not None]
    pairs = _paired_losses(metric, options)
    interval = _interval(metric, options)
    groups = GroupLosses(metric) if inputs.groups is not None else None
    measures = [part for part in (pairs, interval, groups) if part is not None]
    rows = 0
    found = blocks(
        inputs.preds,
        inputs.target,
        inputs.sample_weight,
        baseline_preds=inputs.baseline_preds,
        groups=inputs.groups,
        note=note,
    )
    with closing(_with_progress(found, inputs.preds)) as read:
        for block in read:
            with _located_errors(block):
                metric.update(block.preds, block.target, block.sample_weight)
                for measure in measures:
                    measure.add(block)
            rows += len(block.target)
            if breakdowns:
                kept = kept_rows(block, metric.ignore_index)
                for breakdown in breakdowns:
                    breakdown.add(kept)
    report = Report(
        data_label(options),
        metric.state,
        _value(metric.state),
        rows,
        metric.ignore_index,
        None if worst is None else worst.samples(),
        None if classes is None else classes.losses(),
        None if groups is None else groups.losses(),
        None if interval is None else interval.interval(),
        against=None if pairs is None else pairs.against(),
    )
    return _judged(report, before, options), picture


def _paired_losses(metric: HingeLoss, options: argparse.Namespace) -> PairedLosses | None:
    if options.against is None:
        return None
    return PairedLosses(metric, against_label(options), options.interval or DEFAULT_LEVEL)


def _interval(metric: HingeLoss, options: argparse.Namespace) -> IntervalOfBlocks | None:
    """The interval of the loss, if that is asked for; with --against it is the difference's."""
    if options.interval is None or options.against is not None:
        return None
    if options.bootstrap is not None:
        return BootstrapInterval(metric, options.interval, options.bootstrap)
    return StandardErrorInterval(metric, options.interval)


def _value(state: HingeState) -> float | Floats:
    """The loss; a warning about it goes to standard error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        value: float | Floats = state.value()
    for warning in caught:
        say(f"warning: {warning.message}")
    return value


def _judged(report: Report, before: HingeState | None, options: argparse.Namespace) -> Report:
    """A report with the gates that were asked for."""
    gates = []
    baseline = None
    if options.fail_above is not None:
        gates.append(limit_gate(report.value, options.fail_above))
        if report.groups:
            gates.append(group_gate(report.groups, options.fail_above))
    if options.baseline is not None:
        allowed = options.max_increase or Increase.parsed("0")
        baseline = compared(options.baseline, before, report, allowed, options.same_rows)
        gates.append(gate_of(baseline, report.value, options.accept_worse))
    if report.against is not None:
        gates += _gates_of_difference(report.against, options)
    return replace(report, baseline=baseline, gates=gates)


def _gates_of_difference(against: Against, options: argparse.Namespace) -> list[Gate]:
    gates = []
    if options.fail_if_worse:
        gates.append(worse_gate(against.differences, against.label, against.level))
    if options.fail_above_difference is not None:
        bound = options.fail_above_difference
        gates.append(difference_gate(against.differences, against.label, bound))
    return gates


@contextmanager
def _located_errors(block: Block) -> Iterator[None]:
    """Name a block's files in errors about it, which count rows over all files."""
    try:
        yield
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
