import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import hingemetrics
from hingemetrics import engine

settings.register_profile(
    "hingemetrics",
    deadline=None,
    max_examples=60,
    derandomize="CI" in os.environ,
    # The backend fixture holds for all examples of a test, as it should.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.register_profile(
    "thorough", settings.get_profile("hingemetrics"), max_examples=2000, derandomize=False
)
settings.load_profile("hingemetrics")


def pytest_addoption(parser):
    parser.addoption("--no-skips", action="store_true", help="fail where a test would be skipped")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    if report.skipped and item.config.getoption("--no-skips"):
        report.outcome = "failed"
        report.longrepr = f"skipped: {report.longrepr[-1]}"
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
    """Threads share also what is small."""
    monkeypatch.setattr(engine, "_THREAD_ELEMENTS", 500)
    return set_num_threads


@pytest.fixture(scope="session")
def python():
    """Run a fresh interpreter that finds the package and the modules beside this file."""
    path = [Path(hingemetrics.__file__).parents[1], Path(__file__).parent]
    inherited = {k: v for k, v in os.environ.items() if k != "HINGEMETRICS_BACKEND"}

    def run(*arguments, **environment):
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            env={**inherited, "PYTHONPATH": os.pathsep.join(map(str, path)), **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return run
