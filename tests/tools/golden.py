"""Hold the package against golden.json, in this process or in any other."""

import functools
import json
import warnings

import make_golden
import numpy as np

from hingemetrics import HingeComparison, HingeLoss


@functools.cache
def golden():
    return json.loads(make_golden.FILE.read_text("utf-8"))


@functools.cache
def arrays(place):
    """Predictions, targets and weights of a case."""
    return arrays_of(golden()["cases"][place])


def arrays_of(case):
    preds, target, weight = make_golden.inputs(case)
    shape = (case["rows"],) if case["classes"] == 1 else (case["rows"], case["classes"])
    return (
        np.array(preds, case["dtype"]).reshape(shape),
        np.array(target, np.int64),
        None if weight is None else np.array(weight, np.float64),
    )


def seen(place):
    """The package's state of a case."""
    case = golden()["cases"][place]
    metric = HingeLoss(case["squared"], case["mode"], ignore_index=case["ignore_index"])
    metric.update(*arrays(place))
    return metric.state


def states():
    """Each entry of the file, with the package's state of it."""
    found = [seen(place) for place in range(len(golden()["cases"]))]
    yield from zip(golden()["cases"], found, strict=True)
    for entry in golden()["sums"]:
        state = sum(found[place] for place in entry["plus"])
        for place in entry["minus"]:
            state -= found[place]
        yield entry, state


def compared(case):
    """The package's comparison of a case with its baseline."""
    preds, target, weight = arrays_of(case)
    baseline, *_ = arrays_of(case | {"seed": case["baseline_seed"]})
    metric = HingeComparison(case["squared"], case["mode"], ignore_index=case["ignore_index"])
    metric.update(preds, baseline, target, weight, make_golden.groups_of(case))
    return metric.state


def as_written(value):
    return make_golden.written(value.tolist() if isinstance(value, np.ndarray) else value)


def results(state):
    """State and values in the words of the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the mean of nothing
        return {
            "state": make_golden.written_state(state.to_bytes()),
            "mean": as_written(state.value()),
            "sum": as_written(state.value("sum")),
        }


def results_of_comparison(state):
    """State and numbers in the words of the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = state.comparison()
    names = ("value", "baseline", "difference", "stderr")
    values = {name: as_written(getattr(found, name)) for name in names}
    return {"state": make_golden.written_state(state.to_bytes()), **values}


def check():
    """Raise for an entry that differs; return how many there are."""
    entries = [(entry, results(state)) for entry, state in states()]
    entries += [(case, results_of_comparison(compared(case))) for case in golden()["comparisons"]]
    for entry, got in entries:
        assert got == {name: entry[name] for name in got}, (entry, got)
    return len(entries)


def number_of_entries():
    return sum(len(golden()[part]) for part in ("cases", "sums", "comparisons"))
