"""Drawing a picture of margins: the rows of classes, the hinge above them, and all text."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hingemetrics._core.typing import Array, Floats
from hingemetrics._inputs.labels import Classes
from hingemetrics.functional import hinge_loss
from hingemetrics.plot._figures import BLACK, GREY, ORANGE, SKY_BLUE, VERMILION, loss_name
from hingemetrics.plot._panels import Line, Panels, RowTexts, table
from hingemetrics.plot._words import LONGEST_NAME, one_line, percent, three_digits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend
    from matplotlib.offsetbox import AnchoredOffsetbox

_SIDES = {  # of margins, in the order of `sides`: name, range, color
    "wrong side": ("m < 0", VERMILION),
    "inside the margin": ("0 ≤ m < 1", ORANGE),
    "beyond it": ("m ≥ 1", SKY_BLUE),
}
_ROW_HEIGHT = 0.85  # of the highest bar; rows are 1 apart
_NAMED_ROWS = 100  # ticks are slow


class Contents(NamedTuple):
    """The numbers and names that a picture shows."""

    classes: Classes
    class_sizes: list[int]
    class_losses: Floats
    loss: float
    fractions: tuple[float, ...]
    shares: tuple[float, ...]
    edges: Floats
    counts: Array
    outside: tuple[tuple[float, float], tuple[float, float]]
    weighted: bool
    squared: bool


def draw(panels: Panels, shown: Contents) -> None:
    """Draw the panels and place them."""
    _draw_rows(panels, shown)
    _draw_hinge(panels, shown)
    panels.place(
        above=[
            panels.head.add_artist(_table_of_sides(shown, panels.font)),
            _legend(panels, shown),
        ],
        beside=[panels.write_beside(panels.curve, 0.0, "mean loss", color=GREY)],
        rows=_row_texts(panels, shown),
    )


def _draw_rows(panels: Panels, shown: Contents) -> None:
    """Draw the histogram of each class, from the top."""
    ax, edges = panels.rows, shown.edges
    classes, ends = len(shown.classes), (edges[0], edges[-1])
    highest = shown.counts.sum(axis=0).max(axis=1)
    scale = _ROW_HEIGHT / np.where(highest > 0, highest, 1)  # a row may have no margins in bins
    tops = np.cumsum(shown.counts, axis=0) * scale[:, np.newaxis]
    bottoms = np.concatenate([np.zeros_like(tops[:1]), tops[:-1]])
    floors = classes - 1 - np.arange(classes)
    for (_, color), *sides_of_rows in zip(_SIDES.values(), tops, bottoms, strict=True):
        for floor, top, bottom in zip(floors, *sides_of_rows, strict=True):
            ax.stairs(floor + top, edges, baseline=floor + bottom, fill=True, color=color)
    thin = 0.05 * panels.height / classes  # in low rows, thicker floors would hide everything
    ax.hlines(floors, *ends, color=GREY, linewidth=min(0.5, thin))
    ax.set(xlim=ends, ylim=(0, classes))
    ax.set_xlabel("margin m (each row has its own scale)", fontsize=panels.font)
    ax.tick_params(labelsize=panels.font)
    _mark_sides(ax)


def _draw_hinge(panels: Panels, shown: Contents) -> None:
    """Draw the hinge, filled in the colours of its sides, and the mean loss."""
    ax = panels.curve
    m = np.union1d(np.linspace(shown.edges[0], shown.edges[-1], 500), [0.0, 1.0])
    hinge = hinge_loss(m, np.ones(len(m)), shown.squared, reduction="none")
    ax.plot(m, hinge, color=BLACK, linewidth=1.5)
    ax.axhline(shown.loss, color=BLACK, linewidth=1, linestyle="--")
    for start, end, (_, color) in zip(
        (-np.inf, 0, 1), (0, 1, np.inf), _SIDES.values(), strict=True
    ):
        ax.fill_between(
            m, hinge, where=(start <= m) & (m <= end), color=color, alpha=0.35, linewidth=0
        )
    highest = hinge.max()
    if shown.loss <= 2 * highest:  # or else the hinge would be flat
        highest = max(highest, shown.loss)
    ax.set_ylim(0, 1.08 * highest)
    ax.locator_params(axis="y", nbins=3)
    ax.tick_params(labelsize=panels.font)
    ax.tick_params(axis="x", labelbottom=False, length=0)
    _mark_sides(ax)


def _mark_sides(ax: Axes) -> None:
    """Draw the limits of the sides, 0 and 1."""
    for end in (0.0, 1.0):
        ax.axvline(end, color=GREY, linewidth=0.8, linestyle=":")
    ax.spines[["top", "right"]].set_visible(False)


def _table_of_sides(shown: Contents, font: str) -> AnchoredOffsetbox:
    """Return a table of the fractions of margins and loss on each side, and outside the axis."""
    whole = "of weight" if shown.weighted else "of margins"
    lines = [Line(("", "", whole, "of loss"), GREY)]
    for (name, (where, color)), *parts in zip(
        _SIDES.items(), shown.fractions, shown.shares, strict=True
    ):
        lines.append(Line((name, where, *map(percent, parts)), BLACK, color))
    for side, sign, edge, outside in zip(
        ("left", "right"), "<>", shown.edges[[0, -1]], shown.outside, strict=True
    ):
        if any(outside):
            where = f"m {sign} {edge:.4g}".replace("-", "\N{MINUS SIGN}")
            lines.append(Line((f"{side} of the axis", where, *map(percent, outside)), GREY))
    return table(lines, ("left", "left", "right", "right"), font)


def _legend(panels: Panels, shown: Contents) -> Legend:
    """Return the legend for the curve of the hinge and the line of the mean loss."""
    curve, mean, *_ = panels.curve.get_lines()
    above = " (above)" if shown.loss > panels.curve.get_ylim()[1] else ""
    return panels.head.legend(
        [curve, mean],
        [loss_name(shown.squared), f"mean loss: {shown.loss:.4g}{above}"],
        ncols=2,
        fontsize=panels.font,
        loc="lower left",
        frameon=False,
        borderpad=0,
        borderaxespad=0,
        handlelength=1.6,
        columnspacing=1.5,
    )


def _row_texts(panels: Panels, shown: Contents) -> list[RowTexts]:
    """Write each class's name, mean loss and number of margins beside its row."""
    ax, last = panels.rows, len(shown.classes) - 1
    named = range(len(shown.classes))[:: -(-len(shown.classes) // _NAMED_ROWS)]
    middles = [last - c + 0.5 * _ROW_HEIGHT for c in named]
    longest = LONGEST_NAME[panels.font]
    ax.set_yticks(middles, [one_line(shown.classes[c], longest) for c in named])
    ax.tick_params(axis="y", length=0)
    texts = []
    for name, middle, c in zip(ax.get_yticklabels(), middles, named, strict=True):
        loss = panels.write_beside(ax, middle, three_digits(shown.class_losses[c]))
        size = f"n = {shown.class_sizes[c]}"
        size_below = panels.write_beside(ax, middle, size, color=GREY, va="top")
        texts.append(RowTexts(name, loss, size_below))
    return texts
