"""Where a loss comes from: the worst samples and the loss of each class."""

import math
from dataclasses import replace

import numpy as np
import pytest
from cases import Case, battery, forms, name
from command import PREDS, TARGET, json_of, losses_of, refused
from oracle import bits, expected

from hingemetrics.cli import breakdown


@pytest.mark.usefixtures("small_blocks")
class TestWorst:
    def rank(self, case, k):
        """Python's sort: the greatest loss first, NaN before all, then the smaller index."""
        found = []
        for row, (costs, label) in enumerate(zip(losses_of(case), case.target, strict=True)):
            ordered = [(math.isnan(x), 0.0 if math.isnan(x) else x) for x in costs]
            worst = max(range(len(costs)), key=lambda c: (ordered[c], -c))
            found.append((ordered[worst], -row, int(label), worst, costs[worst]))
        found.sort(key=lambda sample: sample[:2], reverse=True)
        vector = case.mode == "one-vs-all" and case.preds.ndim == 2
        return [
            {"index": -row, "target": y, **({"class": c} if vector else {}), "loss": loss}
            for _, row, y, c, loss in found[:k]
        ]

    @pytest.mark.parametrize("k", [1, 5, 60, 1000])
    @pytest.mark.parametrize("case", [*forms(60, [None]), *list(battery(60))[::2]])
    def test_samples(self, table, case, k):
        preds = case.preds.astype("f8")
        rounded = np.where(np.abs(preds) < 1e6, np.floor(preds), preds)  # for ties
        case = replace(case, preds=rounded, weight=None)
        found = json_of(table(case, "--json", "--worst", k))["worst"]
        wanted = self.rank(case, k)
        for sample in wanted:
            sample["loss"] = sample["loss"] if math.isfinite(sample["loss"]) else None
        assert found == wanted

    def test_ties_and_ignored_rows(self, table):
        case = Case(np.zeros(100), np.where(np.arange(100) % 3, 1, -1))
        found = json_of(table(case, "--json", "--worst", "4", "--ignore-index", "1"))["worst"]
        assert [sample["index"] for sample in found] == [0, 3, 6, 9]

    def test_text(self, table):
        run = table(Case(np.array([*PREDS, np.nan]), np.array([*TARGET, 0])), "--worst", "2")
        assert (
            run.stdout == "nan\n\nindex  target  loss\n    3       0   nan\n    2       1   0.9\n"
        )

    @pytest.mark.parametrize("case", [case for case in forms(60) if case.weight is not None])
    def test_by_what_they_add_to_the_loss(self, table, case):
        """The weighted losses of the oracle, sorted by Python."""
        case = replace(case, weight=np.where(np.arange(60) % 7, case.weight, 0.0))
        found = json_of(table(case, "--json", "--worst", "60"))["worst"]
        costs = expected(
            case.preds,
            case.target,
            case.squared,
            case.mode,
            sample_weight=case.weight,
            reduction="none",
        )
        loss = costs.reshape(60, -1).max(axis=1).tolist()
        order = sorted(range(60), key=lambda row: (-loss[row], row))
        assert [sample["index"] for sample in found] == order
        assert [sample["loss"] for sample in found] == [loss[row] for row in order]

    @pytest.mark.parametrize("zero", [0.0, -0.0])
    def test_a_weight_of_zero(self, table, zero):
        preds, target = np.array([-9.0, 9.0, 0.0, -np.inf]), np.ones(4, int)
        run = table(Case(preds[:3], target[:3], np.array([zero, 1.0, 0.5])), "--worst", "3")
        rows = [line.split() for line in run.stdout.splitlines()[3:]]
        assert rows == [["2", "1", "0.5"], ["0", "1", "0.0"], ["1", "1", "0.0"]]
        run = table(Case(preds, target, np.array([1, 1, 1, zero])), "--worst", "1")
        assert run.stdout.split()[-3:] == ["3", "1", "nan"]


@pytest.mark.usefixtures("small_blocks")
class TestPerClass:
    @pytest.mark.parametrize("case", forms(60), ids=name)
    def test_mean_of_each_class(self, table, case):
        found = json_of(table(case, "--json", "--per-class"))["per_class"]
        classes = [-1, 1] if case.preds.ndim == 1 else range(5)
        assert [row["class"] for row in found] == list(classes)
        for row in found:
            mine = case.rows(case.target == row["class"])
            assert row["count"] == len(mine)
            assert bits(row["value"]) == bits(mine.expected())

    def test_a_class_without_samples(self, table):
        case = Case(np.ones((2, 3)), np.array([0, 2]))
        run = table(case, "--per-class")
        lines = [line.split() for line in run.stdout.splitlines()[2:]]
        assert lines == [
            ["class", "count", "loss"],
            ["0", "1", "1.0"],
            ["1", "0", "nan"],
            ["2", "1", "1.0"],
        ]
        assert run.stderr == ""
        found = json_of(table(replace(case, mode="one-vs-all"), "--json", "--per-class"))
        assert [row["value"] for row in found["per_class"]] == [[0, 2, 2], [None] * 3, [2, 2, 0]]

    def test_too_many_classes_for_a_table(self, table, monkeypatch):
        monkeypatch.setattr(breakdown, "_MOST_TABLED", 3)
        for width in (3, 4):
            case = Case(np.ones((2, width)), np.array([0, 1]))
            assert table(case, "--per-class").returncode == 0
            run = table(replace(case, mode="one-vs-all"), "--per-class")
            assert run.returncode == (0 if width == 3 else 2)
        refused(run, "--per-class", "one-vs-all", "at most 3 classes, got 4")

    @pytest.mark.parametrize(
        ("labels", "classes"), [([1, 1], [0, 1]), ([0, 0], [0, 1]), ([-1, 1], [-1, 1])]
    )
    def test_binary_has_two(self, table, labels, classes):
        found = json_of(table(Case(np.ones(2), np.array(labels)), "--json", "--per-class"))
        assert [row["class"] for row in found["per_class"]] == classes
