"""What all plots share: axes, colours, the largest number drawn, and how notebooks show them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, which colour-blind people can tell apart too
BLACK = "#000000"
ORANGE = "#E69F00"
SKY_BLUE = "#56B4E9"
BLUE = "#0072B2"
VERMILION = "#D55E00"

GREY = "#666666"  # for what is less important
LARGEST_DRAWN = 1e100  # beyond it, matplotlib's scales overflow


def axes_or_new(ax: Any, width: float, height: float) -> Axes:
    """Return `ax`, or the axes of a new figure, in inches, that is not registered with pyplot."""
    if ax is not None:
        if not hasattr(ax, "axhline"):
            raise TypeError(f"ax must be Axes of matplotlib, got {ax!r}")
        return ax  # type: ignore[no-any-return]
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install matplotlib") from error
    figure: Figure = Figure(figsize=(width, height), layout="constrained")
    return figure.subplots()


def loss_name(squared: bool) -> str:
    """The name of the loss, for axes and legends."""
    return "squared hinge loss" if squared else "hinge loss"


def notebook_png(ax: Axes) -> bytes | None:
    """Return the picture that axes are in, for notebooks; None if pyplot shows it."""
    from matplotlib._pylab_helpers import Gcf  # does not import pyplot

    figure: Any = ax.figure.figure  # the whole figure, if the axes are in a SubFigure
    if any(manager.canvas.figure is figure for manager in Gcf.get_all_fig_managers()):
        return None
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
