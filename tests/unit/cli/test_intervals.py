"""--interval: the confidence interval of a loss, by its standard error or by a bootstrap."""

from dataclasses import replace

import numpy as np
import pytest
from cases import form, forms, name
from command import AGAIN, LESS, exact_means, json_of, reach, refused, standard_errors
from oracle import bits

from hingemetrics import BootstrapHingeLoss, loss_interval


@pytest.fixture
def interval(table):
    """What --json prints of a case's interval."""

    def run(case, *options):
        return json_of(table(case, "--json", "--interval", *options))["interval"]

    return run


def ends(found):
    return bits(np.atleast_1d(found["low"])), bits(np.atleast_1d(found["high"]))


class TestStandardError:
    @pytest.mark.parametrize("case", forms(60), ids=name)
    def test_it_is_that_of_fractions(self, interval, small_blocks, case):
        found, loss, stderr = interval(case), case.expected(), standard_errors(case)
        assert (found["level"], found["resamples"]) == (0.95, None)
        assert bits(np.atleast_1d(found["stderr"])) == bits(stderr)
        reached = reach(stderr, 0.95)
        assert ends(found) == (bits(loss - reached), bits(loss + reached))

    @pytest.mark.parametrize("level", [0.5, 0.999])
    def test_with_ignored_rows_as_in_python(self, interval, small_blocks, level):
        case = form(60, 5, "one-vs-all", True, "tenths")
        own = loss_interval(
            case.preds,
            case.target,
            case.squared,
            case.mode,
            sample_weight=case.weight,
            ignore_index=2,
            confidence_level=level,
        )
        found = interval(case, str(level), "--ignore-index", "2")
        assert ends(found) == (bits(own.low), bits(own.high))

    @pytest.mark.parametrize(
        "case", [AGAIN.rows([0]), AGAIN.rows(slice(0)), replace(AGAIN, preds=np.full(3, -np.inf))]
    )
    def test_where_there_is_none(self, table, case):
        run = table(case, "--interval")
        assert run.returncode == 0
        assert run.stdout.split()[-2:] == ["nan", "nan"]
        assert run.stderr.count("\n") == (not len(case)), "warned once"


class TestBootstrap:
    @pytest.mark.parametrize("case", forms(60), ids=name)
    def test_it_is_that_of_python(self, interval, small_blocks, case):
        metric = BootstrapHingeLoss(
            case.squared, case.mode, n_resamples=39, ignore_index=0, confidence_level=0.9, seed=0
        )
        own = case.feed(metric).compute()
        found = interval(case, "0.9", "--bootstrap", "39", "--ignore-index", "0")
        assert (found["level"], found["resamples"], found["stderr"]) == (0.9, 39, None)
        assert ends(found) == (bits(np.atleast_1d(own.low)), bits(np.atleast_1d(own.high)))

    def test_nothing_seen(self, table):
        run = table(AGAIN.rows(slice(0)), "--interval", "--bootstrap", "39")
        assert (run.returncode, run.stderr.count("\n")) == (0, 1)
        assert run.stdout.split()[-2:] == ["nan", "nan"]


class TestReport:
    @pytest.mark.parametrize("options", [[], ["--bootstrap", "99"]])
    @pytest.mark.parametrize("mode", [None, "one-vs-all"])
    def test_as_text(self, table, interval, mode, options):
        case = form(20, 3, mode, False, None)
        losses, lines = table(case, "--interval", *options).stdout.split("\n\n")
        assert losses == table(case).stdout.rstrip("\n")
        header, *rows = map(str.split, lines.splitlines())
        assert header == [*["class"] * bool(mode), "loss", "95%", "low", "95%", "high"]
        found = interval(case, *options)
        numbers = [losses.split(), *(np.atleast_1d(found[end]) for end in ("low", "high"))]
        assert [list(map(float, row[-3:])) for row in rows] == [
            list(map(float, row)) for row in zip(*numbers, strict=True)
        ]

    @pytest.mark.parametrize(
        ("level", "label"), [("0.9", "90%"), (".999", "99.9%"), ("0.9999999", "99.99999%")]
    )
    def test_the_level(self, table, level, label):
        assert f"{label} low" in table(AGAIN, "--interval", level).stdout
        assert (
            f"| {label} low |" in table(AGAIN, "--interval", level, "--format", "markdown").stdout
        )

    def test_beside_a_baseline(self, table, tmp_path):
        (tmp_path / "base.state").write_bytes(LESS.state().to_bytes())
        run = table(AGAIN, "--interval", "--baseline", tmp_path / "base.state")
        assert run.returncode == 1
        header = run.stdout.splitlines()[2]
        assert header.split() == ["loss", *("95%", "low", "95%", "high"), "baseline", "difference"]
        *_, before, difference = run.stdout.split()
        assert float(before) == LESS.expected()
        assert float(difference) == float(exact_means(AGAIN)[0] - exact_means(LESS)[0])

    def test_the_loss_is_as_without(self, table):
        found = json_of(table(AGAIN, "--json", "--interval"))
        del found["interval"]
        assert found == json_of(table(AGAIN, "--json"))


class TestRefusals:
    @pytest.mark.parametrize("level", ["0", "1", "95", "-0.5", "nan", "inf", "x", ""])
    def test_levels(self, loss, level):
        refused(loss([0.5], [1], f"--interval={level}"), "between 0 and 1", f"got {level!r}")

    def test_a_file_is_no_level(self, command):
        """It is what follows the option, which may have none."""
        run = command("--interval", "p.npy", "y.npy")
        refused(run, "--interval", "got 'p.npy'; without one, put it last")

    def test_too_few_resamples(self, loss):
        run = loss([0.5], [1], "--interval", "--bootstrap", "38")
        refused(run, "--bootstrap: n_resamples must be at least 39 for confidence_level 0.95")

    @pytest.mark.parametrize("resamples", ["0", "-1", "1.5", "x"])
    def test_resamples(self, loss, resamples):
        refused(loss([0.5], [1], "--interval", f"--bootstrap={resamples}"), "whole number >= 1")

    def test_options_together(self, loss, command):
        run = loss([0.5], [1], "--bootstrap", "99")
        refused(run, "--bootstrap must be given with --interval")
        options = ["--interval", "--bootstrap", "99"]
        refused(loss([0.5], [1], "--against", "o.npy", *options), "without --against")
        refused(command("--merge", "a.state", "--interval"), "--interval: states hold sums")
