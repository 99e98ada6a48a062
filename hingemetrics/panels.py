"""Panels of a picture that share the box of the axes they are drawn on, words included."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text
    from matplotlib.transforms import BboxBase

_GAP = 5.0  # points between panels, and between a panel and the words beside it
_LINE = 1.25  # heights of a font that a line of text needs
_CURVE = 0.25  # of the height that panels share: the curve's
_TALLEST_CURVE = 80.0  # points


class RowWords(NamedTuple):
    """What is written beside a row: its name to the left, loss and size to the right."""

    name: Text
    loss: Text
    size: Text


class Panels:
    """Three panels, from the top a head, a curve and rows, in the box that axes had alone.

    It is the locator of the axes, which become the rows: whenever they are drawn, or a layout
    engine asks how large they are, it measures the words and places the panels so that panels and
    words together fill the box. So nothing is cut off or runs into other axes, with any layout
    engine or none.

    Parameters
    ----------
    rows : matplotlib Axes
        The axes to divide. If they are divided already, they are cleared before.
    """

    def __init__(self, rows: Axes) -> None:
        outer = rows.get_axes_locator()
        if isinstance(outer, Panels):
            outer = outer._outer
            rows.clear()
        self._outer = outer
        self.rows = rows
        self.head = rows.inset_axes((0.0, 0.0, 1.0, 1.0), zorder=0)
        self.curve = rows.inset_axes((0.0, 0.0, 1.0, 1.0), sharex=rows, zorder=0)
        self.head.set_axis_off()
        self._boxes: dict[Axes, BboxBase] = {}
        self._above: list[Any] = []
        self._beside: list[Text] = []
        self._row_words: list[RowWords] = []

    def hold(self, above: list[Any], beside: list[Text], row_words: list[RowWords]) -> None:
        """Place the panels from now on, with room for words.

        Parameters
        ----------
        above : list of matplotlib Artist
            What stands in the head, one above the other.
        beside : list of matplotlib Text
            Words to the right of the panels.
        row_words : list of RowWords
            Words of rows, from the top. Where rows are low, only those of every k-th are shown.
        """
        self._above, self._beside, self._row_words = above, beside, row_words
        self.rows.set_axes_locator(self)
        for panel in (self.head, self.curve):
            panel.set_axes_locator(partial(self._box, panel))
        self(self.rows, None)

    def __call__(self, ax: Axes, renderer: Any) -> BboxBase:
        """Return where the rows are, in fractions of the figure, as an axes locator does."""
        for _ in range(2):  # which words are shown depends on the room, and the room on them
            self._place(renderer)
        return self._boxes[self.rows]

    def get_subplotspec(self) -> Any:
        """Return the place of the axes in a grid, which `tight_layout` asks a locator for."""
        return self.rows.get_subplotspec()

    def _box(self, panel: Axes, ax: Axes, renderer: Any) -> BboxBase:
        """Return where a panel was placed, whoever asks."""
        return self._boxes[panel]

    def _place(self, renderer: Any) -> None:
        """Measure the words and place the panels."""
        from matplotlib.transforms import Bbox

        figure = self.rows.figure
        point = figure.dpi / 72
        gap = _GAP * point
        x0, y0, x1, y1 = self._outer_box(renderer).transformed(figure.transSubfigure).extents
        above = [artist.get_window_extent(renderer) for artist in self._above]
        beside = [text.get_window_extent(renderer) for text in self._right_words()]
        left, bottom = self._room_of_axes(renderer)
        left, bottom, right = x0 + left, y0 + bottom, x1 - gap - max(box.width for box in beside)
        top = y1 - sum(box.height + gap for box in above)
        middle = top - min(_CURVE * (top - bottom), _TALLEST_CURVE * point)
        for panel, extents in (
            (self.head, (min(left, x1 - max(box.width for box in above)), top, x1, y1)),
            (self.curve, (left, middle, max(right, left + 1), max(top, middle + 1))),
            (self.rows, (left, bottom, max(right, left + 1), max(middle - gap, bottom + 1))),
        ):
            box = Bbox.from_extents(*extents).transformed(figure.transSubfigure.inverted())
            self._boxes[panel] = box
            panel.apply_aspect(box)
        self._show_row_words(point)

    def _outer_box(self, renderer: Any) -> BboxBase:
        """Return the box that the axes had alone, in fractions of the figure."""
        if self._outer is None:
            return self.rows.get_position(original=True)
        return self._outer(self.rows, renderer)

    def _room_of_axes(self, renderer: Any) -> tuple[float, float]:
        """Return how much ticks and their labels take on the left and at the bottom, in pixels."""
        axes = (self.rows.xaxis, self.rows.yaxis, self.curve.yaxis)
        boxes = [axis.get_tightbbox(renderer, for_layout_only=True) for axis in axes]
        left = max(
            axis.axes.bbox.x0 - box.x0 for axis, box in zip(axes, boxes, strict=True) if box
        )
        return left, self.rows.bbox.y0 - boxes[0].y0

    def _right_words(self) -> list[Text]:
        """Return the words to the right of panels."""
        return [*self._beside, *(text for words in self._row_words for text in words[1:])]

    def _show_row_words(self, point: float) -> None:
        """Show what has room in the rows: every k-th row's words, sizes below losses or not."""
        height = self.rows.bbox.height / len(self._row_words)
        line = _LINE * point * self._row_words[0].loss.get_fontsize()
        step = math.ceil(line / height)
        for number, words in enumerate(self._row_words):
            words.name.set_visible(number % step == 0)
            words.loss.set_visible(number % step == 0)
            words.size.set_visible(height >= 2 * line)
            words.loss.set_verticalalignment("bottom" if height >= 2 * line else "center")
