"""Two models on the same rows: what --against prints, and when its gates close."""

import csv
import xml.etree.ElementTree as ET
from dataclasses import replace
from fractions import Fraction
from statistics import NormalDist

import numpy as np
import pyarrow
import pytest
from cases import Case, form, forms, name
from command import (
    AGAIN,
    LESS,
    MORE,
    TARGET,
    exact_means,
    json_of,
    options_of,
    reach,
    redirected,
    refused,
    standard_errors,
)
from oracle import bits, rounded
from pyarrow import parquet

from hingemetrics.cli.difference import Bound

ZEROS = Case(np.zeros(4), np.ones(4, int))  # each loss is 1
ONE_VS_ALL = ["--multiclass-mode", "one-vs-all"]
COLUMNS = ("value", "difference", "low", "high")


def moved(case, by=0.2, seed=5):
    """Another model on the same rows."""
    rng = np.random.default_rng(seed)
    return replace(case, preds=case.preds + rng.normal(0, by, case.preds.shape))


def expected_fields(now, other, level=0.95):
    pairs = [*zip(exact_means(now), exact_means(other), strict=True)]
    difference = np.array([rounded(a - b) for a, b in pairs])
    stderr = standard_errors(now, other)
    return {
        "value": np.array([rounded(b) for _, b in pairs]),
        "difference": difference,
        "stderr": stderr,
        "low": difference - reach(stderr, level),
        "high": difference + reach(stderr, level),
    }


@pytest.fixture
def against(loss, tmp_path):
    """Run the command on two models' decision values for the same rows."""

    def run(now, other, *options):
        np.save(tmp_path / "other.npy", other.preds)
        file = ["--against", tmp_path / "other.npy"]
        return loss(now.preds, now.target, *options_of(now), *file, *options, weight=now.weight)

    return run


class TestNumbers:
    @pytest.mark.parametrize("case", forms(60), ids=name)
    @pytest.mark.parametrize("level", [None, 0.5])
    def test_they_are_those_of_fractions(self, against, small_blocks, case, level):
        other, options = moved(case), ["--interval", level] if level else []
        found = json_of(against(case, other, "--json", *options))
        numbers, level = found["against"], level or 0.95
        assert (numbers["level"], numbers["preds"][-9:]) == (level, "other.npy")
        for field, own in expected_fields(case, other, level).items():
            assert bits(np.atleast_1d(numbers[field])) == bits(own), field
        assert bits(np.atleast_1d(found["value"])) == bits(np.atleast_1d(case.expected()))
        assert "interval" not in found

    @pytest.mark.parametrize("case", forms(9), ids=name)
    def test_as_text(self, against, case):
        """The loss as before, then a table of the same numbers."""
        other = moved(case)
        losses, table = against(case, other).stdout.split("\n\n")
        assert losses == "\n".join(map(repr, np.atleast_1d(case.expected()).tolist()))
        header, *lines = table.splitlines()
        assert header.split() == [
            *["class"] * (case.mode == "one-vs-all"),
            *("loss", "against", "difference", "95%", "low", "95%", "high"),
        ]
        own = expected_fields(case, other)
        rows = [list(map(float, line.split()[-5:])) for line in lines]
        numbers = [
            np.atleast_1d(case.expected()),
            *(own[field] for field in COLUMNS),
        ]
        assert bits(np.array(rows)) == bits(np.column_stack(numbers))
        assert len({len(line) for line in [header, *lines]}) == 1, "aligned"

    @pytest.mark.parametrize("case", forms(60), ids=name)
    @pytest.mark.parametrize("ending", ["csv", "parquet"])
    def test_of_one_file(self, command, against, tmp_path, small_blocks, case, ending):
        other = moved(case)
        columns = {}
        for letter, preds in (("a", case.preds), ("b", other.preds)):
            for k, column in enumerate(preds.reshape(len(case), -1).T.tolist()):
                columns[f"{letter}{k}"] = column
        columns["y"] = case.target.tolist()
        options = ["--json", *options_of(case), "--target", "y"]
        if case.weight is not None:
            columns["w"] = case.weight.tolist()
            options += ["--sample-weight", "w"]
        path = tmp_path / f"table.{ending}"
        if ending == "csv":
            with open(path, "w", newline="") as file:
                csv.writer(file).writerows([columns, *zip(*columns.values(), strict=True)])
        else:
            parquet.write_table(pyarrow.table(columns), path, row_group_size=7)
        preds, others = (",".join(c for c in columns if c[0] == letter) for letter in "ab")
        found = json_of(command(path, "--preds", preds, "--against", others, *options))
        assert found["against"].pop("preds") == f"{path}:{others}"
        separate = json_of(against(case, other, "--json"))
        del separate["against"]["preds"]
        assert found == separate

    def test_a_pipe_is_read_once(self, command, tmp_path):
        path = tmp_path / "table.csv"
        path.write_text("0,0.5,1\n1.5,1.0,1\n")
        with redirected(0, path):
            run = command("-", "--preds", "0", "--target", "2", "--against", "1", "--json")
        numbers = json_of(run)["against"]
        assert (numbers["preds"], numbers["value"], numbers["difference"]) == ("-:1", 0.25, 0.25)

    def test_ignored_rows(self, against):
        case = form(30, 3, None, False, "tenths")
        kept = case.target != 1
        found = json_of(against(case, moved(case), "--json", "--ignore-index", "1"))["against"]
        own = expected_fields(case.rows(kept), moved(case).rows(kept))
        assert {field: found[field] for field in own} == {k: v[0] for k, v in own.items()}

    def test_all_else_is_as_without(self, against, loss):
        options = ["--worst", "2", "--per-class", "--json"]
        found = json_of(against(AGAIN, LESS, *options))
        del found["against"]
        assert found == json_of(loss(AGAIN.preds, AGAIN.target, *options))

    def test_a_single_sample_has_no_interval(self, against):
        found = json_of(against(MORE.rows([2]), LESS.rows([2]), "--json"))["against"]
        assert found["difference"] == 1.2 - 0.6
        assert [found[field] for field in ("stderr", "low", "high")] == [None] * 3


class TestIfWorse:
    @pytest.mark.parametrize("case", forms(40), ids=name)
    def test_where_the_interval_ends_at_zero(self, against, case):
        """At a level a little below that, it is closed, and a little above open."""
        other = moved(case)
        own = expected_fields(case, other)
        for sign, (now, then) in ((1, (case, other)), (-1, (other, case))):
            critical = max(sign * own["difference"] / own["stderr"])
            level = 2 * NormalDist().cdf(critical) - 1
            if level <= 0:
                assert against(now, then, "--fail-if-worse").returncode == 0
                continue
            for ratio, status in ((0.999, 1), (1.001, 0)):
                options = ["--fail-if-worse", "--interval", level * ratio]
                run = against(now, then, *options)
                assert (run.returncode, run.stderr.count("\n")) == (status, status)

    @pytest.mark.parametrize(
        ("now", "other", "status"),
        [
            (LESS, AGAIN, 0),
            (AGAIN, AGAIN, 0),
            (LESS.rows([2]), AGAIN.rows([2]), 0),  # without an interval
            (AGAIN, replace(AGAIN, preds=-np.inf * np.array([-1, 1, 1])), 0),
            (MORE.rows([2]), AGAIN.rows([2]), 1),
            (replace(AGAIN, preds=np.array([-2.2, 2.4, -np.inf])), AGAIN, 1),
            (replace(AGAIN, preds=np.array([-2.2, 2.4, np.nan])), AGAIN, 1),
            (AGAIN, replace(AGAIN, preds=np.array([-2.2, 2.4, np.nan])), 1),
            (replace(ZEROS, preds=ZEROS.preds - 0.25), ZEROS, 1),  # all are worse by the same
        ],
    )
    def test_an_improvement_never_fails(self, against, now, other, status):
        run = against(now, other, "--fail-if-worse")
        assert (run.returncode, run.stderr.count("\n")) == (status, status)

    @pytest.mark.parametrize(
        ("now", "other", "sentence"),
        [
            (
                replace(ZEROS, preds=np.array([-0.5, -0.25, -0.25, 0.0])),
                ZEROS,
                "loss 1.25 is above the 1 of other.npy by 0.25 (95%: 0.04996 to 0.45)",
            ),
            (
                replace(ZEROS, preds=np.array([-0.5, -0.25, 0.25, 0.0])),
                ZEROS,
                "loss 1.125 is above the 1 of other.npy by 0.125 (95%: -0.1913 to 0.4413), "
                "which may be chance",
            ),
            (
                replace(ZEROS, preds=np.array([0.5, 0.25, 0.0, 0.0])),
                ZEROS,
                "loss 0.8125 is below the 1 of other.npy by 0.1875",
            ),
            (ZEROS, ZEROS, "loss 1 is that of other.npy"),
            (
                replace(AGAIN, preds=np.array([-2.2, 2.4, -np.inf])),
                AGAIN,
                "loss inf is above the 0.3 of other.npy",
            ),
            (
                replace(AGAIN, preds=np.array([-2.2, 2.4, np.nan])),
                AGAIN,
                "loss nan minus the 0.3 of other.npy is NaN",
            ),
            (
                ZEROS.rows([0]),
                ZEROS.rows([0]).arrays(lambda array: array + (array.dtype.kind == "f") * 0.5),
                "loss 1 is above the 0.5 of other.npy by 0.5 (too few samples for an interval)",
            ),
        ],
    )
    def test_sentences(self, against, tmp_path, now, other, sentence):
        found = against(now, other, "--fail-if-worse", "--json")
        said = sentence.replace("other.npy", str(tmp_path / "other.npy"))
        assert f'"sentence": "{said}"' in found.stdout
        assert found.stderr == f"hingemetrics: {said}\n" * found.returncode

    def test_the_worst_class(self, against):
        """It is the one whose interval is furthest above zero, not that of the greatest loss."""
        preds = np.array([[2.0, 0.0, 0.0], [2.0, -0.5, 0.0], [2.0, 0.0, 0.0], [2.0, -1.0, 0.0]])
        other = Case(preds, np.zeros(4, int), mode="one-vs-all")
        steps = np.array([[0.5, 0.1, 0.3], [0.5, 0.2, 0.3], [0.5, 0.1, 0.3], [0.5, 0.2, 0.4]])
        run = against(replace(other, preds=preds + steps), other, "--fail-if-worse")
        assert run.returncode == 1
        assert "of class 2 is above the 1 of " in run.stderr
        assert run.stderr.endswith("; 1 more class fails too\n")
        assert against(other, other, "--fail-if-worse").returncode == 0

    def test_nothing_seen(self, against):
        run = against(AGAIN.rows(slice(0)), AGAIN.rows(slice(0)), "--fail-if-worse")
        warned, said = run.stderr.splitlines()
        assert warned.startswith("hingemetrics: warning: ")
        assert said.startswith("hingemetrics: loss nan minus the nan of ")
        assert run.returncode == 1


class TestAboveDifference:
    @pytest.mark.parametrize("case", forms(40), ids=name)
    def test_at_the_limit(self, against, case):
        """Status 1 if and only if the fraction of the difference is above the decimal."""
        other = moved(case)
        for now, then in ((case, other), (other, case)):
            pairs = zip(exact_means(now), exact_means(then), strict=True)
            greatest = max(a - b for a, b in pairs)
            scaled = greatest * 10**40
            for units, status in ((scaled.__ceil__(), 0), (scaled.__floor__(), 1)):
                if units == scaled:
                    status = 0
                run = against(now, then, f"--fail-above-difference={units}e-40")
                assert (run.returncode, run.stderr.count("\n")) == (status, status)

    def test_of_a_difference_that_no_double_holds(self, against):
        now = replace(ZEROS, weight=np.array([1.0, 1.0, 1.0, 5e-324]))
        other = replace(now, preds=np.array([0.0, 0.0, 0.0, 1.0]))
        run = against(now, other, "--fail-above-difference", "0")
        assert run.returncode == 1
        assert run.stderr.endswith(" by less than 5e-324, more than 0\n")
        assert against(other, now, "--fail-above-difference", "0").returncode == 0

    @pytest.mark.parametrize(
        ("bound", "status", "more", "less"),
        [
            ("0.05", 1, "above {} by 0.1, more than 0.05", "below {} by 0.1"),
            ("1", 0, "above {} by 0.1, at most 1", "below {} by 0.1"),
            ("-0.05", 1, "above {} by 0.1, not below it by 0.05", "below {} by 0.1, at least 0.05"),
            ("-1", 1, "above {} by 0.1, not below it by 1", "below {} by 0.1, less than 1"),
        ],
    )
    def test_sentences(self, against, tmp_path, bound, status, more, less):
        other = f"the 0.3 of {tmp_path / 'other.npy'}"
        for case, sentence in ((MORE, f"loss 0.4 is {more}"), (LESS, f"loss 0.2 is {less}")):
            run = against(case, AGAIN, f"--fail-above-difference={bound}", "--json")
            assert f'"sentence": "{sentence.format(other)}"' in run.stdout
        assert run.returncode == (bound == "-1")
        assert against(MORE, AGAIN, f"--fail-above-difference={bound}").returncode == status

    def test_one_sample_is_enough(self, against):
        for bound, status in (("0.1", 1), ("0.4", 0)):
            now, other = MORE.rows([2]), AGAIN.rows([2])  # 1.2 and 0.9
            assert against(now, other, "--fail-above-difference", bound).returncode == status

    @pytest.mark.parametrize(
        ("preds", "other", "status"),
        [
            (np.nan, 0.0, 1),
            (0.0, np.nan, 1),
            (-np.inf, 0.0, 1),
            (0.0, -np.inf, 0),
            (-np.inf, -np.inf, 1),
        ],
    )
    def test_what_is_not_finite(self, against, preds, other, status):
        now, then = (Case(np.array([p, 0.5]), np.ones(2, int)) for p in (preds, other))
        for options in (["--fail-above-difference", "1e300"], ["--fail-if-worse"]):
            run = against(now, then, *options)
            assert (run.returncode, run.stderr.count("\n")) == (status, status)

    def test_of_classes(self, against):
        other = form(30, 4, "one-vs-all", False, None)
        now = replace(other, preds=other.preds + np.array([0.0, 0.1, 0.3, 0.2]))
        pairs = zip(exact_means(now), exact_means(other), strict=True)
        above = sorted((a - b, k) for k, (a, b) in enumerate(pairs))
        run = against(now, other, "--fail-above-difference", repr(float(above[1][0])), "--json")
        assert f"of class {above[-1][1]} is above" in run.stderr
        assert run.stderr.count("more class") == 1

    def test_bounds_are_read_exactly(self):
        assert Bound.parsed("-0.1") == ("-0.1", Fraction(-1, 10))
        assert Bound.parsed("+1e-3").number == Fraction(1, 1000)


class TestFormats:
    def test_all_of_them(self, against, tmp_path):
        options = ["--fail-if-worse", "--fail-above-difference", "0.05"]
        text = against(MORE, AGAIN, *options)
        lines = against(MORE, AGAIN, *options, "--format", "markdown").stdout.splitlines()
        own = expected_fields(MORE, AGAIN)
        numbers = [MORE.expected(), *(float(own[field][0]) for field in COLUMNS)]
        assert "| loss | against | difference | 95% low | 95% high |" in lines
        assert f"| {' | '.join(map(repr, numbers))} |" in lines
        assert any(line.startswith("#### Against ") for line in lines)
        suite = ET.fromstring(against(MORE, AGAIN, *options, "--format", "junit").stdout)
        cases = suite.findall(".//testcase")
        assert [case.get("classname") for case in cases] == [
            "hingemetrics.fail-if-worse",
            "hingemetrics.fail-above-difference",
        ]
        failures = [case.find("failure") for case in cases]
        assert failures[0] is None
        assert text.stderr == f"hingemetrics: {failures[1].get('message')}\n"

    def test_beside_a_baseline(self, against, tmp_path):
        (tmp_path / "base.state").write_bytes(LESS.state().to_bytes())
        run = against(MORE, AGAIN, "--baseline", tmp_path / "base.state", "--fail-if-worse")
        _, baseline, comparison = run.stdout.split("\n\n")
        assert float(baseline.split()[-2]) == LESS.expected()
        assert float(comparison.split()[-4]) == AGAIN.expected()
        assert run.returncode == 1


class TestRefusals:
    def test_needs_it(self, loss):
        for option in (["--fail-if-worse"], ["--fail-above-difference", "1"]):
            words = [f"{option[0]} must be given with --against"]
            refused(loss([0.5], [1], *option), *words)

    def test_states_have_no_rows(self, command):
        refused(command("--merge", "a.state", "--against", "b.npy"), "--against", "sums, not rows")

    @pytest.mark.parametrize("bound", ["x", "1%", "nan", "inf", "1e1000", ""])
    def test_bounds(self, against, bound):
        refused(against(AGAIN, LESS, f"--fail-above-difference={bound}"), "a decimal number")

    @pytest.mark.parametrize("preds", [np.zeros(2), np.zeros((3, 2)), np.zeros((3, 3))])
    def test_of_another_shape(self, against, preds):
        words = ["other.npy: baseline_preds must have"]
        refused(against(AGAIN, replace(AGAIN, preds=preds)), *words)
        case = form(3, 4, None, False, None)
        refused(against(case, replace(case, preds=preds)), *words)

    def test_of_fewer_rows_in_a_file_that_does_not_tell(self, command, tmp_path):
        (tmp_path / "a.csv").write_text("1\n0\n1\n")
        (tmp_path / "b.csv").write_text("0.5\n0.25\n")
        files = [tmp_path / "a.csv", tmp_path / "a.csv"]
        np.save(tmp_path / "y.npy", TARGET)
        run = command(files[0], tmp_path / "y.npy", "--against", tmp_path / "b.csv")
        refused(run, "b.csv", "as many rows")

    def test_of_other_columns(self, command, tmp_path):
        (tmp_path / "a.csv").write_text("a,b,c,y\n1,2,3,0\n1,2,3,1\n")
        options = ["--preds", "a", "--target", "y", "--against", "b,c"]
        run = command(tmp_path / "a.csv", *options)
        refused(run, "baseline_preds must have the shape of preds, (2,), got (2, 2)")

    def test_it_is_not_overwritten(self, against, tmp_path):
        run = against(AGAIN, LESS, "--state-out", tmp_path / "other.npy")
        refused(run, "--state-out must be another file than those that are read")
