"""Decimal numbers read many at a time: the very bits that `float` reads."""

import numpy as np
import pytest
from formats import numbers_of_many_forms

from hingemetrics._files import decimals


class TestDecimals:
    """Numbers read many at a time have exactly the bits that `float` gives."""

    @pytest.mark.parametrize("seed", range(3))
    def test_as_float_reads_them(self, seed):
        texts = numbers_of_many_forms(seed, 40_000)
        fields = decimals.split("".join(f"{text}\n" for text in texts).encode(), b",", 1)
        values, others = decimals.decimals(fields)
        values[others] = list(map(float, fields.texts(others)))
        assert values.tobytes() == np.array(list(map(float, texts))).tobytes()
        assert 0 < len(others) < len(texts)

    def test_few_are_left_to_float(self):
        texts = [repr(x) for x in np.random.default_rng(0).normal(size=10_000).tolist()]
        fields = decimals.split("".join(f"{text}\n" for text in texts).encode(), b",", 1)
        assert len(decimals.decimals(fields)[1]) < len(texts) / 100

    @pytest.mark.parametrize("places", range(24))
    def test_any_number_of_places(self, places):
        rng = np.random.default_rng(places)
        texts = [
            f"{x:.{places}f}" for x in rng.normal(size=5000) * 10.0 ** rng.integers(-3, 9, 5000)
        ]
        fields = decimals.split("".join(f"{text}\n" for text in texts).encode(), b",", 1)
        values, others = decimals.decimals(fields)
        sure = np.ones(len(texts), bool)
        sure[others] = False
        assert values[sure].tobytes() == np.array(list(map(float, texts)))[sure].tobytes()

    @pytest.mark.parametrize(
        "text",
        [
            *(
                "",
                "-",
                "+",
                ".",
                "-.",
                "1.2.3",
                "1-",
                "--1",
                "+-1",
                "1e5",
                "e5",
                "0x1",
                "1_0",
                "1:",
            ),
            *("1/", "/1", " 1", "1 ", "nan", "inf", "\u0661", "\xff1", "1\x80", "1" * 9, "1" * 400),
            *(
                f"1.{'1' * 23}",
                "18446744.0737095516150",
                "99999999.999999999999",
                "1e-05x",
                "1ee-05",
                "1e--5",
                "e-05",
                "1.e5",
            ),
        ],
    )
    def test_what_is_left_to_float(self, text):
        fields = decimals.split(f"1,{text},1\n".encode(), b",", 3)
        assert decimals.decimals(fields)[1].tolist() == [1]
