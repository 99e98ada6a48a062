"""The baseline: a loss is above it or not, in exact fractions, and what is refused."""

import json
import os
from base64 import b64encode
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Context
from fractions import Fraction

import numpy as np
import pytest
from cases import Case, form, forms, name
from command import AGAIN, LESS, MORE, exact_means, json_of, refused

from hingemetrics.cli.increase import Increase

ONE_VS_ALL = ["--multiclass-mode", "one-vs-all"]


SMALLEST = Case(np.array([0.0, 2.0]), np.array([1, 1]), np.array([5e-324, 1.0]))


def single(loss):
    """A sample of this loss."""
    case = Case(np.array([1 - loss]), np.array([1]))
    assert case.expected() == loss
    return case


def moved(case):
    """The same rows with somewhat other decision values."""
    rng = np.random.default_rng(5)
    return replace(case, preds=case.preds + rng.normal(0, 0.05, case.preds.shape))


def decimal(number, rounding):
    """A decimal at most, or at least, a fraction >= 0, and equal to 40 digits."""
    context = Context(prec=40, rounding=rounding)
    return str(context.divide(*map(context.create_decimal, number.as_integer_ratio())))


@pytest.fixture
def against(table, tmp_path):
    """Run the command on a case with the state of another one as its baseline."""

    def run(case, before, *options, ending=".state"):
        path = tmp_path / f"base{ending}"
        state = before.state().to_bytes()
        if ending == ".json":
            path.write_text(table(before, "--json").stdout)
            assert json.loads(path.read_text())["state"] == b64encode(state).decode()
        else:
            path.write_bytes(state)
        return table(case, "--baseline", path, *options)

    return run


class TestExactly:
    """Status 1 if and only if the fraction of the loss is above that of what is allowed."""

    @pytest.mark.parametrize("case", forms(40), ids=name)
    def test_at_the_limit(self, against, case):
        for now, before in ((case, moved(case)), (moved(case), case)):
            pairs = [*zip(exact_means(now), exact_means(before), strict=True)]
            most = max(0, *(a - b for a, b in pairs), 0)
            percent = max(0, *(100 * (a - b) / b for a, b in pairs), 0)
            for limit, unit in ((most, ""), (percent, "%")):
                options = f"--max-increase={decimal(limit, ROUND_CEILING)}{unit}"
                assert against(now, before, options).returncode == 0
                if limit:
                    options = f"--max-increase={decimal(limit, ROUND_FLOOR)}{unit}"
                    assert against(now, before, options).returncode == 1
            assert against(now, before).returncode == (most > 0)
            assert against(now, before, ending=".json").returncode == (most > 0)

    def test_above_by_less_than_a_rounding(self, against):
        """Both losses are 1.0 when they are rounded."""
        preds = np.zeros(1000)
        preds[3] = -(2.0**-52)
        now, before = (Case(p, np.ones(1000, int)) for p in (preds, np.zeros(1000)))
        run = against(now, before)
        assert (run.returncode, run.stdout.splitlines()[0]) == (1, "1.0")
        assert run.stderr == "hingemetrics: loss 1 is above the baseline's 1 by 2.22e-19\n"
        assert against(before, now).returncode == 0

    def test_a_difference_that_no_double_holds(self, against):
        weight = np.array([1.0, 1.0, 1.0, 5e-324])
        now = Case(np.zeros(4), np.ones(4, int), weight)
        before = replace(now, preds=np.array([0.0, 0.0, 0.0, 1.0]))
        assert 0 < exact_means(now)[0] - exact_means(before)[0] < Fraction(5e-324) / 2
        run = against(now, before)
        said = "loss 1 is above the baseline's 1 by less than 5e-324"
        assert (run.returncode, run.stderr) == (1, f"hingemetrics: {said}\n")
        assert against(before, now).returncode == 0

    @pytest.mark.parametrize("options", [[], ["--max-increase", "0%"], ["--max-increase", "1e-9"]])
    @pytest.mark.parametrize("now", [AGAIN, LESS, single(0.0)])
    def test_an_improvement_never_fails(self, against, now, options):
        run = against(now, AGAIN, *options)
        assert (run.returncode, run.stderr) == (0, "")

    @pytest.mark.parametrize(
        ("case", "increase", "status"),
        [
            (single(0.0), "0", 0),
            (single(0.0), "5%", 0),
            (single(0.25), "900%", 1),
            (SMALLEST, "900%", 1),
            (SMALLEST, "0", 1),
            (SMALLEST, "5e-324", 0),
            (single(0.25), "0.25", 0),
            (single(0.25), "0.2499", 1),
        ],
    )
    def test_above_a_baseline_of_zero(self, against, case, increase, status):
        run = against(case, single(0.0), "--max-increase", increase)
        assert run.returncode == status
        assert run.stderr.count("\n") == status

    @pytest.mark.parametrize(
        ("text", "number", "is_percentage"),
        [
            ("0.1", Fraction(1, 10), False),
            ("1e-3%", Fraction(1, 1000), True),
            (".5", Fraction(1, 2), False),
            ("+2.", Fraction(2), False),
            ("0." + "0" * 400 + "1", Fraction(1, 10**401), False),
        ],
    )
    def test_increases_are_read_exactly(self, text, number, is_percentage):
        assert Increase.parsed(text) == (text, number, is_percentage)

    def test_with_merge(self, command, tmp_path):
        case = form(40, 3, "one-vs-all", True, "tenths")
        files = [tmp_path / f"{k}.state" for k in range(2)]
        for path, rows in zip(files, np.split(np.arange(40), 2), strict=True):
            path.write_bytes(case.rows(rows).state().to_bytes())
        for before in (case, moved(case)):
            (tmp_path / "base.state").write_bytes(before.state().to_bytes())
            pairs = zip(exact_means(case), exact_means(before), strict=True)
            run = command("--merge", *files, "--baseline", tmp_path / "base.state")
            assert run.returncode == any(a > b for a, b in pairs)


class TestWhatIsNotFinite:
    @pytest.mark.parametrize(
        ("preds", "words"),
        [
            (np.nan, "loss is NaN, not at most the baseline's 0.3"),
            (-np.inf, "loss inf is above the baseline's 0.3"),
        ],
    )
    def test_it_is_above_any_baseline(self, against, preds, words):
        now = Case(np.array([preds]), np.array([1]))
        for options in ([], ["--max-increase", "1e300"], ["--max-increase", "9e9%"]):
            run = against(now, AGAIN, *options)
            assert (run.returncode, run.stderr) == (1, f"hingemetrics: {words}\n")

    def test_nothing_seen(self, against):
        nothing = AGAIN.rows(slice(0))
        *warned, said = against(nothing, AGAIN).stderr.splitlines()
        assert said == "hingemetrics: loss is NaN, not at most the baseline's 0.3"
        assert len(warned) == 1
        case = form(9, 3, "one-vs-all", False, None)
        run = against(case.rows(slice(0)), case)
        assert run.returncode == 1
        assert "loss of class 0 is NaN" in run.stderr
        assert run.stderr.endswith("; 2 more classes fail too\n")

    @pytest.mark.parametrize(
        ("before", "words"),
        [
            (Case(np.array([np.nan]), np.array([1])), "must be finite, got nan at index 0"),
            (Case(np.array([-np.inf]), np.array([1])), "must be finite, got inf at index 0"),
            (AGAIN.rows(slice(0)), "must be of samples, got none"),
            (replace(AGAIN, weight=np.zeros(3)), "must have a positive total weight, got 0"),
            (
                Case(np.array([[0.0, np.nan]]), np.array([0]), mode="one-vs-all"),
                "must be finite, got nan at index 1",
            ),
        ],
    )
    def test_no_baseline(self, command, tmp_path, before, words):
        (tmp_path / "base.state").write_bytes(before.state().to_bytes())
        options = ["--baseline", tmp_path / "base.state"]
        refused(command("no.npy", "no.npy", *options), "base.state: an exact ", words)


class TestOfAnotherLoss:
    @pytest.mark.parametrize(
        ("now", "before", "words"),
        [
            (AGAIN, replace(AGAIN, squared=True), ["squared=False", "got squared=True"]),
            (
                form(9, 3, None, False, None),
                form(9, 3, "one-vs-all", False, None),
                ["multiclass_mode='crammer-singer'", "got", "'one-vs-all'"],
            ),
            (form(9, 3, None, False, None), form(9, 10, None, False, None), ["3", "got one of 10"]),
            (AGAIN, form(9, 3, None, False, None), ["of binary data", "got one of 3 classes"]),
            (form(9, 3, None, False, None), AGAIN, ["of 3 classes", "got one of binary data"]),
            (
                form(9, 3, None, False, None).rows(slice(0)),
                form(9, 3, "one-vs-all", False, None),
                ["configuration"],
            ),
        ],
    )
    @pytest.mark.filterwarnings("ignore")
    def test_refused(self, against, now, before, words):
        run = against(now, before)
        assert (run.returncode, run.stdout) == (2, "")
        assert all(word in run.stderr for word in ["base.state must ", *words]), run.stderr

    def test_binary_data_have_no_mode(self, against):
        now = replace(AGAIN, mode="one-vs-all")
        assert against(now, AGAIN).returncode == 0
        assert against(AGAIN, now).returncode == 0
        assert against(replace(MORE, mode="one-vs-all"), AGAIN).returncode == 1

    def test_same_rows(self, against):
        fewer = AGAIN.rows(slice(2))
        assert against(AGAIN, AGAIN, "--same-rows").returncode == 0
        assert against(fewer, AGAIN).returncode == 0
        run = against(fewer, AGAIN, "--same-rows")
        refused(run, "base.state must be of the same rows (--same-rows), 2 samples, got 3\n")


class TestWhy:
    @pytest.mark.parametrize(
        ("now", "before", "options", "line"),
        [
            (0.5, 0.25, [], "loss 0.5 is above the baseline's 0.25 by 0.25"),
            (0.5, 0.25, ["0.1"], "loss 0.5 is above the baseline's 0.25 by 0.25, more than 0.1"),
            (
                0.5,
                0.25,
                ["10%"],
                "loss 0.5 is above the baseline's 0.25 by 0.25 (100%), more than 10%",
            ),
            (0.5, 0.0, ["10%"], "loss 0.5 is above the baseline's 0 by 0.5, more than 10%"),
            (
                1.0 + 2.0**-52,
                1.0,
                [],
                "loss 1.0000000000000002 is above the baseline's 1 by 2.22e-16",
            ),
            (
                1.0 + 2.0**-20,
                1.0,
                ["9.53674e-7"],
                "loss 1.00000095 is above the baseline's 1 by 9.53674316e-07, more than 9.53674e-7",
            ),
        ],
    )
    def test_one_loss(self, against, now, before, options, line):
        options = ["--max-increase", *options] if options else []
        run = against(single(now), single(before), *options)
        assert (run.returncode, run.stderr) == (1, f"hingemetrics: {line}\n")

    def test_the_class_that_is_worst(self, against):
        before = Case(np.array([[0.0, 0.0, 0.0]]), np.array([0]), mode="one-vs-all")  # losses 1
        now = replace(before, preds=np.array([[-0.25, 0.5, -4.0]]))  # 1.25, 1.5, 0
        for options, line in (
            ([], "loss 1.5 of class 1 is above the baseline's 1 by 0.5; 1 more class fails too"),
            (
                ["--max-increase", "30%"],
                "loss 1.5 of class 1 is above the baseline's 1 by 0.5 (50%), more than 30%",
            ),
        ):
            run = against(now, before, *options)
            assert (run.returncode, run.stderr) == (1, f"hingemetrics: {line}\n")

    @pytest.mark.parametrize(
        ("losses", "line"),
        [
            ([5.0, 2.0, 1.0], "loss 2 of class 1 is above the baseline's 1 by 1"),
            ([4.5, 1.0, np.inf], "loss inf of class 2 is above the baseline's 1"),
            ([np.inf, np.nan, 9.0], "loss of class 1 is NaN, not at most the baseline's 1"),
        ],
    )
    def test_worst_is_what_is_furthest_above_its_own(self, against, losses, line):
        before = Case(np.array([[-3.5, 0.0, 0.0]]), np.array([0]), mode="one-vs-all")  # 4.5, 1, 1
        now = replace(before, preds=np.array([[1 - losses[0], losses[1] - 1, losses[2] - 1]]))
        first, *_ = against(now, before).stderr.partition(";")
        assert first.rstrip() == f"hingemetrics: {line}"

    def test_worst_is_by_what_is_allowed(self, against):
        """Class 0 rose most, but class 1 most above its 110 %; --json tells both limits."""
        before = Case(np.array([[-3.0, 0.0]]), np.array([0]), mode="one-vs-all")  # 4, 1
        now = replace(before, preds=np.array([[-3.75, 0.5]]))  # 4.75, 1.5
        run = against(now, before, "--max-increase", "10%", "--json")
        assert run.stderr == (
            "hingemetrics: loss 1.5 of class 1 is above the baseline's 1 by 0.5 (50%), "
            "more than 10%; 1 more class fails too\n"
        )
        (gate,) = json.loads(run.stdout)["gates"]
        assert [verdict["limit"] for verdict in gate["verdicts"]] == [4.4, 1.1]

    def test_what_is_printed(self, against):
        run = against(MORE, AGAIN)
        assert run.stdout == (
            f"{MORE.expected()!r}\n\n"
            "               loss  baseline           difference\n"
            "0.39999999999999997       0.3  0.09999999999999998\n"
        )

    def test_a_line_for_each_gate(self, against):
        run = against(MORE, AGAIN, "--fail-above", "0.35")
        assert run.stderr.splitlines() == [
            "hingemetrics: loss 0.4 is above 0.35",
            "hingemetrics: loss 0.4 is above the baseline's 0.3 by 0.1",
        ]


class TestFiles:
    @pytest.mark.parametrize("path", ["base.state", "base.json"])
    def test_a_file_that_is_not_there(self, table, tmp_path, path):
        run = table(AGAIN, "--baseline", tmp_path / path)
        refused(run, f"{path}: No such file or directory; --update-baseline makes it\n")
        assert not (tmp_path / path).exists()

    def test_a_pipe(self, table, tmp_path):
        """As a shell's <(git show main:base.state)."""
        for data in (LESS.state().to_bytes(), table(LESS, "--json").stdout.encode()):
            out, into = os.pipe()
            os.write(into, data)
            os.close(into)
            assert table(AGAIN, "--baseline", f"/dev/fd/{out}").returncode == 1
            os.close(out)

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"", ["must be a state, or what --json printed"]),
            (b"hinge", ["must be the bytes of a HingeState"]),
            (b"\xff\xfe{", ["must be a state, or what --json printed"]),
            (b"[" * 100_000, ["must be a state, or what --json printed"]),
            (b"9" * 9999, ["must be a state, or what --json printed"]),
            (b"[]", ["version 1, got []"]),
            (b"{}", ["version 1, got None"]),
            (b'{"version": 2}', ["version 1, got 2"]),
            (b'{"version": 1}', ["state must be", "got None"]),
            (b'{"version": 1, "state": "aGluZ2U"}', ["state must be", "got 'aGluZ2U'"]),
            (b'{"version": 1, "state": "\xc3\xa4"}', ["state must be", "base64"]),
            (b'{"version": 1, "state": 7}', ["state must be", "got 7"]),
            (b'{"version": 1, "state": "aGluZ2U="}', ["must be the bytes of a HingeState"]),
        ],
    )
    def test_damaged(self, command, tmp_path, content, words):
        (tmp_path / "base.json").write_bytes(content)
        run = command("no.npy", "no.npy", "--baseline", tmp_path / "base.json")
        refused(run, f"{tmp_path / 'base.json'}: ", *words)
        assert len(run.stderr) < 400

    @pytest.mark.parametrize("field", ["value", "count", "squared", "exact", "num_classes"])
    def test_a_number_that_was_edited(self, table, tmp_path, field):
        """What people read in the file is what the gate goes by."""
        found = json_of(table(AGAIN, "--json"))
        found[field] = "1/3" if field == "exact" else 7
        (tmp_path / "base.json").write_text(json.dumps(found))
        run = table(AGAIN, "--baseline", tmp_path / "base.json")
        refused(run, f"base.json: {field} must be that of the state", f"got {found[field]!r}\n")

    def test_as_json_with_all_else(self, table, tmp_path):
        """A job may keep what it printed, verdicts and all, laid out as it likes."""
        run = table(AGAIN, "--json", "--worst", "1", "--per-class", "--fail-above", "1")
        (tmp_path / "base.json").write_text(json.dumps(json_of(run), indent=2), "utf-16")
        assert table(AGAIN, "--baseline", tmp_path / "base.json").returncode == 0
        assert table(MORE, "--baseline", tmp_path / "base.json").returncode == 1

    def test_it_is_read_only(self, table, command, tmp_path):
        path = tmp_path / "base.state"
        path.write_bytes(AGAIN.state().to_bytes())
        run = table(AGAIN, "--baseline", path, "--state-out", path)
        refused(run, "--state-out must be another file than those that are read")
        run = table(AGAIN, "--baseline", path, "--state-out", path, "--update-baseline")
        refused(run, "--state-out and --baseline must be two files")
        run = command("--merge", path, "--baseline", path, "--update-baseline")
        refused(run, "--baseline must be another file than those that are read")
        assert path.read_bytes() == AGAIN.state().to_bytes()
