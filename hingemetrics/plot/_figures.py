"""What all plots share: axes, colours, the largest number drawn, and the loss's name."""

from __future__ import annotations

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
