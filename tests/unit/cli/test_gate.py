"""The gate: an exit status that says whether a loss is good enough, and a line why not."""

import json
import re
from fractions import Fraction

import numpy as np
import pytest
from cases import form
from command import CLASSES, PREDS, ROWS, TARGET
from oracle import expected
from places import ROOT

from hingemetrics.cli.gate import limit_gate


class TestFailAbove:
    @pytest.mark.parametrize(
        ("limit", "status"),
        [("0.2", 1), ("0.3", 0), ("0.29999999999999993", 1), ("1e9", 0), ("-1", 1), ("inf", 0)],
    )
    def test_status(self, loss, limit, status):
        run = loss(PREDS, TARGET, "--fail-above", limit)
        assert run.returncode == status
        assert run.stdout == f"{expected(PREDS, TARGET)!r}\n", "the value is printed all the same"
        assert "Traceback" not in run.stderr

    @pytest.mark.parametrize(("limit", "status"), [("1.4", 1), ("2.2", 1), ("2.3", 0)])
    def test_any_class(self, loss, limit, status):
        run = loss(ROWS, CLASSES, "--multiclass-mode", "one-vs-all", "--fail-above", limit)
        assert run.returncode == status
        assert len(run.stdout.splitlines()) == 3

    def test_nan_is_a_failure(self, loss):
        assert loss([np.nan], [0], "--fail-above", "1").returncode == 1
        assert loss([np.inf], [0], "--fail-above", "1").returncode == 1

    def test_with_json(self, loss):
        run = loss(PREDS, TARGET, "--json", "--fail-above", "0.1")
        assert run.returncode == 1
        assert json.loads(run.stdout)["value"] == expected(PREDS, TARGET)


class TestWhy:
    """A gate that closes says so in one line, whatever else is printed."""

    @pytest.mark.parametrize(
        ("preds", "limit", "line"),
        [
            ([1 - 0.25], "0.1", "loss 0.25 is above 0.1"),
            ([1 - 0.25], "0", "loss 0.25 is above 0"),
            ([-1e9], "2.0", "loss 1e+09 is above 2"),
            ([2.0], "-1e-3", "loss 0 is above -0.001"),
            ([0.9], "0.09999999999999996", "loss 0.09999999999999998 is above 0.09999999999999996"),
            ([1 - 0.12273], "0.1227", "loss 0.12273 is above 0.1227"),
            ([-np.inf], "1e300", "loss inf is above 1e+300"),
            ([np.nan], "0.1", "loss is NaN, not at most 0.1"),
            ([np.nan], "inf", "loss is NaN, not at most inf"),
        ],
    )
    def test_scalar(self, loss, preds, limit, line):
        plain = loss(preds, [1])
        run = loss(preds, [1], f"--fail-above={limit}")
        assert (run.returncode, run.stdout) == (1, plain.stdout)
        assert run.stderr == f"{plain.stderr}hingemetrics: {line}\n"

    def test_of_the_digits(self, command):
        """As the issue of the gate has it."""
        files = [f"examples/digits_{part}.npy" for part in ("preds", "target")]
        run = command(*(ROOT / file for file in files), "--fail-above", "0.1")
        assert run.stderr == "hingemetrics: loss 0.1227 is above 0.1\n"

    @pytest.mark.parametrize(
        ("losses", "limit", "line"),
        [
            ([0.25, 0.5, 0.125], "0.4", "loss 0.5 of class 1 is above 0.4"),
            ([0.25, 0.5, 0.125], "0.2", "loss 0.5 of class 1 is above 0.2; 1 more class fails too"),
            ([0.5, 0.5, 0.125], "0", "loss 0.5 of class 0 is above 0; 2 more classes fail too"),
            ([0.25, np.nan, 0.5], "1", "loss of class 1 is NaN, not at most 1"),
            (
                [2.0, np.nan, np.nan],
                "1",
                "loss of class 1 is NaN, not at most 1; 2 more classes fail too",
            ),
        ],
    )
    def test_the_worst_class(self, loss, losses, limit, line):
        options = ["--multiclass-mode", "one-vs-all"]
        preds = [[(1 if c == 0 else -1) * (1 - cost) for c, cost in enumerate(losses)]]
        plain = loss(preds, [0], *options)
        run = loss(preds, [0], *options, "--fail-above", limit)
        assert (run.returncode, run.stdout) == (1, plain.stdout)
        assert run.stderr == f"hingemetrics: {line}\n"

    def test_binary_data_have_no_class(self, loss):
        options = ["--multiclass-mode", "one-vs-all", "--fail-above", "0.2"]
        assert loss(PREDS, TARGET, *options).stderr == "hingemetrics: loss 0.3 is above 0.2\n"

    def test_with_all_else(self, loss, command, tmp_path):
        state = tmp_path / "a.state"
        options = ["--json", "--worst", "1", "--per-class", "--state-out", state]
        for limit, said in (("0.2", "hingemetrics: loss 0.3 is above 0.2\n"), ("0.3", "")):
            run = loss(PREDS, TARGET, *options, "--fail-above", limit)
            assert (run.returncode, run.stderr) == (bool(said), said)
            assert json.loads(run.stdout)["worst"]
            run = command("--merge", state, "--fail-above", limit)
            assert (run.returncode, run.stderr) == (bool(said), said)

    def test_nothing_seen(self, loss):
        warned, said = loss([], [], "--fail-above", "1").stderr.splitlines()
        assert warned.startswith("hingemetrics: warning: ")
        assert said == "hingemetrics: loss is NaN, not at most 1"

    def test_next_to_the_limit(self):
        gate = limit_gate(0.10000000000000002, 0.1)
        assert (gate.is_open, gate.sentence) == (False, "loss 0.10000000000000002 is above 0.1")
        assert limit_gate(0.1, 0.1).is_open

    def test_what_is_shown_is_above_too(self):
        """And by as much, to a hundredth, however near the two are."""
        rng = np.random.default_rng(0)
        for limit in [0.1, 0.3, 1.0, 3e-300, 5e-324, *rng.lognormal(0, 9, 300).tolist()]:
            bits = np.float64(limit).view(np.int64)
            for steps in 2 ** rng.integers(0, 55, 20) - rng.integers(0, 2, 20):
                loss = float((bits + max(steps, 1)).view(np.float64))
                said = limit_gate(loss, limit).sentence
                shown, most = map(float, re.fullmatch(r"loss (\S+) is above (\S+)", said).groups())
                assert shown > most == limit
                excess = Fraction(loss) - Fraction(limit)
                assert abs(Fraction(shown) - Fraction(loss)) <= excess / 99
                assert limit_gate(loss, loss).is_open

    @pytest.mark.parametrize("mode", [None, "one-vs-all"])
    def test_it_says_something_exactly_where_it_closes(self, table, mode):
        case = form(60, 3, mode, False, None)
        losses = np.atleast_1d(case.expected())
        for limit in [*losses.tolist(), *np.nextafter(losses, 0).tolist()]:
            run = table(case, "--fail-above", repr(limit))
            assert run.returncode == bool((losses > limit).any())
            assert run.stderr.count("\n") == run.returncode
