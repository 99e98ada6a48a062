"""Whatever holds numbers gives the result of its NumPy copy, without a copy where none is needed.

A framework that is not installed is skipped by name; with --no-skips that is a failure.
"""

import array
import collections
import gc
import tracemalloc
import types
import weakref

import numpy as np
import pytest
from oracle import bits, expected

from hingemetrics import HingeLoss, hinge_loss
from hingemetrics._inputs.arrays import as_array

ROWS, CLASSES = 50, 3
RNG = np.random.default_rng(4)
PREDS = RNG.normal(size=(ROWS, CLASSES)).astype(np.float32)
TARGET = RNG.integers(0, CLASSES, ROWS)
SCORES, SIGNS = PREDS[:, 0].copy(), RNG.integers(0, 2, ROWS)
WEIGHT = RNG.random(ROWS)
VALUE = expected(PREDS, TARGET, sample_weight=WEIGHT)
LARGE = 10_000_000  # 40 MB of float32
MOST_COPIED = 16 << 20
NAMES = ["a", "b", "c"]


def same(preds, target, weight):
    """The value of multi-class data in whatever form, to the bit."""
    assert bits(hinge_loss(preds, target, sample_weight=weight)) == bits(VALUE)


def same_binary(preds, target):
    assert bits(hinge_loss(preds, target)) == bits(expected(SCORES, SIGNS))


def refused(preds, target=TARGET):
    """The text of the refusal, which leaves a metric as it was."""
    metric = HingeLoss()
    metric.update(PREDS, TARGET)
    before = metric.state
    with pytest.raises((TypeError, ValueError)) as caught:
        metric.update(preds, target)
    assert metric.state is before
    return str(caught.value)


def address(array):
    return array.__array_interface__["data"][0]


def traced_bytes(call):
    """The peak of what Python and NumPy allocate during a call."""
    call()  # what is loaded at the first call is not a copy
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_python_sequences():
    same(PREDS.tolist(), TARGET.tolist(), tuple(WEIGHT))
    same_binary(array.array("f", SCORES), bytearray(SIGNS.astype(np.uint8)))
    same_binary(memoryview(SCORES), memoryview(SIGNS))


def test_anything_with_the_array_method():
    class Holder:
        def __init__(self, held):
            self.held = held

        def __array__(self, dtype=None, copy=None):
            return self.held

    same(Holder(PREDS), Holder(TARGET), Holder(WEIGHT))


def test_masked_arrays():
    clear = np.ma.array(PREDS, mask=np.zeros(PREDS.shape, bool))
    same(clear, TARGET, WEIGHT)
    hidden = np.ma.array(PREDS, mask=np.arange(PREDS.size).reshape(PREDS.shape) == 4)
    message = "preds must have no masked entries, got one at index 1, 1;"
    assert message in refused(hidden)

    class Holder:
        def __array__(self, dtype=None, copy=None):
            return hidden

    assert message in refused(Holder())
    for sequence in ([hidden], [[hidden]], collections.deque([hidden]), (hidden, PREDS)):
        assert "preds must be one masked array, got a sequence of them" in refused(sequence)


def test_tables_with_nothing_in_them():
    """Looks like one, but is none: a refusal, and no accident inside."""
    for attributes in ({"column_names": []}, {"iloc": None}, {"null_count": 1}, {"isna": 1}):
        message = refused(types.SimpleNamespace(**attributes))
        assert message.startswith("preds must "), message


def test_memmap(tmp_path):
    preds = np.memmap(tmp_path / "preds", np.float32, "w+", shape=PREDS.shape)
    preds[:] = PREDS
    same(preds, TARGET, WEIGHT)


class TestPandas:
    @pytest.fixture
    def pd(self):
        return pytest.importorskip("pandas")

    def test_series_and_frames(self, pd):
        shuffled = RNG.permutation(ROWS)  # an index means nothing here
        same(
            pd.DataFrame(PREDS, columns=NAMES, index=shuffled),
            pd.Series(TARGET, index=shuffled),
            pd.Series(WEIGHT),
        )
        same_binary(pd.Series(SCORES), pd.Series(SIGNS.astype(bool)))
        same(PREDS, pd.Index(TARGET), WEIGHT)
        same(PREDS, pd.Series(pd.Categorical(TARGET)), WEIGHT)

    @pytest.mark.parametrize("dtypes", [("Float32", "Int64", "Float64"), "pyarrow"])
    def test_nullable(self, pd, dtypes):
        if dtypes == "pyarrow":
            pytest.importorskip("pyarrow")
            dtypes = ("float[pyarrow]", "int8[pyarrow]", "double[pyarrow]")
        preds, target, weight = dtypes
        frame = pd.DataFrame(PREDS, columns=NAMES)
        same(frame.astype(preds), pd.Series(TARGET, dtype=target), pd.Series(WEIGHT, dtype=weight))
        same(frame.astype({"b": preds}), pd.array(TARGET, dtype=target), WEIGHT)

    def test_nulls(self, pd):
        target = pd.Series(TARGET, dtype="Int64")
        target[7] = None
        assert "target must have no nulls, got one at index 7;" in refused(PREDS, target)
        preds = pd.DataFrame(PREDS, columns=NAMES).astype({"b": "Float32"})
        preds.loc[9, "b"] = None
        assert "preds must have no nulls, got one at index 9 of column 1;" in refused(preds)
        assert "target must have no nulls" in refused(PREDS, [target.array, target.array])

    def test_nan_is_not_null(self, pd):
        preds = PREDS.astype(float)
        preds[3, 1] = np.nan
        assert np.isnan(hinge_loss(pd.DataFrame(preds), TARGET))

    def test_strings(self, pd):
        assert "preds must hold real numbers, got" in refused(pd.DataFrame({"a": ["x"] * ROWS}))
        assert "target must hold real numbers, got" in refused(PREDS, pd.Series(["x"] * ROWS))


class TestDask:
    @pytest.fixture
    def da(self):
        return pytest.importorskip("dask.array")

    def test_arrays(self, da):
        same(da.from_array(PREDS, chunks=2), da.from_array(TARGET, chunks=3), da.array(WEIGHT))
        assert "must be one collection of Dask, got a sequence" in refused([da.ones(3), da.ones(3)])

    def test_masks_are_not_lost(self, da):
        hidden = PREDS.copy()
        hidden[2, 1] = -100.0
        preds = da.ma.masked_less(da.from_array(hidden, chunks=2), -50.0)
        assert "preds must have no masked entries, got one at index 2, 1" in refused(preds)

    def test_all_is_read_once(self, da):
        read = []

        def noted(block):
            read.append(1)
            return block

        preds = da.from_array(PREDS, chunks=(1, -1)).map_blocks(noted, meta=PREDS)
        hinge_loss(preds, TARGET)
        assert len(read) == len(PREDS)


class TestPolars:
    @pytest.fixture
    def pl(self):
        return pytest.importorskip("polars")

    def test_series_and_frames(self, pl):
        same(pl.DataFrame(PREDS, schema=NAMES), pl.Series(TARGET), pl.Series(WEIGHT))
        same_binary(pl.Series(SCORES), pl.Series(SIGNS.astype(bool)))
        same(pl.Series(PREDS), TARGET.astype(np.uint8), WEIGHT)
        chunks = [pl.Series(SCORES[:20]), pl.Series(SCORES[20:])]
        same_binary(pl.concat(chunks, rechunk=False), SIGNS)

    def test_nulls(self, pl):
        target = pl.Series([None if i == 7 else int(label) for i, label in enumerate(TARGET)])
        assert "target must have no nulls, got one at index 7;" in refused(PREDS, target)
        preds = pl.DataFrame(PREDS, schema=NAMES).with_columns(
            b=pl.when(pl.int_range(ROWS) == 9).then(None).otherwise(pl.col("b"))
        )
        assert "preds must have no nulls, got one at index 9 of column 1;" in refused(preds)

    @pytest.mark.parametrize("shape", [3, (3, 1)])
    def test_nulls_inside_of_arrays(self, pl, shape):
        row, hole = np.ones(shape).tolist(), np.ones(shape).tolist()
        hole[1] = None if shape == 3 else [None]
        for odd in (hole, None):
            rows = [odd if i == 9 else row for i in range(ROWS)]
            preds = pl.Series(rows, dtype=pl.Array(pl.Float64, shape))
            assert "preds must have no nulls, got one at index 9;" in refused(preds)

    def test_lazy_frames(self, pl):
        lazy = pl.DataFrame(PREDS).lazy()
        assert "got a LazyFrame; pass preds.collect()" in refused(lazy)

    def test_no_copy(self, pl, backend):
        preds, target = pl.Series(np.ones(LARGE, np.float32)), pl.Series(np.ones(LARGE, np.int64))
        assert address(as_array(preds, "preds")) == address(preds.to_numpy(allow_copy=False))
        assert traced_bytes(lambda: hinge_loss(preds, target)) < MOST_COPIED


class TestPyArrow:
    @pytest.fixture
    def pa(self):
        return pytest.importorskip("pyarrow")

    def test_arrays_and_tables(self, pa):
        columns = dict(zip(NAMES, PREDS.T.copy(), strict=True))
        same(pa.table(columns), pa.array(TARGET), pa.array(WEIGHT))
        weight = pa.chunked_array([WEIGHT[:9], WEIGHT[9:]])
        same(pa.RecordBatch.from_pydict(columns), pa.array(TARGET), weight)
        same_binary(pa.array(SCORES), pa.array(SIGNS.astype(bool)))

    def test_nulls(self, pa):
        target = pa.array([None if i == 7 else int(label) for i, label in enumerate(TARGET)])
        message = "target must have no nulls, got one at index 7;"
        assert message in refused(PREDS, target)
        assert message in refused(PREDS, pa.chunked_array([target[:5], target[5:]]))
        columns = [pa.array(column) for column in PREDS.T]
        columns[1] = pa.array([None if i == 9 else 1.0 for i in range(ROWS)])
        message = "preds must have no nulls, got one at index 9 of column 1;"
        assert message in refused(pa.table(columns, names=NAMES))
        assert "preds must have no nulls" in refused([columns[1], columns[0]], [0, 1])

    def test_encoded_columns(self, pa):
        """Their nulls are not counted."""
        encoded = pa.array([0.5, None] * (ROWS // 2)).dictionary_encode()
        assert "must hold plain numbers, got dictionary<" in refused(encoded, SIGNS)
        assert " of column 0; decode it" in refused(pa.table({"a": encoded, "b": encoded}), SIGNS)
        runs = pa.RunEndEncodedArray.from_arrays([ROWS], [0.5])
        assert "must hold plain numbers, got run_end_encoded<" in refused(runs, SIGNS)

    def test_no_copy(self, pa, backend):
        preds, target = pa.array(np.ones(LARGE, np.float32)), pa.array(np.ones(LARGE, np.int64))
        assert address(as_array(preds, "preds")) == preds.buffers()[1].address
        assert traced_bytes(lambda: hinge_loss(preds, target)) < MOST_COPIED


class TestTorch:
    @pytest.fixture
    def torch(self):
        return pytest.importorskip("torch")

    def test_tensors(self, torch):
        preds, target = torch.tensor(PREDS), torch.tensor(TARGET)
        same(preds, target, torch.tensor(WEIGHT))
        same(preds.T.contiguous().T, target.to(torch.uint8), torch.tensor(WEIGHT))
        same_binary(preds[:, 0], torch.tensor(SIGNS, dtype=torch.bool))
        half = hinge_loss(preds.half(), target)
        assert bits(half) == bits(expected(PREDS.astype(np.float16), TARGET))

    def test_gradients(self, torch):
        preds = torch.tensor(PREDS, requires_grad=True)
        assert "must not require gradients, got a Tensor that does; pass preds.detach()" in refused(
            preds
        )
        assert "got a Parameter that does" in refused(torch.nn.Parameter(preds))
        assert "requires grad" in refused(list(preds[:, 0]), SIGNS)
        same(preds.detach(), TARGET, WEIGHT)

    def test_bfloat16(self, torch):
        preds = torch.tensor(PREDS).bfloat16()
        message = "must have a dtype that NumPy has, got torch.bfloat16; pass preds.float()"
        assert message in refused(preds)
        wide = preds.float().numpy()
        assert bits(hinge_loss(preds.float(), TARGET)) == bits(expected(wide, TARGET))

    def test_lazily_negated_views(self, torch):
        """NumPy by way of DLPack would lose the sign of these, in silence."""
        view = torch.view_as_complex(torch.tensor(PREDS[:, :2].copy())).conj().imag
        assert view.is_neg()
        assert "pass preds.resolve_neg()" in refused(view, SIGNS)
        negated = expected(-PREDS[:, 1], SIGNS)
        assert bits(hinge_loss(view.resolve_neg(), SIGNS)) == bits(negated)

    def test_elsewhere(self, torch):
        message = refused(torch.tensor(PREDS).to("meta"))
        assert "must be in the memory of the CPU, got a Tensor on meta; copy it there" in message
        assert "to_dense()" in refused(torch.tensor(PREDS).to_sparse())

    def test_no_copy(self, torch, backend):
        preds, target = torch.ones(LARGE), torch.ones(LARGE, dtype=torch.int64)
        assert address(as_array(preds, "preds")) == preds.data_ptr()
        assert traced_bytes(lambda: hinge_loss(preds, target)) < MOST_COPIED


class TestJAX:
    @pytest.fixture
    def jax(self):
        return pytest.importorskip("jax")

    def test_arrays(self, jax):
        same(jax.numpy.asarray(PREDS), jax.numpy.asarray(TARGET.astype(np.int32)), WEIGHT)
        same_binary(jax.numpy.asarray(SCORES), jax.numpy.asarray(SIGNS.astype(bool)))

    def test_bfloat16(self, jax):
        preds = jax.numpy.asarray(PREDS, jax.numpy.bfloat16)
        wide = np.asarray(preds).astype(np.float64)
        assert bits(hinge_loss(preds, TARGET)) == bits(expected(wide, TARGET))

    def test_traced(self, jax):
        message = "preds must be an array that NumPy can read, got a "
        with pytest.raises(TypeError, match=message):
            jax.jit(lambda preds: hinge_loss(preds, TARGET))(PREDS)

    def test_no_copy(self, jax, backend):
        preds = jax.numpy.ones(LARGE, jax.numpy.float32)
        target = np.ones(LARGE, np.int64)
        assert address(as_array(preds, "preds")) == preds.unsafe_buffer_pointer()
        assert traced_bytes(lambda: hinge_loss(preds, target)) < MOST_COPIED


class TestMLDtypes:
    @pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "int4"])
    def test_arrays(self, dtype, backend):
        ml_dtypes = pytest.importorskip("ml_dtypes")
        preds = (PREDS * 2).astype(getattr(ml_dtypes, dtype))
        wide = preds.astype(np.float64)
        assert bits(hinge_loss(preds, TARGET)) == bits(expected(wide, TARGET))
        labels = SIGNS.astype(getattr(ml_dtypes, dtype))
        same_binary(SCORES, labels)

    def test_labels_are_compared_exactly(self):
        """A bfloat16 has eight digits: to it 257 is 256."""
        ml_dtypes = pytest.importorskip("ml_dtypes")
        labels = np.array([0, 2.5, 1], ml_dtypes.bfloat16)
        assert "target must be a class index in [0, 3), got 2.5 at index 1" in refused(
            PREDS[:3], labels
        )


class OnTheGPU:
    """What a CuPy array, or a tensor on a GPU, looks like from here."""

    def __init__(self, **attributes):
        vars(self).update(attributes)

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("it was copied from the GPU in silence")


@pytest.mark.parametrize(
    "attributes",
    [
        {"__cuda_array_interface__": {}, "device": "<CUDA Device 0>"},
        {"device": types.SimpleNamespace(type="cuda")},
        {"device": types.SimpleNamespace(platform="gpu")},
    ],
    ids=["CuPy", "torch", "JAX"],
)
def test_arrays_on_a_gpu(attributes):
    message = refused(OnTheGPU(**attributes))
    assert "preds must be in the memory of the CPU, got a OnTheGPU on" in message


def test_sparse_matrices():
    sparse = pytest.importorskip("scipy.sparse")
    assert "got a csr_array; pass preds.toarray()" in refused(sparse.csr_array(PREDS))


@pytest.mark.parametrize(
    "value", [{1.0, 2.0}, (x for x in [1.0]), {"a": 1.0}, {}.values(), iter([1.0]), object()]
)
def test_not_arrays(value):
    message = refused(value)
    assert f"preds must hold real numbers, got a {type(value).__name__};" in message
    assert message.endswith("pass an array or a list")


def test_no_framework_is_imported(python):
    code = """
import sys, numpy as np, hingemetrics
hingemetrics.hinge_loss([1.0], [1]); hingemetrics.hinge_loss(np.ones((2, 2)), [0, 1])
heavy = {"pandas", "polars", "pyarrow", "torch", "jax", "ml_dtypes", "scipy"}
print(sorted(heavy & set(sys.modules)))
"""
    assert python("-c", code).stdout == "[]\n"


class Refused:
    """Something that is no plain array of numbers, and can be watched."""

    requires_grad = True


def test_what_is_refused_is_let_go():
    """At once, not when the garbage is collected: it may be large."""
    argument = Refused()
    alive = weakref.ref(argument)
    gc.disable()
    try:
        with pytest.raises(TypeError, match="must not require gradients"):
            as_array(argument, "preds")
        del argument
        assert alive() is None
    finally:
        gc.enable()
