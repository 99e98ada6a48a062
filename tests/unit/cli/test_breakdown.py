"""Where a loss comes from: the worst samples, the loss of each class, and the picture."""

import math
import sys
from dataclasses import replace

import numpy as np
import pytest
from cases import Case, battery, forms, name
from command import PREDS, TARGET, json_of, losses_of, printed, refused
from oracle import bits, expected

from hingemetrics import HingeLoss
from hingemetrics.cli import breakdown, outputs, run


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
        monkeypatch.setattr(breakdown, "_MAX_TABLED", 3)
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


class Recorded:
    """Stands for the display: keeps what it was asked to draw."""

    @classmethod
    def from_predictions(cls, target, preds, **options):
        cls.target, cls.preds, cls.options, cls.figure_ = target, preds, options, cls
        return cls

    @classmethod
    def savefig(cls, file, format):
        cls.format = format
        file.write(b"drawn")


class Undrawn(Recorded):
    """Stands for a display that cannot draw."""

    error = RuntimeError("no\nroom")

    @classmethod
    def savefig(cls, file, format):
        file.write(b"half")
        raise cls.error


class TestPicture:
    @pytest.fixture
    def display(self, monkeypatch):
        """Put something else in the place of the display; then it goes without matplotlib."""

        def put(stand_in):
            monkeypatch.setattr(run, "find_spec", lambda name: name)
            monkeypatch.setattr("hingemetrics.plot.HingeLossDisplay", stand_in)

        return put

    @pytest.mark.parametrize(
        "suffix", ["png", *(pytest.param(s, marks=pytest.mark.more) for s in ("SVG", "pdf"))]
    )
    @pytest.mark.parametrize(
        "case",
        [
            pytest.param(
                forms(60)[k], marks=[] if k == 9 else pytest.mark.more, id=name(forms(60)[k])
            )
            for k in (1, 5, 9)
        ],
    )
    def test_picture(self, table, case, suffix, tmp_path):
        pytest.importorskip("matplotlib")
        run = table(case, "--plot", tmp_path / f"a.{suffix}")
        assert bits(printed(run)) == bits(case.expected())
        start = (tmp_path / f"a.{suffix}").read_bytes()[:5]
        assert start in (b"\x89PNG\r", b"<?xml", b"%PDF-")

    def test_nothing_to_draw(self, table, tmp_path):
        pytest.importorskip("matplotlib")
        run = table(forms(60)[0].rows(slice(0)), "--plot", tmp_path / "a.png")
        assert (run.returncode, run.stdout) == (0, "nan\n")
        last = run.stderr.splitlines()[-1]
        assert last.startswith("hingemetrics: note: no picture: ")
        assert "samples" in last

    @pytest.mark.parametrize(
        ("case", "status"),
        [
            (Case(np.ones(2), np.array([0, 1]), np.zeros(2)), 1),
            (Case(np.array([np.nan, 1.0]), np.array([0, 1])), 1),
            (Case(np.array([1e300, -1e300]), np.array([0, 1])), 1),
            (Case(np.array([1e300, -1e300]), np.array([0, 1]), squared=True), 1),
            (Case(np.array([np.inf, 1.0]), np.array([0, 1])), 1),
        ],
    )
    def test_what_cannot_be_drawn_changes_nothing(self, command, tmp_path, case, status):
        """One line says so, where there is no picture; no warning of any library gets out."""
        pytest.importorskip("matplotlib")
        arrays = {"preds": case.preds, "target": case.target}
        if case.weight is not None:
            arrays["weight"] = case.weight
        np.savez(tmp_path / "a.npz", **arrays)
        options = ["--preds", "preds", "--target", "target", "--fail-above", "1"]
        options += ["--sample-weight", "weight"] * (case.weight is not None)
        options += ["--squared"] * case.squared
        plain = command(tmp_path / "a.npz", *options)
        run = command(tmp_path / "a.npz", *options, "--plot", tmp_path / "a.png")
        assert (run.returncode, run.stdout) == (plain.returncode, plain.stdout)
        assert run.returncode == status
        said = run.stderr.removeprefix(plain.stderr).splitlines()
        assert [line[:31] for line in said] == ["hingemetrics: note: no picture:"] * len(said)
        assert len(said) == (not (tmp_path / "a.png").exists())

    @pytest.mark.parametrize("limit", ["0.2", "0.3"])
    def test_any_failure_to_draw(self, table, display, tmp_path, limit):
        display(Undrawn)
        (tmp_path / "a.png").write_text("before")
        case = Case(np.array(PREDS), np.array(TARGET))
        run = table(case, "--plot", tmp_path / "a.png", "--fail-above", limit)
        assert (run.returncode, run.stdout) == (limit == "0.2", f"{case.expected()!r}\n")
        closed = "hingemetrics: loss 0.3 is above 0.2\n" * (limit == "0.2")
        assert run.stderr == f"{closed}hingemetrics: note: no picture: no room\n"
        assert (tmp_path / "a.png").read_text() == "before"

    @pytest.mark.parametrize("error", [OSError(28, "full", "a.png"), ImportError("no part")])
    def test_errors_of_the_system(self, table, display, monkeypatch, tmp_path, error):
        monkeypatch.setattr(Undrawn, "error", error)
        display(Undrawn)
        case = Case(np.array(PREDS), np.array(TARGET))
        run = table(case, "--plot", tmp_path / "a.png")
        assert (run.returncode, run.stdout) == (2, f"{case.expected()!r}\n")
        assert run.stderr.startswith("hingemetrics: error: ")
        assert run.stderr.count("\n") == 1
        assert not (tmp_path / "a.png").exists()

    @pytest.mark.parametrize("label", [np.nan, np.inf])
    def test_what_is_not_finite_is_of_the_command_s_arguments(self, table, tmp_path, label):
        pytest.importorskip("matplotlib")
        run = table(Case(np.array([0.5, label]), np.array([0, 1])), "--plot", tmp_path / "a.png")
        assert run.stderr.startswith("hingemetrics: note: no picture: preds must be finite")
        assert run.stderr.count("\n") == 1

    def test_a_missing_matplotlib_is_noticed_first(self, command, monkeypatch, tmp_path):
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        run = command(tmp_path / "none.npy", tmp_path / "none.npy", "--plot", tmp_path / "a.png")
        refused(run, "plots need matplotlib: pip install matplotlib\n")

    @pytest.mark.parametrize("suffix", ["png", "SVG"])
    def test_the_picture_is_whole_or_not_there(self, table, display, monkeypatch, tmp_path, suffix):
        display(Recorded)
        monkeypatch.setattr(
            outputs.os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full", "x"))
        )
        (tmp_path / f"a.{suffix}").write_text("before")
        assert table(forms(60)[0], "--plot", tmp_path / f"a.{suffix}").returncode == 2
        assert (tmp_path / f"a.{suffix}").read_text() == "before"
        assert Recorded.format == suffix.lower()
        assert len(list(tmp_path.iterdir())) == 2

    def test_more_classes_than_room(self, monkeypatch):
        monkeypatch.setattr(breakdown, "_SHOWN_ELEMENTS", 2)
        picture = breakdown.Picture(HingeLoss())
        for first in (0, 2):
            rows = np.arange(first, first + 2)
            picture.add(breakdown.KeptRows(rows, np.ones((2, 3)), rows, None))
        assert picture.left_out == "1 of 4 rows, one in 4"

    @pytest.mark.usefixtures("small_blocks")
    @pytest.mark.parametrize(
        ("most", "step"), [(60, 1), (59, 2), (30, 2), (29, 4), (8, 8), (1, 64)]
    )
    def test_sample(self, table, display, monkeypatch, tmp_path, most, step):
        """Every 2**k-th row of all that are not ignored, as many as there is room for."""
        monkeypatch.setattr(breakdown, "_SHOWN_ROWS", most)
        display(Recorded)
        target = np.where(np.arange(90) % 3 == 2, 9, np.arange(90) % 3)
        case = Case(np.arange(180.0).reshape(90, 2), target, np.arange(90.0))
        run = table(case, "--ignore-index", "9", "--plot", tmp_path / "a.png")
        kept = np.flatnonzero(target != 9)[::step]
        assert np.array_equal(Recorded.preds, case.preds[kept])
        assert np.array_equal(Recorded.target, target[kept])
        assert np.array_equal(Recorded.options["sample_weight"], case.weight[kept])
        assert list(Recorded.options["labels"]) == [0, 1]
        assert (f"{len(kept)} of 60 rows" in run.stderr) == (step > 1)
