"""Pictures of the hinge loss: where it comes from, and its values. matplotlib is optional."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hingemetrics import hinge_loss, losses
from hingemetrics.exact import Array, Floats, Ints
from hingemetrics.labels import Classes, Labelled, decisions, labelled, of_classes
from hingemetrics.state import Config, MulticlassMode

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which everybody can tell apart
_BLACK, _GREY, _BLUE = "#000000", "#666666", "#0072B2"
_REGIONS = {  # of margins, as `_regions` numbers them
    "wrong side, m < 0": "#D55E00",
    "inside the margin, 0 ≤ m < 1": "#E69F00",
    "beyond it, m ≥ 1": "#56B4E9",
}
_LARGEST, _LARGEST_SQUARED = 1e100, 1e50  # beyond, scales overflow where they are made
_ROW_HEIGHT = 0.85  # of the highest bar; rows are 1 apart
_NAMED_ROWS = 40  # more names would overlap
_NAMED_BARS = 20
_ROOMY = 5.5  # inches that the legend takes in two columns


class HingeLossDisplay:
    """Where a hinge loss comes from: the margins of each class, and the loss over them.

    Best made with `from_predictions` or `from_estimator`. Each class has a row with the histogram
    of its margins, coloured by side: wrong, inside the margin, beyond it. The hinge is drawn over
    them, with the mean loss, on an axis of its own.

    Parameters
    ----------
    margins : array_like, shape (M,)
        Margins (dimensionless) within ±1e100, or ±1e50 if `squared`.
    rows : array_like, shape (M,)
        For each margin, the index of its class in `classes`.
    classes : list
        Labels of the classes.
    sample_weight : array_like, shape (M,), optional
        Finite weights >= 0, of which one is above 0.
    squared : bool, default False
        Whether each loss is squared.

    Attributes
    ----------
    loss : float
        The mean loss of the margins (dimensionless), correctly rounded.
    shares : tuple of three floats
        Which part of the whole loss, in [0, 1], comes from margins on the wrong side (m < 0),
        inside the margin (0 <= m < 1) and beyond it (m >= 1, always 0); all 0 where there is no
        loss.
    fractions : tuple of three floats
        Which part of the margins, by weight, is there; correctly rounded.
    edges_ : ndarray of float64, shape (B + 1,)
        Edges of the bins, after `plot`.
    counts_ : ndarray, shape (3, C, B)
        Number, or weight, of the margins on each of the three sides, of each class, in each bin.
    ax_, figure_ : matplotlib Axes and Figure
        What was drawn on.
    loss_ax_ : matplotlib Axes
        The axis of the loss, which shares its margins with `ax_`.

    Raises
    ------
    ValueError
        If margins, rows or weights are not as above.

    Examples
    --------
    >>> from hingemetrics.plot import HingeLossDisplay
    >>> display = HingeLossDisplay.from_predictions(["ham", "spam", "spam"], [-2.2, 1.5, -0.5])
    >>> display.loss, display.shares
    (0.5, (1.0, 0.0, 0.0))
    >>> display.figure_.savefig("margins.png")  # doctest: +SKIP
    """

    ax_: Axes
    figure_: Any  # a Figure, or the SubFigure that axes are in
    loss_ax_: Axes
    edges_: Floats
    counts_: Array

    def __init__(
        self,
        margins: npt.ArrayLike,
        rows: npt.ArrayLike,
        classes: Classes,
        *,
        sample_weight: object = None,
        squared: bool = False,
    ) -> None:
        self.margins = _drawable(np.asarray(margins, dtype=np.float64), squared)
        self.rows = _rows(np.asarray(rows), len(self.margins), len(classes))
        self.classes = classes
        self.sample_weight = None if sample_weight is None else np.asarray(sample_weight)
        if self.sample_weight is not None and not self.sample_weight.any():
            raise ValueError("sample_weight must have a sum above 0, got only zeros")
        self.squared = squared
        self._regions = _regions(self.margins)
        self.loss = _mean(self.margins, self.sample_weight, squared)
        self.shares = self._of_regions(self._share)
        self.fractions = self._of_regions(self._fraction)

    @classmethod
    def from_predictions(
        cls,
        y_true: object,
        pred_decision: object,
        *,
        labels: object = None,
        sample_weight: object = None,
        squared: bool = False,
        multiclass_mode: str | MulticlassMode | None = None,
        bins: Any = 40,
        ax: Axes | None = None,
    ) -> HingeLossDisplay:
        """Draw the margins of decision values.

        The margin of a sample is, for two classes, the decision value, negated where the label is
        the lesser one; for Crammer-Singer its own class's value less the best rival's. For
        one-vs-all, all C binary margins of each sample are drawn, in the row of their column.

        Parameters
        ----------
        y_true, pred_decision, labels, sample_weight, squared, multiclass_mode
            As for `hingemetrics.sklearn.hinge_loss`.
        bins, ax
            As for `plot`.

        Returns
        -------
        HingeLossDisplay

        Raises
        ------
        TypeError, ValueError, ZeroDivisionError
            As `hingemetrics.sklearn.hinge_loss`.
        ImportError
            If matplotlib is not installed.

        Examples
        --------
        >>> from hingemetrics.plot import HingeLossDisplay
        >>> preds = [[2.0, 0.5, -1.0], [0.0, 0.5, -1.0], [0.5, 1.0, 0.0]]
        >>> HingeLossDisplay.from_predictions(list("abc"), preds).fractions[1]
        0.3333333333333333
        """
        data = labelled(y_true, pred_decision, labels, sample_weight)
        return cls._of(data, squared, multiclass_mode).plot(ax, bins=bins)

    @classmethod
    def from_estimator(
        cls,
        estimator: object,
        X: object,  # noqa: N803
        y: object,
        *,
        sample_weight: object = None,
        squared: bool = False,
        multiclass_mode: str | MulticlassMode | None = None,
        bins: Any = 40,
        ax: Axes | None = None,
    ) -> HingeLossDisplay:
        """Draw the margins of a classifier.

        Parameters
        ----------
        estimator, X, y, sample_weight
            As for `hingemetrics.sklearn.hinge_scorer`.
        squared, multiclass_mode
            As for `hingemetrics.sklearn.hinge_loss`.
        bins, ax
            As for `plot`.

        Returns
        -------
        HingeLossDisplay

        Raises
        ------
        AttributeError, TypeError, ValueError, ZeroDivisionError
            As `hingemetrics.sklearn.hinge_scorer`.
        ImportError
            If matplotlib is not installed.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.svm import SVC
        >>> from hingemetrics.plot import HingeLossDisplay
        >>> X, y = load_iris(return_X_y=True)
        >>> HingeLossDisplay.from_estimator(SVC().fit(X, y), X, y).classes
        [0, 1, 2]
        """
        pred_decision, classes = decisions(estimator, X)
        data = of_classes(y, pred_decision, classes, sample_weight)
        return cls._of(data, squared, multiclass_mode).plot(ax, bins=bins)

    @classmethod
    def _of(
        cls, data: Labelled, squared: bool, multiclass_mode: str | MulticlassMode | None
    ) -> HingeLossDisplay:
        """Return the display of decision values, not drawn yet."""
        config = Config.checked(squared, multiclass_mode)
        margins, rows = _margins(data.preds, data.target, config.multiclass_mode)
        weight = data.weight
        if weight is not None:
            weight = np.repeat(weight, len(margins) // len(weight))
        return cls(margins, rows, data.classes, sample_weight=weight, squared=config.squared)

    def plot(self, ax: Axes | None = None, *, bins: Any = 40) -> HingeLossDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            What to draw on; a legend comes above it. By default the only axes of a new figure,
            which pyplot knows nothing of: for ``plt.show()`` pass an `ax` of pyplot's.
        bins : int, str or sequence of float, default 40
            About the number of bins, whose edges then fall on 0, and on 1 unless bins are wider;
            or anything else that `numpy.histogram_bin_edges` takes.

        Returns
        -------
        HingeLossDisplay
            This one.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = _axes(ax, 8.0, 3.0 + 0.35 * min(len(self.classes), _NAMED_ROWS))
        self.ax_, self.figure_, self.loss_ax_ = ax, ax.figure, ax.twinx()
        self.edges_ = _edges(self.margins, bins)
        self.counts_ = self._counts()
        self._draw_margins()
        self._draw_loss()
        self._draw_legend()
        return self

    def _of_regions(self, measure: Any) -> tuple[float, float, float]:
        """Return a measure of each side."""
        wrong, inside, beyond = (measure(self._regions == number) for number in range(3))
        return wrong, inside, beyond

    def _share(self, chosen: npt.NDArray[np.bool_]) -> float:
        """Return which part of the whole loss the chosen margins have."""
        weight = self.sample_weight
        part_weight = None if weight is None else weight[chosen]
        part = _sum(self.margins[chosen], part_weight, self.squared)
        return part / _sum(self.margins, weight, self.squared) if part else 0.0

    def _fraction(self, chosen: npt.NDArray[np.bool_]) -> float:
        """Return which part of the margins is chosen: the mean loss if each of those costs 1."""
        return _mean(np.where(chosen, 0.0, 1.0), self.sample_weight, squared=False)

    def _counts(self) -> Array:
        """Return the histogram of each class on each side."""
        return np.array(
            [
                [self._histogram((self._regions == n) & (self.rows == c)) for c in self._places()]
                for n in range(len(_REGIONS))
            ]
        )

    def _places(self) -> range:
        """Return the indices of the classes."""
        return range(len(self.classes))

    def _histogram(self, chosen: npt.NDArray[np.bool_]) -> Array:
        """Return the number, or weight, of the chosen margins in each bin."""
        weight = None if self.sample_weight is None else self.sample_weight[chosen]
        return np.histogram(self.margins[chosen], self.edges_, weights=weight)[0]

    def _draw_margins(self) -> None:
        """Draw the histograms, with what each side comes to."""
        ax, last = self.ax_, len(self.classes) - 1
        highest = self.counts_.sum(axis=0).max() or 1  # bins may be elsewhere
        tops = np.cumsum(self.counts_, axis=0) * (_ROW_HEIGHT / highest)
        bottoms = np.concatenate([np.zeros_like(tops[:1]), tops[:-1]])
        for number, color in enumerate(_REGIONS.values()):
            for c in self._places():
                ax.stairs(
                    last - c + tops[number, c],
                    self.edges_,
                    baseline=last - c + bottoms[number, c],
                    fill=True,
                    color=color,
                )
        for end in (0.0, 1.0):
            ax.axvline(end, color=_GREY, linewidth=0.8, linestyle=":")
        unit = "samples" if self.sample_weight is None else "weight"
        ax.set(
            xlabel="margin m",
            ylabel=f"class (highest bar: {highest:g} {unit})",
            xlim=(self.edges_[0], self.edges_[-1]),
            ylim=(0, last + 1),
        )
        self._name_rows()

    def _name_rows(self) -> None:
        """Draw the floor of each row and write its class, the first on top."""
        ax, last = self.ax_, len(self.classes) - 1
        named = self._places()[:: -(-len(self.classes) // _NAMED_ROWS)]
        middles = [last - c + _ROW_HEIGHT / 2 for c in named]
        ax.set_yticks(middles, [str(self.classes[c]) for c in named])
        ax.tick_params(axis="y", length=0)
        for c in self._places():
            ax.axhline(last - c, color=_GREY, linewidth=0.5)
        ax.spines["top"].set_visible(False)

    def _draw_loss(self) -> None:
        """Draw the hinge and the mean loss."""
        ax, name = self.loss_ax_, _name(self.squared)
        m = np.union1d(np.linspace(self.edges_[0], self.edges_[-1], 500), [0.0, 1.0])
        hinge = np.asarray(hinge_loss(m, np.ones(len(m)), self.squared, reduction="none"))
        ax.plot(m, hinge, color=_BLACK, linewidth=1.5)
        ax.axhline(self.loss, color=_BLACK, linewidth=1, linestyle="--")
        ax.set(ylabel=name, ylim=(0, 1.05 * hinge.max()))
        ax.spines["top"].set_visible(False)

    def _draw_legend(self) -> None:
        """Write above the axes what each side comes to, in a column where there is less room."""
        ax, classes = self.ax_, len(self.classes)
        roomy = ax.get_window_extent().width >= _ROOMY * ax.figure.dpi
        sides = [
            f"{side}:{' ' if roomy else chr(10)}{fraction:.1%} of margins, {share:.1%} of the loss"
            for side, fraction, share in zip(_REGIONS, self.fractions, self.shares, strict=True)
        ]
        ax.legend(
            [*ax.patches[-3 * classes :: classes], *self.loss_ax_.get_lines()],
            [*sides, _name(self.squared), f"mean loss: {self.loss:.4g}"],
            ncols=2 if roomy else 1,
            fontsize="small",
            loc="lower right",  # to the left, above long names of classes, there is room
            bbox_to_anchor=(1.0, 1.0),
            frameon=False,
        )


def plot_value(
    value: float | Floats, *, squared: bool = False, ax: Axes | None = None
) -> tuple[Any, Axes]:
    """Draw a loss as a point, or one loss a class as bars.

    Parameters
    ----------
    value : float or ndarray of float64, shape (C,)
        Losses (dimensionless). What is not finite, or above 1e100, is written, not drawn.
    squared : bool, default False
        Whether they are of squared losses.
    ax : matplotlib Axes, optional
        What to draw on, by default the only axes of a new figure, which pyplot knows nothing of.

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
    per_class = isinstance(value, np.ndarray)
    values = np.atleast_1d(value)
    heights = np.where(np.abs(values) <= _LARGEST, values, 0.0)
    ax = _axes(ax, 7.0 if per_class else 4.0, 3.6)
    ax.axhline(1.0, color=_GREY, linewidth=1, linestyle=":", label="of always answering 0")
    if per_class:
        ax.bar(np.arange(len(values)), heights, color=_BLUE)
        ax.set_xlabel("class, against all others")
    else:
        ax.plot(heights, "o", color=_BLUE, markersize=10)
    if len(values) <= _NAMED_BARS:
        ax.set_xticks(range(len(values)) if per_class else [])
        for place, (number, height) in enumerate(zip(values, heights, strict=True)):
            _write(ax, f"{number:.3g}", place, height)
    ax.set(ylabel=_name(squared), ylim=(0, 1.15 * max(1.0, heights.max())))
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    return ax.figure, ax


def _write(ax: Axes, text: str, x: float, y: float) -> None:
    """Write above a point, readable also where a line runs through."""
    paper = {"facecolor": ax.get_facecolor(), "edgecolor": "none", "pad": 1.0}
    ax.annotate(
        text, (x, y), (0, 7), textcoords="offset points", ha="center", va="bottom", bbox=paper
    )


def _margins(preds: Floats, target: Ints, mode: MulticlassMode) -> tuple[Floats, Ints]:
    """Return all margins, (M,), and in which class's row each belongs."""
    with np.errstate(over="ignore"):  # refused, not warned of
        if preds.ndim == 1:
            return losses.binary_margin(preds, target), target
        if mode is MulticlassMode.CRAMMER_SINGER:
            return losses.crammer_singer_margin(preds, target), target
        margins = losses.one_vs_all_margin(preds, target)
    return margins.ravel(), np.tile(np.arange(margins.shape[1]), len(margins))


def _drawable(margins: Floats, squared: bool) -> Floats:
    """Return margins, none of which is NaN, infinite (as a difference may be) or beyond a scale."""
    if margins.ndim != 1 or not len(margins):
        raise ValueError(f"margins must have shape (M,), M >= 1, got {margins.shape}")
    largest = _LARGEST_SQUARED if squared else _LARGEST
    fits = np.abs(margins) <= largest
    if not fits.all():
        row = int(fits.argmin())
        must = f"finite, and drawn within ±{largest:g}"
        raise ValueError(f"margins must be {must}, got {margins[row]} at index {row}")
    return margins


def _rows(rows: Array, margins: int, classes: int) -> Array:
    """Return the class of each margin."""
    if rows.shape != (margins,):
        raise ValueError(f"rows must have shape ({margins},) like margins, got {rows.shape}")
    fits = (rows >= 0) & (rows < classes)
    if not fits.all():
        row = int(fits.argmin())
        raise ValueError(f"rows must be in [0, {classes}), got {rows[row]} at index {row}")
    return rows


def _regions(margins: Floats) -> Ints:
    """Return on which side each margin is: 0 wrong, 1 inside the margin, 2 beyond it."""
    return np.digitize(margins, [0.0, 1.0])


def _mean(margins: Floats, weight: Array | None, squared: bool) -> float:
    """Return the mean loss of margins."""
    return float(hinge_loss(margins, np.ones(len(margins)), squared, sample_weight=weight))


def _sum(margins: Floats, weight: Array | None, squared: bool) -> float:
    """Return the sum of the losses of margins."""
    ones = np.ones(len(margins))
    return float(hinge_loss(margins, ones, squared, sample_weight=weight, reduction="sum"))


def _edges(margins: Floats, bins: Any) -> Floats:
    """Return edges of bins; of about so many, at multiples of 1/k or of k for an integer k."""
    if not isinstance(bins, (int, np.integer)):
        return np.histogram_bin_edges(margins, bins)
    if bins < 1:
        raise ValueError(f"bins must be >= 1, got {bins}")
    low, high = min(margins.min(), 0.0), max(margins.max(), 1.0)
    width = (high - low) / bins
    k = 1 // width if width < 1.0 else np.ceil(width)
    factor, divisor = (1.0, k) if width < 1.0 else (k, 1.0)
    first, last = (np.floor(end * divisor / factor) for end in (low, high))
    edges: Floats = np.arange(first, last + 2) * factor / divisor
    edges[0] = min(edges[0], low)  # the product may have been rounded up
    return edges


def _name(squared: bool) -> str:
    """Return what a loss is called."""
    return "squared hinge loss" if squared else "hinge loss"


def _axes(ax: Any, width: float, height: float) -> Axes:
    """Return axes, by default of a new figure; pyplot, which remembers figures, has no part."""
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
