"""Threads share large calls, on request, and only large calls."""

import numpy as np
import pytest

import hingemetrics
from hingemetrics._engine import threads

LARGE, SMALL = 2_000_000, 900_000


@pytest.fixture
def started(monkeypatch):
    """The threads that are started from now on."""
    found, start = [], threads.start_new_thread

    def counted(function, arguments):
        found.append(function)
        return start(function, arguments)

    monkeypatch.setattr(threads, "start_new_thread", counted)
    return found


@pytest.mark.parametrize("number", [1, 2, 3])
def test_each_thread_has_a_part(backend, set_num_threads, started, number):
    """The caller is one of them."""
    set_num_threads(number)
    hingemetrics.hinge_loss(np.zeros(LARGE), np.ones(LARGE, np.int64))
    assert len(started) == number - 1


def test_a_small_call_stays_in_one(backend, set_num_threads, started):
    set_num_threads(2)
    hingemetrics.hinge_loss(np.zeros(SMALL), np.ones(SMALL, np.int64))
    assert started == []
