"""Every way to make a picture of a hinge loss."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from hingemetrics import HingeLoss
from hingemetrics.plot import ComparisonDisplay, HingeLossDisplay, plot_value

MAKERS = {
    "display": lambda ax=None: (
        HingeLossDisplay.from_predictions([0, 1, 1], [-2.2, 2.4, 0.1], ax=ax).ax_
    ),
    "estimator": lambda ax=None: (
        HingeLossDisplay.from_estimator(
            LogisticRegression().fit([[0.0], [1.0]], [0, 1]), [[0.0], [1.0]], [0, 1], ax=ax
        ).ax_
    ),
    "comparison": lambda ax=None: (
        ComparisonDisplay.from_predictions([0, 1, 1], [-2.2, 2.4, 0.1], [-0.5, 2.4, 0.3], ax=ax).ax_
    ),
    "comparison of classes": lambda ax=None: (
        ComparisonDisplay(np.eye(3), np.zeros((3, 3)), [0, 1, 2], multiclass_mode="one-vs-all")
        .plot(ax)
        .ax_
    ),
    "point": lambda ax=None: plot_value(0.5, ax=ax)[1],
    "bars": lambda ax=None: plot_value(np.array([0.5, 0.7]), ax=ax)[1],
    "metric": lambda ax=None: _metric().plot(ax)[1],
}


def _metric():
    metric = HingeLoss()
    metric.update([-2.2, 2.4, 0.1], [0, 1, 1])
    return metric
