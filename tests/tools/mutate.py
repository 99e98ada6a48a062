"""Mutation testing, by hand: which one-token faults do the tests not notice?

The tests are run once, in a copy of the tree, to record which lines each of them reaches; then,
for each mutant, those that reach its line, until one fails. Survivors are printed as diffs, to be
looked at: some change nothing that can be seen, the others show what no test holds.

    python tests/tools/mutate.py --count 120 --seed 0
    python tests/tools/mutate.py --modules "hingemetrics/_core/*.py" --tests tests/unit/_core
    python tests/tools/mutate.py --kernels    # a planted fault for each path of the kernels

`--tree` takes another checkout; `--record FILE` keeps what was recorded, for a second run with the
same tree. What only child processes or threads reach counts as reached by no test, which makes
survivors, never kills. Not run in CI: 120 mutants take half an hour. Needs pytest-xdist.
"""

import argparse
import fnmatch
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from kernel_faults import KERNEL_TESTS, KERNELS, PLANTED
from mutants import Mutator, is_another_program

from hingemetrics._engine import digests

TOOLS = Path(__file__).resolve().parent
MODULES = [
    "hingemetrics/_core/*.py",
    "hingemetrics/_inputs/*.py",
    "hingemetrics/_engine/*.py",
    "hingemetrics/state.py",
    "hingemetrics/metrics/*.py",
]
# What machine code is made of is not: there would be none of it.
NOT_MUTATED = ["*/typing.py", "*/__init__.py", *(f"*/_engine/{name}" for name in digests.SOURCES)]
TESTS = [
    "tests/unit/_core",
    "tests/unit/_inputs",
    "tests/unit/_engine",
    "tests/unit/metrics",
    "tests/unit/test_state*.py",
    "tests/unit/test_functional*.py",
    "tests/laws",
    "tests/faults/test_concurrency*.py",
    "tests/faults/test_floating_point*.py",
    "tests/faults/test_interrupt*.py",
    "tests/faults/test_signals*.py",
    "tests/faults/test_threads*.py",
    "tests/package/test_docstrings.py",
    "tests/package/test_settings.py",
    "tests/package/test_warnings.py",
]


# Inside pytest, where this file is a plugin


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """One case of each test comes first, the others after them all; or what a mutant needs."""
    if "MUTATE_RUN" in os.environ:
        known = {item.nodeid: item for item in items}
        wanted = Path(os.environ["MUTATE_RUN"]).read_text("utf-8").splitlines()
        items[:] = [known[name] for name in wanted]
        return
    seen = Counter()
    rank = {}
    for item in items:
        test = item.nodeid.partition("[")[0]
        rank[item] = min(seen[test], 1)
        seen[test] += 1
    items.sort(key=rank.__getitem__)


def pytest_configure(config):
    without_shrinking = set(Phase) - {Phase.shrink, Phase.explain}  # to fail at all will do
    settings.register_profile("mutate", settings.default, phases=tuple(without_shrinking))
    settings.load_profile("mutate")
    if "MUTATE_RECORD" in os.environ:
        config.pluginmanager.register(Recorder(Path(os.environ["MUTATE_RECORD"])))


class Recorder:
    """Write down which lines of the package each test reaches, and how long it takes."""

    def __init__(self, file):
        self._file = file
        self._package = str(Path.cwd() / "hingemetrics") + os.sep
        self._cut = len(str(Path.cwd())) + 1
        self._lines = set()
        self._tests = {}
        self._failed = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        self._lines = set()
        start = time.perf_counter()
        threading.settrace(self._called)
        sys.settrace(self._called)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)
            lines = {}
            for name, line in self._lines:
                lines.setdefault(name[self._cut :].replace(os.sep, "/"), []).append(line)
            self._tests[item.nodeid] = {"seconds": time.perf_counter() - start, "lines": lines}

    def pytest_runtest_logreport(self, report):
        if report.outcome != "passed":
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self):
        kept = {name: test for name, test in self._tests.items() if name not in self._failed}
        self._file.write_text(json.dumps(kept), "utf-8")
        print(f"\nrecorded {len(kept)} tests, without {sorted(self._failed)}")

    def _called(self, frame, event, argument):
        if frame.f_code.co_filename.startswith(self._package):
            self._lines.add((frame.f_code.co_filename, frame.f_lineno))
            return self._line
        return None

    def _line(self, frame, event, argument):
        self._lines.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line


# Runs


class Tree:
    """A copy of a tree, in which files are changed and pytest is run."""

    def __init__(self, tree, folder):
        self.root = folder / "tree"
        self._selection = folder / "selection.txt"
        ignored = shutil.ignore_patterns(
            ".git", ".hypothesis", ".mypy_cache", ".ruff_cache", "build"
        )
        shutil.copytree(tree, self.root, ignore=ignored)
        self._changes = 0

    def pytest(self, arguments, limit=None, **environment):
        """Return pytest's exit status and what it printed; None if it took too long."""
        path = os.pathsep.join([str(self.root), str(TOOLS)])
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "pytest", "-q", "-n", "0", "--tb=line"),
                *("--hypothesis-seed=0", "-p", "no:cacheprovider", "-p", "mutate", *arguments),
            ],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": path, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            return None, ""
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and what tests have started
            process.wait()
        return process.returncode, output

    def build(self):
        """Make the library anew, of the kernels as they are now."""
        command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
        subprocess.run(command, cwd=self.root, check=True)

    def tests_fail(self, names, limit):
        """Return which of the tests fails first, or None."""
        self._selection.write_text("\n".join(names), "utf-8")
        files = sorted({name.partition("::")[0] for name in names})
        status, output = self.pytest(["-x", *files], limit, MUTATE_RUN=str(self._selection))
        if status == 0:
            return None
        if status is None:
            return "time"
        failed = re.search(r"^(?:FAILED|ERROR) (\S+)", output, re.M)
        return failed[1] if failed else f"exit {status}: {output.strip().splitlines()[-1:]}"

    def changed(self, path, text):
        """Write a file with a time of its own, so that no older bytecode is taken for it."""
        self._changes += 1
        file = self.root / path
        file.write_text(text, "utf-8")
        later = file.stat().st_mtime + self._changes
        os.utime(file, (later, later))


def matching(root, patterns, excluded):
    names = sorted(p.relative_to(root).as_posix() for p in root.rglob("*.py"))
    return [
        name
        for name in names
        if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
        and not any(fnmatch.fnmatch(name, pattern) for pattern in excluded)
    ]


def who_sees(mutant, tests, budget):
    """Return the tests that reach a mutant, for so many seconds, and how long they took.

    One case of each test is taken before more of any, and first those that reach little else.
    """
    first, last = mutant.lines
    places, seen = [], Counter()
    for place, (name, test) in enumerate(tests.items()):
        reached = test["lines"].get(mutant.path, ())
        if mutant.at_import or any(first <= line <= last for line in reached):
            function = name.partition("[")[0]
            others = sum(map(len, test["lines"].values())) - len(reached)
            places.append((seen[function], others / (1 + len(reached)), place))
            seen[function] += 1
    names, seconds = list(tests), 0.0
    chosen = []
    for *_, place in sorted(places):
        took = tests[names[place]]["seconds"]
        if seconds + took <= budget:
            chosen.append(place)
            seconds += took
    return [names[place] for place in sorted(chosen)], seconds


def run_mutants(options, folder):
    tree = Tree(options.tree, folder)
    modules = matching(tree.root, options.modules, NOT_MUTATED)
    sources = {name: (tree.root / name).read_text("utf-8") for name in modules}
    mutants = [m for name in modules for m in Mutator(name, sources[name]).mutants()]
    print(f"{len(mutants)} mutants in {len(modules)} files", flush=True)
    record = options.record or folder / "record.json"
    if not record.exists():
        found = [sorted(tree.root.glob(pattern)) for pattern in options.tests]
        files = [str(path.relative_to(tree.root)) for paths in found for path in paths]
        status, output = tree.pytest(files, MUTATE_RECORD=str(record.resolve()))
        print(output[-2000:], flush=True)
        if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            record.unlink(missing_ok=True)
            raise SystemExit("the tests do not run")
    tests = json.loads(record.read_text("utf-8"))
    killed, survived = Counter(), []
    random.Random(options.seed).shuffle(mutants)
    chosen = [m for m in mutants[: 2 * options.count] if is_another_program(m, sources[m.path])]
    chosen = chosen[: options.count]
    for number, mutant in enumerate(chosen, 1):
        source = sources[mutant.path]
        names, seconds = who_sees(mutant, tests, options.budget)
        tree.changed(mutant.path, mutant.applied(source))
        start = time.perf_counter()
        by = tree.tests_fail(names, 120 + 5 * seconds) if names else None
        tree.changed(mutant.path, source)
        took = time.perf_counter() - start
        print(f"{number:4} {took:5.1f} s  {mutant.path}:{mutant.lines[0]}  ", end="")
        print(f"killed by {by}" if by else f"SURVIVED {len(names)} tests", flush=True)
        print(mutant.diff(source), flush=True)
        if by:
            killed[mutant.path] += 1
        else:
            survived.append(mutant)
    total = Counter(mutant.path for mutant in chosen)
    print("\nkilled of all:")
    for name in sorted(total):
        print(f"  {killed[name]:3} of {total[name]:3}  {name}")
    print(f"  {sum(killed.values()):3} of {len(chosen):3}")
    print("\nsurvivors:")
    for mutant in survived:
        print(f"{mutant.path}:{mutant.lines[0]}\n{mutant.diff(sources[mutant.path])}")


def run_planted(options, folder):
    tree = Tree(options.tree, folder)
    source = (tree.root / KERNELS).read_text("utf-8")
    survived = []
    tree.build()
    status, output = tree.pytest(["-x", *KERNEL_TESTS])
    if status:
        raise SystemExit(f"the tests fail without a fault:\n{output[-2000:]}")
    for name, old, new in PLANTED:
        if source.count(old) != 1:
            raise SystemExit(f"{name}: the kernels no longer hold once {old!r}")
        tree.changed(KERNELS, source.replace(old, new))
        start = time.perf_counter()
        tree.build()
        status, output = tree.pytest(["-x", *KERNEL_TESTS])
        by = re.findall(r"^(?:FAILED|ERROR) (\S+)", output, re.M)
        print(f"{time.perf_counter() - start:5.0f} s  {name}: ", end="")
        print(f"killed by {by[:1] or output[-300:]}" if status else "SURVIVED", flush=True)
        if not status:
            survived.append(name)
    print(f"killed {len(PLANTED) - len(survived)} of {len(PLANTED)}")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tree", type=Path, default=TOOLS.parents[1])
    parser.add_argument("--modules", nargs="+", default=MODULES)
    parser.add_argument("--tests", nargs="+", default=TESTS)
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget", type=float, default=90, help="seconds of tests for a mutant")
    parser.add_argument("--record", type=Path)
    parser.add_argument("--kernels", action="store_true")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        (run_planted if options.kernels else run_mutants)(options, Path(folder))


if __name__ == "__main__":
    main()
