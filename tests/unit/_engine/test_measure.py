"""Blocks, threads and memory; that the tiers agree is a law and tested with the laws."""

import tracemalloc

import numpy as np
import pytest
from oracle import bits, expected

from hingemetrics import HingeLoss, hinge_loss
from hingemetrics._engine import measure, tiers

MIB = 1 << 20
MORE = pytest.mark.more


def data(rows, classes=None, dtype=np.float64):
    rng = np.random.default_rng(0)
    shape = rows if classes is None else (rows, classes)
    return rng.normal(size=shape).astype(dtype), rng.integers(0, classes or 2, rows)


def test_more_rows_than_an_accumulator_takes(backend, monkeypatch):
    monkeypatch.setattr(measure, "_SPAN_ROWS", 300)
    monkeypatch.setattr(measure, "_THREAD_ELEMENTS", 1)
    preds, target = data(1000)
    assert bits(hinge_loss(preds, target)) == bits(expected(preds, target))


LAYOUTS = {
    "in place": lambda a: a,
    "float32": lambda a: a.astype(np.float32),
    "float16": lambda a: a.astype(np.float16),
    "uint8": lambda a: np.abs(a).astype(np.uint8),
    "int64": lambda a: a.astype(np.int64),
    "big-endian": lambda a: a.astype(">f8"),
    "Fortran": np.asfortranarray,
    "strided": lambda a: np.repeat(a, 2, axis=0)[::2],
    "longdouble": lambda a: a.astype(np.longdouble),
}


@pytest.mark.parametrize(
    "layout",
    [
        pytest.param(layout, marks=[] if layout in ("in place", "int64", "strided") else MORE)
        for layout in LAYOUTS
    ],
)
@pytest.mark.parametrize(
    ("rows", "classes", "mode", "ignored"),
    [(2_500_000, None, None, None), (250_000, 10, None, -1), (250_000, 10, "one-vs-all", None)],
)
def test_memory(backend, layout, rows, classes, mode, ignored):
    """Extra memory is a few blocks, whatever the number of rows: no copy of any argument."""
    preds, target = data(rows, classes)
    preds, weight = LAYOUTS[layout](preds), np.ones(rows)
    if layout != "in place":
        target, weight = target.astype(np.int32), weight.astype(np.float32)
    batch = measure.Batch(preds, target, weight, ignored)
    assert batch.in_place == (layout == "in place" and ignored is None)
    metric = HingeLoss(multiclass_mode=mode, ignore_index=ignored)
    metric.update(preds[:9], target[:9])  # compiles
    assert preds.size * 8 > 16 * MIB
    tracemalloc.start()
    try:
        metric.update(preds, target, weight)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 * MIB


def test_ctrl_c_leaves_the_metric_alone(backend, monkeypatch):
    preds, target = data(1_000_000)
    metric = HingeLoss()
    metric.update(preds[:10], target[:10])
    before = metric.state_dict()
    kept = measure.Batch._kept

    def interrupted(self, start, *block):
        if start:
            raise KeyboardInterrupt
        return kept(self, start, *block)

    monkeypatch.setattr(measure.Batch, "_kept", interrupted)
    monkeypatch.setattr(tiers, "_IN_PLACE_ELEMENTS", 1 << 18)
    with pytest.raises(KeyboardInterrupt):
        metric.update(preds, target)
    assert metric.state_dict() == before


@pytest.mark.parametrize("classes", [None, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mapped", [False, True])
def test_kernels_read_in_place(tmp_path, classes, dtype, mapped):
    """Also a file that is memory-mapped, in whole and in blocks."""
    arrays = [*data(100, classes, dtype), np.ones(100)]
    if mapped:
        for k, array in enumerate(arrays):
            np.save(tmp_path / f"{k}.npy", array)
        arrays = [np.load(tmp_path / f"{k}.npy", mmap_mode="r") for k in range(3)]
    batch = measure.Batch(*arrays, None)
    for start, stop in ((0, 100), (0, 40), (40, 100)):
        for block, array in zip(batch.block(start, stop), arrays, strict=True):
            assert block.dtype == array.dtype
            assert block.shape == array[start:stop].shape
            assert np.shares_memory(block, array)
            assert block.ctypes.data == array[start:stop].ctypes.data


def test_unweighted_blocks_have_no_weight():
    assert measure.Batch(*data(9), None, None).block(0, 9)[2] is None
