"""README and docs tell the truth: their code runs, and prints what they say it prints."""

import doctest
import importlib.util
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import yaml
from cases import forms, name
from oracle import exact_sum, expected
from places import ROOT

import hingemetrics

README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^(`{3,})([^\n]*)\n(.*?)^\1$", re.DOTALL | re.MULTILINE)
NEEDS = {  # what of a page's code needs more than it imports
    "matplotlib": r"Display\.from_|\.plot\(|--plot\b",
    "pyarrow": r"\.parquet\b",
}
OPTIONAL = re.compile(  # what single blocks need
    r"^(?:from|import) (dask|duckdb|fairlearn|lightgbm|polars|xgboost)\b", re.M
)
NOT_RUN = [  # what would change the environment, take minutes or do this very thing
    r"pip install [-\w.\[\],\" ]+",
    r"pytest",
    r"sphinx-build -W -b html docs build/docs",
    r"python benchmarks/run\.py",
]
SUMMARY = re.compile(
    r"=+ \d+ passed(, \d+ skipped)?(, \d+ deselected)? in [\d.]+s( \([\d:]+\))? =+\n"
)


class Block(NamedTuple):
    """A fenced block, and the block that says what it prints."""

    page: Path
    line: int
    language: str
    code: str

    def __str__(self):
        return f"{self.page.name}:{self.line}"


def blocks(page):
    text = page.read_text("utf-8")
    return [
        Block(page, text.count("\n", 0, match.start(3)) + 1, match[2], match[3])
        for match in FENCE.finditer(text)
    ]


def of_language(page, *languages):
    return [block for block in blocks(page) if block.language in languages]


def page_name(page):
    return str(page.relative_to(ROOT))


def commands_of_yaml(code):
    """What a workflow's `run:` lines and blocks hold."""
    for match in re.finditer(r"^( *(?:- )?)run: *(?:\|\n((?:\1  .*\n|\n)+)|(.+)\n)", code, re.M):
        yield textwrap.dedent(match[2]) if match[2] else f"{match[3]}\n"


def actions(code):
    """Which actions a workflow uses."""
    return re.findall(r"^ *(?:- )?uses: *(.+)$", code, re.M)


def to_run(script):
    """A script without what is not run."""
    lines = script.replace("\\\n", "").splitlines()
    parts = [line.split(" && ") for line in lines]
    kept = ([p for p in line if not any(re.fullmatch(n, p) for n in NOT_RUN)] for line in parts)
    return "".join(f"{' && '.join(line)}\n" for line in kept if line)


class Reader:
    """Somebody who does all that a page says, in a folder with the examples."""

    def __init__(self, folder):
        self.folder = folder
        self.namespace = {"__name__": "page"}
        self.missing = set()  # modules without which blocks were left out
        shutil.copytree(ROOT / "examples", folder / "examples")
        command = folder / "bin" / "hingemetrics"
        command.parent.mkdir()
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hingemetrics "$@"\n')
        command.chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(Path(hingemetrics.__file__).parents[1]),
            "COLUMNS": "80",
        }

    def run(self, *command):
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def read(self, page):
        found = blocks(page)
        for block, following in itertools.zip_longest(found, found[1:]):
            does = {"python": self.python, "sh": self.sh, "yaml": self.yaml}.get(block.language)
            if does:
                does(block, following)
            elif block.language not in ("text", "json"):
                assert re.fullmatch(r"\{[-\w]+\}.*", block.language), f"{block}: unknown language"

    def python(self, block, following):
        optional = OPTIONAL.search(block.code)
        if optional and not importlib.util.find_spec(optional[1]):
            self.missing.add(optional[1])
        elif ">>>" in block.code:
            self.doctest(block)
        elif re.search(r"^def test_", block.code, re.M):
            self.pytest(block)
        else:
            padding = "\n" * (block.line - 1)  # so that a traceback names the page's line
            exec(compile(padding + block.code, block.page, "exec"), self.namespace)

    def doctest(self, block):
        test = doctest.DocTestParser().get_doctest(
            block.code, self.namespace, str(block), str(block.page), block.line - 1
        )
        report = []
        result = doctest.DocTestRunner().run(test, out=report.append, clear_globs=False)
        assert result.failed == 0, "".join(report)
        self.namespace.update(test.globs)

    def pytest(self, block):
        (self.folder / "test_page.py").write_text(block.code, "utf-8")
        options = ("--color=no", "-p", "no:cacheprovider")
        run = self.run(sys.executable, "-m", "pytest", *options, "test_page.py")
        assert re.search(r" [1-9]\d* passed in ", run.stdout), f"{block}\n{run.stdout}"

    def sh(self, block, following):
        script = to_run(block.code)
        shows = following if following and following.language in ("text", "json") else None
        if not script:
            assert shows is None or SUMMARY.fullmatch(shows.code), str(shows)
            return
        run = self.run("bash", "-ec", script)
        assert (run.returncode, run.stderr) == (0, ""), f"{block}\n{run.stdout}\n{run.stderr}"
        if shows is None:
            return
        if shows.language == "json":
            assert json.loads(run.stdout) == json.loads(shows.code), str(shows)
        elif "--help" in script:  # Python's versions break its lines in different places
            assert run.stdout.split() == shows.code.split(), str(shows)
        else:
            assert run.stdout == shows.code, str(shows)

    def yaml(self, block, following):
        scripts = [*map(to_run, commands_of_yaml(block.code))]
        assert any("hingemetrics" in used for used in [*scripts, *actions(block.code)]), str(block)
        for script in filter(None, scripts):
            run = self.run("bash", "-ec", script)
            assert (run.returncode, run.stderr) == (0, ""), f"{block}\n{run.stdout}\n{run.stderr}"


@pytest.fixture
def reader(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    return Reader(tmp_path)


@pytest.mark.parametrize(
    "page",
    [README, *(pytest.param(page, marks=pytest.mark.more) for page in PAGES[1:])],
    ids=page_name,
)
def test_page(page, reader):
    found = of_language(page, "python", "sh", "yaml")
    code = "".join(block.code for block in found if not OPTIONAL.search(block.code))
    imported = re.findall(r"^ *(?:from|import) (\w+)", code, re.M)
    for module in {*imported, *(module for module, need in NEEDS.items() if re.search(need, code))}:
        pytest.importorskip(module)
    reader.read(page)
    if reader.missing:
        pytest.skip(f"ran but for the blocks that import {', '.join(sorted(reader.missing))}")


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_block_is_found(page):
    fences = re.findall(r"^\s*(?:```|~~~)", page.read_text("utf-8"), re.M)
    assert len(fences) == 2 * len(blocks(page))


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_what_is_printed_follows_what_prints_it(page):
    languages = [None, *(block.language for block in blocks(page))]
    for before, language in itertools.pairwise(languages):
        assert language not in ("text", "json") or before == "sh"


YAML = [block for page in PAGES for block in of_language(page, "yaml")]


@pytest.mark.parametrize("block", YAML, ids=str)
def test_workflow(block):
    workflow = yaml.safe_load(block.code)
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    runs = [step["run"] for step in steps if "run" in step]
    assert [run.strip() for run in runs] == [run.strip() for run in commands_of_yaml(block.code)]


class TestReadme:
    def test_first_commands(self):
        first, second = of_language(README, "sh")[:2]
        assert re.fullmatch(r"pip install \. && hingemetrics \S+ \S+\n", first.code)
        assert second.code == 'pip install ".[test]" && pytest\n'

    @pytest.mark.parametrize("language", ["python", "sh", "text", "yaml"])
    def test_has(self, language):
        assert of_language(README, language)


def test_there_is_a_test_for_the_gate():
    page = ROOT / "docs" / "how_to_ci.md"
    assert any("def test_" in block.code for block in of_language(page, "python"))


def slug(heading):
    """The anchor that GitHub and the site make of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(page):
    text = FENCE.sub("", page.read_text("utf-8"))
    return {slug(heading) for heading in re.findall(r"^#+ (.+)$", text, re.M)}


def links(page):
    text = FENCE.sub("", page.read_text("utf-8"))
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]


@pytest.mark.parametrize(
    ("page", "link"),
    [pytest.param(p, link, id=f"{p.name}-{link}") for p in PAGES for link in links(p)],
)
def test_link(page, link):
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    assert target.is_file()
    assert not anchor or anchor in anchors(target)


@pytest.mark.parametrize("page", PAGES[1:], ids=page_name)
def test_every_example_that_is_used_can_be_had_from_the_page(page):
    """A page is followed without a clone: the site has what is linked."""
    used = set(re.findall(r"\bexamples/\w+\.\w+", "".join(block.code for block in blocks(page))))
    assert used <= {link.removeprefix("../") for link in links(page)}


def test_every_page_is_linked_from_the_first():
    contents = (ROOT / "docs" / "index.md").read_text("utf-8")
    listed = {line.strip() for line in contents.splitlines()}
    assert {page.stem for page in PAGES[1:]} - {"index"} <= listed


@pytest.mark.parametrize("public", hingemetrics.__all__)
def test_reference_has_every_public_name(public):
    reference = (ROOT / "docs" / "api.md").read_text("utf-8")
    assert re.search(rf"hingemetrics\.{public}\b", reference)


class TestStateFormat:
    PAGE = ROOT / "docs" / "state_format.md"

    @pytest.fixture
    def namespace(self, reader):
        reader.read(self.PAGE)
        return reader.namespace

    def test_byte_by_byte(self, namespace):
        rows = re.findall(r"^\| (\d+) \| `([0-9a-f ]+)` \|", self.PAGE.read_text("utf-8"), re.M)
        spelled = []
        for offset, digits in rows:
            if offset == "0":
                spelled.append(b"")
            assert int(offset) == len(spelled[-1])
            spelled[-1] += bytes.fromhex(digits)
        assert spelled == [namespace["state"].to_bytes(), namespace["written"]]

    @pytest.mark.parametrize("case", forms(50), ids=name)
    def test_its_reader_reads_any_state(self, namespace, case):
        metric = hingemetrics.HingeLoss(case.squared, case.mode)
        metric.update(case.preds, case.target, case.weight)
        found = namespace["read_state"](metric.state.to_bytes())
        weights = [1.0] * 50 if case.weight is None else case.weight.tolist()
        assert (found["squared"], found["samples"]) == (case.squared, 50)
        assert found["weight"] == exact_sum(weights)
        sums = expected(
            case.preds,
            case.target,
            case.squared,
            case.mode,
            sample_weight=case.weight,
            reduction="sum",
        )
        assert [float(total) for _, _, total in found["losses"]] == np.atleast_1d(sums).tolist()

    @pytest.mark.parametrize("mode", ["crammer-singer", "one-vs-all"])
    def test_its_reader_reads_what_saw_nothing(self, namespace, mode):
        found = namespace["read_state"](hingemetrics.HingeState(True, mode).to_bytes())
        assert (found["squared"], found["one_vs_all"]) == (True, mode == "one-vs-all")
        assert (found["classes"], found["samples"], found["weight"]) == (0, 0, 0)
        assert found["losses"] == []


# What a browser fetches to show a page, from another host; a link that a reader may follow is none.
FETCHED_ELSEWHERE = re.compile(
    r"<(?:script|img|iframe|source|video)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^>]*>"
    r"|<link\b[^>]*\bhref=[\"']?(?:https?:)?//[^>]*>"
    r"|(?:url\(|@import)[\s\"']*(?:https?:)?//[^)]*\)?"
)


@pytest.mark.more
def test_site(tmp_path):
    """It builds without a warning, has every page, and needs no network to be shown."""
    for module in ("sphinx", "myst_parser", "numpydoc", "sphinx-mathjax-offline", "furo"):
        pytest.importorskip(module)
    site = tmp_path / "site"
    run = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "-d", tmp_path / "cache", ROOT / "docs", site],
        env={**os.environ, "PYTHONPATH": str(Path(hingemetrics.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (run.returncode, run.stderr) == (0, "")
    for page in PAGES[1:]:
        assert (site / f"{page.stem}.html").is_file()
    shown = [*site.glob("*.html"), *(site / "_static").rglob("*.css")]
    fetched = {path.name: FETCHED_ELSEWHERE.findall(path.read_text("utf-8")) for path in shown}
    assert {name: found for name, found in fetched.items() if found} == {}
    mathjax = re.search(r'<script[^>]*src="([^"]*mathjax[^"]*)"', (site / "api.html").read_text())
    assert (site / mathjax[1]).is_file()
