"""ComparisonDisplay: who got better and who worse, and the mean difference with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hingemetrics._core.config import Config, MulticlassMode
from hingemetrics._core.typing import Array, Floats
from hingemetrics._inputs.arguments import checked_confidence_level
from hingemetrics._inputs.estimators import decisions
from hingemetrics._inputs.labelled import (
    Labelled,
    checked_decisions,
    labelled,
    labelled_by_classes,
)
from hingemetrics._inputs.labels import Classes
from hingemetrics.plot._comparison_drawing import (
    ClassContents,
    MeanContents,
    draw_classes,
    draw_mean,
)
from hingemetrics.plot._differences import (
    Pair,
    edges_of_differences,
    histograms,
    sides_of_differences,
)
from hingemetrics.plot._figures import axes_or_new, notebook_png
from hingemetrics.plot._panels import Panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ComparisonDisplay:
    """Is a model worse than a baseline: the difference of losses, of each sample and in the mean.

    Best made with `from_predictions` or `from_estimators`. The table leads from the baseline's mean
    loss to the model's: what the samples that got better gained, and what those that got worse
    lost. Below it are the mean difference with its confidence interval, against 0, and the
    histogram of the samples' differences; those that did not change are told of, not drawn, and so
    are far outliers. For one-vs-all, each class has a row with its mean difference and interval.

    A notebook shows a display that is a cell's last value, as it does figures of pyplot.

    Parameters
    ----------
    preds, baseline_preds, target
        As for `hingemetrics.compare`; at least one sample.
    classes : list, optional
        Labels of the C columns, to name the rows of one-vs-all; by default their numbers.
    sample_weight : array_like, shape (N,), optional
        Finite weights >= 0, not all zero.
    squared, multiclass_mode, confidence_level
        As for `hingemetrics.compare`.
    name, baseline_name : str
        What to call the model and its baseline.

    Attributes
    ----------
    comparison : Comparison
        Both mean losses, their difference, and its interval: what `hingemetrics.compare` returns.
    differences : ndarray of float64, shape (N,), or (N, C) for one-vs-all
        Each sample's loss minus its baseline loss (dimensionless, without weights): below 0, the
        model is better.
    fractions : tuple of three floats, or of three ndarrays, shape (C,), for one-vs-all
        The fractions of the samples, by weight, that are better, unchanged and worse; correctly
        rounded.
    parts : tuple of three floats, or of three ndarrays, shape (C,), for one-vs-all
        The parts of the mean difference that come from these samples, each correctly rounded; they
        add up to it.
    edges_ : ndarray of float64, shape (B + 1,)
        Edges of the bins, after `plot`. None for one-vs-all, like the next two.
    counts_ : ndarray, shape (2, B)
        Number, or weight, of the better and of the worse samples in each bin.
    outside_ : tuple of two pairs of floats
        The fractions of the samples, by weight, that are not drawn, and their parts of the mean
        difference: left of the axis, and right of it.
    ax_, figure_ : matplotlib Axes and Figure
        The histogram, or the rows, and the figure they are in.
    interval_ax_ : matplotlib Axes
        The interval, above the histogram; `ax_` for one-vs-all.

    Raises
    ------
    TypeError, ValueError
        As `hingemetrics.compare`; also without samples or weight.

    Examples
    --------
    >>> from hingemetrics.plot import ComparisonDisplay
    >>> display = ComparisonDisplay.from_predictions(
    ...     ["ham", "spam", "spam"], [-2.0, 0.75, -0.5], [-2.0, 0.25, 0.25], name="new"
    ... )
    >>> display.comparison.difference, display.parts
    (0.08333333333333333, (-0.16666666666666666, 0.0, 0.25))
    >>> display.differences.tolist()
    [0.0, -0.5, 0.75]
    """

    ax_: Axes
    figure_: Any  # a Figure, or the SubFigure that the axes are in
    interval_ax_: Axes
    edges_: Floats | None
    counts_: Array | None
    outside_: tuple[tuple[float, float], tuple[float, float]] | None

    def __init__(
        self,
        preds: object,
        baseline_preds: object,
        target: object,
        *,
        classes: Classes | None = None,
        sample_weight: object = None,
        squared: bool = False,
        multiclass_mode: str | MulticlassMode | None = None,
        confidence_level: float = 0.95,
        name: str = "model",
        baseline_name: str = "baseline",
    ) -> None:
        config = Config.checked(squared, multiclass_mode)
        self.confidence_level = checked_confidence_level(confidence_level)
        pair = Pair.checked(preds, baseline_preds, target, sample_weight, config)
        self.comparison = pair.compared(self.confidence_level)
        self.differences = pair.differences()
        self._arrays = pair[:3]
        self.sample_weight = pair.weight
        self.squared, self.multiclass_mode = config
        columns = self.differences.shape[1] if self._is_per_class else 0
        self.classes = list(range(columns)) if classes is None else classes
        if columns and len(self.classes) != columns:
            raise ValueError(
                f"classes must hold {columns} labels, one per column, got {len(self.classes)}"
            )
        self.name, self.baseline_name = name, baseline_name
        self.fractions, self.parts = zip(
            *map(pair.part, sides_of_differences(self.differences)), strict=True
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: object,
        pred_decision: object,
        baseline_decision: object,
        *,
        labels: object = None,
        sample_weight: object = None,
        squared: bool = False,
        multiclass_mode: str | MulticlassMode | None = None,
        confidence_level: float = 0.95,
        name: str = "model",
        baseline_name: str = "baseline",
        bins: Any = 40,
        ax: Axes | None = None,
    ) -> ComparisonDisplay:
        """Draw the differences of two models' losses on the same samples.

        Parameters
        ----------
        y_true, pred_decision, labels, sample_weight, squared, multiclass_mode
            As for `hingemetrics.sklearn.hinge_loss`.
        baseline_decision
            The baseline's decision values for the same samples, like `pred_decision`.
        confidence_level : float, default 0.95
            Of the interval, between 0 and 1.
        name, baseline_name : str
            What to call the model and its baseline.
        bins, ax
            As for `plot`.

        Returns
        -------
        ComparisonDisplay

        Raises
        ------
        TypeError, ValueError, ZeroDivisionError
            As `hingemetrics.sklearn.hinge_loss`.
        ImportError
            If matplotlib is not installed.

        Examples
        --------
        >>> from hingemetrics.plot import ComparisonDisplay
        >>> display = ComparisonDisplay.from_predictions([0, 1], [-0.5, 0.75], [-0.25, 0.5])
        >>> display.fractions
        (1.0, 0.0, 0.0)
        """
        data = labelled(y_true, pred_decision, labels, sample_weight)
        return cls._of(
            data,
            baseline_decision,
            squared=squared,
            multiclass_mode=multiclass_mode,
            confidence_level=confidence_level,
            name=name,
            baseline_name=baseline_name,
        ).plot(ax, bins=bins)

    @classmethod
    def from_estimators(
        cls,
        estimator: object,
        baseline_estimator: object,
        X: object,  # noqa: N803
        y: object,
        *,
        sample_weight: object = None,
        squared: bool = False,
        multiclass_mode: str | MulticlassMode | None = None,
        confidence_level: float = 0.95,
        name: str | None = None,
        baseline_name: str | None = None,
        bins: Any = 40,
        ax: Axes | None = None,
    ) -> ComparisonDisplay:
        """Draw the differences of two classifiers' losses.

        Parameters
        ----------
        estimator, X, y, sample_weight
            As for `hingemetrics.sklearn.hinge_scorer`.
        baseline_estimator
            A classifier that was fitted with the same classes.
        squared, multiclass_mode
            As for `hingemetrics.sklearn.hinge_loss`.
        confidence_level : float, default 0.95
            Of the interval, between 0 and 1.
        name, baseline_name : str, optional
            What to call them; by default the names of their classes, or "model" and "baseline" if
            these are equal.
        bins, ax
            As for `plot`.

        Returns
        -------
        ComparisonDisplay

        Raises
        ------
        AttributeError, TypeError, ValueError, ZeroDivisionError
            As `hingemetrics.sklearn.hinge_scorer`; also if the classes differ.
        ImportError
            If matplotlib is not installed.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.svm import SVC
        >>> from hingemetrics.plot import ComparisonDisplay
        >>> X, y = load_iris(return_X_y=True)
        >>> soft, hard = SVC(C=0.1).fit(X, y), SVC(C=10).fit(X, y)
        >>> ComparisonDisplay.from_estimators(soft, hard, X, y).comparison.difference > 0
        True
        """
        pred_decision, classes = decisions(estimator, X)
        baseline_decision, others = decisions(baseline_estimator, X, "baseline_estimator")
        if others != classes:
            raise ValueError(
                f"baseline_estimator must have the classes of estimator, {classes}, got {others}"
            )
        kinds = type(estimator).__name__, type(baseline_estimator).__name__
        names = kinds if kinds[0] != kinds[1] else ("model", "baseline")
        return cls._of(
            labelled_by_classes(y, pred_decision, classes, sample_weight),
            baseline_decision,
            squared=squared,
            multiclass_mode=multiclass_mode,
            confidence_level=confidence_level,
            name=names[0] if name is None else name,
            baseline_name=names[1] if baseline_name is None else baseline_name,
        ).plot(ax, bins=bins)

    @classmethod
    def _of(cls, data: Labelled, baseline_decision: object, **options: Any) -> ComparisonDisplay:
        """Return the display of decision values, not yet drawn."""
        baseline = checked_decisions(
            baseline_decision, len(data.target), len(data.classes), "baseline_decision"
        )
        return cls(
            data.preds,
            baseline,
            data.target,
            classes=data.classes,
            sample_weight=data.weight,
            **options,
        )

    def plot(self, ax: Axes | None = None, *, bins: Any = 40) -> ComparisonDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            What to draw on: the whole picture, text included, stays inside the box of these axes,
            which become the histogram. If they already hold a display, they are cleared. By default
            the only axes of a new figure, which is not registered with pyplot: for ``plt.show()``,
            pass an `ax` of pyplot's, such as ``plt.gca()``.
        bins : int, str or sequence of float, default 40
            The approximate number of bins, whose edges then fall on 0; or anything else that
            `numpy.histogram_bin_edges` takes. Unless they are a sequence, they cover 0, the median
            of all differences but 0 and nine of ten differences on each side of 0; or all, if that
            makes the axis no more than four times as long. One-vs-all has no bins.

        Returns
        -------
        ComparisonDisplay
            This display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        rows = len(self.classes) if self._is_per_class else 0
        height = 1.6 + 0.36 * min(rows, 10) + 0.16 * min(max(rows - 10, 0), 50) if rows else 4.2
        ax = axes_or_new(ax, 7.5, height)
        with np.errstate(all="ignore"):  # tiny values may underflow
            self._draw_on(ax, bins)
        return self

    def _draw_on(self, ax: Axes, bins: Any) -> None:
        """Draw the histogram and the interval, or the intervals of classes."""
        self.edges_ = self.counts_ = self.outside_ = None
        if self._is_per_class:
            panels = Panels(ax, tallest_curve=12.0)
            draw_classes(panels, self._class_contents())
            self.interval_ax_ = ax
        else:
            self.edges_ = edges_of_differences(self.differences, bins)
            self.counts_, outside = histograms(self.differences, self.sample_weight, self.edges_)
            left, right = map(self._pair().part, outside)
            self.outside_ = left, right
            panels = Panels(ax, shared=False, tallest_curve=30.0)
            draw_mean(panels, self._mean_contents(self.edges_, self.counts_, self.outside_))
            self.interval_ax_ = panels.curve
        self.ax_, self.figure_ = ax, ax.figure

    def _mean_contents(self, edges: Floats, counts: Array, outside: Any) -> MeanContents:
        undefined = np.isnan(self.differences)
        return MeanContents(
            comparison=self.comparison,
            confidence_level=self.confidence_level,
            names=(self.name, self.baseline_name),
            fractions=self.fractions,
            parts=self.parts,
            undefined=self._pair().part(undefined)[0],
            edges=edges,
            counts=counts,
            outside=outside,
            weighted=self.sample_weight is not None,
            squared=self.squared,
        )

    def _class_contents(self) -> ClassContents:
        return ClassContents(
            comparison=self.comparison,
            confidence_level=self.confidence_level,
            names=(self.name, self.baseline_name),
            classes=self.classes,
            squared=self.squared,
        )

    def _pair(self) -> Pair:
        config = Config(self.squared, self.multiclass_mode)
        return Pair(*self._arrays, self.sample_weight, config)

    @property
    def _is_per_class(self) -> bool:
        return self.differences.ndim == 2

    def _repr_png_(self) -> bytes | None:
        """Return the picture, for notebooks; None if nothing was drawn, or if pyplot shows it."""
        return notebook_png(self.ax_) if hasattr(self, "ax_") else None
