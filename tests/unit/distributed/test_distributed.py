"""Scale-out: blocks anywhere, in any process, give the bits of one call on all the data.

Dask, MPI and Spark are the real ones: a cluster of processes, `mpiexec`, a local Spark session
(`pytest -m spark`).
"""

import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import warnings
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from cases import Case, battery, form, forms, name
from oracle import bits, expected
from places import ROOT, TOOLS

from hingemetrics.distributed import (
    dask_hinge_loss,
    dask_hinge_state,
    spark_hinge_loss,
    spark_hinge_state,
)

EXAMPLES = ROOT / "examples"
MARK = "target must use one coding of the negative class, got 0 and -1 mixed"


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


def quietly(function, *arguments, **options):
    """A result, whether it warns that nothing was seen or not, and the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = function(*arguments, **options)
    said = [str(warning.message) for warning in caught]
    return bits(result), [text for text in said if "hinge" in text]


class TestDaskArrays:
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
            found = quietly(asked, dask_hinge_loss, case, preds, rows.target, **options)
            assert found == quietly(rows.loss, **options)

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


class TestDaskFrames:
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


class TestDaskRefuses:
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
        with pytest.raises(ValueError, match=f"^{where}: {MARK}; if -1 marks") as raised:
            state.compute(scheduler="sync")
        again = pickle.loads(pickle.dumps(raised.value))
        assert (type(again), str(again)) == (ValueError, str(raised.value))


class TestDaskGraph:
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


def killing(preds, marker):
    """A block that ends its worker, as the kernel would, the first time it is read."""
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return preds


@pytest.fixture(scope="module")
def client():
    """Two real worker processes."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


class TestDaskCluster:
    @pytest.mark.parametrize("case", forms(500), ids=name)
    def test_bits(self, client, da, case):
        rng = np.random.default_rng(0)
        preds, target = (chunked(da, rng, array, 6) for array in (case.preds, case.target))
        loss = dask_hinge_loss(preds, target, case.squared, case.mode, sample_weight=case.weight)
        assert bits(client.compute(loss).result(60)) == bits(case.expected())

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
        assert client.compute(state).result(60).to_bytes() == case.state().to_bytes()
        assert marker.exists()
        client.wait_for_workers(2, timeout=60)
        assert set(client.run(os.getpid).values()) != before

    def test_errors_come_back_whole(self, client, da):
        target = np.ones(40)
        target[[5, 35]] = 0, -1
        state = dask_hinge_state(da.zeros(40, chunks=10), target)
        with pytest.raises(ValueError, match=f"^blocks 0 to 3: {MARK}; if -1 marks"):
            client.compute(state).result(60)
        numbers = da.from_array(np.ones(4), chunks=2)
        words = numbers.map_blocks(lambda block: block.astype(str), dtype=float)
        with pytest.raises(TypeError, match=r"^block [01] \(rows . to .\): preds must hold real"):
            client.compute(dask_hinge_state(words, [1] * 4)).result(60)


def mpiexec(ranks, *arguments):
    """Run a program on ranks of a real MPI."""
    pytest.importorskip("mpi4py")
    beside = Path(sys.executable).with_name("mpiexec")
    launcher = str(beside) if beside.exists() else shutil.which("mpiexec")
    if launcher is None:
        pytest.skip("there is no mpiexec")
    return subprocess.run(
        [launcher, "-n", str(ranks), sys.executable, "-m", "mpi4py", *map(str, arguments)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT, Path(__file__).parent))),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,  # longer is a hang
    )


class TestMpi:
    PROGRAM = TOOLS / "mpi_program.py"

    @pytest.mark.parametrize("ranks", [1, 2, 4])
    def test_laws(self, ranks):
        run = mpiexec(ranks, self.PROGRAM, "laws")
        assert (run.returncode, run.stdout) == (0, f"{ranks} ranks, 36 checks\n"), run.stderr

    def test_configurations_that_disagree_end_the_job(self):
        run = mpiexec(2, self.PROGRAM, "mismatch")
        assert run.returncode != 0
        assert "ValueError: states must have the same configuration" in run.stderr


@pytest.fixture(scope="module")
def spark():
    """A session of its own Java process, and two Python workers that find the package."""
    sql = pytest.importorskip("pyspark.sql")
    if not (shutil.which("java") or "JAVA_HOME" in os.environ):
        pytest.skip("there is no Java")
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "50",
        "spark.sql.shuffle.partitions": "2",
        "spark.task.maxFailures": "1",
    }
    builder = sql.SparkSession.builder.master("local[2]")
    for key, value in settings.items():
        builder = builder.config(key, value)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYSPARK_PYTHON", sys.executable)
        environment.setenv("PYTHONPATH", str(ROOT))
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("OFF")
        yield session
        session.stop()


@pytest.mark.spark
@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # by PySpark 4.0
class TestSpark:
    @pytest.fixture
    def table(self, spark, tmp_path):
        """Columns as a Spark DataFrame of so many partitions."""
        pa = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        def table(columns, partitions=3):
            parquet.write_table(pa.table(columns), tmp_path / "table.parquet")
            frame = spark.read.parquet(str(tmp_path / "table.parquet"))
            return frame.coalesce(1) if partitions == 1 else frame.repartition(partitions)

        return table

    @pytest.mark.parametrize(
        ("classes", "mode", "squared"),
        [(None, None, True), (5, None, False), (5, "one-vs-all", True)],
    )
    def test_bits(self, table, classes, mode, squared):
        case = form(310, classes, mode, squared, "tenths")
        columns = {f"c.{i}": column for i, column in enumerate(np.atleast_2d(case.preds.T))}
        scores = {"scores": case.preds.tolist()}
        df = table({**columns, **scores, "label": case.target, "weight": case.weight}, 4)
        listed = [f"`{column}`" for column in columns]
        state = spark_hinge_state(df, "scores", "label", squared, mode, sample_weight="weight")
        assert state.to_bytes() == case.state().to_bytes()
        ignored = 3 if classes else -1
        loss = spark_hinge_loss(
            df, listed, "label", squared, mode, ignore_index=ignored, reduction="sum"
        )
        unweighted = Case(case.preds, case.target, None, squared, mode)
        assert bits(loss) == bits(unweighted.expected("sum", ignore_index=ignored))

    def test_nothing_seen(self, table):
        columns = {"a": [0.5, 1.0], "b": [0.5, 1.0], "both": [[0.5, 0.5], [1.0, 1.0]]}
        df = table({**columns, "label": [0, 0]}).where("a > 2")
        case = Case(np.empty((0, 2)), np.empty(0), None, False, "one-vs-all")
        loss = partial(spark_hinge_loss, df, target="label", multiclass_mode="one-vs-all")
        assert quietly(loss, ["a", "b"]) == quietly(case.loss)
        assert quietly(loss, "both") == (bits(np.nan), quietly(case.loss)[1])

    def test_refused_values_name_column_and_rows(self, table):
        from pyspark.errors import PythonException

        where = "ValueError: partition 0 (rows 100 to 149): "
        score = np.linspace(0.5, 2.0, 200)
        gap = np.ma.array(score, mask=np.arange(200) == 117).tolist()
        label = (score > 1).astype(int)
        codings = label.copy()
        codings[0] = -1
        lists = [[0.5, 0.5]] * 200
        columns = {
            "score": score,
            "gap": gap,
            "label": label,
            "unlabelled": np.ma.array(label, mask=np.arange(200) == 117).tolist(),
            "bad": np.where(np.arange(200) == 117, 7, label),
            "codings": codings,
            "text": ["a"] * 200,
            "lists": lists,
            "ragged": [*lists[:117], [0.5], *lists[118:]],
            "holed": [*lists[:117], [0.5, None], *lists[118:]],
            "missing": [*lists[:117], None, *lists[118:]],
        }
        df = table(columns, 1)
        for preds, target, weight, message in [
            ("gap", "label", None, f"{where}column 'gap' must have no nulls, got one at index 17"),
            (["score", "gap"], "label", None, f"{where}column 'gap' must have no nulls, "),
            ("score", "label", "gap", f"{where}column 'gap' must have no nulls, "),
            ("score", "unlabelled", None, f"{where}column 'unlabelled' must have no nulls, "),
            ("score", "bad", None, f"{where}target must be in {{0, 1}} or {{-1, +1}}, got 7 at "),
            ("score", "codings", None, f"ValueError: partition 0 (rows 0 to 49): {MARK} at index"),
            (
                "score",
                "label",
                "codings",
                "sample_weight must be finite and >= 0, got -1 at index 0",
            ),
            ("text", "label", None, "TypeError: partition 0 (rows 0 to 49): column 'text' must "),
            ("score", "lists", None, "TypeError: partition 0 (rows 0 to 49): column 'lists' must "),
            (
                "ragged",
                "label",
                None,
                f"{where}column 'ragged' must hold lists of one length, got 1 at index 17 after 2",
            ),
            ("holed", "label", None, f"{where}flattened lists of column 'holed' must have no "),
            ("missing", "label", None, f"{where}column 'missing' must have no nulls, got one at "),
        ]:
            with pytest.raises(PythonException, match=re.escape(message)):
                spark_hinge_state(df, preds, target, sample_weight=weight)

    def test_codings_that_mix_between_partitions(self, table):
        from pyspark.errors import PythonException

        df = table({"score": [0.5] * 2, "label": [0, -1]}, 2)
        with pytest.raises((PythonException, ValueError), match=MARK):
            spark_hinge_state(df, "score", "label")

    def test_the_page(self, spark):
        """The page's Spark code, which needs Java, runs here."""
        page = (ROOT / "docs" / "how_to_scale_out.md").read_text("utf-8")
        codes = re.findall(r"^```\{code-block\} python\n(.*?)^```$", page, re.M | re.S)
        found = [code for code in codes if "spark" in code]
        assert found
        for code in found:
            exec(code, {"spark": spark, "np": np})


class Frame:
    """A frame that nobody may read."""

    def mapInArrow(self):  # noqa: N802
        raise AssertionError


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"df": [1, 2]}, TypeError, "df must be a DataFrame of Spark, got a list"),
        ({"preds": None}, TypeError, "preds must be the name of a column or a list of names, got"),
        ({"preds": []}, TypeError, "preds must be the name of a column or a list of names, got []"),
        ({"preds": ["a", 1]}, TypeError, "preds must be the name of a column or a list of names, "),
        ({"target": 1}, TypeError, "target must be the name of a column, got 1"),
        ({"sample_weight": 1}, TypeError, "sample_weight must be None or the name of a column, "),
        ({"squared": "yes"}, TypeError, "squared must be a bool, got 'yes'"),
        ({"multiclass_mode": "all"}, ValueError, "multiclass_mode must be None, "),
        ({"ignore_index": "0"}, TypeError, "ignore_index must be None or an int, got '0'"),
        ({"reduction": "none"}, ValueError, "reduction must be 'mean' or 'sum', got 'none'"),
    ],
)
def test_spark_refuses_before_anything_is_read(change, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        spark_hinge_loss(**{"df": Frame(), "preds": "score", "target": "label", **change})


def digits():
    """The loss of the examples' digits, by the oracle."""
    preds, target = (np.load(EXAMPLES / f"digits_{part}.npy") for part in ("preds", "target"))
    return expected(preds, target)


class TestExamples:
    @pytest.mark.parametrize("start", ["fork", "spawn"])
    @pytest.mark.parametrize("engine", ["multiprocessing", "futures", "joblib"])
    def test_parallel(self, python, engine, start):
        if engine == "joblib":
            pytest.importorskip("joblib")
        run = python(EXAMPLES / "parallel.py", "--engine", engine, "--start", start)
        assert (run.returncode, run.stderr) == (0, "")
        assert bits(float(run.stdout)) == bits(digits())

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's data")
    def test_out_of_core(self, python, tmp_path):
        run = python(
            EXAMPLES / "out_of_core.py",
            *("--gigabytes", 0.36, "--limit-mb", 170, "--directory", tmp_path / "new"),
        )
        assert (run.returncode, run.stderr) == (0, "")
        printed = dict(line.split(": ", 1) for line in run.stdout.splitlines())
        assert printed["in rational numbers"] == f"{printed['loss']}, equal"
        assert printed["preds read into memory under that limit"] == "MemoryError"
        sizes = {path.name: path.stat().st_size for path in (tmp_path / "new").iterdir()}
        assert sizes.keys() == {"preds.npy", "target.npy"}
        assert sum(sizes.values()) > 170 * 10**6
        target = np.load(tmp_path / "new" / "target.npy", mmap_mode="r")
        preds = np.load(tmp_path / "new" / "preds.npy", mmap_mode="r")
        assert (preds.dtype, target.dtype) == (np.float64, np.int64)
        assert bits(float(printed["loss"])) == bits(expected(preds[-100_000:], target[-100_000:]))
