"""Plots of values of the hinge loss. matplotlib is optional."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from hingemetrics._core.typing import Floats
from hingemetrics.plot._figures import BLUE, GREY, LARGEST_DRAWN, axes_or_new, loss_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.text import Text

_NAMED_BARS = 20
_ROOM_OF_TEXT = 0.9  # fraction of a bar and the gap beside it
_ABOVE = 7.0  # points between a value and its text


def plot_value(
    value: float | Floats, *, squared: bool = False, ax: Axes | None = None
) -> tuple[Any, Axes]:
    """Plot a loss as a point, or one loss per class as bars.

    Parameters
    ----------
    value : float or ndarray of float64, shape (C,)
        Losses (dimensionless). Those that are not finite, or above 1e100, are written, not drawn.
    squared : bool, default False
        Whether each loss is squared.
    ax : matplotlib Axes, optional
        What to draw on; by default the only axes of a new figure, which is not registered with
        pyplot.

    Returns
    -------
    tuple of matplotlib Figure and Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> from hingemetrics.plot import plot_value
    >>> figure, ax = plot_value(0.3)
    >>> ax.get_ylabel()
    'hinge loss'
    """
    ax = axes_or_new(ax, 7.0 if isinstance(value, np.ndarray) else 4.0, 3.6)
    with np.errstate(all="ignore"):  # tiny values may underflow
        _draw(ax, value, squared)
    return ax.figure, ax


def _draw(ax: Axes, value: float | Floats, squared: bool) -> None:
    per_class = isinstance(value, np.ndarray)
    values = np.atleast_1d(value)
    heights = np.where(np.abs(values) <= LARGEST_DRAWN, values, 0.0)
    ax.axhline(1.0, color=GREY, linewidth=1, linestyle=":", label="of always answering 0")
    if per_class:
        ax.bar(np.arange(len(values)), heights, color=BLUE)
        ax.set_xlabel("class, against all others")
    else:
        # Unclipped, so that a point at 0 is whole
        ax.plot(heights, "o", color=BLUE, markersize=10, clip_on=False, zorder=3)
    ax.set(ylabel=loss_name(squared), ylim=(0, 1.15 * max(1.0, heights.max())))
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    if len(values) <= _NAMED_BARS:
        ax.set_xticks(range(len(values)) if per_class else [])
        _write_values(ax, values, heights)


def _write_values(ax: Axes, values: Floats, heights: Floats) -> None:
    """Write the values above the bars, vertically if they are wider, and make room for them."""
    box = {"facecolor": ax.get_facecolor(), "edgecolor": "none", "pad": 1.0}  # hides lines behind
    texts = [
        ax.annotate(
            f"{value:.3g}",
            (place, height),
            (0, _ABOVE),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize="small",
            bbox=box,
        )
        for place, (value, height) in enumerate(zip(values, heights, strict=True))
    ]
    (left, _), (right, _) = ax.transData.transform([(0, 0), (1, 0)])
    pitch = _ROOM_OF_TEXT * (right - left)
    if len(texts) > 1 and _widest(texts) > pitch:
        for text in texts:
            text.set_rotation(90)
    if names := ax.get_xticklabels():
        ax.set_xticks(ax.get_xticks()[:: math.ceil(_widest(names) / pitch)])
    above = 2 * _ABOVE * ax.figure.dpi / 72
    room = max(text.get_window_extent().height for text in texts) + above
    ax.set_ylim(top=max(ax.get_ylim()[1], heights.max() / (1 - min(0.6, room / ax.bbox.height))))


def _widest(texts: Sequence[Text]) -> float:
    """Return the width of the widest text, in pixels."""
    return max(text.get_window_extent().width for text in texts)
