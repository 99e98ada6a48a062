"""What another implementation can check itself with, golden.json, is what this one gives.

The file is made from the oracle and the description of the format (make_golden.py), not from the
package.
"""

import math
import platform
import re
import warnings
from pathlib import Path

import make_golden
import numpy as np
import pytest
from golden import (
    arrays,
    as_written,
    check,
    golden,
    number_of_entries,
    results,
    results_of_comparison,
    seen,
)
from oracle import nearest_root
from places import ROOT
from processors import PROCESSORS
from read_state import read_paired_state, read_state

import hingemetrics
from hingemetrics import ComparisonState, HingeState
from hingemetrics._engine import backend as backends
from hingemetrics._engine import machine_code, targets

PROCESS = "import golden; print(golden.check())"


@pytest.fixture(scope="module")
def made():
    """Every entry, from the oracle and the independent writer, and the bytes of its state."""
    return list(make_golden.entries())


@pytest.fixture(scope="module")
def states(made):
    """Of them, those of one model."""
    return [entry for entry in made if entry[-1] != "comparisons"]


@pytest.fixture(scope="module")
def comparisons(made):
    return [entry for entry in made if entry[-1] == "comparisons"]


def test_the_file_is_what_its_script_makes(made):
    assert make_golden.golden(made) == make_golden.FILE.read_text("utf-8")


def test_the_file_has_everything():
    cases = golden()["cases"]
    for what, values in {
        "rows": {*make_golden.ROWS},
        "classes": {1, *make_golden.CLASSES},
        "negative": {None, 0, -1},
        "mode": {"crammer-singer", "one-vs-all"},
        "weights": {None, "plain", "wild"},
        "special": {None, "finite", "broken"},
        "ignore_index": {None, 0, -1},
    }.items():
        assert {case[what] for case in cases} >= values
    compared = golden()["comparisons"]
    assert {case["rows"] for case in compared} >= {0, 1, 2, 300}
    for what in ("mode", "weights", "special", "negative", "ignore_index"):
        assert {case[what] for case in compared} == {case[what] for case in cases}
    forms = {(case["classes"], case["negative"], case["mode"]) for case in cases}
    for form in forms:
        own = [c for c in cases if (c["classes"], c["negative"], c["mode"]) == form]
        assert {case["dtype"] for case in own} == {"float32", "float64"}, form
        assert {case["squared"] for case in own} == {False, True}, form


@pytest.mark.parametrize("threads", [1, pytest.param(2, marks=pytest.mark.more), 7])
def test_this_process(backend, short_spans, threads):
    short_spans(threads)
    assert check() == number_of_entries()


@pytest.mark.more
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names x86-64 processors")
@pytest.mark.parametrize("name", PROCESSORS)
def test_another_processor(python, name):
    # NumPy warns of features that this processor lacks anyway.
    run = python("-W", "ignore", "-c", PROCESS, **PROCESSORS[name])
    assert run.stderr == ""
    assert int(run.stdout) == number_of_entries()


@pytest.fixture
def target(request, set_backend, monkeypatch):
    """The library's machine code for a target, and no other, is used."""
    set_backend("auto")
    monkeypatch.setattr(targets, "of_processor", lambda: (request.param,))
    machine_code.in_library.cache_clear()
    yield request.param
    machine_code.in_library.cache_clear()


@pytest.mark.skipif(not Path(machine_code.LIBRARY).exists(), reason="no machine code came")
@pytest.mark.parametrize("target", targets.of_processor(), indirect=True)
def test_each_target(target):
    assert machine_code.origin() == f"kernels.bin, {target}"
    assert None not in [backends.kernel(*key) for key in machine_code.KEYS]
    assert check() == number_of_entries()


@pytest.mark.slow
def test_numba_in_the_process(bare):
    """Where the package has no machine code: half a minute of compiling, then the same bytes."""
    warm = "import sys, hingemetrics; sys.executable = '/nonexistent'; hingemetrics.warmup()\n"
    run = bare("-W", "error", "-c", warm + PROCESS, HINGEMETRICS_BACKEND="numba")
    assert (run.stdout, run.stderr) == (f"{number_of_entries()}\n", "")


@pytest.mark.more
def test_without_the_compiler(python):
    run = python("-c", PROCESS, HINGEMETRICS_BACKEND="numba", NUMBA_DISABLE_JIT="1")
    assert run.stderr == ""
    assert int(run.stdout) == number_of_entries()


def test_the_values_of_the_function_too(backend):
    """hinge_loss gives a value a class where a state has forgotten how many there were."""
    for place, case in enumerate(golden()["cases"]):
        preds, target, weight = arrays(place)
        for reduction in ("mean", "sum"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                got = hingemetrics.hinge_loss(
                    preds,
                    target,
                    case["squared"],
                    case["mode"],
                    sample_weight=weight,
                    ignore_index=case["ignore_index"],
                    reduction=reduction,
                )
            wanted = case[reduction]
            if np.ndim(got) and wanted == as_written(got[0].item()):
                assert seen(place).count == 0
                got = got[0]
            assert as_written(got) == wanted, case


def test_the_package_reads_what_others_write(states, comparisons):
    for entry, data, values, _ in states:
        state = HingeState.from_bytes(data)
        assert state.to_bytes() == data, entry
        assert results(state)["mean"] == make_golden.written(values["mean"]), entry
    for entry, data, values, _ in comparisons:
        state = ComparisonState.from_bytes(data)
        assert state.to_bytes() == data, entry
        got = results_of_comparison(state)
        assert got["stderr"] == make_golden.written(values["stderr"]), entry


@pytest.fixture(scope="module")
def reader_of_the_docs():
    page = ROOT / "docs" / "state_format.md"
    block = re.search(r"^(import zlib\n.*?)^found = ", page.read_text("utf-8"), re.M | re.S)
    namespace = {}
    exec(block[1], namespace)
    return namespace["read_state"]


class TestReader:
    """read_state.py, which is of neither the package nor the writer."""

    def test_values(self, states):
        for entry, data, values, _ in states:
            state = read_state(data)
            assert make_golden.written(state.value()) == make_golden.written(values["mean"]), entry
            assert make_golden.written(state.value(1)) == make_golden.written(values["sum"]), entry

    def test_it_agrees_with_the_package(self, states):
        for entry, data, *_ in states:
            state, package = read_state(data), HingeState.from_bytes(data)
            assert state.samples == package.count, entry
            assert state.classes == (package.num_classes or 0), entry
            assert state.squared == package.squared, entry
            assert state.one_vs_all == (package.multiclass_mode == "one-vs-all"), entry

    def test_comparisons(self, comparisons):
        for entry, data, values, _ in comparisons:
            state, package = read_paired_state(data), ComparisonState.from_bytes(data)
            assert (state.samples, state.classes) == (package.count, package.num_classes or 0)
            for model, name in enumerate(("value", "baseline")):
                got = make_golden.written(state.state(model).value())
                assert got == make_golden.written(values[name]), entry
            errors = [math.nan if v is None else nearest_root(v) for v in state.variances()]
            vector = isinstance(values["stderr"], list)
            got = errors if vector else (errors or [math.nan])[0]
            assert make_golden.written(got) == make_golden.written(values["stderr"]), entry

    def test_it_agrees_with_the_docs(self, states, reader_of_the_docs):
        for _, data, *_ in states:
            assert read_state(data)._asdict() == reader_of_the_docs(data)

    def test_damage(self, states):
        data = max((data for _, data, *_ in states), key=len)
        for place in range(0, len(data), 101):
            with pytest.raises(ValueError, match="damaged"):
                read_state(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])

    def test_it_needs_nothing_else(self, python):
        code = "import sys, read_state; print({'numpy', 'hingemetrics'} & set(sys.modules))"
        assert python("-c", code).stdout == "set()\n"
