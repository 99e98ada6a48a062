"""The streams of the command: what they cannot take, and the progress shown on a terminal."""

import re
import sys
from contextlib import suppress
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from cases import forms
from command import PREDS, TARGET, Run, broken_stream, printed, refused

from hingemetrics.cli import main

BROKEN = ["/dev/full", ""]


@pytest.fixture
def own(monkeypatch, capsys):
    """Run the command as its process does, perhaps with a stream that takes nothing."""
    streams = []

    def run(*arguments, **broken):
        monkeypatch.setattr(sys, "argv", ["hingemetrics", *map(str, arguments)])
        with monkeypatch.context() as patch:
            for name, path in broken.items():
                streams.append(broken_stream(path))
                patch.setattr(sys, name, streams[-1])
            try:
                status = main()
            except SystemExit as stopped:
                status = stopped.code
        for stream in streams:
            stream.flush()  # as Python does at the end: what is left must have gone
        return Run(status, *capsys.readouterr())

    yield run
    for stream in streams:
        with suppress(OSError):
            stream.close()


@pytest.fixture
def files(tmp_path):
    """One loss for each of 3000 classes."""
    files = [tmp_path / "preds.npy", tmp_path / "target.npy"]
    np.save(files[0], np.random.default_rng(0).normal(size=(4, 3000)))
    np.save(files[1], np.arange(4))
    return [*files, "--multiclass-mode", "one-vs-all"]


class TestStandardOutput:
    @pytest.mark.parametrize("option", [[], ["--json"], ["--fail-above", "0"]])
    def test_full_disk(self, own, files, option):
        run = own(*files, *option, stdout="/dev/full")
        refused(run, "error: standard output: No space left on device\n")

    @pytest.mark.parametrize("option", [[], ["--json"]])
    def test_a_reader_that_has_gone(self, own, files, option):
        assert own(*files, *option, stdout="") == (0, "", "")

    def test_a_reader_that_has_gone_hides_no_failure(self, own, files):
        run = own(*files, "--fail-above", "0", stdout="")
        assert run.returncode == 1
        assert re.fullmatch(r"hingemetrics: loss \S+ of class \d+ is above 0; .*\n", run.stderr)


class TestStandardError:
    @pytest.mark.parametrize("path", BROKEN)
    def test_what_it_cannot_take_changes_no_status(self, own, tmp_path, path):
        """Neither 1, which is the gate's, nor what Python makes of a stream it cannot flush."""
        files = [tmp_path / "preds.npy", tmp_path / "target.npy"]
        np.save(files[0], PREDS)
        np.save(files[1], TARGET)
        for arguments, status in (
            ([*files, "--fail-above", "0.2"], 1),
            ([*files, "--cubed"], 2),
            ([files[0], tmp_path / "none.npy"], 2),
        ):
            run = own(*arguments, stderr=path)
            assert (run.returncode, run.stderr) == (status, "")
        np.save(files[0], [])
        np.save(files[1], [])
        assert own(*files, stderr=path) == (0, "nan\n", "")  # and a warning

    def test_there_is_none(self, command, monkeypatch):
        monkeypatch.setattr(sys, "stderr", None)
        assert command("a.npy", "b.npy", "--cubed").returncode == 2


class Bar:
    """Stands for tqdm."""

    made = ()

    def __init__(self, **options):
        Bar.made = (*Bar.made, self)
        self.options, self.rows, self.open = options, 0, True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.open = False

    def update(self, rows):
        self.rows += rows


class TestProgress:
    @pytest.fixture(autouse=True)
    def tqdm(self, monkeypatch):
        monkeypatch.setattr(Bar, "made", ())
        module = ModuleType("tqdm")
        module.tqdm = Bar
        monkeypatch.setitem(sys.modules, "tqdm", module)

    @pytest.fixture
    def terminal(self, monkeypatch):
        """Called inside a test, where standard error is the one that the command will see."""
        return lambda: monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    @pytest.mark.usefixtures("small_blocks")
    def test_on_a_terminal(self, terminal, table, command, tmp_path):
        terminal()
        case = forms(60)[0]
        assert printed(table(case)) == case.expected()
        np.save(tmp_path / "p.npy", case.preds)
        np.save(tmp_path / "t.npy", case.target)
        assert printed(command(tmp_path / "p.npy", tmp_path / "t.npy")) == case.expected()
        assert [bar.options["total"] for bar in Bar.made] == [None, 60]
        assert [(bar.rows, bar.open) for bar in Bar.made] == [(60, False)] * 2
        assert all(bar.options["delay"] == 1 for bar in Bar.made)

    @pytest.mark.usefixtures("small_blocks")
    def test_it_is_gone_before_an_error(self, terminal, table):
        terminal()
        case = forms(60)[0]
        refused(table(replace(case, target=case.target + 1)), "target")
        assert [bar.open for bar in Bar.made] == [False]

    def test_not_on_a_terminal(self, table):
        case = forms(60)[0]
        assert printed(table(case)) == case.expected()
        assert Bar.made == ()

    def test_without_tqdm(self, terminal, table, monkeypatch):
        terminal()
        monkeypatch.setitem(sys.modules, "tqdm", None)
        case = forms(60)[0]
        assert printed(table(case)) == case.expected()

    def test_the_real_one(self, monkeypatch):
        monkeypatch.delitem(sys.modules, "tqdm")
        real = pytest.importorskip("tqdm").tqdm
        with real(total=None, unit=" rows", unit_scale=True, delay=1, leave=False) as bar:
            bar.update(3)
        assert bar.n == 3
