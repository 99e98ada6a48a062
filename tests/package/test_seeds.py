"""Each run draws other inputs, and a failure says how to draw them again."""

import re
import shutil

import pytest
from places import TOOLS

PROPERTY = """
from hypothesis import Phase, given, settings, strategies as st

def test_no_number():  # as those of state machines are, no property that pytest knows of
    @settings(max_examples=100, phases=[Phase.generate])
    @given(st.lists(st.integers(0, 2**64), min_size=8, max_size=8))
    def check(numbers):
        assert not all(numbers), numbers

    check()
"""


@pytest.fixture
def fail(python, tmp_path):
    """Run a property that fails; return for which numbers, and the option that failure names."""
    shutil.copy(TOOLS.parent / "conftest.py", tmp_path)
    (tmp_path / "test_property.py").write_text(PROPERTY)

    def run(*options):
        arguments = ("-m", "pytest", "-p", "no:cacheprovider", *options, tmp_path)
        out = python(*arguments, CI="1").stdout
        header, option = re.findall("--hypothesis-seed=[0-9]+$", out, re.M)
        assert header == option
        return re.search(r"AssertionError: (\[.*\])", out)[1], option

    return run


def test_each_run_draws_other_inputs(fail):
    """Also where CI is set, which Hypothesis takes for the wish that all runs draw the same."""
    numbers, option = fail("-n", "1")
    others, other_option = fail("-n", "0")
    assert option != other_option
    assert numbers != others
    assert fail("-n", "0", option) == (numbers, option)
