"""HingeLossDisplay: the margins of each class, and the loss above them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hingemetrics._core.config import Config, MulticlassMode
from hingemetrics._core.typing import Array, Floats
from hingemetrics._inputs.estimators import decisions
from hingemetrics._inputs.labelled import Labelled, labelled, labelled_by_classes
from hingemetrics._inputs.labels import Classes
from hingemetrics.plot._bins import bin_edges, histogram, shown_range
from hingemetrics.plot._drawing import Contents, draw
from hingemetrics.plot._figures import axes_or_new, notebook_png
from hingemetrics.plot._margins import (
    SIDES,
    WeightedMargins,
    checked_margins,
    checked_rows,
    indices_by_class,
    margins_and_rows,
    sides,
)
from hingemetrics.plot._panels import Panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class HingeLossDisplay:
    """Where a hinge loss comes from: the margins of each class, and the loss above them.

    Best made with `from_predictions` or `from_estimator`. Each class has a row with the histogram
    of its margins, coloured by side: wrong, inside the margin, beyond it. Each row has its own
    scale, so that rare classes are visible too, and its mean loss at the right end. Above the rows
    is the hinge, with the overall mean loss. Far outliers are not drawn, but listed.

    A notebook shows a display that is a cell's last value, as it does figures of pyplot.

    Parameters
    ----------
    margins : array_like, shape (M,)
        Margins (dimensionless) within ±1e100, or ±1e50 if `squared`.
    rows : array_like, shape (M,)
        For each margin, the index of its class in `classes`.
    classes : list
        Labels of the classes.
    sample_weight : array_like, shape (M,), optional
        Finite weights >= 0, not all zero.
    squared : bool, default False
        Whether each loss is squared.

    Attributes
    ----------
    loss : float
        The mean loss of the margins (dimensionless), correctly rounded.
    class_losses : ndarray of float64, shape (C,)
        The mean loss of each class's margins, correctly rounded; NaN where there are none, or all
        weights are 0.
    shares : tuple of three floats
        The fractions of the total loss, in [0, 1], from margins on the wrong side (m < 0), inside
        the margin (0 <= m < 1) and beyond it (m >= 1, always 0); all 0 if there is no loss.
    fractions : tuple of three floats
        The fractions of the margins, by weight, on each of these sides; correctly rounded.
    edges_ : ndarray of float64, shape (B + 1,)
        Edges of the bins, after `plot`.
    counts_ : ndarray, shape (3, C, B)
        Number, or weight, of the margins by side, class and bin.
    outside_ : tuple of two pairs of floats
        The fractions of the margins, by weight, and of the total loss that are not drawn: left of
        the axis, and right of it.
    ax_, figure_ : matplotlib Axes and Figure
        The rows, and the figure they are in.
    loss_ax_ : matplotlib Axes
        The hinge, above `ax_`, with which it shares the axis of margins.

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
    figure_: Any  # a Figure, or the SubFigure that the axes are in
    loss_ax_: Axes
    edges_: Floats
    counts_: Array
    outside_: tuple[tuple[float, float], tuple[float, float]]

    def __init__(
        self,
        margins: npt.ArrayLike,
        rows: npt.ArrayLike,
        classes: Classes,
        *,
        sample_weight: object = None,
        squared: bool = False,
    ) -> None:
        self.margins = checked_margins(np.asarray(margins, dtype=np.float64), squared)
        self.rows = checked_rows(np.asarray(rows), len(self.margins), len(classes))
        self.classes = classes
        self.sample_weight = None if sample_weight is None else np.asarray(sample_weight)
        if self.sample_weight is not None and not self.sample_weight.any():
            raise ValueError("sample_weight must have a sum above 0, got only zeros")
        self.squared = squared
        self._by_class = indices_by_class(self.rows, len(classes))
        weighted = self._weighted_margins()
        self.loss = weighted.mean_loss()
        self.class_losses = np.array([weighted.chosen(own).mean_loss() for own in self._by_class])
        side = sides(self.margins)
        self.fractions, self.shares = zip(
            *(weighted.parts(side == number) for number in range(SIDES)), strict=True
        )

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

        The margin of a sample is, for two classes, the decision value, negated if the label is the
        lesser one; for Crammer-Singer, the true class's value minus the largest other one. For
        one-vs-all, all C binary margins of each sample are drawn, each in the row of its class.

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
        data = labelled_by_classes(y, pred_decision, classes, sample_weight)
        return cls._of(data, squared, multiclass_mode).plot(ax, bins=bins)

    @classmethod
    def _of(
        cls, data: Labelled, squared: bool, multiclass_mode: str | MulticlassMode | None
    ) -> HingeLossDisplay:
        """Return the display of decision values, not yet drawn."""
        config = Config.checked(squared, multiclass_mode)
        margins, rows = margins_and_rows(data.preds, data.target, config.multiclass_mode)
        weight = data.weight
        if weight is not None:
            weight = np.repeat(weight, len(margins) // len(weight))
        return cls(margins, rows, data.classes, sample_weight=weight, squared=config.squared)

    def plot(self, ax: Axes | None = None, *, bins: Any = 40) -> HingeLossDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            What to draw on: the whole picture, text included, stays inside the box of these axes,
            which become the rows. If they already hold a display, they are cleared. By default the
            only axes of a new figure, which is not registered with pyplot: for ``plt.show()``,
            pass an `ax` of pyplot's, such as ``plt.gca()``.
        bins : int, str or sequence of float, default 40
            The approximate number of bins, whose edges then fall on 0, and on 1 unless bins are
            wider; or anything else that `numpy.histogram_bin_edges` takes. Unless they are a
            sequence, they cover 0, 1, each class's median and nine of ten margins on each side of
            1; or all margins, if that makes the axis no more than four times as long.

        Returns
        -------
        HingeLossDisplay
            This display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        rows = len(self.classes)
        height = 3.1 + 0.4 * min(rows, 10) + 0.16 * min(max(rows - 10, 0), 50)
        ax = axes_or_new(ax, 7.5, height)
        with np.errstate(all="ignore"):  # tiny values may underflow
            self._count(bins)
            panels = Panels(ax)
            self.ax_, self.figure_, self.loss_ax_ = ax, ax.figure, panels.curve
            draw(panels, self._contents())
        return self

    def _count(self, bins: Any) -> None:
        """Count the margins in each bin, and those outside the axis."""
        low, high = shown_range(self.margins, self._by_class)
        self.edges_ = bin_edges(self.margins, low, high, bins)
        self.counts_ = histogram(
            self.margins, self.rows, len(self.classes), self.edges_, self.sample_weight
        )
        left, right = self.margins < self.edges_[0], self.margins > self.edges_[-1]
        weighted = self._weighted_margins()
        self.outside_ = weighted.parts(left), weighted.parts(right)

    def _weighted_margins(self) -> WeightedMargins:
        return WeightedMargins(self.margins, self.sample_weight, self.squared)

    def _contents(self) -> Contents:
        return Contents(
            classes=self.classes,
            class_sizes=list(map(len, self._by_class)),
            class_losses=self.class_losses,
            loss=self.loss,
            fractions=self.fractions,
            shares=self.shares,
            edges=self.edges_,
            counts=self.counts_,
            outside=self.outside_,
            weighted=self.sample_weight is not None,
            squared=self.squared,
        )

    def _repr_png_(self) -> bytes | None:
        """Return the picture, for notebooks; None if nothing was drawn, or if pyplot shows it."""
        return notebook_png(self.ax_) if hasattr(self, "ax_") else None
