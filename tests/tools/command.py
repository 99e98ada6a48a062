"""What tests of the command share: data, and what a run of it must look like."""

import json
import os
from contextlib import contextmanager
from decimal import Decimal, localcontext
from fractions import Fraction
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from cases import Case
from oracle import cells

PREDS, TARGET = [-2.2, 2.4, 0.1], [0, 1, 1]
AGAIN = Case(np.array(PREDS), np.array(TARGET))  # loss 0.3
LESS = Case(np.array([-2.2, 2.4, 0.4]), np.array(TARGET))  # 0.2
MORE = Case(np.array([-2.2, 2.4, -0.2]), np.array(TARGET))  # 0.4
ROWS, CLASSES = [[-1.0, 0.9, 0.2], [0.5, -1.1, 0.8], [2.2, -0.5, 0.3]], [0, 1, 2]


class Run(NamedTuple):
    """What the command did, called in this process."""

    returncode: int
    stdout: str
    stderr: str


def printed(run):
    """The value on stdout: a float, or an array when there are several lines."""
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.endswith("\n")
    lines = [float(line) for line in run.stdout.splitlines()]
    assert [repr(value) for value in lines] == run.stdout.splitlines()
    return lines[0] if len(lines) == 1 else np.array(lines)


def refused(run, *words):
    """Status 2, nothing on stdout, one line and no traceback on stderr."""
    assert (run.returncode, run.stdout) == (2, ""), run.stderr
    assert run.stderr.count("\n") == 1, run.stderr
    assert run.stderr.startswith("hingemetrics: error:")
    assert all(word in run.stderr for word in words), run.stderr


def json_of(run):
    assert (run.returncode, run.stderr) == (0, "")
    return json.loads(run.stdout)


def losses_of(case):
    """The losses of each sample, in a list."""
    rows = zip(case.preds.tolist(), case.target.tolist(), strict=True)
    return [cells(row, label, case.squared, case.mode) for row, label in rows]


def exact_means(case):
    """The mean loss before it is rounded, of each class for one-vs-all, in a list."""
    weight = [1.0] * len(case) if case.weight is None else case.weight.tolist()
    columns = zip(*losses_of(case), strict=True)
    total = sum(map(Fraction, weight))
    return [
        sum(Fraction(w * x) for w, x in zip(weight, column, strict=True)) / total
        for column in columns
    ]


def options_of(case):
    """The options that a case stands for, but for its weights."""
    return ["--squared"] * case.squared + ["--multiclass-mode", case.mode] * bool(case.mode)


def root(number):
    """The double nearest to the root of a fraction."""
    with localcontext() as context:
        context.prec = 80
        return float((Decimal(number.numerator) / Decimal(number.denominator)).sqrt())


def standard_errors(now, other=None):
    """As the textbook has them: of one loss if there is no other."""
    weight = [Fraction(1)] * len(now) if now.weight is None else list(map(Fraction, now.weight))
    rows = losses_of(now)
    others = [[0.0] * len(row) for row in rows] if other is None else losses_of(other)
    found = []
    for column in range(len(rows[0])):
        pairs = zip(rows, others, weight, strict=True)
        terms = [
            Fraction(float(w) * x[column]) - Fraction(float(w) * y[column]) for x, y, w in pairs
        ]
        mean = sum(terms) / sum(weight)
        spread = sum((term - w * mean) ** 2 for term, w in zip(terms, weight, strict=True))
        n = len(rows)
        found.append(root(Fraction(n, n - 1) * spread / sum(weight) ** 2))
    return np.array(found)


def reach(stderr, level):
    """How far an interval goes to either side."""
    return NormalDist().inv_cdf(0.5 + level / 2) * stderr


@contextmanager
def redirected(number, path, flags=os.O_RDONLY):
    """Meanwhile a descriptor of this process is a file, as a shell's redirection makes it."""
    before, opened = os.dup(number), os.open(path, flags)
    try:
        os.dup2(opened, number)
        yield
    finally:
        os.dup2(before, number)
        os.close(before)
        os.close(opened)


def broken_stream(path):
    """A stream that takes nothing: the file is on a full disk, or the pipe's reader has gone."""
    if path:
        return open(path, "w")
    reader, writer = os.pipe()
    os.close(reader)
    return open(writer, "w")
