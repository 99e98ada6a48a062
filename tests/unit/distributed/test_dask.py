"""Dask: any chunks, in any process, give the bits of one call on all the data."""

import os
import pickle
import re
from itertools import islice

import numpy as np
import pytest
from cases import Case, battery, form, forms, name
from oracle import bits
from pooled import killing
from warned import bits_and_warnings

from hingemetrics.distributed import dask_hinge_loss, dask_hinge_state

MIXED = "target must use one coding of the negative class, got 0 and -1 mixed"


@pytest.fixture(scope="module")
def da():
    return pytest.importorskip("dask.array")


@pytest.fixture(scope="module")
def dd():
    return pytest.importorskip("dask.dataframe")


@pytest.fixture(scope="module")
def pd():
    return pytest.importorskip("pandas")


def cut(rng, rows, blocks):
    """So many blocks of rows, some of them empty."""
    ends = np.sort(rng.integers(0, rows + 1, blocks - 1))
    return tuple(np.diff([0, *ends, rows]).tolist())


def chunked(da, rng, array, blocks):
    """A Dask array cut anywhere, also between columns."""
    columns = [cut(rng, array.shape[1], 2)] if array.ndim == 2 else []
    return da.from_array(array, chunks=(cut(rng, len(array), blocks), *columns))


def asked(function, case, preds, target, weight=None, **options):
    """What a function of Dask gives for a case, in this thread."""
    delayed = function(preds, target, case.squared, case.mode, sample_weight=weight, **options)
    return delayed.compute(scheduler="sync")


class TestArrays:
    @pytest.mark.filterwarnings("ignore:the mean hinge loss is NaN")
    def test_any_chunks(self, da):
        for seed, case in enumerate(islice(battery(40), 0, None, 4)):
            rng = np.random.default_rng(seed)
            preds, target = (chunked(da, rng, a, 5) for a in (case.preds, case.target))
            weight = None if case.weight is None else chunked(da, rng, case.weight, 3)
            state = asked(dask_hinge_state, case, preds, target, weight)
            assert state.to_bytes() == case.state().to_bytes(), name(case)
            reduction = ("mean", "sum")[seed % 2]
            loss = asked(dask_hinge_loss, case, preds, target, weight, reduction=reduction)
            assert bits(loss) == bits(case.expected(reduction)), name(case)

    @pytest.mark.parametrize("case", forms(70, [None]), ids=name)
    @pytest.mark.parametrize("rows", [1, 8, 9, 70])
    def test_aligned_chunks(self, da, case, rows):
        arrays = [
            da.from_array(array, chunks=(rows, -1)[: array.ndim])
            for array in (case.preds, case.target)
        ]
        assert asked(dask_hinge_state, case, *arrays) == case.state()

    @pytest.mark.parametrize("rows", [1, 2, 5])
    def test_one_column_is_binary(self, da, rows):
        case = form(5, None, None, False, None)
        column = da.from_array(case.preds[:, np.newaxis], chunks=(rows, 1))
        labels = da.from_array(case.target[:, np.newaxis], chunks=(2, 1))
        assert asked(dask_hinge_state, case, column, labels) == case.state()

    def test_one_row_is_one_sample(self, da):
        case = form(1, 3, "one-vs-all", False, None)
        preds = da.from_array(case.preds, chunks=(1, 2))
        assert bits(asked(dask_hinge_loss, case, preds, case.target)) == bits(case.expected())

    @pytest.mark.parametrize("case", forms(30), ids=name)
    def test_arrays_in_memory_among_them(self, da, case):
        preds = da.from_array(case.preds, chunks=(7, -1)[: case.preds.ndim])
        target = da.from_array(case.target, chunks=4)
        weight = case.weight
        assert asked(dask_hinge_state, case, preds, case.target, weight) == case.state()
        listed = case.target.tolist()
        assert asked(dask_hinge_state, case, case.preds, listed, weight) == case.state()
        assert asked(dask_hinge_state, case, case.preds, target, weight) == case.state()

    @pytest.mark.parametrize("mode", ["crammer-singer", "one-vs-all"])
    def test_unknown_chunks(self, da, mode):
        case = form(60, 4, mode, False, "tenths")
        kept = case.weight > 0.2
        mask = da.from_array(kept, chunks=7)
        preds, target, weight = (
            da.from_array(array, chunks=(7, 3)[: array.ndim])[mask]
            for array in (case.preds, case.target, case.weight)
        )
        part = case.rows(kept)
        assert asked(dask_hinge_state, case, preds, target, weight) == part.state()
        with pytest.raises(ValueError, match=r"^target must have as many partitions as preds .*"):
            dask_hinge_state(preds, part.target)
        sized = [array.compute_chunk_sizes() for array in (preds, weight)]
        assert asked(dask_hinge_state, case, sized[0], part.target, sized[1]) == part.state()

    def test_ignore_index(self, da):
        case = form(50, 3, "one-vs-all", True, None)
        preds = da.from_array(case.preds, chunks=(9, 3))
        for ignored in range(4):
            loss = asked(dask_hinge_loss, case, preds, case.target, ignore_index=ignored)
            assert bits(loss) == bits(case.expected(ignore_index=ignored))

    @pytest.mark.parametrize("mode", [None, "one-vs-all"])
    @pytest.mark.parametrize("shape", [(), (1,), (2,), (5,)])
    @pytest.mark.parametrize("reduction", ["mean", "sum"])
    def test_nothing_seen(self, da, mode, shape, reduction):
        case = Case(np.zeros((6, *shape)), np.zeros(6, int), None, False, mode)
        for rows, ignored in ((case.rows(slice(0)), None), (case, 0)):
            options = {"reduction": reduction, "ignore_index": ignored}
            preds = da.from_array(rows.preds, chunks=(2, *shape))
            found = bits_and_warnings(asked, dask_hinge_loss, case, preds, rows.target, **options)
            assert found == bits_and_warnings(rows.loss, **options)

    def test_first_blocks_empty(self, da):
        case = form(20, 3, "one-vs-all", False, None)
        preds = da.from_array(case.preds, chunks=((0, 0, 11, 0, 9, 0), 3))
        assert bits(asked(dask_hinge_loss, case, preds, case.target)) == bits(case.expected())


def parquet(pd, folder, rng):
    """Files of many sizes and row groups; their columns in one frame."""
    parts = []
    for i, rows in enumerate(rng.integers(1, 60, 9).tolist()):
        scores = {f"score{c}": rng.normal(size=rows) for c in range(3)}
        rest = {"weight": rng.random(rows), "label": rng.integers(0, 3, rows)}
        wide = {f"other{c}": rng.normal(size=rows) for c in range(12)}
        parts.append(pd.DataFrame({**scores, **wide, **rest}))
        parts[-1].to_parquet(folder / f"{i}.parquet", row_group_size=20)
    return pd.concat(parts)


class TestFrames:
    @pytest.mark.parametrize("partitions", [1, 2, 7])
    @pytest.mark.parametrize("case", forms(40, ["tenths"]), ids=name)
    def test_columns_of_one_frame(self, dd, pd, case, partitions):
        preds = np.atleast_2d(case.preds.T).T
        frame = dd.from_pandas(
            pd.DataFrame(preds, columns=[f"c{i}" for i in range(preds.shape[1])]).assign(
                label=case.target, weight=case.weight
            ),
            npartitions=partitions,
        )
        columns = [column for column in frame.columns if column.startswith("c")]
        state = asked(dask_hinge_state, case, frame[columns], frame["label"], frame["weight"])
        assert state == case.state()
        state = asked(
            dask_hinge_state, case, frame[columns], frame[["label"]], frame["weight"].values
        )
        assert state == case.state()

    @pytest.mark.parametrize(
        "options",
        [{}, {"split_row_groups": True}, {"filesystem": "arrow"}],
        ids=["files", "row groups", "arrow"],
    )
    def test_columns_of_parquet_stay_aligned(self, dd, pd, tmp_path, options):
        """Alone, narrow columns are read in fewer partitions than wide ones."""
        whole = parquet(pd, tmp_path, np.random.default_rng(0))
        frame = dd.read_parquet(str(tmp_path), **options)
        scores = ["score0", "score1", "score2"]
        case = Case(whole[scores].to_numpy(), whole["label"].to_numpy(), whole["weight"].to_numpy())
        for preds, one in ((frame[scores], case), (frame["score1"], None)):
            labels, again = frame["label"], dd.read_parquet(str(tmp_path), **options)["label"]
            if one is None:
                labels, again = labels % 2, again % 2
                one = Case(case.preds[:, 1], case.target % 2, case.weight)
            weight = frame["weight"]
            for target in (labels, again):
                assert asked(dask_hinge_state, one, preds, target, weight) == one.state()

    def test_other_partitions_are_refused(self, da, dd, pd):
        case = form(40, None, None, False, None)
        three, four = (
            dd.from_pandas(pd.DataFrame({"y": case.target, "p": case.preds}), npartitions=n)
            for n in (3, 4)
        )
        message = (
            "target must have as many partitions as preds where chunks are unknown, got 4 and 3; "
            "take both from one frame, or call compute_chunk_sizes() of arrays, "
            "to_dask_array(lengths=True) of frames"
        )
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            dask_hinge_state(three["p"], four["y"])
        sized = (three["p"].to_dask_array(lengths=True), four["y"].to_dask_array(lengths=True))
        assert asked(dask_hinge_state, case, *sized) == case.state()

    def test_unlike_partitions_are_refused(self, dd, pd):
        """As many partitions, as many rows in all, but others in each."""
        case = form(40, None, None, False, None)
        preds = dd.from_pandas(pd.Series(case.preds), npartitions=2)
        target = dd.concat(
            [dd.from_pandas(pd.Series(part), npartitions=1) for part in np.split(case.target, [9])]
        )
        assert preds.npartitions == target.npartitions
        with pytest.raises(ValueError, match=r"^block [01]: preds must have shape .* got \(20,\)"):
            dask_hinge_state(preds, target).compute(scheduler="sync")

    def test_nulls_are_refused(self, dd, pd):
        labels = pd.Series([0, 1, None, 1], dtype="Int64")
        frame = dd.from_pandas(pd.DataFrame({"p": [0.5] * 4, "y": labels}), npartitions=2)
        message = "^block 1: target must have no nulls, got one at index 0"
        with pytest.raises(ValueError, match=message):
            dask_hinge_state(frame["p"], frame["y"]).compute(scheduler="sync")

    def test_strings_are_refused(self, dd, pd):
        frame = dd.from_pandas(pd.DataFrame({"p": ["a"] * 4, "y": [1] * 4}), npartitions=2)
        with pytest.raises(TypeError, match=r"^block [01]: preds must hold real numbers"):
            dask_hinge_state(frame["p"], frame["y"]).compute(scheduler="sync")


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            ({"squared": 1}, TypeError, "squared must be a bool, got 1"),
            ({"multiclass_mode": "all"}, ValueError, "multiclass_mode must be None, "),
            ({"ignore_index": 0.5}, TypeError, "ignore_index must be None or an int, got 0.5"),
            ({"reduction": "none"}, ValueError, "reduction must be 'mean' or 'sum', got 'none'"),
            ({"target": np.ones((4, 2))}, ValueError, "target must have shape (N,), got (N, 2)"),
            ({"target": 1}, ValueError, "target must have shape (N,), got ()"),
            ({"target": np.ones(5)}, ValueError, "target must have 4 rows like preds, got 5"),
            ({"target": ["a"] * 4}, TypeError, "target must hold real numbers, got strings"),
            ({"sample_weight": [1.0]}, ValueError, "sample_weight must have 4 rows like preds, "),
            (
                {"preds": np.ones((4, 2, 2))},
                ValueError,
                "preds must have shape (N,) or (N, C), C >= 2, got (4, 2, 2)",
            ),
            ({"preds": np.ones((4, 0))}, ValueError, "preds must have shape (N,) or (N, C), "),
            ({"preds": lambda da: da.ones(4, dtype=complex)}, TypeError, "preds must hold real"),
            (
                {"target": lambda da: da.from_array(np.array(["a"] * 4), chunks=2)},
                TypeError,
                "target must hold real",
            ),
        ],
    )
    def test_before_anything_is_read(self, da, change, error, message):
        change = {name: of(da) if callable(of) else of for name, of in change.items()}
        arguments = {"preds": da.ones(4, chunks=2), "target": da.ones(4, chunks=2), **change}
        with pytest.raises(error, match=f"^{re.escape(message)}"):
            dask_hinge_loss(**arguments)

    @pytest.mark.parametrize("kind", ["Bag", "Delayed"])
    def test_other_collections(self, kind):
        others = {
            "Bag": lambda: pytest.importorskip("dask.bag").from_sequence([1, 1]),
            "Delayed": lambda: pytest.importorskip("dask").delayed([1, 1]),
        }
        other, must = others[kind](), "must be an array, DataFrame or Series of Dask"
        with pytest.raises(TypeError, match=f"^preds {must}, got a {kind}"):
            dask_hinge_state(other, [1, 1])
        with pytest.raises(TypeError, match=f"^target {must}, got a {kind}"):
            dask_hinge_state([1, 1], other)

    def test_unknown_columns(self, da):
        columns = da.ones((4, 3), chunks=2)[:, da.ones(3, chunks=3) > 0]
        with pytest.raises(ValueError, match=r"^preds must have shape .*, got \(N, nan\)$"):
            dask_hinge_state(columns, [1] * 4)

    @pytest.mark.parametrize("scheduler", ["sync", "threads"])
    def test_a_label_names_its_block(self, da, scheduler):
        target = np.zeros(5000, int)
        target[3017] = 7
        preds = da.zeros((5000, 3), chunks=(1000, 3))
        message = (
            "block 3 (rows 3000 to 3999): target must be a class index in [0, 3), got 7 at index 17"
        )
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            dask_hinge_state(preds, target).compute(scheduler=scheduler)

    @pytest.mark.parametrize(
        ("first", "second", "where"),
        [(0, 7, "blocks 0 to 7"), (2, 9, "blocks 0 to 9"), (8, 9, "blocks 8 to 9")],
    )
    def test_codings_that_mix_name_the_blocks(self, da, first, second, where):
        target = np.ones(20)
        target[2 * first], target[2 * second] = 0, -1
        state = dask_hinge_state(da.zeros(20, chunks=2), target)
        with pytest.raises(ValueError, match=f"^{where}: {MIXED}; if -1 marks") as raised:
            state.compute(scheduler="sync")
        again = pickle.loads(pickle.dumps(raised.value))
        assert (type(again), str(again)) == (ValueError, str(raised.value))


class TestGraph:
    def test_nothing_is_read_before_it_is_computed(self, da):
        case = form(40, 4, "one-vs-all", False, None)
        delayed, read = pytest.importorskip("dask").delayed, []

        def block(first):
            read.append(first)
            return np.column_stack([case.preds, case.target])[first : first + 10]

        both = da.concatenate(
            [da.from_delayed(delayed(block)(i), (10, 5), float) for i in range(0, 40, 10)]
        )
        loss = dask_hinge_loss(both[:, :4], both[:, 4], multiclass_mode="one-vs-all")
        assert read == []
        assert bits(loss.compute(scheduler="sync")) == bits(case.expected())
        assert sorted(read) == [0, 10, 20, 30], "each block once, for both arguments"

    @pytest.mark.parametrize(("blocks", "merges"), [(1, 0), (2, 1), (8, 1), (9, 2), (100, 16)])
    def test_states_are_added_in_a_tree(self, da, blocks, merges):
        state = dask_hinge_state(da.zeros(blocks, chunks=1), np.ones(blocks, int))
        (layer,) = state.__dask_layers__()
        tasks = state.__dask_graph__().layers[layer]
        merging = [task for task in tasks.values() if task.dependencies <= tasks.keys()]
        widths = [len(task.dependencies) for task in merging]
        assert (len(tasks), len(widths)) == (blocks + merges, merges)
        assert all(2 <= width <= 8 for width in widths)

    def test_one_layer_for_any_number_of_blocks(self, da):
        """Dask takes time that grows with the square of the number of layers."""
        layers = [
            len(dask_hinge_state(da.zeros(n, chunks=1), np.ones(n, int)).__dask_graph__().layers)
            for n in (2, 200)
        ]
        assert layers[0] == layers[1]

    def test_threads(self, da, backend):
        case = form(1000, 3, "crammer-singer", True, "wild")
        preds = da.from_array(case.preds, chunks=(17, 2))
        loss = dask_hinge_loss(preds, case.target, True, sample_weight=case.weight)
        assert bits(loss.compute(scheduler="threads", num_workers=4)) == bits(case.expected())


@pytest.fixture(scope="module")
def client():
    """Two real worker processes."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


class TestCluster:
    @pytest.mark.parametrize("case", forms(500), ids=name)
    def test_bits(self, client, da, case):
        rng = np.random.default_rng(0)
        preds, target = (chunked(da, rng, array, 6) for array in (case.preds, case.target))
        loss = dask_hinge_loss(preds, target, case.squared, case.mode, sample_weight=case.weight)
        assert bits(client.compute(loss).result(300)) == bits(case.expected())

    def test_a_worker_that_dies(self, client, da, tmp_path):
        case = form(600, 4, "one-vs-all", False, "tenths")
        delayed = pytest.importorskip("dask").delayed
        marker, blocks = tmp_path / "died", []
        for first in range(0, 600, 50):
            rows = case.preds[first : first + 50]
            read = delayed(killing)(rows, marker) if first == 300 else delayed(rows)
            blocks.append(da.from_delayed(read, rows.shape, float))
        before = set(client.run(os.getpid).values())
        state = dask_hinge_state(
            da.concatenate(blocks), case.target, False, case.mode, sample_weight=case.weight
        )
        assert client.compute(state).result(300).to_bytes() == case.state().to_bytes()
        assert marker.exists()
        client.wait_for_workers(2, timeout=300)
        assert set(client.run(os.getpid).values()) != before

    def test_errors_come_back_whole(self, client, da):
        target = np.ones(40)
        target[[5, 35]] = 0, -1
        state = dask_hinge_state(da.zeros(40, chunks=10), target)
        with pytest.raises(ValueError, match=f"^blocks 0 to 3: {MIXED}; if -1 marks"):
            client.compute(state).result(300)
        numbers = da.from_array(np.ones(4), chunks=2)
        words = numbers.map_blocks(lambda block: block.astype(str), dtype=float)
        with pytest.raises(TypeError, match=r"^block [01] \(rows . to .\): preds must hold real"):
            client.compute(dask_hinge_state(words, [1] * 4)).result(300)
