"""Batches to test with: `cases()` for hypothesis, `battery()` the same ones every time."""

import itertools
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from oracle import expected

import hingemetrics

FLOATS = ("f8", "f4", "f2")
INTEGERS = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
REALS = (*FLOATS, *INTEGERS, "?")
MODES = ("crammer-singer", "one-vs-all")
CLASSES = (2, 3, 10, 33, 100, 1000)
FEW = (0, 1, 2, 3, 7, 40)
MANY = (255, 256, 257, 700, 2047, 2049, 4100)  # on both sides of likely block lengths
FLAVOURS = ("normal", "edges", "exponents", "near one", "near 2^30", "cancelling", "broken")

_POSITIVE = [0.0, 5e-324, 1e-310, 2.0**-1022, 2.0**-54, 2.0**-53, 2.0**-52, 0.1, 0.5, 0.9]
_POSITIVE += [np.nextafter(1.0, 0.0), 1.0, np.nextafter(1.0, 2.0), 1.1, 2.0, 3.0, 2.0**21, 1e8]
_POSITIVE += [2.0**30 - 1, np.nextafter(2.0**30, 0.0), 2.0**30, 2.0**30 + 1, 2.0**31, 2.0**32]
_POSITIVE += [2.0**52, 2.0**53, 2.0**53 + 2, 2.0**54, 1e16, 1.34e154, 1.35e154, 1e300]
_POSITIVE += [float(np.finfo(np.float64).max)]
EDGES = np.array([sign * x for x in _POSITIVE for sign in (1, -1)])
BROKEN = (np.nan, np.inf, -np.inf)


@dataclass(frozen=True)
class Case:
    """A batch and the configuration to look at it with."""

    preds: np.ndarray
    target: np.ndarray
    weight: np.ndarray | None = None
    squared: bool = False
    mode: str | None = None
    flavour: str = "normal"

    def __len__(self):
        return len(self.target)

    def arrays(self, change):
        """The same case after `change` of each of its arrays."""
        weight = None if self.weight is None else change(self.weight)
        return replace(self, preds=change(self.preds), target=change(self.target), weight=weight)

    def rows(self, index):
        return self.arrays(lambda array: array[index])

    def metric(self):
        return hingemetrics.HingeLoss(self.squared, self.mode)

    def feed(self, metric):
        metric.update(self.preds, self.target, self.weight)
        return metric

    def state(self):
        return self.feed(self.metric()).state

    def empty(self):
        return hingemetrics.HingeState(self.squared, self.mode)

    def loss(self, reduction="mean", **options):
        return self._asked_of(hingemetrics.hinge_loss, reduction, options)

    def expected(self, reduction="mean", **options):
        return self._asked_of(expected, reduction, options)

    def traits(self):
        """What tells it from others of its kind."""
        return {
            "form": self.mode or "binary",
            "dtype": self.preds.dtype.str,
            "flavour": self.flavour,
            "squared": self.squared,
            "weighted": self.weight is not None,
        }

    def _asked_of(self, loss, reduction, options):
        return loss(
            self.preds,
            self.target,
            self.squared,
            self.mode,
            sample_weight=self.weight,
            reduction=reduction,
            **options,
        )


def scores(rng, shape, flavour):
    """Doubles that are hard to add up, each flavour in its own way."""
    normal, sign = rng.normal(0.0, 2.0, shape), rng.choice([-1.0, 1.0], shape)
    row = (*shape[:1], *(1 for _ in shape[1:]))
    return {
        "normal": lambda: normal,
        "edges": lambda: rng.choice(EDGES, shape),
        "exponents": lambda: np.ldexp(normal / 16, rng.integers(-1074, 1024, shape)),
        "near one": lambda: sign * (1 + rng.integers(-4, 5, shape) * 2.0**-53),
        "near 2^30": lambda: sign * (2.0**30 + np.ldexp(normal, rng.integers(-24, 4, shape))),
        "cancelling": lambda: rng.choice([1e16, -1e16, 2.0**40, -1e8], row) + normal,
        "broken": lambda: np.where(rng.random(shape) < 0.1, rng.choice(BROKEN, shape), normal),
    }[flavour]()


def cast(values, dtype):
    """To a narrower float without turning huge into inf."""
    limit = float(np.finfo(dtype).max)
    clipped = np.where(np.isinf(values), values, np.clip(values, -limit, limit))
    return clipped.astype(dtype)


def predictions(rng, shape, dtype, flavour):
    if dtype == "?":
        return rng.random(shape) < 0.5
    if dtype in FLOATS:
        return cast(scores(rng, shape, flavour), dtype)
    info = np.iinfo(dtype)
    whole = rng.integers(info.min, info.max, shape, dtype, endpoint=True)
    small = rng.integers(max(info.min, -3), 4, shape, dtype)
    ends = rng.choice(np.array([info.min, info.max], dtype), shape)
    return np.choose(rng.integers(0, 3, shape), [whole, small, ends])


def labels(rng, rows, classes, dtype="i8", negative=-1):
    """Class indices, or for `classes` None the two codings of binary labels."""
    if classes is None:
        return np.where(rng.random(rows) < 0.5, 1, negative).astype(dtype)
    return rng.integers(0, classes, rows).astype(dtype)


def weights(rng, rows, kind):
    """Sample weights, or None."""
    return {
        None: lambda: None,
        "uniform": lambda: rng.random(rows),
        "tenths": lambda: rng.integers(0, 10, rows) * 0.1,
        "zeros": lambda: np.zeros(rows),
        "wild": lambda: np.abs(rng.choice(EDGES, rows)),
        "integers": lambda: rng.integers(0, 2**63, rows),
        "float32": lambda: rng.exponential(size=rows).astype("f4"),
    }[kind]()


WEIGHTS = (None, None, "uniform", "tenths", "zeros", "wild", "integers", "float32")


def examples(number):
    """So many examples where the profile "full" makes 60 of others; else in proportion."""
    return settings(max_examples=max(5, number * settings().max_examples // 60))


@st.composite
def cases(draw, dtypes=REALS, cells=6000):
    """Any batch the package has to take, of at most about so many cells."""
    form = draw(st.sampled_from(("binary", *MODES)))
    mode = draw(st.sampled_from((None, *MODES))) if form == "binary" else form
    classes = None if form == "binary" else draw(st.sampled_from(CLASSES))
    rows = draw(st.sampled_from(FEW) | st.sampled_from(MANY))
    rows = min(rows, max(2, cells // (classes or 1)))
    shape = (rows,) if classes is None else (rows, classes)
    dtype = draw(st.sampled_from(dtypes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    if np.prod(shape) <= 40:
        finite = draw(st.booleans())
        anything = hnp.from_dtype(np.dtype(dtype), allow_nan=not finite, allow_infinity=not finite)
        special = st.sampled_from(list(cast(EDGES, dtype))) if dtype in FLOATS else anything
        preds = draw(hnp.arrays(dtype, shape, elements=anything | special))
    else:
        preds = predictions(rng, shape, dtype, draw(st.sampled_from(FLAVOURS)))

    negative = draw(st.sampled_from((0, -1)))
    fitting = [
        name
        for name in REALS
        if (classes or 2) <= {"?": 2, "i1": 128, "u1": 256}.get(name, 2048)
        and not (classes is None and negative == -1 and name[0] in "u?")
    ]
    target = labels(rng, rows, classes, draw(st.sampled_from(fitting)), negative)
    weight = weights(rng, rows, draw(st.sampled_from(WEIGHTS)))
    return Case(preds, target, weight, draw(st.booleans()), mode)


def battery(rows=300):
    """A few dozen cases, every form, squared or not, weighted or not, every flavour."""
    forms = [(None, None), (3, "crammer-singer"), (3, "one-vs-all")]
    kinds = (None, "tenths", "wild")
    grid = itertools.product(forms, (False, True), kinds, FLAVOURS)
    for seed, ((classes, mode), squared, kind, flavour) in enumerate(grid):
        rng = np.random.default_rng(seed)
        shape = (rows,) if classes is None else (rows, classes)
        preds = cast(scores(rng, shape, flavour), FLOATS[seed % 3])
        weight = weights(rng, rows, kind)
        yield Case(preds, labels(rng, rows, classes), weight, squared, mode, flavour)


def form(rows, classes, mode, squared, kind, seed=0):
    """An ordinary batch."""
    rng = np.random.default_rng(seed)
    preds = rng.normal(size=(rows,) if classes is None else (rows, classes))
    return Case(preds, labels(rng, rows, classes), weights(rng, rows, kind), squared, mode)


def forms(rows, weighted=(None, "tenths")):
    """One ordinary batch each of binary, Crammer-Singer and one-vs-all, squared and weighted."""
    shapes = ((None, None), (5, "crammer-singer"), (5, "one-vs-all"))
    grid = itertools.product(shapes, (False, True), weighted)
    return [form(rows, *shape, squared, kind) for shape, squared, kind in grid]


def name(case):
    """What to call a case of `forms` in a report."""
    form = case.mode or "binary"
    return "-".join([form, *["squared"] * case.squared, *["weighted"] * (case.weight is not None)])


def one_row(preds, label, weight=None, mode=None):
    weight = None if weight is None else np.array([weight])
    return Case(np.array([preds]), np.array([label]), weight, mode=mode).state()


EXAMPLE = Case(np.array([-2.2, 2.4, 0.1]), np.array([0, 1, 1]))
BROKEN_EXAMPLE = Case(np.array([*BROKEN, 0.1]), np.array([0, 0, 1, 1]), np.array([0.1, 1, 2, 3]))
