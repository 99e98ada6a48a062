"""Panels that share the box of the axes, text included, and a table for one of them."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.offsetbox import AnchoredOffsetbox
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

_GAP = 6.0  # points between panels, and between a panel and the text beside it
_LINE = 1.25  # height of a line of text, in font sizes
_WORD = 1.2  # width of a number with the gap to the next one, in widths of the number
_CURVE = 0.25  # fraction of the panels' height for the curve
_ROOMY = 5.0  # inches; in narrower boxes fonts are smaller


class Line(NamedTuple):
    """A line of a table: cells of text, optionally preceded by a coloured square."""

    cells: tuple[str, ...]
    color: str
    square: str | None = None  # its color


class RowTexts(NamedTuple):
    """The text beside a row: its name to the left, loss and size to the right."""

    name: Text
    loss: Text
    size: Text


class Panels:
    """Three panels, from the top a head, a curve and rows, in the box that the axes had alone.

    It is the locator of the axes, which become the rows: whenever they are drawn, or a layout
    engine asks for their size, it measures the text and places the panels so that panels and text
    together fill the box. So nothing is cut off or runs into other axes, with any layout engine or
    none.

    Parameters
    ----------
    rows : matplotlib Axes
        The axes to divide. If they are already divided, they are cleared first.
    shared : bool, default True
        Whether the curve shares the x-axis of the rows. Otherwise it has numbers of its own below.
    tallest_curve : float, default 80
        The most that the curve is high, in points.

    Attributes
    ----------
    rows, head, curve : matplotlib Axes
        The panels; the head shows no axis.
    height : float
        Height of the whole box, in points.
    font : str
        The font size that suits the box.
    """

    def __init__(self, rows: Axes, shared: bool = True, tallest_curve: float = 80.0) -> None:
        before: Any = rows.get_axes_locator()
        again = isinstance(before, Panels)
        if again:
            rows.clear()
        self._outer: Any = before._outer if again else before
        self.rows = rows
        self.head = rows.inset_axes((0.0, 0.0, 1.0, 1.0), zorder=0)
        self.curve = rows.inset_axes(
            (0.0, 0.0, 1.0, 1.0), sharex=rows if shared else None, zorder=0
        )
        self._shared = shared
        self._tallest_curve = tallest_curve
        self.head.set_axis_off()
        inches = rows.figure.dpi_scale_trans.inverted()
        box = self._outer_box(None).transformed(rows.figure.transSubfigure).transformed(inches)
        self.height = 72 * box.height
        self.font = "small" if box.width >= _ROOMY else "x-small"
        # The space that text takes on the left, below rows and curve, and on the right, in pixels
        self._room = (0.0, 0.0, 0.0, 0.0)
        self._boxes: dict[Axes, Bbox] = {}
        self._above: list[Artist] = []
        self._beside: list[Text] = []
        self._row_texts: list[RowTexts] = []

    def write_beside(self, panel: Axes, y: float, text: str, **style: Any) -> Text:
        """Write at the right end of the box, at `y` in the rows' data or as a curve's fraction."""
        from matplotlib.transforms import blended_transform_factory

        height = panel.transData if panel is self.rows else panel.transAxes
        place = blended_transform_factory(self.head.transAxes, height)
        return panel.text(1, y, text, transform=place, fontsize=self.font, ha="right", **style)

    def place(self, above: list[Artist], beside: list[Text], rows: list[RowTexts]) -> None:
        """Place the panels, now and at each drawing, with room for text.

        Parameters
        ----------
        above : list of matplotlib Artist
            What is stacked in the head.
        beside : list of matplotlib Text
            Text to the right of the panels.
        rows : list of RowTexts
            Text beside rows, from the top. If rows are low, only that of every k-th row is shown.
        """
        self._above, self._beside, self._row_texts = above, beside, rows
        self.rows.set_axes_locator(self)
        for panel in (self.head, self.curve):
            panel.set_axes_locator(partial(self._box, panel))

    def __call__(self, ax: Any, renderer: Any) -> Bbox:
        """Return the position of the rows, in fractions of the figure: an axes locator."""
        before = self._room
        self._place(renderer)
        if self._room != before:
            self._place(renderer)  # what text is shown depends on the room, and the room on it
        return self._boxes[self.rows]

    def get_subplotspec(self) -> Any:
        """Return the grid position of the axes, for `tight_layout`, which asks a locator for it."""
        return self.rows.get_subplotspec()

    def _box(self, panel: Axes, ax: Any, renderer: Any) -> Bbox:
        """Return the position of a panel, as a locator does."""
        if not self._boxes:
            self._place(renderer)
        return self._boxes[panel]

    def _place(self, renderer: Any) -> None:
        """Measure the text and place the panels."""
        from matplotlib.transforms import Bbox

        figure = self.rows.figure
        point = figure.dpi / 72
        gap = _GAP * point
        x0, y0, x1, y1 = self._outer_box(renderer).transformed(figure.transSubfigure).extents
        above = [artist.get_window_extent(renderer) for artist in self._above]
        beside = [text.get_window_extent(renderer).width for text in self._right_texts()]
        self._room = (*self._room_of_axes(renderer), max(beside))
        left, bottom, right = x0 + self._room[0], y0 + self._room[1], x1 - gap - self._room[3]
        top = y1 - sum(box.height + gap for box in above)
        middle = top - min(_CURVE * (top - bottom), self._tallest_curve * point)
        rows_top = middle - gap - self._room[2]
        for panel, extents in (
            (self.head, (min(left, x1 - max(box.width for box in above)), top + gap / 2, x1, y1)),
            (self.curve, (left, middle, max(right, left + 1), max(top, middle + 1))),
            (self.rows, (left, bottom, max(right, left + 1), max(rows_top, bottom + 1))),
        ):
            box = Bbox.from_extents(*extents).transformed(figure.transSubfigure.inverted())
            self._boxes[panel] = box
            panel.apply_aspect(box)
        if self._row_texts:
            self._show_row_texts(point)
        _show_numbers(self.rows)
        if not self._shared:
            _show_numbers(self.curve)

    def _outer_box(self, renderer: Any) -> Bbox:
        """Return the box that the axes had alone, in fractions of the figure."""
        if self._outer is None:
            return self.rows.get_position(original=True)
        box: Bbox = self._outer(self.rows, renderer)
        return box

    def _room_of_axes(self, renderer: Any) -> tuple[float, float, float]:
        """Return the space for ticks and labels, left and below rows and curve, in pixels."""
        axes: Any = (self.rows.xaxis, self.rows.yaxis, self.curve.yaxis)
        boxes = [axis.get_tightbbox(renderer, for_layout_only=True) for axis in axes]
        left = [axis.axes.bbox.x0 - box.x0 for axis, box in zip(axes, boxes, strict=True) if box]
        if self._shared:
            return max(left), self.rows.bbox.y0 - boxes[0].y0, 0.0
        numbers: Any = self.curve.xaxis.get_tightbbox(renderer, for_layout_only=True)
        below = self.curve.bbox.y0 - numbers.y0 if numbers else 0.0
        return max(left), self.rows.bbox.y0 - boxes[0].y0, below

    def _right_texts(self) -> list[Text]:
        """Return all text to the right of the panels."""
        return [*self._beside, *(text for texts in self._row_texts for text in texts[1:])]

    def _show_row_texts(self, point: float) -> None:
        """Show the text that has room: of every k-th row, and sizes only if rows are high."""
        height = self.rows.bbox.height / len(self._row_texts)
        fonts: Any = self._row_texts[0].loss.get_fontsize()  # in points, whatever was set
        line = _LINE * point * fonts
        step = math.ceil(line / height)
        for number, texts in enumerate(self._row_texts):
            texts.name.set_visible(number % step == 0)
            texts.loss.set_visible(number % step == 0)
            texts.size.set_visible(height >= 2 * line)
            texts.loss.set_verticalalignment("bottom" if height >= 2 * line else "center")


def _show_numbers(ax: Axes) -> None:
    """Show every k-th number on a horizontal axis: matplotlib underestimates long ones."""
    places = ax.get_xticks()
    numbers = [tick.label1 for tick in ax.xaxis.get_major_ticks(len(places))]
    for number in numbers:
        number.set_visible(True)
    if len(places) > 1:
        (x0, _), (x1, _) = ax.transData.transform([(place, 0) for place in places[:2]])
        widest = max(number.get_window_extent().width for number in numbers)
        step = math.ceil(_WORD * widest / abs(x1 - x0))
        zero = np.abs(places).argmin()
        for k, number in enumerate(numbers):
            number.set_visible((k - zero) % step == 0)


def table(
    lines: list[Line], aligns: Sequence[str], font: str, title: Sequence[str] = ()
) -> AnchoredOffsetbox:
    """Return a table for the upper left corner of axes, its columns aligned "left" or "right".

    Above it are the lines of a title, if any.
    """
    from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, TextArea, VPacker

    def column(texts: list[tuple[str, str]], align: Any, **style: str) -> Artist:
        cells: list[Artist] = [
            TextArea(text, textprops={"fontsize": font, "color": color, **style})
            for text, color in texts
        ]
        return VPacker(children=cells, align=align, pad=0, sep=1)

    squares = [("■" if line.square else "", line.square or line.color) for line in lines]
    columns = [column(squares, "left", family="DejaVu Sans")]  # it comes with matplotlib
    for number, align in enumerate(aligns):
        columns.append(column([(line.cells[number], line.color) for line in lines], align))
    packed: Any = HPacker(children=columns, align="top", pad=0, sep=7)
    if title:
        texts: list[Artist] = [
            TextArea(text, textprops={"fontsize": font, "weight": "bold"}) for text in title
        ]
        packed = VPacker(children=[*texts, packed], align="left", pad=0, sep=3)
    return AnchoredOffsetbox("upper left", child=packed, pad=0, borderpad=0, frameon=False)
