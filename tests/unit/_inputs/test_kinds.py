"""What is no real number is called by its kind, in the words a user would."""

import re

import numpy as np
import pytest

import hingemetrics

KINDS = {
    "complex numbers (dtype complex64)": np.ones(2, np.complex64),
    "strings (dtype <U1)": np.array(["a", "b"]),
    "strings (dtype |S1)": np.array([b"a", b"b"]),
    "dates (dtype datetime64[D])": np.array(["2020-01-01", "2020-01-02"], "M8[D]"),
    "time differences (dtype timedelta64[s])": np.array([1, 2], "m8[s]"),
    "records (dtype [('a', '<f8')])": np.zeros(2, [("a", "f8")]),
}


@pytest.mark.parametrize("name", ["preds", "target", "sample_weight"])
@pytest.mark.parametrize(("words", "value"), KINDS.items(), ids=KINDS)
def test_each_kind_has_its_words(words, value, name):
    given = {"preds": [0.5, 1.0], "target": [0, 1], "sample_weight": [1.0, 2.0]} | {name: value}
    message = f"{name} must hold real numbers, got {words}"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        hingemetrics.hinge_loss(**given)
