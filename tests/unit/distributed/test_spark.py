"""Spark: any partitions give the bits of one call on all the data; a real session.

`pytest -m spark` runs what needs Java.
"""

import os
import re
import shutil
import sys
from functools import partial

import numpy as np
import pytest
from cases import Case, form
from oracle import bits
from places import EXAMPLES, ROOT
from warned import bits_and_warnings

from hingemetrics.distributed import spark_hinge_loss, spark_hinge_state

SPARK = "spark.createDataFrame("
CODE = re.compile(r"^```(?:\{code-block\} )?python\n(.*?)^```$", re.M | re.S)
DOCS = sorted((ROOT / "docs").glob("*.md"))
WITH_SPARK = [page for page in DOCS if SPARK in page.read_text("utf-8")]
MIXED = "target must use one coding of the negative class, got 0 and -1 mixed"


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
        assert bits_and_warnings(loss, ["a", "b"]) == bits_and_warnings(case.loss)
        assert bits_and_warnings(loss, "both") == (bits(np.nan), bits_and_warnings(case.loss)[1])

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
            ("score", "codings", None, f"ValueError: partition 0 (rows 0 to 49): {MIXED} at index"),
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
        with pytest.raises((PythonException, ValueError), match=MIXED):
            spark_hinge_state(df, "score", "label")

    @pytest.mark.parametrize("page", WITH_SPARK, ids=lambda page: page.name)
    def test_page(self, page, spark, tmp_path, monkeypatch):
        """A page's Spark code, which needs Java, runs here, after what the page begins with."""
        shutil.copytree(EXAMPLES, tmp_path / "examples")
        monkeypatch.chdir(tmp_path)
        beginning, *sections = page.read_text("utf-8").split("\n## ")
        codes = CODE.findall(beginning)
        codes += [code for section in sections for code in CODE.findall(section) if SPARK in code]
        namespace = {"__name__": "page", "spark": spark}
        for code in codes:
            exec(code, namespace)


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
def test_refuses_before_anything_is_read(change, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        spark_hinge_loss(**{"df": Frame(), "preds": "score", "target": "label", **change})
