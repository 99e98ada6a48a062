"""The command's arguments: what is refused, in which words, and what is suggested instead."""

import re

import pyarrow
import pytest
from command import PREDS, TARGET, json_of, printed, refused
from oracle import expected
from pyarrow import feather, parquet

import hingemetrics
from hingemetrics import _files
from hingemetrics._engine import backend
from hingemetrics.cli import run

OPTIONS = [
    "--preds",
    "--target",
    "--sample-weight",
    "--ignore-index",
    "--merge",
    "--expect",
    "--squared",
    "--multiclass-mode",
    "--threads",
    "--backend",
    "--json",
    "--format",
    "--fail-above",
    "--baseline",
    "--max-increase",
    "--same-rows",
    "--update-baseline",
    "--accept-worse",
    "--against",
    "--fail-if-worse",
    "--fail-above-difference",
    "--interval",
    "--bootstrap",
    "--by",
    "--worst",
    "--per-class",
    "--state-out",
    "--plot",
    "--version",
    "--help",
]


def test_version(command):
    run = command("--version")
    assert (run.returncode, run.stderr) == (0, "")
    assert hingemetrics.__version__ in run.stdout


def test_help(command):
    run = command("--help")
    assert (run.returncode, run.stderr) == (0, "")
    for word in ("PREDS", "TARGET", *OPTIONS, "examples:"):
        assert word in run.stdout


class TestWhatIsMissing:
    @pytest.mark.parametrize("options", [[], ["--json"], ["--fail-above", "0.1"]])
    def test_everything(self, command, options):
        run = command(*options)
        refused(run, "PREDS and TARGET must be given", "; see hingemetrics --help\n")

    def test_target(self, command):
        refused(command("preds.npy"), "TARGET must be given", "got PREDS alone")

    def test_an_option_between_the_files(self, loss, command, tmp_path):
        """Before 3.12.7, Python's argparse takes the second file for one too many."""
        whole = loss(PREDS, TARGET, "--json")
        files = [tmp_path / "preds.npy", tmp_path / "target.npy"]
        assert command(files[0], "--json", files[1]) == whole
        gated = json_of(command("--json", files[0], "--fail-above", "9", files[1]))
        assert gated == {**json_of(whole), "gates": gated["gates"]}
        refused(command(files[0], "--json", *files), "unrecognized", "target.npy")
        refused(command(*files, "--json", "third.npy"), "unrecognized", "third.npy")


class TestTogether:
    """Options that do nothing alone, or contradict each other, are refused before files are."""

    @pytest.mark.parametrize(
        ("option", "other"),
        [
            (["--expect", "2"], "--merge"),
            (["--max-increase", "0"], "--baseline"),
            (["--same-rows"], "--baseline"),
            (["--update-baseline"], "--baseline"),
            (["--accept-worse"], "--update-baseline"),
            (["--accept-worse", "--baseline", "a.state"], "--update-baseline"),
        ],
    )
    def test_one_without_the_other(self, command, option, other):
        words = f"error: {option[0]} must be given with {other}, got {option[0]} alone\n"
        refused(command("no.npy", "no.npy", *option), words)
        if other != "--merge":
            refused(command("--merge", "no.state", *option), words)

    @pytest.mark.parametrize("name", ["text", "markdown", "junit"])
    def test_two_formats(self, command, name):
        words = f"--json is --format json, got --format {name} too\n"
        refused(command("no.npy", "no.npy", "--json", "--format", name), words)

    def test_one_format_by_two_names(self, loss):
        short = loss(PREDS, TARGET, "--json")
        assert loss(PREDS, TARGET, "--json", "--format", "json") == short
        assert loss(PREDS, TARGET, "--format", "json") == short

    @pytest.mark.parametrize("path", ["a.npy", "a", "a.state.bak", "json"])
    def test_what_a_baseline_is_written_to(self, command, path):
        run = command("no.npy", "no.npy", "--baseline", path, "--update-baseline")
        refused(run, f"--baseline must end in .state or .json to be updated, got {path}\n")

    @pytest.mark.parametrize(
        "text",
        [
            *("-1", "-0.1%", "x", "", "%", "1%%", "1 %", "nan", "inf", "1/3", "1_0", "0x1"),
            *("1e9999", ".", "٣", "9" * 5000, "-" + "9" * 5000),
        ],
    )
    def test_no_increase(self, command, text):
        run = command("no.npy", "no.npy", "--baseline", "a.state", f"--max-increase={text}")
        refused(run, "--max-increase: must be a decimal number >= 0, or one and a %, got ")
        assert len(run.stderr) < 200


class TestDidYouMean:
    def test_these_are_all_options(self, command):
        shown = re.findall(r"^  (?:-h, )?(--[-a-z]+)", command("--help").stdout, re.M)
        assert sorted(shown) == sorted(OPTIONS)

    @pytest.mark.parametrize("option", OPTIONS)
    def test_an_option(self, command, option):
        slips = [option[:-1], f"{option}s", option.upper()]
        slips += [option[1:]] * (option != "--help")  # -help is -h with something behind it
        slips += [f"--{option[2:].replace('-', '_')}"] * ("-" in option[2:])
        for typed in slips:
            for given in (["a.npy", "b.npy", typed], [typed, "0.1", "a.npy"], [f"{typed}=3"]):
                refused(command(*given), f": {typed}", f"; did you mean {option}?\n")

    def test_as_typed(self, command):
        refused(
            command("a.npy", "b.npy", "--fail-abov", "0.1"),
            "error: unrecognized arguments: --fail-abov 0.1; did you mean --fail-above?\n",
        )

    @pytest.mark.parametrize("typed", ["--zzz", "extra.npy", "-x"])
    def test_nothing_like_it(self, command, typed):
        refused(command("a.npy", "b.npy", typed), f"unrecognized arguments: {typed}\n")

    @pytest.mark.parametrize(
        ("option", "typed", "choice"),
        [
            ("--multiclass-mode", "one-vs-al", "one-vs-all"),
            ("--multiclass-mode", "onevsall", "one-vs-all"),
            ("--multiclass-mode", "cramer-singer", "crammer-singer"),
            ("--format", "markdwon", "markdown"),
            ("--format", "xunit", "junit"),
            ("--backend", "numpi", "numpy"),
            ("--backend", "NumPy", "numpy"),
            ("--backend", "nunba", "numba"),
            ("--backend", "ato", "auto"),
        ],
    )
    def test_a_choice(self, command, option, typed, choice):
        run = command("a.npy", "b.npy", option, typed)
        refused(run, option, "must be one of", f"got {typed!r}; did you mean {choice!r}?\n")

    @pytest.mark.parametrize("option", ["--multiclass-mode", "--backend"])
    def test_no_choice(self, command, option):
        refused(command("a.npy", "b.npy", option, "ovr"), option, "must be one of", "got 'ovr'\n")

    @pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "arrow"])
    def test_a_column(self, command, tmp_path, ending):
        path = tmp_path / f"scores.{ending}"
        columns = pyarrow.table({"score": PREDS, "label": TARGET})
        if ending == "parquet":
            parquet.write_table(columns, path)
        elif ending == "arrow":
            feather.write_feather(columns, str(path))
        else:
            path.write_text("score,label\n0.5,1\n".replace(",", {"csv": ",", "tsv": "\t"}[ending]))
        got = f"{path} must have a column 'lable', got 'score', 'label'; did you mean 'label'?\n"
        refused(command(path, "--preds", "score", "--target", "lable"), got)
        run = command(path, "--preds", "Score", "--target", "label")
        refused(run, "got 'score', 'label'; did you mean 'score'?\n")
        run = command(path, "--preds", "score", "--target", "y")
        refused(run, "must have a column 'y', got 'score', 'label'\n")


class TestSettings:
    """--threads and --backend win over the environment, and end with the command."""

    @pytest.fixture
    def seen(self, monkeypatch):
        """The settings while files are read, and while a picture is drawn."""
        found = []

        def look(*_):
            found.append((hingemetrics.get_backend(), hingemetrics.get_num_threads()))

        def blocks(*wanted, **options):
            look()
            return _files.blocks(*wanted, **options)

        monkeypatch.setattr(run, "blocks", blocks)
        monkeypatch.setattr(run, "_draw", look)
        monkeypatch.setattr(run, "find_spec", lambda name: name)
        return found

    @pytest.mark.parametrize(
        ("options", "settings"),
        [
            ([], ("auto", 3)),
            (["--threads", "2"], ("auto", 2)),
            (["--backend", "numpy"], ("numpy", 3)),
            (["--backend", "numba", "--threads", "1"], ("numba", 1)),
        ],
    )
    @pytest.mark.parametrize("target", [TARGET, [0, 1, 7]])
    def test_they_hold_until_the_end(
        self, loss, seen, set_backend, set_num_threads, options, settings, target, tmp_path
    ):
        set_backend("auto")
        set_num_threads(3)
        done = loss(PREDS, target, *options, "--plot", tmp_path / "a.png")
        assert done.returncode == (0 if target == TARGET else 2)
        assert seen == [settings] * (2 if target == TARGET else 1)
        assert (hingemetrics.get_backend(), hingemetrics.get_num_threads()) == ("auto", 3)

    def test_an_interrupt_ends_them_too(self, loss, monkeypatch, set_backend, set_num_threads):
        def interrupted(*_, **__):
            raise KeyboardInterrupt

        set_backend("auto")
        set_num_threads(3)
        monkeypatch.setattr(run, "blocks", interrupted)
        with pytest.raises(KeyboardInterrupt):
            loss(PREDS, TARGET, "--threads", "2", "--backend", "numpy")
        assert (hingemetrics.get_backend(), hingemetrics.get_num_threads()) == ("auto", 3)

    @pytest.fixture
    def undecided(self, monkeypatch):
        """Nobody in this process has chosen a backend or a number of threads yet."""
        monkeypatch.setattr(backend, "_backend", None)
        monkeypatch.setattr(backend, "_num_threads", None)

    @pytest.mark.usefixtures("undecided")
    def test_what_was_undecided_is_so_again(self, loss, monkeypatch):
        """Also where the environment would be refused."""
        monkeypatch.setenv("HINGEMETRICS_BACKEND", "fast")
        monkeypatch.setenv("HINGEMETRICS_NUM_THREADS", "many")
        assert loss(PREDS, TARGET, "--threads", "2", "--backend", "numpy").returncode == 0
        with pytest.raises(ValueError, match="HINGEMETRICS_BACKEND"):
            hingemetrics.get_backend()
        with pytest.raises(ValueError, match="HINGEMETRICS_NUM_THREADS"):
            hingemetrics.get_num_threads()

    @pytest.mark.usefixtures("undecided")
    @pytest.mark.parametrize(
        ("variable", "value"),
        [("HINGEMETRICS_BACKEND", "foo"), *(("HINGEMETRICS_NUM_THREADS", n) for n in ("0", "two"))],
    )
    def test_a_wrong_environment(self, loss, monkeypatch, variable, value):
        monkeypatch.setenv(variable, value)
        refused(loss(PREDS, TARGET), variable, value)

    @pytest.mark.usefixtures("undecided")
    def test_the_environment_decides_nothing_then(self, loss, monkeypatch):
        monkeypatch.setenv("HINGEMETRICS_BACKEND", "foo")
        monkeypatch.setenv("HINGEMETRICS_NUM_THREADS", "two")
        done = loss(PREDS, TARGET, "--backend", "numpy", "--threads", "2")
        assert printed(done) == expected(PREDS, TARGET)
        refused(loss(PREDS, TARGET, "--threads", "2"), "HINGEMETRICS_BACKEND", "foo")
        refused(loss(PREDS, TARGET, "--backend", "numpy"), "HINGEMETRICS_NUM_THREADS", "two")

    @pytest.mark.parametrize("backend", ["auto", "numpy", "numba"])
    @pytest.mark.parametrize("threads", ["1", "2"])
    def test_to_the_bit(self, loss, backend, threads):
        done = loss(PREDS, TARGET, "--backend", backend, "--threads", threads)
        assert printed(done) == expected(PREDS, TARGET)

    @pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "", "9" * 5000, "x" * 5000])
    def test_no_number_of_threads(self, command, text):
        done = command("a.npy", "b.npy", f"--threads={text}")
        refused(done, "--threads: must be a whole number >= 1, got ")
        assert len(done.stderr) < 200

    def test_no_label(self, command):
        done = command("a.npy", "b.npy", f"--ignore-index={'9' * 5000}")
        refused(done, "--ignore-index: must be an int, got ")
        assert len(done.stderr) < 200
