"""Arrays in .npy and .npz files."""

import itertools
import math
import warnings
import zipfile

import numpy as np
import pytest
from formats import of_one_file, one_column, peak, read, refusal
from oracle import says

from hingemetrics import HingeLoss, hinge_loss
from hingemetrics._files import TableError, blocks, columns


class TestHostile:
    def archive(self, folder, header, data=b"", stem="preds"):
        start = b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little")
        with zipfile.ZipFile(folder / f"{stem}.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", start + header + data)
        return columns(stem, str(folder / f"{stem}.npz"))

    @pytest.mark.parametrize("rest", ["0", "0, 3", "3, 0"])
    def test_rows_of_no_columns(self, rest, tmp_path):
        """As many as there may be: nothing would be read, for ever."""
        header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({10**18}, {rest}), }}"
        wanted = [
            self.archive(tmp_path, header.encode(), stem=stem)._replace(argument=stem)
            for stem in ("preds", "target")
        ]
        with pytest.raises(TableError, match=says("preds.npz", "one column", str(10**18))):
            next(blocks(*wanted))

    def test_columns_of_a_large_array_in_fortran_order(self, tmp_path):
        header = b"{'descr': '|i1', 'fortran_order': True, 'shape': (1, %d), }" % 2**21
        wanted = (
            self.archive(tmp_path, header, bytes(2**21)),
            one_column(tmp_path, "1", "target"),
        )
        with pytest.raises(TableError, match=says("columns", str(2**21))):
            list(blocks(*wanted))

    @pytest.mark.parametrize(
        "header",
        [
            b"{'descr': '<f8', 'fortran_order': False, 'shape': (300000000000,), }",
            b"{'descr': '<f8', 'fortran_order': True, 'shape': (300000000000, 2), }",
            b"{'descr': '<f8', 'fortran_order': False, 'shape': (%d,), }" % 2**70,
            b"{'descr': '<f8', 'fortran_order': False, 'shape': (-3,), }",
            b"{'descr': '<f8', 'fortran_order': False, 'shape': (-3, -1), }",
            b"{'descr': '<f8', 'fortran_order': False, 'shape': (), }",
            b"{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }",
            b"{'descr': '<f8', 'fortran_order': False, 'shape': (4,), }",
            b"{'descr': '|O', 'fortran_order': False, 'shape': (3,), }",
            b"{'descr': '<U2', 'fortran_order': False, 'shape': (3,), }",
            b"{'descr': 'spam', 'fortran_order': False, 'shape': (3,), }",
            b"{'descr': '<f8'}",
            b"(" * 60_000,
            b"((((",
            b"",
        ],
    )
    def test_headers(self, header, tmp_path):
        wanted = self.archive(tmp_path, header, bytes(24)), one_column(tmp_path, "111", "target")
        with pytest.raises(TableError, match=says("preds.npz")):
            list(blocks(*wanted))
        assert peak(lambda: list(blocks(*wanted))) < 10e6

    @pytest.mark.parametrize(("shape", "declared"), [("(2,)", 16), ("(4,)", 32), ("(1, 3)", None)])
    @pytest.mark.parametrize("order", ["False", "True"])
    def test_the_length_must_be_what_the_header_says(self, shape, declared, order, tmp_path):
        header = f"{{'descr': '<f8', 'fortran_order': {order}, 'shape': {shape}, }}".encode()
        wanted = self.archive(tmp_path, header, bytes(24)), one_column(tmp_path, "1", "target")
        message = refusal(wanted)
        if declared is None:
            assert message is None
        else:
            assert f"{declared} bytes in x.npy, got 24" in message

    def test_a_bomb_is_only_long(self, tmp_path):
        """A small file that unpacks to much takes the memory of its blocks, no more."""
        zeros = bytes(2**26)
        header = b"{'descr': '|i1', 'fortran_order': False, 'shape': (%d,), }" % len(zeros)
        wanted = self.archive(tmp_path, header, zeros), one_column(tmp_path, "1", "target")
        assert (tmp_path / "preds.npz").stat().st_size < 2**17
        assert peak(lambda: list(blocks(*wanted))) < 10e6

    def test_a_row_too_long(self, tmp_path):
        zeros = bytes(2**21)
        header = b"{'descr': '|i1', 'fortran_order': False, 'shape': (1, %d), }" % len(zeros)
        wanted = self.archive(tmp_path, header, zeros), one_column(tmp_path, "1", "target")
        with pytest.raises(TableError, match=says("columns", str(2**21))):
            list(blocks(*wanted))


class TestArchives:
    @pytest.fixture
    def two(self, tmp_path):
        np.savez(tmp_path / "two.npz", a=[1.0, 2.0], b=[0, 1])
        return str(tmp_path / "two.npz")

    def test_a_name_is_needed(self, two):
        with pytest.raises(TableError, match=says("two.npz:NAME", "'a'", "'b'")):
            read((columns("preds", two), columns("target", f"{two}:b")))

    def test_an_unknown_name(self, two):
        with pytest.raises(TableError, match=says("'a'", "'b'", "'c'")):
            read((columns("preds", f"{two}:c"), columns("target", f"{two}:b")))

    def test_one_array_needs_no_name(self, tmp_path, two):
        np.savez(tmp_path / "one.npz", [0.5, 1.5])
        wanted = columns("preds", str(tmp_path / "one.npz")), columns("target", f"{two}:b")
        preds, target, _ = read(wanted)
        assert (preds.tolist(), target.tolist()) == ([0.5, 1.5], [0, 1])

    def test_no_arrays(self, two, tmp_path):
        np.savez(tmp_path / "none.npz")
        with pytest.raises(TableError, match=says("none.npz", "must hold arrays, got none")):
            read((columns("preds", str(tmp_path / "none.npz")), columns("target", f"{two}:b")))

    def test_no_columns_of_an_array(self, tmp_path):
        np.save(tmp_path / "a.npy", np.eye(3))
        with pytest.raises(TableError, match=says("a.npy", "table")):
            read(of_one_file(tmp_path / "a.npy", ("0,1", "2", None)))


class TestArrays:
    @pytest.mark.parametrize(
        ("preds", "target", "words"),
        [
            (np.ones(3), np.ones(2), ["(3,)"]),
            (np.ones((3, 3, 3)), np.ones(3), ["(3, 3, 3)"]),
            (0.5, 1, ["()"]),
        ],
    )
    def test_refusals_name_the_files(self, preds, target, words, tmp_path):
        np.save(tmp_path / "p.npy", preds)
        np.save(tmp_path / "t.npy", target)
        files = [str(tmp_path / "p.npy"), str(tmp_path / "t.npy")]
        with pytest.raises(TableError, match=says(*files, *words)):
            list(blocks(columns("preds", files[0]), columns("target", files[1])))

    def test_a_header_of_python_2(self, tmp_path):
        """NumPy would warn of it, and here a warning is an error."""
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (3L,), }"
        start = b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little")
        (tmp_path / "p.npy").write_bytes(start + header + np.array([0.5, 1.5, 2.5]).tobytes())
        wanted = columns("preds", str(tmp_path / "p.npy")), one_column(tmp_path, "111", "target")
        assert read(wanted)[0].tolist() == [0.5, 1.5, 2.5]

    @pytest.mark.parametrize("suffix", ["npy", "npz"])
    @pytest.mark.parametrize("argument", ["preds", "target"])
    @pytest.mark.parametrize(
        ("array", "words"),
        [
            (np.array([None, 1, 2]), ["Python objects"]),
            (np.array([(None,)] * 3, "O,"), ["Python objects"]),
            (np.ones(3) * 1j, ["complex128"]),
            (np.array(["a", "b", "c"]), ["<U1"]),
            (np.ones(3, "V2"), ["V2"]),
        ],
    )
    def test_no_real_numbers(self, suffix, argument, array, words, tmp_path):
        wanted = {name: one_column(tmp_path, "111", name) for name in ("preds", "target")}
        path = tmp_path / f"a.{suffix}"
        (np.save if suffix == "npy" else np.savez)(path, array)
        wanted[argument] = columns(argument, str(path))
        with pytest.raises(TableError, match=says(str(path), "real numbers", *words)):
            list(blocks(**wanted))

    @pytest.mark.parametrize(
        "content",
        [
            b"0.1\n0.2\n0.3\n",
            b"\x80\x04K\x01.",
            b"\x93NUMPY\x01\0\x60\xea" + b"(" * 60_000,
            b"PK\x05\x06" + bytes(18),
        ],
    )
    @pytest.mark.parametrize("suffix", ["npy", "npz"])
    def test_no_advice(self, content, suffix, tmp_path):
        path = tmp_path / f"a.{suffix}"
        path.write_bytes(content)
        if suffix == "npz":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("a.npy", content)
        message = refusal((columns("preds", str(path)), one_column(tmp_path, "1", "target")))
        assert str(path) in message
        assert not any(word in message for word in ("allow", "trust", "pickle"))


SHAPES = [(6,), (6, 1), (1, 6), (1, 1, 6), (6, 1, 1), (6, 3), (6, 1, 3), (1, 6, 3), (6, 3, 1)]
SHAPES += [
    (1,),
    (1, 1),
    (1, 3),
    (1, 1, 3),
    (3,),
    (0,),
    (0, 1),
    (0, 3),
    (3, 0),
    (1, 0),
    (2, 3),
    (2, 3, 2),
]


class TestShapes:
    """What `hinge_loss` makes of arrays is what the command makes of their files."""

    def loss_of(self, arrays):
        try:
            loss = hinge_loss(arrays["preds"], arrays["target"], sample_weight=arrays.get("weight"))
        except ValueError:
            return None
        return repr(loss)

    def loss_in(self, arrays, suffix, order, folder):
        wanted = []
        for k, (stem, array) in enumerate(arrays.items()):
            path = folder / f"{stem}-{'x'.join(map(str, array.shape))}.{suffix}"
            if not path.exists():  # an array is given by its shape
                (np.save if suffix == "npy" else np.savez)(path, np.asarray(array, order=order))
            wanted.append(columns(("preds", "target", "sample_weight")[k], str(path)))
        metric = HingeLoss()
        try:
            for block in blocks(*wanted, elements=4):
                metric.update(block.preds, block.target, block.sample_weight)
        except ValueError:
            return None
        return repr(metric.compute())

    @pytest.mark.parametrize("suffix", ["npy", "npz"])
    @pytest.mark.parametrize("order", ["C", "F"])
    @pytest.mark.filterwarnings("ignore:.*no sample was seen")
    def test_of_preds_and_target(self, suffix, order, tmp_path):
        accepted = 0
        for preds, target in itertools.product(SHAPES, SHAPES):
            arrays = {
                "preds": np.linspace(-2, 2, math.prod(preds)).reshape(preds),
                "target": np.arange(math.prod(target)).reshape(target) % 2,
            }
            loss = self.loss_of(arrays)
            assert self.loss_in(arrays, suffix, order, tmp_path) == loss, (preds, target)
            accepted += loss is not None
        assert accepted > 40

    @pytest.mark.parametrize("suffix", ["npy", "npz"])
    @pytest.mark.parametrize("shape", [(6,), (1, 6), (6, 1), (1, 6, 1), (5,), (2, 3), ()])
    def test_of_weights(self, suffix, shape, tmp_path):
        weight = 1.0 + np.arange(math.prod(shape)).reshape(shape)
        arrays = {"preds": np.linspace(-2, 2, 6), "target": np.arange(6) % 2, "weight": weight}
        assert self.loss_in(arrays, suffix, "C", tmp_path) == self.loss_of(arrays)
        assert (self.loss_of(arrays) is None) == (weight.size != 6 or shape == (2, 3))

    @pytest.mark.parametrize("argument", ["preds", "target"])
    def test_an_array_beside_a_table(self, argument, tmp_path):
        np.save(tmp_path / "a.npy", [[0, 1, 1]])
        other = {"preds": "target", "target": "preds"}[argument]
        wanted = {
            argument: columns(argument, str(tmp_path / "a.npy")),
            other: one_column(tmp_path, ["1", "0", "1"] if argument == "target" else ["1"], other),
        }
        found = read((wanted["preds"], wanted["target"], None))
        assert found[0].shape == ((3,) if argument == "target" else (1, 3))


SHRINKS = """
import os, sys
from hingemetrics._files import blocks, columns
target, *files = sys.argv[1:]
for preds in files:
    read = blocks(columns("preds", preds), columns("target", target), elements=1000)
    next(read)
    os.truncate(preds, 8192)
    try:
        for block in read:
            block.preds.sum()
    except ValueError as error:
        print(error)
"""


class TestLength:
    def test_a_file_that_shrinks(self, python, tmp_path):
        """Mapped, it would end the process."""
        files = [tmp_path / f"{order}.npy" for order in "CF"]
        for path in files:
            np.save(path, np.zeros((100_000, 3), order=path.stem))
        np.save(tmp_path / "t.npy", np.zeros(100_000))
        run = python("-c", SHRINKS, tmp_path / "t.npy", *files)
        assert (run.returncode, run.stderr) == (0, "")
        assert run.stdout.splitlines() == [
            f"{path} must stay as long as it is while it is read, got its end" for path in files
        ]

    @pytest.mark.parametrize("missing", [1, 8, 30])
    @pytest.mark.parametrize("alone", [True, False])
    def test_a_file_that_is_too_short(self, missing, alone, tmp_path):
        path, whole = tmp_path / "p.npy", tmp_path / "t.npy"
        for file in (path, whole):
            np.save(file, np.zeros(5))
        path.write_bytes(path.read_bytes()[:-missing])
        target = columns("target", str(whole)) if alone else one_column(tmp_path, "11111", "target")
        with pytest.raises(TableError, match=says("p.npy", "hold 40 bytes", f"got {40 - missing}")):
            list(blocks(columns("preds", str(path)), target))

    def test_what_comes_behind_is_not_read(self, tmp_path):
        """Several arrays may be saved to one file."""
        with open(tmp_path / "p.npy", "wb") as file:
            np.save(file, [0.5, 1.5])
            np.save(file, [7.0])
        wanted = columns("preds", str(tmp_path / "p.npy")), one_column(tmp_path, "10", "target")
        assert read(wanted)[0].tolist() == [0.5, 1.5]

    @pytest.mark.parametrize("shape", [f"{2**63 - 1}, 2", f"2, {2**63 - 1}", f"0, {2**63}"])
    @pytest.mark.parametrize("order", [True, False])
    def test_a_header_of_more_than_there_can_be(self, shape, order, tmp_path):
        """It is an error, without NumPy's own warning."""
        header = f"{{'descr': '<f8', 'fortran_order': {order}, 'shape': ({shape}), }}".encode()
        start = b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little")
        (tmp_path / "p.npy").write_bytes(start + header)
        np.save(tmp_path / "t.npy", [0, 1])
        wanted = [columns(name, str(tmp_path / f"{name[0]}.npy")) for name in ("preds", "target")]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            message = refusal(wanted)
        assert (message.startswith(str(tmp_path / "p.npy")), caught) == (True, [])
