"""HingeLossDisplay: the margins of each class, and the loss above them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hingemetrics._core.config import Config, MulticlassMode
from hingemetrics._core.typing import Array, Floats
from hingemetrics._inputs.labels import Classes, Labelled, decisions, labelled, of_classes
from hingemetrics.functional import hinge_loss
from hingemetrics.plot._margins import (
    SIDES,
    bin_edges,
    checked_margins,
    checked_rows,
    histogram,
    margins_and_rows,
    mean_loss,
    members,
    shown_range,
    sides,
    sum_of_losses,
)
from hingemetrics.plot._panels import GREY, Line, Panels, RowWords, axes, loss_name, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend
    from matplotlib.offsetbox import AnchoredOffsetbox

# Okabe and Ito's colours, which everybody can tell apart
_BLACK = "#000000"
_SIDES = {  # of margins, as `sides` numbers them: name, range, color
    "wrong side": ("m < 0", "#D55E00"),
    "inside the margin": ("0 ≤ m < 1", "#E69F00"),
    "beyond it": ("m ≥ 1", "#56B4E9"),
}
_ROW_HEIGHT = 0.85  # of the highest bar; rows are 1 apart
_NAMED_ROWS = 100  # ticks are slow
_LONGEST_NAME = {"small": 30, "x-small": 16}


class HingeLossDisplay:
    """Where a hinge loss comes from: the margins of each class, and the loss above them.

    Best made with `from_predictions` or `from_estimator`. Each class has a row with the histogram
    of its margins, coloured by side: wrong, inside the margin, beyond it. Each row has a scale of
    its own, so that rare classes are seen too, and its mean loss at its right end. Above the rows
    is the hinge, with the mean loss of all. Far outliers are not drawn, but told of.

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
        Finite weights >= 0, of which one is above 0.
    squared : bool, default False
        Whether each loss is squared.

    Attributes
    ----------
    loss : float
        The mean loss of the margins (dimensionless), correctly rounded.
    class_losses : ndarray of float64, shape (C,)
        The mean loss of each class's margins, correctly rounded; NaN where there are none, or all
        weigh 0.
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
    outside_ : tuple of two pairs of floats
        Which part of the margins, by weight, and which part of the whole loss is not drawn: left
        of the axis, and right of it.
    ax_, figure_ : matplotlib Axes and Figure
        The rows, and what they are in.
    loss_ax_ : matplotlib Axes
        The hinge, above `ax_`, whose axis of margins it shares.

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
        self._members = members(self.rows, len(classes))
        self.loss = mean_loss(self.margins, self.sample_weight, squared)
        self.class_losses = np.array([self._class_loss(chosen) for chosen in self._members])
        side = sides(self.margins)
        self.fractions, self.shares = zip(
            *(self._parts(side == number) for number in range(SIDES)), strict=True
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
            What to draw on: all of the picture, words included, stays inside the box of these axes,
            which become the rows. If they hold a display already, they are cleared. By default
            the only axes of a new figure, which pyplot knows nothing of: for ``plt.show()`` pass
            an `ax` of pyplot's, as ``plt.gca()`` is.
        bins : int, str or sequence of float, default 40
            About the number of bins, whose edges then fall on 0, and on 1 unless bins are wider;
            or anything else that `numpy.histogram_bin_edges` takes. Unless they are a sequence,
            they hold 0, 1, each class's median and nine of ten margins on each side of 1; all
            margins, if that makes the axis no more than four times as long.

        Returns
        -------
        HingeLossDisplay
            This one.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        rows = len(self.classes)
        ax = axes(ax, 7.5, 3.1 + 0.4 * min(rows, 10) + 0.16 * min(max(rows - 10, 0), 50))
        with np.errstate(all="ignore"):  # what is next to nothing may underflow
            self._count(bins)
            self._draw(Panels(ax))
        return self

    def _repr_png_(self) -> bytes | None:
        """Return what was drawn, for notebooks; None if nothing was, or if pyplot shows it."""
        if not hasattr(self, "ax_"):
            return None
        from matplotlib._pylab_helpers import Gcf  # asks nothing of pyplot, and does not load it

        figure = self.ax_.figure.figure  # the whole one, if axes are in a SubFigure
        if any(manager.canvas.figure is figure for manager in Gcf.get_all_fig_managers()):
            return None
        file = io.BytesIO()
        figure.savefig(file, format="png")
        return file.getvalue()

    def _parts(self, chosen: npt.NDArray[np.bool_]) -> tuple[float, float]:
        """Return which part of the margins, by weight, and of the whole loss is chosen."""
        weight = self.sample_weight
        # The mean loss if each chosen margin costs 1: correctly rounded.
        fraction = mean_loss(np.where(chosen, 0.0, 1.0), weight, squared=False)
        chosen_weight = None if weight is None else weight[chosen]
        loss = sum_of_losses(self.margins[chosen], chosen_weight, self.squared)
        return fraction, loss / sum_of_losses(self.margins, weight, self.squared) if loss else 0.0

    def _class_loss(self, chosen: Array) -> float:
        """Return the mean loss of the chosen margins."""
        weight = None if self.sample_weight is None else self.sample_weight[chosen]
        return mean_loss(self.margins[chosen], weight, self.squared)

    def _count(self, bins: Any) -> None:
        """Count the margins in bins, and those outside."""
        self.edges_ = bin_edges(self.margins, *shown_range(self.margins, self._members), bins)
        self.counts_ = histogram(
            self.margins, self.rows, len(self.classes), self.edges_, self.sample_weight
        )
        left, right = self.margins < self.edges_[0], self.margins > self.edges_[-1]
        self.outside_ = self._parts(left), self._parts(right)

    def _draw(self, panels: Panels) -> None:
        """Draw all panels, and place them."""
        self.ax_, self.figure_, self.loss_ax_ = panels.rows, panels.rows.figure, panels.curve
        self._draw_margins(panels)
        self._draw_loss(panels.font)
        panels.place(
            above=[panels.head.add_artist(self._table(panels.font)), self._legend(panels)],
            beside=[panels.write_beside(panels.curve, 0.0, "mean loss", color=GREY)],
            rows=self._row_words(panels),
        )

    def _draw_margins(self, panels: Panels) -> None:
        """Draw a histogram in each row, the first on top."""
        ax, classes, ends = self.ax_, len(self.classes), (self.edges_[0], self.edges_[-1])
        highest = self.counts_.sum(axis=0).max(axis=1)
        scale = _ROW_HEIGHT / np.where(highest > 0, highest, 1)  # bins may be elsewhere
        tops = np.cumsum(self.counts_, axis=0) * scale[:, np.newaxis]
        bottoms = np.concatenate([np.zeros_like(tops[:1]), tops[:-1]])
        floors = classes - 1 - np.arange(classes)
        for (_, color), *sides_of_rows in zip(_SIDES.values(), tops, bottoms, strict=True):
            for floor, top, bottom in zip(floors, *sides_of_rows, strict=True):
                ax.stairs(floor + top, self.edges_, baseline=floor + bottom, fill=True, color=color)
        thin = 0.05 * panels.height / classes  # of low rows, floors would be all that is seen
        ax.hlines(floors, *ends, color=GREY, linewidth=min(0.5, thin))
        ax.set(xlim=ends, ylim=(0, classes))
        ax.set_xlabel("margin m (each row has its own scale)", fontsize=panels.font)
        ax.tick_params(labelsize=panels.font)
        _mark_sides(ax)

    def _draw_loss(self, font: str) -> None:
        """Draw the hinge, in the colours of its sides, and the mean loss."""
        ax = self.loss_ax_
        m = np.union1d(np.linspace(self.edges_[0], self.edges_[-1], 500), [0.0, 1.0])
        hinge = hinge_loss(m, np.ones(len(m)), self.squared, reduction="none")
        ax.plot(m, hinge, color=_BLACK, linewidth=1.5)
        ax.axhline(self.loss, color=_BLACK, linewidth=1, linestyle="--")
        for start, end, (_, color) in zip(
            (-np.inf, 0, 1), (0, 1, np.inf), _SIDES.values(), strict=True
        ):
            ax.fill_between(
                m, hinge, where=(start <= m) & (m <= end), color=color, alpha=0.35, linewidth=0
            )
        highest = hinge.max()
        if self.loss <= 2 * highest:  # or else the hinge would be flat
            highest = max(highest, self.loss)
        ax.set_ylim(0, 1.08 * highest)
        ax.locator_params(axis="y", nbins=3)
        ax.tick_params(labelsize=font)
        ax.tick_params(axis="x", labelbottom=False, length=0)
        _mark_sides(ax)

    def _table(self, font: str) -> AnchoredOffsetbox:
        """Return what each side, and what lies outside the axis, comes to."""
        whole = "of margins" if self.sample_weight is None else "of weight"
        lines = [Line(("", "", whole, "of loss"), GREY)]
        for (name, (where, color)), *parts in zip(
            _SIDES.items(), self.fractions, self.shares, strict=True
        ):
            lines.append(Line((name, where, *map(_percent, parts)), _BLACK, color))
        for side, sign, edge, outside in zip(
            ("left", "right"), "<>", self.edges_[[0, -1]], self.outside_, strict=True
        ):
            if any(outside):
                where = f"m {sign} {edge:.4g}".replace("-", "\N{MINUS SIGN}")
                lines.append(Line((f"{side} of the axis", where, *map(_percent, outside)), GREY))
        return table(lines, ("left", "left", "right", "right"), font)

    def _legend(self, panels: Panels) -> Legend:
        """Draw what the lines over the hinge are."""
        curve, mean, *_ = self.loss_ax_.get_lines()
        above = " (above)" if self.loss > self.loss_ax_.get_ylim()[1] else ""
        return panels.head.legend(
            [curve, mean],
            [loss_name(self.squared), f"mean loss: {self.loss:.4g}{above}"],
            ncols=2,
            fontsize=panels.font,
            loc="lower left",
            frameon=False,
            borderpad=0,
            borderaxespad=0,
            handlelength=1.6,
            columnspacing=1.5,
        )

    def _row_words(self, panels: Panels) -> list[RowWords]:
        """Write each class, its mean loss and its number of samples beside its row."""
        ax, last = self.ax_, len(self.classes) - 1
        named = range(len(self.classes))[:: -(-len(self.classes) // _NAMED_ROWS)]
        middles = [last - c + 0.5 * _ROW_HEIGHT for c in named]
        ax.set_yticks(middles, [_short(self.classes[c], _LONGEST_NAME[panels.font]) for c in named])
        ax.tick_params(axis="y", length=0)
        words = []
        for name, middle, c in zip(ax.get_yticklabels(), middles, named, strict=True):
            loss = panels.write_beside(ax, middle, _three_digits(self.class_losses[c]))
            size = f"n = {len(self._members[c])}"
            size_below = panels.write_beside(ax, middle, size, color=GREY, va="top")
            words.append(RowWords(name, loss, size_below))
        return words


def _mark_sides(ax: Axes) -> None:
    """Draw where the sides of 0 and 1 meet."""
    for end in (0.0, 1.0):
        ax.axvline(end, color=GREY, linewidth=0.8, linestyle=":")
    ax.spines[["top", "right"]].set_visible(False)


def _percent(part: float) -> str:
    """Return a part of a whole as a percentage that is 0 or 100 only if the part is 0 or 1."""
    if 0.0 < part < 0.0005:
        return "<0.1%"
    return ">99.9%" if 0.9995 <= part < 1.0 else f"{part:.1%}"


def _three_digits(loss: float) -> str:
    """Return a loss with three digits, also where the last is 0; a dash if there is none."""
    if np.isnan(loss):
        return "\N{EN DASH}"
    return f"{loss:#.3g}".rstrip(".") if loss else "0"


def _short(label: object, most: int) -> str:
    """Return a label in one line of at most so many characters, without formulas."""
    text = " ".join(str(label).split())
    if len(text) > most:
        text = f"{text[: most // 2]}…{text[-(most // 2 - 1) :]}"
    return text.replace("$", r"\$")
