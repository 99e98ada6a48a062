"""--update-baseline: only what passes all gates and is no worse replaces a baseline, and whole."""

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from cases import Case, forms, name
from command import AGAIN, CLASSES, LESS, MORE, ROWS, exact_means, refused
from oracle import bits

from hingemetrics.cli import outputs

ONE_VS_ALL = ["--multiclass-mode", "one-vs-all"]


@pytest.fixture(params=[".state", ".json"])
def ratchet(request, table, tmp_path):
    """Run the command with --update-baseline; a run that leaves the file must leave its bytes."""

    class Ratchet:
        path = tmp_path / f"base{request.param}"

        def __call__(self, case, *options):
            return table(case, "--baseline", self.path, "--update-baseline", *options)

        def holds(self, case):
            """Whether the file is exactly what it is for a case."""
            if self.path.suffix == ".state":
                return self.path.read_bytes() == case.state().to_bytes()
            return self.path.read_text() == table(case, "--json").stdout

    return Ratchet()


class TestRatchet:
    def test_it_only_tightens(self, ratchet):
        for case, status, held in (
            (AGAIN, 0, AGAIN),
            (AGAIN, 0, AGAIN),
            (MORE, 1, AGAIN),
            (LESS, 0, LESS),
            (AGAIN, 1, LESS),
        ):
            assert ratchet(case).returncode == status
            assert ratchet.holds(held)

    def test_the_same_loss_of_other_rows(self, ratchet):
        twice = AGAIN.rows(np.tile(np.arange(3), 2))
        assert ratchet(AGAIN).returncode == ratchet(twice).returncode == 0
        assert ratchet.holds(twice)

    def test_within_what_is_allowed(self, ratchet):
        """The gate is open, but many small steps must not add up."""
        ratchet(AGAIN)
        run = ratchet(MORE, "--max-increase", "50%")
        kept = f"hingemetrics: note: {ratchet.path} is kept: the loss is worse, "
        assert (run.returncode, run.stderr) == (
            0,
            f"{kept}and is written only with --accept-worse\n",
        )
        assert ratchet.holds(AGAIN)

    def test_worse_by_less_than_a_rounding(self, ratchet):
        preds = np.zeros(1000)
        before, now = Case(preds.copy(), np.ones(1000, int)), Case(preds, np.ones(1000, int))
        preds[3] = -(2.0**-52)
        assert before.expected() == now.expected() == 1.0
        ratchet(before)
        assert ratchet(now, "--max-increase", "1").returncode == 0
        assert ratchet.holds(before)

    @pytest.mark.parametrize("options", [[], ["--max-increase", "50%"]])
    def test_a_worse_one_that_is_accepted(self, ratchet, options):
        ratchet(AGAIN)
        run = ratchet(MORE, "--accept-worse", *options)
        assert (run.returncode, run.stderr) == (
            0,
            f"hingemetrics: note: {ratchet.path} holds a worse loss now, which was accepted\n",
        )
        assert ratchet.holds(MORE)
        assert ratchet(LESS, "--accept-worse").stderr == ""
        assert ratchet.holds(LESS)

    def test_one_class_that_is_worse_keeps_all(self, ratchet):
        before = Case(np.zeros((1, 3)), np.array([0]), mode="one-vs-all")
        now = replace(before, preds=np.array([[0.0, -0.5, 0.125]]))
        ratchet(before)
        assert ratchet(now).returncode == 1
        assert ratchet(now, "--max-increase", "1").returncode == 0
        assert ratchet.holds(before)
        assert ratchet(now, "--accept-worse").returncode == 0
        assert ratchet.holds(now)

    @pytest.mark.parametrize("options", [[], ["--accept-worse"]])
    @pytest.mark.parametrize("case", [LESS, MORE])
    def test_another_gate_that_is_closed(self, ratchet, case, options):
        ratchet(AGAIN)
        run = ratchet(case, "--fail-above", "0.1", *options)
        assert run.returncode == 1
        assert f"{ratchet.path} is kept: " in run.stderr.splitlines()[-1]
        assert ratchet.holds(AGAIN)

    @pytest.mark.parametrize("options", [[], ["--accept-worse"]])
    @pytest.mark.parametrize("preds", [np.nan, -np.inf])
    def test_what_is_not_finite_is_never_written(self, ratchet, preds, options):
        broken = Case(np.array([preds]), np.array([1]))
        number = "NaN" if preds != preds else "inf"
        run = ratchet(broken, *options)
        first, kept = run.stderr.splitlines()
        assert run.returncode == 1
        assert first == f"hingemetrics: loss is {number}, which cannot start a baseline"
        assert kept == f"hingemetrics: note: {ratchet.path} is kept: a gate is closed"
        assert not ratchet.path.exists()
        ratchet(AGAIN)
        assert ratchet(broken, *options).returncode == 1
        assert ratchet.holds(AGAIN)

    def test_a_first_one_below_another_gate(self, ratchet):
        assert ratchet(AGAIN, "--fail-above", "0.2").returncode == 1
        assert not ratchet.path.exists()
        assert ratchet(AGAIN, "--fail-above", "0.3").returncode == 0
        assert ratchet.holds(AGAIN)

    @pytest.mark.parametrize("case", forms(20), ids=name)
    def test_any_form(self, ratchet, case):
        assert ratchet(case).returncode == 0
        assert ratchet.holds(case)
        assert ratchet(case, "--same-rows").returncode == 0

    def test_whole_or_not_at_all(self, ratchet, monkeypatch):
        def full(_):
            raise OSError(28, "No space left on device")

        ratchet(AGAIN)
        monkeypatch.setattr(outputs.os, "fsync", full)
        refused(ratchet(LESS), f"{ratchet.path}: No space left on device\n")
        assert ratchet.holds(AGAIN)

    def test_of_merged_states(self, command, tmp_path):
        files = [tmp_path / "a.state", tmp_path / "b.state"]
        for path, case in zip(files, (AGAIN, LESS), strict=True):
            path.write_bytes(case.state().to_bytes())
        base = tmp_path / "base.state"
        assert command("--merge", *files, "--baseline", base, "--update-baseline").returncode == 0
        assert base.read_bytes() == (AGAIN.state() + LESS.state()).to_bytes()

    def test_in_the_report(self, ratchet):
        for case, updated in ((AGAIN, True), (LESS, True), (MORE, False)):
            run = ratchet(case, "--json")
            assert json.loads(run.stdout)["baseline"]["updated"] is updated
        found = json.loads(run.stdout)["baseline"]
        assert found["file"] == str(ratchet.path)
        assert bits(found["value"]) == bits(LESS.expected())
        (now,), (before,) = exact_means(MORE), exact_means(LESS)
        assert bits(found["difference"]) == bits(float(now - before))


def test_numbers_of_classes(loss, tmp_path):
    """In the report: of each class, as the loss is."""
    path = tmp_path / "base.json"
    options = [*ONE_VS_ALL, "--json", "--baseline", path]
    loss(ROWS, CLASSES, *options, "--update-baseline")
    more = (np.array(ROWS) + 0.125).tolist()
    found = json.loads(loss(more, CLASSES, *options).stdout)
    now, before = (
        exact_means(Case(np.array(preds), np.array(CLASSES), mode="one-vs-all"))
        for preds in (more, ROWS)
    )
    pairs = [*zip(now, before, strict=True)]
    assert found["baseline"]["difference"] == [float(a - b) for a, b in pairs]
    assert list(map(Fraction, found["baseline"]["exact"])) == before
    (gate,) = found["gates"]
    names = [verdict["name"] for verdict in gate["verdicts"]]
    assert names == ["class 0", "class 1", "class 2"]
    is_open = [a <= b for a, b in pairs]
    assert [verdict["open"] for verdict in gate["verdicts"]] == is_open
    assert {True, False} == {*is_open, True}
