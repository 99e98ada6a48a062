"""Drawing a picture of a comparison: a histogram and an interval, or the intervals of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hingemetrics._core.typing import Array, Floats
from hingemetrics._inputs.labels import Classes
from hingemetrics.comparison import Comparison
from hingemetrics.plot._differences import (
    BETTER,
    UNCHANGED,
    WORSE,
    range_around_zero,
    side_of_interval,
)
from hingemetrics.plot._figures import (
    BLACK,
    GREY,
    LARGEST_DRAWN,
    SKY_BLUE,
    VERMILION,
    loss_name,
)
from hingemetrics.plot._panels import Line, Panels, RowTexts, table
from hingemetrics.plot._words import (
    LONGEST_NAME,
    common_format,
    one_line,
    percent,
    percentage,
    signed,
    three_digits,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend
    from matplotlib.offsetbox import AnchoredOffsetbox

_COLORS = (SKY_BLUE, GREY, VERMILION)  # of better, unchanged or undecided, and worse
_SIDES = (("better", "d < 0"), ("unchanged", "d = 0"), ("worse", "d > 0"))
_CLASSES = (("better", "below 0"), ("undecided", "contains 0"), ("worse", "above 0"))
_NAMED_ROWS = 100  # ticks are slow
_THICKEST = 5.0  # points, of an interval
_ROOM = 0.04  # of an axis, at either end

Column = tuple[float, float, float]
"""The mean difference of a class, and the ends of its interval."""


class MeanContents(NamedTuple):
    """The numbers and names of the picture that leads from the baseline's loss to the model's."""

    comparison: Comparison
    confidence_level: float
    names: tuple[str, str]
    fractions: tuple[float, ...]
    parts: tuple[float, ...]
    undefined: float
    edges: Floats
    counts: Array
    outside: tuple[tuple[float, float], tuple[float, float]]
    weighted: bool
    squared: bool


class ClassContents(NamedTuple):
    """The numbers and names of the picture of classes."""

    comparison: Comparison
    confidence_level: float
    names: tuple[str, str]
    classes: Classes
    squared: bool


def draw_mean(panels: Panels, shown: MeanContents) -> None:
    """Draw the table, the interval of the mean difference and the histogram, and place them."""
    found: Any = shown.comparison
    _draw_histogram(panels, shown)
    ax = panels.curve
    _draw_intervals(ax, [0.0], [(found.difference, found.low, found.high)], _THICKEST)
    ax.set_ylim(-1, 1)
    ax.set_yticks([0.0], ["mean"])
    ax.tick_params(axis="y", length=0)
    _style(ax, panels.font)
    spec = _format_of(found)
    difference = panels.write_beside(ax, 0.5, signed(found.difference, spec), va="center")
    panels.place(
        above=[
            panels.head.add_artist(_table_of_sides(shown, spec, panels.font)),
            _legend(panels, _interval_in_words(shown, spec)),
        ],
        beside=[difference],
        rows=[],
    )


def draw_classes(panels: Panels, shown: ClassContents) -> None:
    """Draw the interval of each class's mean difference, and place the panels."""
    ax, last = panels.rows, len(shown.classes) - 1
    found: Any = shown.comparison
    columns = list(zip(found.difference, found.low, found.high, strict=True))
    thickness = min(_THICKEST, 0.4 * panels.height / len(columns))
    _draw_intervals(ax, [last - c + 0.5 for c in range(last + 1)], columns, thickness)
    ax.set_ylim(0, last + 1)
    ax.set_xlabel(f"difference of mean {loss_name(shown.squared)}es", fontsize=panels.font)
    _style(ax, panels.font)
    panels.curve.tick_params(labelbottom=False, labelleft=False, length=0)
    panels.curve.set_axis_off()  # only its place is needed, for the head of the right column
    legend = f"mean and {percentage(shown.confidence_level)} interval"
    panels.place(
        above=[
            panels.head.add_artist(_table_of_classes(shown, columns, panels.font)),
            _legend(panels, legend),
        ],
        beside=[panels.write_beside(panels.curve, 0.0, "difference", color=GREY)],
        rows=_row_texts(panels, shown),
    )


def _draw_histogram(panels: Panels, shown: MeanContents) -> None:
    """Draw the histogram of differences, and in it their mean and its interval."""
    ax, edges, found = panels.rows, shown.edges, shown.comparison
    highest = shown.counts.sum(axis=0).max()
    better, worse = shown.counts / (highest or 1)  # weights may be too large, or small, to draw
    low, mean, high = (float(end) for end in (found.low, found.difference, found.high))
    if _is_drawable(low, high):
        color = _COLORS[side_of_interval(low, high)]
        ax.axvspan(low, high, color=color, alpha=0.15 if color == GREY else 0.25, linewidth=0)
    ax.stairs(better, edges, fill=True, color=SKY_BLUE)
    ax.stairs(better + worse, edges, baseline=better, fill=True, color=VERMILION)
    ax.axvline(0.0, color=BLACK, linewidth=0.8)
    if _is_drawable(mean):
        ax.axvline(mean, color=BLACK, linewidth=1, linestyle="--")
    low, high = _with_room(edges[0], edges[-1])  # where 0 would be at the end, and no sample is
    ax.set_xlim(low if edges[0] == 0 else edges[0], high if edges[-1] == 0 else edges[-1])
    ax.set_ylim(0, 1.05)
    most = f"{highest:.3g}" if shown.weighted else str(highest)
    ax.set_yticks([0, 1] if highest else [0], ["0", most] if highest else ["0"])  # fits low axes
    ax.set_xlabel(f"d: difference of {loss_name(shown.squared)}es", fontsize=panels.font)
    ax.set_ylabel("weight" if shown.weighted else "samples", fontsize=panels.font)
    if not highest:
        style: Any = {"transform": ax.transAxes, "fontsize": panels.font, "color": GREY}
        ax.text(0.52, 0.5, "no difference on this axis", **style)
    _style(ax, panels.font)


def _draw_intervals(ax: Axes, places: list[float], columns: list[Column], thickness: float) -> None:
    """Draw intervals with their means, in the colours of their sides, against 0."""
    values = np.ravel(columns)
    shown = range_around_zero(values[np.abs(values) <= LARGEST_DRAWN])
    ends = _with_room(*shown)
    ax.axvline(0.0, color=BLACK, linewidth=0.8)
    for y, (mean, low, high) in zip(places, columns, strict=True):
        color = _COLORS[side_of_interval(low, high)]
        if _is_drawable(low, high):
            ax.plot([low, high], [y, y], color=color, linewidth=thickness, solid_capstyle="butt")
        if not ends[0] <= mean <= ends[1]:  # an arrow at the end; nothing for NaN
            end, marker = (0, "<") if mean < 0 else (1, ">")
            if not np.isnan(mean):
                ax.plot([shown[end]], [y], marker, color=color, markersize=thickness)
        else:
            ax.plot([mean], [y], "|", color=BLACK, markersize=2 * thickness, markeredgewidth=1.5)
    ax.set_xlim(ends)


def _style(ax: Axes, font: str) -> None:
    ax.tick_params(labelsize=font)
    ax.xaxis.set_major_formatter(_tick)  # matplotlib's puts exponents on labels of small axes
    ax.spines[["top", "right"]].set_visible(False)


def _table_of_sides(shown: MeanContents, spec: str, font: str) -> AnchoredOffsetbox:
    """Return the table that leads from the baseline's loss to the model's, under a verdict."""
    found: Any = shown.comparison
    name, baseline = (one_line(name, LONGEST_NAME[font]) for name in shown.names)
    whole = "of weight" if shown.weighted else "of samples"
    lines = [
        Line(("", "", whole, "mean loss"), GREY),
        Line((baseline, "", "", _number(found.baseline, spec)), BLACK),
    ]
    for (side, where), color, share, part in zip(
        _SIDES, _COLORS, shown.fractions, shown.parts, strict=True
    ):
        lines.append(Line((side, where, percent(share), signed(part, spec)), BLACK, color))
    if shown.undefined:
        lines.append(Line(("neither", "d is NaN", percent(shown.undefined), ""), GREY))
    lines.append(Line((name, "", "", _number(found.value, spec)), BLACK))
    for side, sign, edge, (share, part) in zip(
        ("left", "right"), "<>", shown.edges[[0, -1]], shown.outside, strict=True
    ):
        if share or part:
            where = f"d {sign} {edge:.4g}".replace("-", "\N{MINUS SIGN}")
            cells = f"{side} of the axis", where, percent(share), signed(part, spec)
            lines.append(Line(cells, GREY))
    return table(lines, ("left", "left", "right", "right"), font, [_verdict(shown)])


def _verdict(shown: MeanContents) -> str:
    """Say what the interval says."""
    found: Any = shown.comparison
    level = percentage(shown.confidence_level)
    if not (shown.fractions[BETTER] or shown.fractions[WORSE] or shown.undefined):
        return "equal: no sample's loss differs"
    if np.isnan(found.low):
        why = "one sample" if found.count == 1 else "losses that are not finite"
        return f"undecided: no interval of {why}"
    return {
        BETTER: f"better: the {level} interval is below 0",
        UNCHANGED: f"undecided: the {level} interval contains 0",
        WORSE: f"worse: the {level} interval is above 0",
    }[side_of_interval(found.low, found.high)]


def _interval_in_words(shown: MeanContents, spec: str) -> str:
    """Return the ends of the interval, for the legend."""
    found: Any = shown.comparison
    if np.isnan(found.low):
        return "difference"
    low, high = signed(found.low, spec), signed(found.high, spec)
    return f"difference, {percentage(shown.confidence_level)} interval {low} to {high}"


def _table_of_classes(shown: ClassContents, columns: list[Column], font: str) -> AnchoredOffsetbox:
    """Return the table of how many classes are better and worse."""
    name, baseline = (one_line(name, LONGEST_NAME[font]) for name in shown.names)
    sides = [None if np.isnan(low) else side_of_interval(low, high) for _, low, high in columns]
    lines = [
        Line((what, where, str(sides.count(side))), BLACK, color)
        for side, (what, where), color in zip(
            (BETTER, UNCHANGED, WORSE), _CLASSES, _COLORS, strict=True
        )
    ]
    lines.insert(0, Line(("", "interval", "classes"), GREY))
    if unknown := sides.count(None):
        lines.append(Line(("unknown", "none", str(unknown)), GREY))
    return table(lines, ("left", "left", "right"), font, [f"{name} against {baseline}"])


def _row_texts(panels: Panels, shown: ClassContents) -> list[RowTexts]:
    """Write each class's name, difference and both losses beside its row."""
    ax, last = panels.rows, len(shown.classes) - 1
    found: Any = shown.comparison
    named = range(len(shown.classes))[:: -(-len(shown.classes) // _NAMED_ROWS)]
    middles = [last - c + 0.5 for c in named]
    longest = LONGEST_NAME[panels.font]
    ax.set_yticks(middles, [one_line(shown.classes[c], longest) for c in named])
    ax.tick_params(axis="y", length=0)
    texts = []
    for name, middle, c in zip(ax.get_yticklabels(), middles, named, strict=True):
        difference = panels.write_beside(ax, middle, signed(found.difference[c]))
        losses = " → ".join(three_digits(loss[c]) for loss in (found.baseline, found.value))
        below = panels.write_beside(ax, middle, losses, color=GREY, va="top")
        texts.append(RowTexts(name, difference, below))
    return texts


def _legend(panels: Panels, words: str) -> Legend:
    """Return the legend for the marks of intervals."""
    from matplotlib.legend_handler import HandlerTuple
    from matplotlib.lines import Line2D

    band = Line2D([], [], color=GREY, linewidth=_THICKEST, solid_capstyle="butt")
    mark = Line2D(
        [], [], color=BLACK, marker="|", markersize=2 * _THICKEST, markeredgewidth=1.5, linestyle=""
    )
    return panels.head.legend(
        [(band, mark)],
        [words],
        handler_map={tuple: HandlerTuple(ndivide=1)},
        fontsize=panels.font,
        loc="lower left",
        frameon=False,
        borderpad=0,
        borderaxespad=0,
        handlelength=1.6,
    )


def _format_of(found: Any) -> str:
    """Return the format of all losses in the table."""
    return common_format(found.difference, found.value, found.baseline)


def _number(loss: float, spec: str) -> str:
    return f"{loss:{spec}}".replace("-", "\N{MINUS SIGN}")


def _tick(place: float, position: object) -> str:
    return f"{place:.6g}".replace("-", "\N{MINUS SIGN}")


def _is_drawable(*numbers: float) -> bool:
    return all(abs(number) <= LARGEST_DRAWN for number in numbers)


def _with_room(low: float, high: float) -> tuple[float, float]:
    """Return the ends of an axis, with room beside what is drawn."""
    room = _ROOM * (high - low)
    return low - room, high + room
