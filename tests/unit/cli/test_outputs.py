"""The files that the command writes: whole or not at all, and no file in the place of another."""

import os
import stat
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from cases import forms
from command import printed, redirected, refused
from injection import inject

from hingemetrics.cli import outputs, run


class TestOutputs:
    """What cannot be written, or must not be, is refused before anything is read."""

    @pytest.fixture(autouse=True)
    def matplotlib(self, monkeypatch):
        """Is found, as far as the command looks."""
        monkeypatch.setattr(run, "find_spec", lambda name: name)

    @pytest.mark.parametrize("option", ["--state-out", "--plot"])
    @pytest.mark.parametrize("path", ["none/a.png", "folder.png"])
    def test_no_file_in_a_folder(self, command, monkeypatch, tmp_path, option, path):
        (tmp_path / "folder.png").mkdir()
        monkeypatch.chdir(tmp_path)
        refused(
            command("no.npy", "no.npy", option, path), option, f"folder that exists, got {path}"
        )
        if option == "--state-out":
            refused(command("--merge", "no.state", option, path), option, f"got {path}")

    @pytest.mark.parametrize("names", ["{0} {1}", "{1} {0}:x", "{1} {1} --sample-weight {0}:x"])
    @pytest.mark.parametrize("link", [None, "symlink_to", "hardlink_to"])
    def test_what_is_read_is_kept(self, command, tmp_path, names, link):
        source, other = tmp_path / "a.csv", tmp_path / "b.csv"
        for path in (source, other):
            path.write_text("x\n1\n")
        out = tmp_path / "a.png" if link else source
        if link:
            getattr(out, link)(source)
        words = names.format(source, other).split()
        for option in ["--state-out", *["--plot"] * (link is not None)]:
            refused(command(*words, option, out), option, str(out))
        assert source.read_text() == "x\n1\n"

    def test_states_are_kept(self, command, tmp_path):
        files = [tmp_path / "a.state", tmp_path / "b.state"]
        for path in files:
            path.write_bytes(forms(9)[0].state().to_bytes())
        refused(command("--merge", *files, "--state-out", files[1]), "--state-out", "b.state")
        assert files[1].read_bytes() == forms(9)[0].state().to_bytes()

    def test_standard_input_is_kept(self, command, tmp_path):
        (tmp_path / "in.csv").write_text("1,0\n2,1\n")
        options = ["--preds", "0", "--target", "1", "--state-out", tmp_path / "in.csv"]
        with redirected(0, tmp_path / "in.csv"):
            refused(command("-", *options), "--state-out", "in.csv")
        assert (tmp_path / "in.csv").read_text() == "1,0\n2,1\n"

    def test_another_file_is_replaced(self, table, tmp_path):
        (tmp_path / "a.state").write_bytes(b"before")
        case = forms(60)[0]
        assert table(case, "--state-out", tmp_path / "a.state").returncode == 0
        assert (tmp_path / "a.state").read_bytes() == case.state().to_bytes()

    def test_a_full_disk(self, table, monkeypatch, tmp_path):
        def full(_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(outputs.os, "fsync", full)
        run = table(forms(60)[0], "--state-out", tmp_path / "a.state")
        refused(run, f"{tmp_path / 'a.state'}: No space left on device\n")
        if Path("/dev/full").exists():
            run = table(forms(60)[0], "--state-out", "/dev/full")
            refused(run, "error: /dev/full: No space left on device\n")

    def test_a_folder_that_goes_away(self, table, monkeypatch, tmp_path):
        monkeypatch.setattr(run, "_check_outputs", lambda *_: None)
        path = tmp_path / "none" / "a.state"
        refused(table(forms(60)[0], "--state-out", path), f"{path}: No such file or directory\n")

    def test_all_or_nothing(self, table, tmp_path, monkeypatch):
        kept = tmp_path / "a.state"
        kept.write_bytes(b"before")
        monkeypatch.setattr(
            outputs.os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full", "x"))
        )
        refused(table(forms(60)[0], "--state-out", kept), "full")
        assert kept.read_bytes() == b"before"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.state", "table.csv"]

    def test_a_pipe_is_written_to(self, table, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        end = os.open(tmp_path / "pipe", os.O_RDWR | os.O_NONBLOCK)  # both ends: nobody waits
        case = forms(60)[0]
        try:
            run = table(case, "--state-out", tmp_path / "pipe")
            written = os.read(end, 999)
        finally:
            os.close(end)
        assert printed(run) == case.expected()
        assert written == case.state().to_bytes()
        assert (tmp_path / "pipe").is_fifo()

    @pytest.mark.parametrize("there", [True, False])
    def test_a_link_is_followed(self, table, tmp_path, there):
        (tmp_path / "folder").mkdir()
        state = tmp_path / "folder" / "a.state"
        if there:
            state.write_bytes(b"before")
        (tmp_path / "link").symlink_to(state)
        case = forms(60)[0]
        assert table(case, "--state-out", tmp_path / "link").returncode == 0
        assert (tmp_path / "link").is_symlink()
        assert state.read_bytes() == case.state().to_bytes()
        assert [path.name for path in (tmp_path / "folder").iterdir()] == ["a.state"]

    def test_no_file_to_write(self, table):
        refused(table(forms(60)[0], "--state-out", ""), "--state-out", "file, got ''")


class TestTwoOutputs:
    """A state and a picture in one file: one of both would be lost, so nothing is even read."""

    @pytest.fixture(autouse=True)
    def matplotlib(self, monkeypatch):
        monkeypatch.setattr(run, "find_spec", lambda name: name)

    def refuse(self, command, state, picture):
        done = command("no.npy", "no.npy", "--state-out", state, "--plot", picture)
        refused(done, "--state-out and --plot must be two files", str(state), str(picture))

    @pytest.mark.parametrize("there", [True, False])
    @pytest.mark.parametrize("other", ["x.png", "./x.png", "folder/../x.png", "link/x.png"])
    def test_by_path(self, command, monkeypatch, tmp_path, there, other):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "folder").mkdir()
        (tmp_path / "link").symlink_to(tmp_path)
        if there:
            (tmp_path / "x.png").write_bytes(b"before")
        self.refuse(command, "x.png", other)
        self.refuse(command, tmp_path / "x.png", other)
        assert (tmp_path / "x.png").exists() == there
        assert not there or (tmp_path / "x.png").read_bytes() == b"before"

    @pytest.mark.parametrize("there", [True, False])
    def test_by_symlinks_to_one_file(self, command, tmp_path, there):
        for name in ("a.state", "b.png"):
            (tmp_path / name).symlink_to(tmp_path / "c")
        if there:
            (tmp_path / "c").write_bytes(b"before")
        self.refuse(command, tmp_path / "a.state", tmp_path / "b.png")
        assert (tmp_path / "c").exists() == there

    def test_by_hard_links(self, command, tmp_path):
        (tmp_path / "a.state").write_bytes(b"before")
        (tmp_path / "b.png").hardlink_to(tmp_path / "a.state")
        self.refuse(command, tmp_path / "a.state", tmp_path / "b.png")

    def test_two_files_are_two(self, table, monkeypatch, tmp_path):
        monkeypatch.setattr(run, "_draw", lambda picture, path: outputs.write(path, b"drawn"))
        case, files = forms(60)[0], [tmp_path / "a.state", tmp_path / "a.png"]
        for _ in range(2):
            assert table(case, "--state-out", files[0], "--plot", files[1]).returncode == 0
            assert files[0].read_bytes() == case.state().to_bytes()
            assert files[1].read_bytes() == b"drawn"


STREAMS = [(1, "standard output"), (2, "standard error")]


class TestWhatIsThere:
    @pytest.mark.parametrize(("number", "name"), STREAMS)
    @pytest.mark.parametrize("option", ["--state-out", "--plot"])
    def test_streams_are_kept(self, monkeypatch, command, tmp_path, option, number, name):
        """What is printed would go to a file that has no name any more."""
        monkeypatch.setattr(run, "find_spec", lambda name: name)
        (out := tmp_path / "out.png").write_bytes(b"")
        with redirected(number, out, os.O_WRONLY):
            done = command("no.npy", "no.npy", option, out)
        refused(done, f"{option} must be another file than {name}, got {out}\n")
        assert out.read_bytes() == b""

    @pytest.mark.parametrize(("number", "name"), STREAMS)
    def test_a_pipe_that_is_printed_to(self, command, tmp_path, number, name):
        """The bytes of a state would stand between lines; to another pipe they go."""
        os.mkfifo(pipe := tmp_path / "pipe")
        with redirected(number, pipe, os.O_RDWR):
            done = command("no.npy", "no.npy", "--state-out", f"/dev/fd/{number}")
        refused(done, f"--state-out must be another file than {name}, got /dev/fd/{number}")

    def test_what_is_read_only(self, command, monkeypatch, tmp_path):
        """Even where the folder would let another file take its place."""
        (tmp_path / "a.state").write_bytes(b"before")
        (tmp_path / "a.state").chmod(0o444)
        if os.geteuid() == 0:  # who may write to any file
            monkeypatch.setattr(outputs.os, "access", lambda path, mode: mode != os.W_OK)
        refused(
            command("no.npy", "no.npy", "--state-out", tmp_path / "a.state"),
            f"--state-out must be a file that may be written to, got {tmp_path / 'a.state'}",
        )

    def test_a_loop_of_links(self, command, tmp_path):
        (tmp_path / "a.state").symlink_to(tmp_path / "b.state")
        (tmp_path / "b.state").symlink_to(tmp_path / "a.state")
        refused(command("no.npy", "no.npy", "--state-out", tmp_path / "a.state"), "--state-out")
        assert (tmp_path / "a.state").is_symlink()


def contents(folder):
    """All that is in a folder, links as links."""
    return {
        path.name: os.readlink(path) if path.is_symlink() else path.read_bytes()
        for path in folder.iterdir()
    }


class Place:
    """Where something is written: nothing, a file, one with two names, or a link to either."""

    KINDS = ("new", "file", "link", "dangling link", "hard link", "link to a hard link")

    def __init__(self, kind, folder, before=b"before " * 9):
        self.folder, self.path = folder, folder / "out"
        self.names = {"out"}  # of the file
        real = self.path
        if "link" in kind.replace("hard link", ""):
            real = folder / "real"
            self.path.symlink_to(real)
            self.names = {"real"}
        if kind not in ("new", "dangling link"):
            real.write_bytes(before)
            real.chmod(0o640)
        if "hard link" in kind:
            (folder / "twin").hardlink_to(real)
            self.names.add("twin")
        self.before = contents(folder)

    def after(self, data):
        """What is in the folder when data has been written."""
        return self.before | dict.fromkeys(self.names, data)


@pytest.fixture(params=Place.KINDS)
def place(request, tmp_path):
    (tmp_path / "place").mkdir()
    return Place(request.param, tmp_path / "place")


class TestWritten:
    """Whole or not at all, with mode and links, and nothing else in the folder."""

    @pytest.mark.parametrize("data", [b"", b"after", bytes(range(256)) * 999])
    def test_whole(self, place, data):
        outputs.write(str(place.path), data)
        assert contents(place.folder) == place.after(data)

    @pytest.mark.parametrize("data", [b"short", b"longer " * 99])
    @pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
    @pytest.mark.parametrize("call", ["fsync", "replace"])
    def test_or_not_at_all(self, place, monkeypatch, data, error, call):
        def fail(*_):
            raise error

        monkeypatch.setattr(outputs.os, call, fail)
        if call == "replace" and "twin" in place.names:
            return  # nothing takes its place
        with pytest.raises(type(error)) as raised:
            outputs.write(str(place.path), data)
        assert contents(place.folder) == place.before
        if isinstance(error, OSError):
            assert raised.value.filename == str(place.path)

    @pytest.mark.parametrize("room", [0, 10, 70])
    def test_a_full_disk(self, place, room):
        """The system takes a part of what is written, and no more."""
        resource = pytest.importorskip("resource")
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                outputs.write(str(place.path), b"after " * 99)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert contents(place.folder) == place.before

    @pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # between open and with
    @pytest.mark.parametrize(
        "kind",
        ["file", *(pytest.param(k, marks=pytest.mark.more) for k in Place.KINDS if k != "file")],
    )
    def test_interrupted_anywhere(self, kind, tmp_path):
        """By Ctrl-C before any instruction: all of the old content, or all of the new."""

        def interrupt():
            raise KeyboardInterrupt

        found = Counter()
        for k in count():
            folder = tmp_path / str(k)
            folder.mkdir()
            place = Place(kind, folder)
            write = partial(outputs.write, str(place.path), b"new")
            reached = inject(interrupt, k, write).reached
            now = contents(folder)
            assert now in (place.before, place.after(b"new")), k
            found[now == place.before] += 1
            if not reached:
                break
        assert found[True] > 50
        assert found[False] >= 1

    @pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o666, 0o755])
    def test_the_mode_survives(self, place, mode):
        if not place.path.exists():
            return
        place.path.chmod(mode)
        outputs.write(str(place.path), b"after")
        assert stat.S_IMODE(place.path.stat().st_mode) == mode

    @pytest.mark.parametrize("umask", [0o022, 0o027, 0o077, 0])
    @pytest.mark.parametrize("kind", ["new", "dangling link"])
    def test_a_new_file_has_the_mode_that_open_gives(self, kind, tmp_path, umask):
        place = Place(kind, tmp_path)
        before = os.umask(umask)
        try:
            outputs.write(str(place.path), b"after")
        finally:
            os.umask(before)
        assert stat.S_IMODE(place.path.stat().st_mode) == 0o666 & ~umask

    def test_nobody_else_may_read_it_meanwhile(self, monkeypatch, tmp_path):
        modes = []

        def look(descriptor):
            modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))

        monkeypatch.setattr(outputs.os, "fchmod", lambda descriptor, mode: look(descriptor))
        path = tmp_path / "out"
        path.write_bytes(b"before")
        path.chmod(0o600)
        outputs.write(str(path), b"after")
        assert modes == [0o600]

    def test_the_owner_survives(self, place):
        if not place.path.exists():
            return
        if os.geteuid() == 0:  # others may not give files away
            os.chown(place.path, 12345, 54321)
        place.path.chmod(0o640)
        before = place.path.stat()
        outputs.write(str(place.path), b"after")
        after = place.path.stat()
        assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
        assert after.st_mode == before.st_mode

    def test_an_owner_that_cannot_be_kept(self, monkeypatch, tmp_path):
        def refuse(*_):
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(outputs.os, "fchown", refuse)
        place = Place("file", tmp_path)
        outputs.write(str(place.path), b"after")
        assert contents(tmp_path) == place.after(b"after")
        assert stat.S_IMODE(place.path.stat().st_mode) == 0o640

    def test_hard_links_stay_one_file(self, tmp_path):
        place = Place("hard link", tmp_path)
        outputs.write(str(place.path), b"after")
        assert place.path.samefile(tmp_path / "twin")


class TestTemporaries:
    def test_what_another_process_left_blocks_nobody(self, table, tmp_path):
        """In a container every process may have the number 1."""
        path = tmp_path / "a.state"
        (tmp_path / f"a.state.{os.getpid()}.tmp").write_bytes(b"left")
        case = forms(60)[0]
        assert table(case, "--state-out", path).returncode == 0
        assert path.read_bytes() == case.state().to_bytes()

    def test_a_name_that_is_taken(self, monkeypatch, tmp_path):
        """Is left alone, and another one tried."""
        numbers = iter([b"a" * 8, b"a" * 8, b"b" * 8])
        monkeypatch.setattr(outputs.os, "urandom", lambda _: next(numbers))
        taken = tmp_path / f".hingemetrics-{(b'a' * 8).hex()}.tmp"
        taken.write_bytes(b"of somebody else")
        outputs.write(str(tmp_path / "out"), b"after")
        assert contents(tmp_path) == {taken.name: b"of somebody else", "out": b"after"}

    def test_all_names_are_taken(self, monkeypatch, tmp_path):
        monkeypatch.setattr(outputs.os, "urandom", bytes)
        taken = tmp_path / f".hingemetrics-{bytes(8).hex()}.tmp"
        taken.write_bytes(b"of somebody else")
        with pytest.raises(FileExistsError, match="temporary") as error:
            outputs.write(str(tmp_path / "out"), b"after")
        assert error.value.filename == str(tmp_path / "out")
        assert contents(tmp_path) == {taken.name: b"of somebody else"}

    def test_a_name_as_long_as_names_can_be(self, tmp_path):
        path = tmp_path / ("x" * 255)
        outputs.write(str(path), b"after")
        assert contents(tmp_path) == {path.name: b"after"}

    def test_two_processes_at_once(self, tmp_path):
        """Each writes whole; who is last has the name."""
        path, data = tmp_path / "out", [bytes([k]) * 100_000 for k in range(8)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda content: outputs.write(str(path), content), data * 9))
        assert list(contents(tmp_path)) == ["out"]
        assert path.read_bytes() in data
