"""--by: the loss of each group, and a gate that holds for every one of them."""

import datetime
import html
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pyarrow
import pytest
from cases import Case, form, forms, name
from command import AGAIN, json_of, options_of, refused
from oracle import bits
from pyarrow import parquet

UTC = datetime.timezone.utc
DAYS = [datetime.date(2024, 1, 2), datetime.date(2023, 12, 31), datetime.date(2024, 1, 1)]
KINDS = {
    "text": (["de", "Österreich", "fr"], ["de", "fr", "Österreich"]),
    "integers": ([10, -2, 9], [-2, 9, 10]),
    "floats": ([0.5, -1.5, np.inf], [-1.5, 0.5, "inf"]),
    "bools": ([True, False, True], [False, True]),
    "dates": (DAYS, ["2023-12-31", "2024-01-01", "2024-01-02"]),
}
HOSTILE = ["a|b\nc", "<b>", "\x1b[31m", "]]>", "", " ", "nan", "\ud83d"]


@pytest.fixture
def by(command, tmp_path):
    """Run the command on a case with a group for each row, as arrays."""

    def run(case, groups, *options):
        arrays = {"preds": case.preds, "target": case.target, "groups": np.asarray(groups)}
        if case.weight is not None:
            arrays["weight"] = case.weight
            options = ["--sample-weight", tmp_path / "weight.npy", *options]
        for stem, array in arrays.items():
            np.save(tmp_path / f"{stem}.npy", array)
        files = [tmp_path / f"{stem}.npy" for stem in ("preds", "target")]
        return command(*files, "--by", tmp_path / "groups.npy", *options_of(case), *options)

    return run


def drawn(values, rows, seed=3):
    """A group for each row; each value is one's."""
    rng = np.random.default_rng(seed)
    return [*values, *(values[k] for k in rng.integers(0, len(values), rows - len(values)))]


def binary(losses):
    """A sample of each loss."""
    return Case(1 - np.array(losses), np.ones(len(losses), int))


class TestLosses:
    @pytest.mark.parametrize("case", forms(60), ids=name)
    def test_they_are_those_of_the_rows(self, by, small_blocks, case):
        groups = np.array(drawn(["a", "b", "c", "d"], 60))
        found = json_of(by(case, groups, "--json"))
        assert [group["group"] for group in found["groups"]] == ["a", "b", "c", "d"]
        for group in found["groups"]:
            rows = case.rows(groups == group["group"])
            assert group["count"] == len(rows)
            assert bits(np.array(group["value"])) == bits(np.asarray(rows.expected()))

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("ending", ["npy", "npz", "parquet", "arrow"])
    def test_groups_of_any_kind(self, command, by, tmp_path, small_blocks, kind, ending):
        """They stand in JSON in their own order."""
        values, expected = KINDS[kind]
        case, groups = form(50, None, None, False, None), drawn(values, 50)
        array = np.array(groups, "M8[D]" if kind == "dates" else None)
        if ending == "npy":
            run = by(case, array, "--json")
        elif ending == "npz":
            np.savez(tmp_path / "t.npz", p=case.preds, y=case.target, g=array)
            files = [f"{tmp_path / 't.npz'}:{member}" for member in "pyg"]
            run = command(*files[:2], "--by", files[2], "--json")
        else:
            path = tmp_path / f"t.{ending}"
            whole = pyarrow.table({"p": case.preds, "y": case.target, "g": groups})
            if ending == "parquet":
                parquet.write_table(whole, path, row_group_size=8)
            else:
                with pyarrow.ipc.new_file(str(path), whole.schema) as writer:
                    writer.write_table(whole, 8)
            options = ["--preds", "p", "--target", "y", "--by", "g", "--json"]
            run = command(path, *options)
        found = json_of(run)["groups"]
        assert [group["group"] for group in found] == expected
        assert [type(group["group"]) for group in found] == list(map(type, expected))
        assert sum(group["count"] for group in found) == 50

    def test_groups_of_a_csv_are_text(self, command, tmp_path, small_blocks):
        (tmp_path / "t.csv").write_text('p,y,g\n0.5,1,01\n0,1,1\n0.25,1,"a,b"\n0.75,1,1\n')
        options = ["--preds", "p", "--target", "y", "--by", "g"]
        run = command(tmp_path / "t.csv", *options)
        assert run.stdout.split("\n\n")[1].splitlines() == [
            "group  count   loss",
            "   01      1    0.5",
            "    1      2  0.625",
            "  a,b      1   0.75",
        ]

    def test_a_column_of_another_file(self, command, tmp_path):
        np.save(tmp_path / "p.npy", AGAIN.preds)
        np.save(tmp_path / "y.npy", AGAIN.target)
        (tmp_path / "t.csv").write_text("id,country\n0,de\n1,fr\n2,de\n")
        options = ["--by", f"{tmp_path / 't.csv'}:country", "--json"]
        found = json_of(command(tmp_path / "p.npy", tmp_path / "y.npy", *options))["groups"]
        assert [(group["group"], group["count"]) for group in found] == [("de", 2), ("fr", 1)]

    def test_ignored_rows_make_no_group(self, by):
        found = json_of(by(AGAIN, ["a", "b", "b"], "--ignore-index", "0", "--json"))
        assert [group["group"] for group in found["groups"]] == ["b"]

    def test_nothing_seen(self, by):
        run = by(AGAIN.rows(slice(0)), np.array([], "U1"), "--fail-above", "1", "--json")
        assert (run.returncode, json.loads(run.stdout)["groups"]) == (1, [])

    def test_all_else_is_as_without(self, by, loss):
        options = ["--worst", "2", "--per-class", "--json"]
        found = json_of(by(AGAIN, ["a", "b", "b"], *options))
        del found["groups"]
        assert found == json_of(loss(AGAIN.preds, AGAIN.target, *options))


class TestGate:
    @pytest.mark.parametrize("case", forms(40), ids=name)
    def test_it_closes_where_a_group_is_above(self, by, case):
        groups = np.array(drawn(["a", "b", "c"], 40))
        losses = [case.rows(groups == key).expected() for key in "abc"]
        greatest = float(np.max(losses))
        assert by(case, groups, "--fail-above", repr(greatest)).returncode == 0
        run = by(case, groups, "--fail-above", repr(float(np.nextafter(greatest, 0))), "--json")
        gates = {gate["name"]: gate for gate in json.loads(run.stdout)["gates"]}
        assert (run.returncode, gates["by"]["open"]) == (1, False)
        assert sum(not verdict["open"] for verdict in gates["by"]["verdicts"]) == 1
        assert gates["by"]["sentence"] in run.stderr
        assert len(gates["by"]["verdicts"]) == 3 * np.size(losses[0])

    @pytest.mark.parametrize(
        ("losses", "limit", "lines"),
        [
            ([0.25, 0.5, 0.125], "0.4", ["loss 0.5 of group b is above 0.4"]),
            (
                [0.25, 0.5, 0.375],
                "0.2",
                [
                    "loss 0.375 is above 0.2",
                    "loss 0.5 of group b is above 0.2; 2 more groups fail too: c, a",
                ],
            ),
            (
                [0.5, 0.75, 0.25, 0.5, 1.0, 0.75],
                "0",
                [
                    "loss 0.625 is above 0",
                    "loss 1 of group e is above 0; 5 more groups fail too: b, f, a, ...",
                ],
            ),
            (
                [0.0, np.nan, np.inf, np.nan],
                "1",
                [
                    "loss is NaN, not at most 1",
                    "loss of group b is NaN, not at most 1; 2 more groups fail too: d, c",
                ],
            ),
        ],
    )
    def test_the_worst_are_named(self, by, losses, limit, lines):
        run = by(binary(losses), list("abcdef"[: len(losses)]), "--fail-above", limit)
        assert run.stderr == "".join(f"hingemetrics: {line}\n" for line in lines)
        assert run.returncode == 1

    def test_the_worst_classes_of_groups(self, by):
        preds = [[1.0, -0.5], [0.75, -1.0], [1.0, -1.0]]
        case = Case(np.array(preds), np.zeros(3, int), mode="one-vs-all")
        run = by(case, ["a", "b", "c"], "--fail-above", "0.2")
        line = "loss 0.5 of class 1 of group a is above 0.2; "
        assert (
            run.stderr == f"hingemetrics: {line}1 more class of a group fails too: class 0 of b\n"
        )

    def test_a_group_without_weight(self, by):
        case = replace(AGAIN, weight=np.array([1.0, 1.0, 0.0]))
        run = by(case, ["a", "b", "c"])
        assert (run.returncode, run.stderr) == (0, "")
        assert run.stdout.split()[-3:] == ["c", "1", "nan"]
        run = by(
            replace(AGAIN, weight=np.array([1.0, 1.0, 0.0])), ["a", "b", "c"], "--fail-above=9"
        )
        assert run.stderr == "hingemetrics: loss of group c is NaN, not at most 9\n"

    def test_only_with_a_limit(self, by):
        assert json_of(by(AGAIN, ["a", "b", "b"], "--json"))["gates"] == []


class TestFormats:
    @pytest.mark.parametrize("mode", [None, "one-vs-all"])
    def test_as_text(self, by, mode):
        case = form(30, 3, mode, False, None)
        groups = np.array(drawn(["b", "a"], 30))
        losses, lines = by(case, groups).stdout.split("\n\n")
        assert losses == "\n".join(map(repr, np.atleast_1d(case.expected()).tolist()))
        header, *rows = lines.splitlines()
        assert header.split()[:2] == ["group", "count"]
        for key, row in zip("ab", rows, strict=True):
            own = case.rows(groups == key)
            numbers = map(repr, np.atleast_1d(own.expected()).tolist())
            assert row.split() == [key, str(len(own)), *numbers]
        assert len({len(line) for line in [header, *rows]}) == 1, "aligned"

    @pytest.mark.parametrize(("count", "more"), [(20, 0), (21, 1), (25, 5)])
    def test_the_worst_as_markdown(self, by, count, more):
        losses = np.random.default_rng(1).permutation(count) / 64
        keys = [f"g{k}" for k in range(count)]
        text = by(binary(losses), keys, "--format", "markdown").stdout
        rows = [
            line for line in text.splitlines() if line.startswith("| g") and "count" not in line
        ]
        order = np.argsort(-losses)[:20]
        assert rows == [f"| {keys[k]} | 1 | {losses[k].item()!r} |" for k in order]
        said = re.findall(r"(?m)^([0-9]+) more groups?$", text)
        assert said == [str(more)] * bool(more)

    def test_as_junit(self, by):
        run = by(binary([0.25, 0.5]), ["a", "b"], "--fail-above", "0.4", "--format", "junit")
        cases = ET.fromstring(run.stdout).findall(".//testcase")
        found = [(c.get("classname"), c.get("name"), c.find("failure") is None) for c in cases]
        assert found == [
            ("hingemetrics.fail-above", "loss", True),
            ("hingemetrics.by", "group a", True),
            ("hingemetrics.by", "group b", False),
        ]

    @pytest.mark.parametrize("text", HOSTILE)
    @pytest.mark.parametrize("format_", ["text", "json", "markdown", "junit"])
    def test_any_text(self, by, text, format_):
        run = by(binary([0.25, 0.5]), ["b", text], "--fail-above", "0.4", "--format", format_)
        shown = text if text and text.isprintable() else repr(text)
        line = " ".join(f"hingemetrics: loss 0.5 of group {shown} is above 0.4".split())
        assert run.stderr == f"{line}\n"
        if format_ == "json":
            assert text in [group["group"] for group in json.loads(run.stdout)["groups"]]
        elif format_ == "text":
            assert shown in run.stdout
            assert len(run.stdout.splitlines()) == 5
        elif format_ == "markdown":
            assert shown.strip() in html.unescape(run.stdout)
            assert run.stdout.isascii()
        else:
            cases = ET.fromstring(run.stdout).findall(".//testcase")
            assert f"group {shown}" in [case.get("name") for case in cases]

    def test_letters_that_the_stream_lacks(self, by, monkeypatch, capsys):
        import io
        import sys

        stream = io.TextIOWrapper(io.BytesIO(), "ascii")
        monkeypatch.setattr(sys, "stdout", stream)
        assert by(AGAIN, ["ä", "b", "b"]).returncode == 0
        assert b"\\xe4  " in stream.buffer.getvalue()


class TestRefusals:
    @pytest.mark.parametrize(
        ("groups", "words"),
        [
            (
                np.array([1.0, np.nan, 2.0]),
                "groups must have no missing entries, got nan at index 1",
            ),
            (np.array(["2024-01-01", "NaT", "NaT"], "M8[D]"), "got NaT at index 1"),
            (np.ones(3, complex), "must hold real numbers, text or dates, got dtype complex128"),
            (np.array(["a", None, 1], object), "got Python objects"),
            (np.array(["a", "b"]), "groups must have shape (3,) like target, got (2,)"),
            (np.array([["a", "b"]] * 3), "must have shape (N,), got (3, 2)"),
        ],
    )
    def test_arrays(self, by, groups, words):
        refused(by(AGAIN, groups), "groups.npy", words)

    def test_a_missing_one_of_a_later_block(self, by, small_blocks):
        groups = np.arange(200.0)
        groups[177] = np.nan
        refused(by(form(200, None, None, False, None), groups), "got nan at index 177")

    def test_an_empty_field(self, command, tmp_path, small_blocks):
        rows = [f"0.5,1,g{k}" for k in range(100)]
        rows[70] = "0.5,1,"
        (tmp_path / "t.csv").write_text("\n".join(["p,y,g", *rows, ""]))
        run = command(tmp_path / "t.csv", "--preds", "p", "--target", "y", "--by", "g")
        refused(run, "must hold a group in each row, got nothing in line 72, column 2 ('g')")

    @pytest.mark.parametrize("ending", ["parquet", "arrow"])
    def test_nulls(self, command, tmp_path, small_blocks, ending):
        groups = ["a"] * 100
        groups[70] = None
        path = tmp_path / f"t.{ending}"
        whole = pyarrow.table({"p": np.zeros(100), "y": np.ones(100, int), "g": groups})
        if ending == "parquet":
            parquet.write_table(whole, path)
        else:
            with pyarrow.ipc.new_file(str(path), whole.schema) as writer:
                writer.write_table(whole)
        run = command(path, "--preds", "p", "--target", "y", "--by", "g")
        refused(run, "no nulls", "'g'", "at index 70")

    @pytest.mark.parametrize("column", [[b"1", b"2"], [[1], [2]], [{"a": 1}, {"a": 2}]])
    def test_columns_of_no_groups(self, command, tmp_path, column):
        whole = pyarrow.table({"p": np.zeros(2), "y": np.ones(2, int), "g": column})
        parquet.write_table(whole, tmp_path / "t.parquet")
        refused(command(tmp_path / "t.parquet", "--preds", "p", "--target", "y", "--by", "g"))

    def test_what_it_is_not_for(self, command, tmp_path):
        refused(command("--merge", "a.state", "--by", "g.npy"), "--by: states hold sums, not rows")
        (tmp_path / "t.csv").write_text("p,y,g,h\n1,0,a,b\n")
        run = command(tmp_path / "t.csv", "--preds", "p", "--target", "y", "--by", "g,h")
        refused(run, "groups must be one column of")


def test_dictionaries_and_times(command, tmp_path, small_blocks):
    """Columns of categories, with a slice of them in each batch, and of times with a zone."""
    times = [datetime.datetime(2024, 1, 1, hour, tzinfo=UTC) for hour in (3, 1, 2)]
    case = form(60, None, None, False, None)
    for values, column in (
        (["c", "a", "b"], lambda groups: pyarrow.array(groups).dictionary_encode()),
        (times, lambda groups: pyarrow.array(groups, pyarrow.timestamp("us", "UTC"))),
    ):
        groups = drawn(values, 60)
        whole = pyarrow.table({"p": case.preds, "y": case.target, "g": column(groups)})
        parquet.write_table(whole, tmp_path / "t.parquet", row_group_size=11)
        options = ["--preds", "p", "--target", "y", "--by", "g", "--json"]
        found = json_of(command(tmp_path / "t.parquet", *options))["groups"]
        for group, value in zip(found, sorted(values), strict=True):
            rows = [k for k, other in enumerate(groups) if other == value]
            assert group["group"] == (value if isinstance(value, str) else value.isoformat())
            assert (group["count"], group["value"]) == (len(rows), case.rows(rows).expected())
