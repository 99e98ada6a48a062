"""Files of states, added up."""

import json
import os
import subprocess
import sys
from base64 import b64decode
from threading import Thread

import numpy as np
import pytest
from cases import Case, forms, name
from command import PREDS, TARGET, json_of, printed, refused
from oracle import bits
from places import PACKAGE


class TestStates:
    @pytest.fixture
    def shards(self, table, tmp_path):
        """Write the states of parts of a case."""

        def write(case, cuts=(7, 30)):
            files = []
            for k, rows in enumerate(np.split(np.arange(len(case)), cuts)):
                files.append(tmp_path / f"{k}.state")
                assert table(case.rows(rows), "--state-out", files[-1]).returncode == 0
                assert files[-1].read_bytes() == case.rows(rows).state().to_bytes()
            return files

        return write

    @pytest.mark.parametrize("case", forms(60), ids=name)
    def test_merged_to_the_bit(self, command, shards, case, tmp_path):
        files = shards(case)
        run = command("--merge", *files[::-1], "--state-out", tmp_path / "all.state")
        assert bits(printed(run)) == bits(case.expected())
        assert (tmp_path / "all.state").read_bytes() == case.state().to_bytes()
        found = json_of(command("--merge", *files, "--json"))
        assert b64decode(found["state"]) == case.state().to_bytes()
        assert (found["squared"], found["ignored"]) == (case.squared, None)

    def test_fail_above(self, command, shards):
        files = shards(Case(np.array(PREDS), np.array(TARGET)), [1])
        assert command("--merge", *files, "--fail-above", "0.3").returncode == 0
        assert command("--merge", *files, "--fail-above", "0.2").returncode == 1

    @pytest.mark.parametrize("shown", ["1", "2", "4", "99"])
    def test_another_number_than_expected(self, command, shards, shown, tmp_path):
        files = shards(forms(60)[0])
        options = ["--expect", shown, "--state-out", tmp_path / "all.state"]
        refused(command("--merge", *files, *options), "--merge", f"--expect says, {shown}, got 3\n")
        assert not (tmp_path / "all.state").exists()

    def test_the_number_that_is_expected(self, command, shards):
        case = forms(60)[0]
        assert printed(command("--expect", "3", "--merge", *shards(case))) == case.expected()

    @pytest.mark.parametrize(
        "option",
        [
            ["--per-class"],
            ["--worst", "3"],
            ["--plot", "a.png"],
            ["--squared"],
            ["--multiclass-mode", "one-vs-all"],
            ["--ignore-index", "0"],
            ["--sample-weight", "w"],
            ["--preds", "a"],
            ["--target", "y"],
        ],
    )
    def test_what_needs_the_rows(self, command, shards, option):
        files = shards(forms(60)[0])
        refused(command("--merge", *files, *option), "--merge", option[0])
        refused(command(*option, "--merge", *files), "--merge", option[0])

    def test_with_data(self, command, shards):
        files = shards(forms(60)[0])
        refused(command("preds.npy", "target.npy", "--merge", *files), "--merge", "preds.npy")

    @pytest.mark.parametrize(
        ("other", "words"),
        [
            (dict(squared=True), ["configuration"]),
            (dict(mode="one-vs-all"), ["configuration"]),
            (dict(preds=np.ones((1, 3))), ["3 classes"]),
            (dict(target=np.array([0])), ["0 and -1"]),
        ],
    )
    def test_configurations(self, command, tmp_path, other, words):
        case = Case(np.array([1.0]), np.array([-1]))
        strange = {"target": np.array([1]), "preds": np.array([1.0]), **other}
        (tmp_path / "a.state").write_bytes(case.state().to_bytes())
        (tmp_path / "b.state").write_bytes(Case(**strange).state().to_bytes())
        files = [tmp_path / "a.state", tmp_path / "b.state"]
        refused(command("--merge", *files), "b.state", *words)

    @pytest.mark.parametrize("content", [b"", b"hinge", b"hinge\x01" + bytes(20), None])
    def test_bad_states(self, command, tmp_path, content):
        if content is not None:
            (tmp_path / "a.state").write_bytes(content)
        refused(command("--merge", tmp_path / "a.state"), "a.state")

    def test_a_state_without_end(self, command, tmp_path):
        with open(tmp_path / "a.state", "wb") as file:
            file.truncate(2**33)
        refused(command("--merge", tmp_path / "a.state"), "a.state", "bytes")

    def test_no_file_to_merge(self, command):
        refused(command("--merge", "a.state", ""), "--merge", "file, got ''")


class TestTwice:
    """No shard is counted twice in silence."""

    @pytest.fixture
    def state(self, tmp_path):
        path = tmp_path / "a.state"
        path.write_bytes(forms(9)[0].state().to_bytes())
        return path

    @pytest.fixture
    def other(self, tmp_path):
        path = tmp_path / "other.state"
        path.write_bytes(forms(60)[0].state().to_bytes())
        return path

    def test_the_same_name(self, command, state, other):
        refused(
            command("--merge", state, other, state),
            f"--merge must be given each file once, got {state} after {state}, which is the same",
        )

    @pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
    def test_by_links(self, command, state, other, tmp_path, link):
        getattr(tmp_path / "b.state", link)(state)
        got = f"got {tmp_path / 'b.state'} after {state}"
        refused(command("--merge", state, other, tmp_path / "b.state"), "each file once", got)

    @pytest.mark.parametrize("other", ["./a.state", "folder/../a.state", "link/a.state"])
    def test_by_another_path(self, command, monkeypatch, state, other):
        monkeypatch.chdir(state.parent)
        (state.parent / "folder").mkdir()
        (state.parent / "link").symlink_to(state.parent)
        for first in ("a.state", state):
            got = f"got {other} after {first}"
            refused(command("--merge", first, other), "each file once", got)

    def test_nothing_is_written(self, command, state, tmp_path):
        refused(command("--merge", state, state, "--state-out", tmp_path / "all.state"))
        assert list(tmp_path.iterdir()) == [state]

    @pytest.mark.parametrize("data", [forms(9)[0], forms(9)[0].rows(slice(0))])
    def test_equal_bytes_are_added(self, command, other, tmp_path, data):
        """Two shards may hold the same, so this is a note on standard error."""
        files = [tmp_path / f"{k}.state" for k in range(3)]
        for path in files:
            path.write_bytes(data.state().to_bytes())
        run = command("--merge", files[0], other, *files[1:], "--json")
        total = sum((data.state() for _ in files), forms(60)[0].state())
        assert run.returncode == 0
        assert b64decode(json.loads(run.stdout)["state"]) == total.to_bytes()
        assert run.stderr.splitlines() == [
            f"hingemetrics: note: {path} and {files[0]} are two files of the same content; "
            f"both are counted"
            for path in files[1:]
        ]

    @pytest.mark.parametrize("options", [[], ["--json"]])
    def test_pipes(self, command, state, other, options):
        """As /dev/fd/3, or as a shell's <(...), once each."""
        expected = command("--merge", state, other, *options)
        ends = []
        try:
            for path in (state, other):
                out, into = os.pipe()
                ends.append(out)
                os.write(into, path.read_bytes())
                os.close(into)
            run = command("--merge", *(f"/dev/fd/{end}" for end in ends), *options)
        finally:
            for end in ends:
                os.close(end)
        assert run == expected

    def test_pipes_of_a_shell(self, command, state, other):
        shell = f"{sys.executable} -m hingemetrics --merge <(cat {state}) <(cat {other})"
        environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
        run = subprocess.run(
            ["bash", "-c", shell], env=environment, capture_output=True, text=True, check=False
        )
        assert printed(run) == printed(command("--merge", state, other))

    def test_a_pipe_that_comes_again(self, command, state, tmp_path):
        """Is refused at once: nobody would write to it a second time."""
        os.mkfifo(tmp_path / "pipe")
        writer = Thread(target=(tmp_path / "pipe").write_bytes, args=[state.read_bytes()])
        writer.start()
        run = command("--merge", tmp_path / "pipe", tmp_path / "pipe")
        writer.join()
        refused(run, "each file once", "pipe")
