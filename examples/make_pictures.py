"""Draw the decision values beside this file, as docs/images has them.

Run from anywhere: python examples/make_pictures.py [FOLDER]
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from hingemetrics import HingeLoss
from hingemetrics.sklearn import HingeLossDisplay

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
        "one_vs_all": one_vs_all,
    }


def margins(name: str, labels: list[str] | list[int]) -> Figure:
    """Return the picture of an example's margins."""
    preds, target = example(name)
    y_true = [labels[index] for index in target]
    return HingeLossDisplay.from_predictions(y_true, preds, labels=labels).figure_


def example(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the decision values and the labels of an example."""
    preds, target = (np.load(EXAMPLES / f"{name}_{part}.npy") for part in ("preds", "target"))
    return preds, target


if __name__ == "__main__":
    main()
