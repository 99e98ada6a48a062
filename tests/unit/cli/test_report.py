"""The report: the value as text and JSON, as a shell sees it."""

import json
from fractions import Fraction

import numpy as np
import pytest
from cases import Case, forms, name
from command import CLASSES, PREDS, ROWS, TARGET, exact_means, json_of, printed
from oracle import bits, expected
from places import EXAMPLES


class TestValue:
    @pytest.mark.parametrize("case", forms(300), ids=name)
    def test_to_the_bit(self, loss, case):
        options = ["--squared"] * case.squared
        options += ["--multiclass-mode", case.mode] if case.mode else []
        run = loss(case.preds, case.target, *options, weight=case.weight)
        assert bits(printed(run)) == bits(case.expected())

    def test_ignore_index(self, loss):
        run = loss([*PREDS, np.nan], [*TARGET, -1], "--ignore-index", "-1")
        assert printed(run) == expected(PREDS, TARGET)
        assert printed(loss(PREDS, TARGET, "--ignore-index=0")) == expected(PREDS[1:], TARGET[1:])

    @pytest.mark.parametrize("mode", ["ONE_VS_ALL", "One-vs-All"])
    def test_spellings(self, loss, mode):
        found = printed(loss(ROWS, CLASSES, "--multiclass-mode", mode))
        assert bits(found) == bits(expected(ROWS, CLASSES, mode="one-vs-all"))

    @pytest.mark.parametrize("dtype", ["f2", ">f4", "i1", "?"])
    def test_other_dtypes_and_layouts(self, loss, dtype):
        preds = np.asfortranarray(np.arange(12).reshape(4, 3) % 5).astype(dtype)
        assert printed(loss(preds, [0, 1, 2, 0])) == expected(preds, [0, 1, 2, 0])

    @pytest.mark.parametrize(
        ("preds", "text"), [([np.nan, 0.0], "nan\n"), ([np.inf, 0.0], "inf\n")]
    )
    def test_non_finite(self, loss, preds, text):
        run = loss(preds, [0, 0])
        assert (run.returncode, run.stdout, run.stderr) == (0, text, "")

    def test_nothing_seen(self, loss):
        for run in (loss([], []), loss(PREDS, TARGET, weight=[0, 0, 0])):
            assert (run.returncode, run.stdout) == (0, "nan\n")
            assert "Traceback" not in run.stderr


class TestJson:
    def strict(self, run):
        assert (run.returncode, run.stderr) == (0, "")
        assert run.stdout.count("\n") == 1

        def refuse(constant):
            raise AssertionError(f"{constant} is not JSON")

        return json.loads(run.stdout, parse_constant=refuse)

    def test_scalar(self, loss):
        found = self.strict(loss(PREDS, TARGET, "--json"))
        assert bits(found["value"]) == bits(expected(PREDS, TARGET))
        assert (found["count"], found["num_classes"]) == (3, 1)

    def test_vector(self, loss):
        found = self.strict(loss(ROWS, CLASSES, "--json", "--multiclass-mode", "one-vs-all"))
        assert bits(found["value"]) == bits(expected(ROWS, CLASSES, mode="one-vs-all"))
        assert (found["count"], found["num_classes"]) == (3, 3)

    def test_nan_is_null(self, loss):
        assert self.strict(loss([np.nan], [0], "--json"))["value"] is None
        preds = [[np.nan, 0.5], [0.5, 0.5]]
        run = loss(preds, [0, 0], "--json", "--multiclass-mode", "one-vs-all")
        assert self.strict(run)["value"] == [None, 1.5]

    def test_inf_is_json_too(self, loss):
        assert self.strict(loss([np.inf], [0], "--json"))["value"] != 0


class TestExactJson:
    @pytest.mark.parametrize("case", forms(60), ids=name)
    def test_fractions(self, table, case):
        found = json_of(table(case, "--json"))
        exact = found["exact"] if case.mode == "one-vs-all" else [found["exact"]]
        assert all("/" in text for text in exact)
        assert list(map(Fraction, exact)) == exact_means(case)

    def test_no_fraction_is_null(self, table):
        preds = np.array([[np.nan, 0.5, np.inf], [0.5, 0.5, 0.5]])
        case = Case(preds, np.array([1, 1]), mode="one-vs-all")
        found = json_of(table(case, "--json"))
        assert found["exact"] == [None, "1/2", None]
        assert found["value"] == [None, 0.5, None]
        found = json_of(table(Case(np.array([np.nan]), np.array([1])), "--json"))
        assert found["exact"] is None

    @pytest.mark.parametrize("mode", [None, "one-vs-all"])
    @pytest.mark.parametrize("rows", [2, 0])
    def test_of_no_weight(self, table, mode, rows):
        """As the value is NaN then: of each class, or of none that is known."""
        case = Case(np.ones((2, 3)), np.array([0, 2]), np.zeros(2), mode=mode).rows(slice(rows))
        run = table(case, "--json")
        vector = mode is not None and rows
        assert json.loads(run.stdout)["exact"] == ([None] * 3 if vector else None)
        assert run.stderr.startswith("hingemetrics: warning: the mean hinge loss is NaN")

    def test_one_is_a_fraction_too(self, table):
        assert json_of(table(Case(np.array([0.0]), np.array([1])), "--json"))["exact"] == "1/1"


@pytest.mark.parametrize("example", ["breast_cancer", "digits"] if EXAMPLES.is_dir() else [])
def test_examples(command, example):
    files = [EXAMPLES / f"{example}_{part}.npy" for part in ("preds", "target")]
    found = printed(command(*files))
    assert bits(found) == bits(expected(*map(np.load, files)))
