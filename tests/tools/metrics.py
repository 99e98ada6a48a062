"""Metrics that have seen a published example, and all that one has seen."""

from hingemetrics import HingeLoss

PREDS, TARGET = [-2.2, 2.4, 0.1], [0, 1, 1]
ROWS, CLASSES = [[-1.0, 0.9, 0.2], [0.5, -1.1, 0.8], [2.2, -0.5, 0.3]], [0, 1, 2]


def fed(*arguments, **configuration):
    """A metric that has seen the binary example."""
    metric = HingeLoss(*arguments, **configuration)
    metric.update(PREDS, TARGET)
    return metric


def snapshot(metric):
    """Everything that was seen."""
    state, updates, local = metric._seen
    return state.to_bytes(), updates, None if local is None else local.to_bytes()
