"""What no reader of files takes, whatever its format."""

import os
import threading

import numpy as np
import pytest
from formats import refusal

from hingemetrics._files import columns


class TestPipes:
    """A reader that would wait for a pipe, or go back in it, refuses it at once."""

    @pytest.fixture
    def pipe(self, tmp_path):
        """Make a pipe, and a writer that goes away at once: who opens it all the same ends too."""
        ends = []

        def make(name):
            os.mkfifo(path := tmp_path / name)
            writer = threading.Thread(target=path.write_bytes, args=[b""])
            writer.start()
            ends.append((path, writer))
            return path

        yield make
        for path, writer in ends:
            end = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            writer.join()
            os.close(end)

    @pytest.mark.parametrize("argument", ["preds", "target"])
    @pytest.mark.parametrize("ending", ["npy", "npz", "parquet", "arrow", "feather"])
    def test_refused(self, ending, argument, pipe, tmp_path):
        path = pipe(f"f.{ending}")
        np.save(tmp_path / "other.npy", [1, 0])
        wanted = {name: columns(name, str(tmp_path / "other.npy")) for name in ("preds", "target")}
        wanted[argument] = columns(argument, f"{path}:a" if ending[0] != "n" else str(path))
        assert refusal(wanted.values()) == f"{path} must be a regular file, got a pipe"
