"""Text in messages: shortened quotes, and suggestions for mistyped names."""

import string

import numpy as np
import pytest

from hingemetrics._core import text
from hingemetrics._core.text import closest, shortened

NAMES = ["label", "score", "weight", "Class A", "a very long name of a column"]


@pytest.mark.parametrize("name", NAMES)
def test_a_slip_of_a_key(name):
    """A letter left out, added, changed or swapped with its neighbour, or another case."""
    rng = np.random.default_rng(0)
    for k in range(len(name)):
        other = rng.choice(list(string.ascii_lowercase))
        for typed in (
            name[:k] + name[k + 1 :],
            name[:k] + other + name[k:],
            name[:k] + other + name[k + 1 :],
            name[:k] + name[k : k + 2][::-1] + name[k + 2 :],
            name.upper(),
            name.lower(),
        ):
            assert closest(typed, NAMES) == name


@pytest.mark.parametrize("typed", ["", "x", "loss function", "17", "l" * 101])
def test_nothing_like_it(typed):
    assert closest(typed, NAMES) is None


def test_no_names():
    assert closest("label", []) is None


def test_what_a_file_of_strangers_can_cost(monkeypatch):
    """Names beyond a limit, and those too long to compare, are not even looked at."""
    monkeypatch.setattr(text, "_MAX_CHOICES", 3)
    assert closest("label", ["a", "b", "label", "labels"]) == "label"
    assert closest("label", ["a", "b", "c", "label"]) is None
    assert closest("l" * 100, ["l" * 101]) is None
    assert closest("l" * 99, ["l" * 100]) == "l" * 100


@pytest.mark.parametrize("got", ["", "label", "it's", "two\nlines", "x" * 40])
def test_a_short_text_is_quoted(got):
    assert shortened(got) == repr(got)


@pytest.mark.parametrize("got", ["x" * 41, "y" * 10**6, "\n" * 41])
def test_a_long_text_is_cut(got):
    assert shortened(got) == repr(got[:40] + "...")
