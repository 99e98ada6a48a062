"""Which backend computes, in how many threads; that it never shows in the bits is a law."""

import multiprocessing
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest
from oracle import bits, expected
from pooled import loss_of

import hingemetrics
from hingemetrics import HingeLoss, hinge_loss
from hingemetrics._engine import backend as backends
from hingemetrics._engine import machine_code, measure


def test_backends_are_named(set_backend):
    for name in ("numpy", "numba", "auto"):
        set_backend(name)
        assert hingemetrics.get_backend() == name


@pytest.mark.parametrize("name", ["cuda", "", "NumPy", None, 3])
def test_other_backends_are_refused(name):
    before = hingemetrics.get_backend()
    with pytest.raises(ValueError, match="'auto', 'numpy', 'numba', got"):
        hingemetrics.set_backend(name)
    assert hingemetrics.get_backend() == before


@pytest.mark.parametrize("name", ["auto", "numpy", "numba"])
def test_backend_of_the_environment(python, name):
    run = python(
        "-c", "import hingemetrics; print(hingemetrics.get_backend())", HINGEMETRICS_BACKEND=name
    )
    assert (run.stdout, run.stderr) == (f"{name}\n", "")


def test_wrong_backend_of_the_environment(python):
    """It is refused at the first use, for an import should not fail."""
    use = "import hingemetrics; print('imported'); hingemetrics.hinge_loss([0.5], [1])"
    run = python("-c", use, HINGEMETRICS_BACKEND="fast")
    assert (run.returncode, run.stdout) == (1, "imported\n")
    assert "HINGEMETRICS_BACKEND must be one of" in run.stderr


NO_NUMBA = "import sys; sys.modules['numba'] = None; import hingemetrics as h\n"


def test_auto_does_without_machine_code(bare):
    run = bare("-W", "error", "-c", NO_NUMBA + "h.warmup(); print(h.hinge_loss([0.5], [1]))")
    assert (run.stdout, run.stderr) == ("0.5\n", "")


@pytest.mark.parametrize(
    "choose", ["h.set_backend('numba')", "h.warmup()", "h.hinge_loss([1], [1])"]
)
def test_numba_must_be_there_to_compile(bare, choose):
    """Where no machine code came with the package."""
    chosen = {} if "set" in choose else {"HINGEMETRICS_BACKEND": "numba"}
    run = bare("-c", NO_NUMBA + choose, **chosen)
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].startswith("ImportError: the numba backend needs")
    if chosen:
        assert "got ModuleNotFoundError: import of numba" in run.stderr.splitlines()[-1]
    else:
        assert run.stderr.splitlines()[-1].endswith("; install hingemetrics[numba]")


def test_which_kernels_are_used(set_backend, monkeypatch):
    """The library's, or none; or what is compiled, if that was asked for; as the caller says."""
    sources = {"in_library": "IN LIBRARY", "on_request": "ON REQUEST"}
    for name, found in sources.items():
        monkeypatch.setattr(machine_code, name, lambda form, dtype, found=found: found)
    for tier, found in (("numpy", None), ("auto", "IN LIBRARY"), ("numba", "ON REQUEST")):
        set_backend(tier)
        assert backends.kernel("binary", np.dtype(float)) == found
    set_backend("auto")
    monkeypatch.setattr(machine_code, "in_library", lambda form, dtype: None)
    assert backends.kernel("binary", np.dtype(float)) is None


@pytest.mark.parametrize(
    ("tier", "function"), [("auto", "in_library"), ("numba", "on_request"), ("numpy", None)]
)
def test_warmup_loads_everything(set_backend, monkeypatch, tier, function):
    """All kernels of the backend in use, and nothing for another."""
    set_backend(tier)
    asked = {"in_library": [], "on_request": []}
    for name, keys in asked.items():
        monkeypatch.setattr(machine_code, name, lambda *key, keys=keys: keys.append(key))
    hingemetrics.warmup()
    assert asked == {name: [*machine_code.KEYS] * (name == function) for name in asked}


@pytest.mark.parametrize("number", [0, -1])
def test_too_few_threads(number):
    with pytest.raises(ValueError, match=f"number must be at least 1, got {number}"):
        hingemetrics.set_num_threads(number)


@pytest.mark.parametrize("number", [None, "2", 1.5, True])
def test_no_number_of_threads(number):
    with pytest.raises(TypeError, match="number must be an int, got"):
        hingemetrics.set_num_threads(number)


@pytest.mark.more
def test_threads_of_the_environment(python):
    code = "import hingemetrics; print(hingemetrics.get_num_threads())"
    assert python("-c", code).stdout == "1\n"
    assert python("-c", code, HINGEMETRICS_NUM_THREADS="3").stdout == "3\n"
    assert python("-c", code, HINGEMETRICS_NUM_THREADS="").stdout == "1\n"
    for text in ("0", "-1", "two", "1.5", "9" * 5000):
        run = python("-c", code, HINGEMETRICS_NUM_THREADS=text)
        assert "HINGEMETRICS_NUM_THREADS must be" in run.stderr, text
        assert len(run.stderr.splitlines()[-1]) < 120, text


def large(classes):
    rng = np.random.default_rng(0)
    shape = 20_011 if classes is None else (20_011, classes)
    preds = rng.normal(size=shape)
    preds.flat[::997] = np.resize([1e300, 2.0**31, 1e-200, np.inf], preds.size // 997 + 1)
    return preds, rng.integers(0, classes or 2, 20_011), rng.random(20_011)


@cache
def loss_of_large(classes, mode, weighted):
    """What the oracle says."""
    preds, target, weight = large(classes)
    return bits(expected(preds, target, mode=mode, sample_weight=weight if weighted else None))


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("classes", [None, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_any_number_of_threads(backend, set_num_threads, monkeypatch, threads, classes, weighted):
    monkeypatch.setattr(measure, "_THREAD_ELEMENTS", 1000)
    set_num_threads(threads)
    preds, target, weight = large(classes)
    weight = weight if weighted else None
    for mode in ("crammer-singer", "one-vs-all"):
        got = hinge_loss(preds, target, multiclass_mode=mode, sample_weight=weight)
        assert bits(got) == loss_of_large(classes, mode, weighted)


@pytest.mark.parametrize("threads", [1, 3])
def test_large_calls_use_threads(backend, set_num_threads, monkeypatch, threads):
    """As many as there may be: nobody passes the barrier alone."""
    monkeypatch.setattr(measure, "_THREAD_ELEMENTS", 1000)
    set_num_threads(threads)
    span, barrier, first = measure._measure_span, threading.Barrier(threads), [0] * threads

    def meet(*arguments, **options):
        if first:
            first.pop()
            barrier.wait(timeout=60)
        return span(*arguments, **options)

    monkeypatch.setattr(measure, "_measure_span", meet)
    preds, target, _ = large(None)
    assert bits(hinge_loss(preds, target)) == loss_of_large(None, None, False)
    assert not first


def test_the_first_bad_row_is_named_with_threads(backend, set_num_threads, monkeypatch):
    monkeypatch.setattr(measure, "_THREAD_ELEMENTS", 1000)
    set_num_threads(3)
    preds, target, _ = large(None)
    target[[9_000, 15_000]] = 5
    metric = HingeLoss()
    with pytest.raises(ValueError, match="got 5 at index 9000"):
        metric.update(preds, target)
    assert not metric.update_called


def test_concurrent_calls_that_use_threads(backend, set_num_threads, monkeypatch):
    monkeypatch.setattr(measure, "_THREAD_ELEMENTS", 1000)
    wanted = [loss_of(seed) for seed in range(16)]
    set_num_threads(3)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(loss_of, range(16))) == wanted


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")
@pytest.mark.filterwarnings("ignore:.*fork")  # of Python, and of JAX where it was imported
def test_forked_children_after_use(backend, set_num_threads, monkeypatch):
    """A child has none of its parent's threads, and makes its own."""
    monkeypatch.setattr(measure, "_THREAD_ELEMENTS", 1000)
    set_num_threads(2)
    wanted = [loss_of(seed) for seed in range(4)]
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        assert list(pool.map(loss_of, range(4))) == wanted


@pytest.mark.more
def test_spawned_children(backend):
    wanted = [loss_of(seed) for seed in range(2)]
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        assert list(pool.map(loss_of, range(2))) == wanted
