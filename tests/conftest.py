import csv
import os
import secrets
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from command import Run
from hypothesis import HealthCheck, settings
from places import PACKAGE, ROOT, TOOLS
from thinning import left_out

import hingemetrics
import hingemetrics.sklearn
from hingemetrics import _files, cli
from hingemetrics._engine import machine_code, measure

settings.register_profile(
    "full",  # of CI
    deadline=None,
    max_examples=60,
    derandomize=False,  # where CI is set, Hypothesis would draw the same inputs in each run
    print_blob=True,  # a seed draws other constants where other modules of a clone are loaded
    # The backend fixture holds for all examples of a test, as it should.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.register_profile("quick", settings.get_profile("full"), max_examples=8)
settings.register_profile("thorough", settings.get_profile("full"), max_examples=2000)
settings.load_profile("quick")


def pytest_addoption(parser):
    parser.addoption("--no-skips", action="store_true", help="fail where a test would be skipped")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """Draw a seed, the same for all workers, before Hypothesis reads the option."""
    if config.option.hypothesis_seed is None:
        inherited = getattr(config, "workerinput", {})
        config.option.hypothesis_seed = inherited.get("seed") or str(secrets.randbits(64))


def pytest_configure_node(node):
    node.workerinput["seed"] = node.config.option.hypothesis_seed


def pytest_report_header(config):
    return f"inputs are drawn with --hypothesis-seed={config.option.hypothesis_seed}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Mark what a quick run leaves out, unless a test is asked for by its name."""
    if not any("::" in argument for argument in config.args):
        for item in left_out(items):
            item.add_marker("more")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    if report.skipped and item.config.getoption("--no-skips"):
        report.outcome = "failed"
        report.longrepr = f"skipped: {report.longrepr[-1]}"
    if report.failed:
        report.sections.append(("Seed", pytest_report_header(item.config)))
    return report


@pytest.fixture
def set_backend():
    before = hingemetrics.get_backend()
    yield hingemetrics.set_backend
    hingemetrics.set_backend(before)


@pytest.fixture(params=["numpy", "numba"])
def backend(request, set_backend):
    set_backend(request.param)
    return request.param


@pytest.fixture
def set_num_threads():
    before = hingemetrics.get_num_threads()
    yield hingemetrics.set_num_threads
    hingemetrics.set_num_threads(before)


@pytest.fixture
def short_spans(set_num_threads, monkeypatch):
    """Let threads share small work too."""
    monkeypatch.setattr(measure, "_THREAD_ELEMENTS", 500)
    return set_num_threads


@pytest.fixture(scope="session")
def python(tmp_path_factory):
    """Run a fresh interpreter that finds the package under test and the modules in tools/.

    Not in the clone, where `-c` and `-m` would find the package's source before the one under test,
    which has its machine code.
    """
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    path = [Path(hingemetrics.__file__).parents[1], Path(__file__).parent / "tools"]
    inherited = {k: v for k, v in os.environ.items() if k != "HINGEMETRICS_BACKEND"}

    def run(*arguments, **environment):
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            env={**inherited, "PYTHONPATH": os.pathsep.join(map(str, path)), **environment},
            cwd=elsewhere if Path.cwd() == ROOT else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return run


class Call(NamedTuple):
    """A call of a scorer."""

    data: Any
    target: list[int]  # indices of classes
    preds: Any  # the decision values themselves: asked again, a model may have other last digits
    weight: Any
    score: float


@pytest.fixture
def calls(monkeypatch):
    """What scorers are called with from now on, and what they answer."""
    made, given = [], []
    score = hingemetrics.sklearn.HingeScorer.__call__
    by_classes = hingemetrics.sklearn.labelled_by_classes

    def classes_recorded(y, preds, classes, weight):
        given[:] = [list(map(list(classes).index, y)), preds, weight]
        return by_classes(y, preds, classes, weight)

    def score_recorded(scorer, estimator, data, y, sample_weight=None):
        found = score(scorer, estimator, data, y, sample_weight)
        made.append(Call(data, *given, found))
        return found

    monkeypatch.setattr(hingemetrics.sklearn, "labelled_by_classes", classes_recorded)
    monkeypatch.setattr(hingemetrics.sklearn.HingeScorer, "__call__", score_recorded)
    return made


@pytest.fixture(scope="session")
def bare_package(tmp_path_factory):
    """The folder of a copy of the package that came without machine code."""
    folder = tmp_path_factory.mktemp("bare")
    made = (Path(machine_code.LIBRARY).name, Path(machine_code.DIGESTS).name)
    ignored = shutil.ignore_patterns("__pycache__", *made)
    shutil.copytree(PACKAGE, folder / "hingemetrics", ignore=ignored)
    return folder


@pytest.fixture(scope="session")
def bare(python, bare_package):
    """Run a fresh interpreter that finds this copy."""
    return partial(python, PYTHONPATH=os.pathsep.join(map(str, [bare_package, TOOLS])))


@pytest.fixture
def command(capsys):
    """Run the command in this process."""

    def run(*arguments):
        try:
            status = cli.main([str(argument) for argument in arguments])
        except SystemExit as stopped:
            status = stopped.code
        return Run(status, *capsys.readouterr())

    return run


@pytest.fixture
def loss(command, tmp_path):
    """Save the arrays and run the command on them."""

    def run(preds, target, *options, weight=None):
        np.save(tmp_path / "preds.npy", preds)
        np.save(tmp_path / "target.npy", target)
        if weight is not None:
            np.save(tmp_path / "weight.npy", weight)
            options = (*options, "--sample-weight", tmp_path / "weight.npy")
        return command(tmp_path / "preds.npy", tmp_path / "target.npy", *options)

    return run


@pytest.fixture
def table(command, tmp_path):
    """Write a case as one CSV and run the command on it, with the options the case stands for."""

    def run(case, *options):
        preds = case.preds if case.preds.ndim == 2 else case.preds[:, np.newaxis]
        names = [f"c{k}" for k in range(preds.shape[1])]
        columns = [*preds.T.tolist(), case.target.tolist()]
        header = [*names, "y"]
        options = ["--preds", ",".join(names), "--target", "y", *options]
        options += ["--squared"] * case.squared
        options += ["--multiclass-mode", case.mode] if case.mode else []
        if case.weight is not None:
            columns, header = [*columns, case.weight.tolist()], [*header, "w"]
            options += ["--sample-weight", "w"]
        with open(tmp_path / "table.csv", "w", newline="") as file:
            csv.writer(file).writerow(header)
            csv.writer(file).writerows(zip(*columns, strict=True))
        return command(tmp_path / "table.csv", *options)

    return run


@pytest.fixture
def small_blocks(monkeypatch):
    """Read files a few rows at a time."""
    monkeypatch.setattr(cli.run, "blocks", partial(_files.blocks, elements=40))
