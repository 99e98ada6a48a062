"""Draw the decision values beside this file, and some made ones, as docs/images has them.

Run from anywhere: python examples/make_pictures.py [FOLDER]
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from hingemetrics import HingeLoss
from hingemetrics.sklearn import ComparisonDisplay, HingeLossDisplay

EXAMPLES = Path(__file__).parent
IMAGES = EXAMPLES.parent / "docs" / "images"


def main() -> None:
    """Write the pictures to the folder that is given, or else to docs/images."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in pictures().items():
        figure.savefig(folder / f"{name}.png", dpi=120)


def pictures() -> dict[str, Figure]:
    """Return the figures by name."""
    digits = HingeLoss(multiclass_mode="one-vs-all")
    digits.update(*example("digits"))
    one_vs_all, _ = digits.plot()
    return {
        "margins_binary": margins("breast_cancer", ["0, malignant", "1, benign"]),
        "margins_digits": margins("digits", list(range(10))),
        "margins_rare": rare(),
        "margins_outliers": outliers(),
        "margins_side_by_side": side_by_side(),
        "one_vs_all": one_vs_all,
        "comparison": comparison(),
        "comparison_one_vs_all": comparison_one_vs_all(),
    }


def margins(name: str, labels: list[str] | list[int]) -> Figure:
    """Return the picture of an example's margins."""
    preds, target = example(name)
    y_true = [labels[index] for index in target]
    return HingeLossDisplay.from_predictions(y_true, preds, labels=labels).figure_


def rare() -> Figure:
    """Return the picture of a class of which there are five in a thousand."""
    rng = np.random.default_rng(0)
    y_true = np.where(np.arange(20_000) % 200 == 0, "rare", "frequent")
    preds = rng.normal(size=20_000) * 0.6 + np.where(y_true == "rare", -0.3, -2.0)
    labels = ["frequent", "rare"]
    return HingeLossDisplay.from_predictions(y_true, preds, labels=labels).figure_


def outliers() -> Figure:
    """Return the picture of margins with a Cauchy distribution, which has far outliers."""
    rng = np.random.default_rng(0)
    y_true = np.arange(3000) % 2
    preds = (2 * y_true - 1) * (2.0 + rng.standard_cauchy(3000))
    return HingeLossDisplay.from_predictions(y_true, preds).figure_


def side_by_side() -> Figure:
    """Return the picture of the digits one and seven, plain and squared, in one figure."""
    preds, target = example("digits")
    some = (target == 1) | (target == 7)
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for ax, squared in zip(figure.subplots(1, 2), (False, True), strict=True):
        HingeLossDisplay.from_predictions(
            target[some] == 7, preds[some, 7], squared=squared, labels=[False, True], ax=ax
        )
    return figure


def comparison() -> Figure:
    """Return the picture of two models of the breast cancer data."""
    baseline, target = example("breast_cancer")
    preds = np.load(EXAMPLES / "breast_cancer_new_preds.npy")
    return ComparisonDisplay.from_predictions(target, preds, baseline, name="new model").figure_


def comparison_one_vs_all() -> Figure:
    """Return the picture of two ways to scale decision values, digit by digit."""
    preds, target = example("digits")
    return ComparisonDisplay.from_predictions(
        target,
        2 * preds / np.abs(preds).max(axis=1, keepdims=True),
        preds / 2,
        multiclass_mode="one-vs-all",
        name="scaled row by row",
        baseline_name="halved",
    ).figure_


def example(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the decision values and the labels of an example."""
    preds, target = (np.load(EXAMPLES / f"{name}_{part}.npy") for part in ("preds", "target"))
    return preds, target


if __name__ == "__main__":
    main()
