"""The report as Markdown, for the summary of a job: the verdict first, then the numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from hingemetrics.cli.formats.characters import valid
from hingemetrics.cli.formats.tables import (
    against_table,
    class_table,
    group_table,
    loss_table,
    worst_table,
)
from hingemetrics.cli.groups import GroupLoss, worst_groups
from hingemetrics.cli.report import Report

_MARKED = re.compile(r"[\\`*_~#$@&<>|{}\[\]]|[^ -~]")  # also what a terminal's encoding may lack

_MOST_GROUPS = 20  # in the table


def as_markdown(report: Report) -> str:
    """Return the verdict, a line for each gate, and the tables."""
    return "\n\n".join("\n".join(block) for block in _blocks(report))


def _blocks(report: Report) -> Iterator[Iterable[str]]:
    verdict = f": {_word(report.is_open)}" if report.gates else ""
    yield [f"### Hinge loss of {_escaped(report.data)}{verdict}"]
    if report.gates:
        yield [
            f"- {_escaped(gate.name)} {_word(gate.is_open)}: {_escaped(gate.sentence)}"
            for gate in report.gates
        ]
    yield _table(loss_table(report))
    ignored = f", {report.ignored} ignored" if report.ignored else ""
    yield [f"{report.state.count} sample{'s' * (report.state.count != 1)}{ignored}"]
    if report.against is not None:
        yield [f"#### Against {_escaped(report.against.label)}"]
        yield _table(against_table(report.against))
    if report.groups is not None:
        yield from _group_blocks(report.groups)
    if report.worst is not None:
        yield ["#### Worst samples"]
        yield _table(worst_table(report.worst))
    if report.classes is not None:
        yield ["#### Loss of each class's samples"]
        yield _table(class_table(report.classes))


def _group_blocks(groups: Sequence[GroupLoss]) -> Iterator[Iterable[str]]:
    """Yield the heading, the table of the worst groups, and how many more there are."""
    worst = worst_groups(groups)[:_MOST_GROUPS]
    more = len(groups) - len(worst)
    yield ["#### Worst groups" if more else "#### Groups, worst first"]
    yield _table(group_table(worst))
    if more:
        yield [f"{more} more group{'s' * (more != 1)}"]


def _word(is_open: bool) -> str:
    return "passed" if is_open else "**failed**"


def _table(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table, its columns aligned on the right."""
    for number, row in enumerate(rows):
        yield f"| {' | '.join(map(_escaped, row))} |"
        if number == 0:
            yield f"|{' ---: |' * len(row)}"


def _escaped(text: str) -> str:
    """Return a text in one line and in ASCII, with nothing that Markdown would read as markup."""
    line = valid(" ".join(text.split()))
    return _MARKED.sub(lambda match: f"&#{ord(match[0])};", line)
