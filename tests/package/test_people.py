"""What people who carry on are told stays true: how to contribute, to cite and to release."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

import hingemetrics

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTION = ROOT / "action.yml"
SCHEMAS = [  # of check-jsonschema, which comes with them
    (".github/workflows/*.yml", "vendor.github-workflows"),
    (".github/workflows/*.yml", "custom.github-workflows-require-timeout"),
    (".github/dependabot.yml", "vendor.dependabot"),
    ("action.yml", "vendor.github-actions"),
    (".github/ISSUE_TEMPLATE/[!c]*.yml", "vendor.github-issue-forms"),
    (".github/ISSUE_TEMPLATE/config.yml", "vendor.github-issue-config"),
    ("CITATION.cff", "vendor.citation-file-format"),
]
NOT_IN_A_SOURCE_DISTRIBUTION = {".ci/run"}
MADE = {".venv", ".venv/bin/activate", "build/docs"}


def text(name):
    return (ROOT / name).read_text("utf-8")


def setup():
    parser = configparser.ConfigParser()
    parser.read_string(text("setup.cfg"))
    return parser


def run(*command):
    done = subprocess.run(
        [str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


class TestContributing:
    PAGE = text("CONTRIBUTING.md")

    def test_paths(self):
        """Each file and folder that it names is there."""
        named = set(re.findall(r"(?<![\w/.:-])[.\w]+(?:/[.\w-]+)+/?", self.PAGE))
        named |= set(re.findall(r"`([\w.]+\.(?:cfg|md|cff|yml))`", self.PAGE)) - {"release.yml"}
        assert named >= {"tests/laws/", ".ci/run", ".github/workflows/release.yml", "CITATION.cff"}
        if not (ROOT / ".git").exists():
            named -= NOT_IN_A_SOURCE_DISTRIBUTION
        assert [name for name in sorted(named - MADE) if not (ROOT / name).exists()] == []

    def test_folders_of_tests(self):
        told = set(re.findall(r"^- `tests/(\w+)/`", self.PAGE, re.M))
        there = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}
        assert told == there - {"__pycache__"}

    def test_tests_and_their_markers(self):
        """What `-k` selects is a test, what `-m` selects a marker, and extras are extras."""
        for file, test in re.findall(r"pytest [^`\n]*?(tests/\S+\.py) -k (\w+)", self.PAGE):
            assert f"def {test}(" in text(file)
        markers = re.findall(r"^(\w+):", setup()["tool:pytest"]["markers"], re.M)
        for expression in re.findall(r'pytest .*-m (?:"([\w ]+)"|(\w+))', self.PAGE):
            assert set(" ".join(expression).split()) - {"not", "and", "or"} <= set(markers)
        for extras in re.findall(r"\.\[([\w,]+)\]", self.PAGE):
            assert set(extras.split(",")) <= set(setup()["options.extras_require"])

    def test_profiles_of_hypothesis(self):
        for profile in re.findall(r"--hypothesis-profile=(\w+)", self.PAGE):
            assert re.search(rf'register_profile\(\s*"{profile}"', text("tests/conftest.py"))


class TestVersions:
    def test_citation(self):
        cited = dict(re.findall(r"^(\w[\w-]*): (.+)$", text("CITATION.cff"), re.M))
        assert cited["version"] == hingemetrics.__version__
        assert cited["license"] == setup()["metadata"]["license_expression"]

    def test_of_python(self):
        """Classifiers, requirement, the page and the workflow speak of the same ones."""
        listed = re.findall(r":: (3\.\d+)$", setup()["metadata"]["classifiers"], re.M)
        lowest, newest = listed[0], listed[-1]
        assert listed == [f"3.{k}" for k in range(int(lowest[2:]), int(newest[2:]) + 1)]
        assert setup()["options"]["python_requires"] == f">={lowest}"
        page = text("docs/supported_versions.md")
        (tested,) = re.findall(rf"^\| CPython \| {lowest} to {newest} \| (.+) \|$", page, re.M)
        tried = set(re.findall(r'python: "(.+?)"', text(".github/workflows/ci.yml")))
        assert {version.removesuffix("t") for version in tried} <= {*listed}
        assert lowest in tried
        assert "the lowest" in tested
        assert max(tried).removesuffix("t") in tested

    def test_of_what_is_required(self):
        page = text("docs/supported_versions.md")
        for requirement in setup()["options"]["install_requires"].split():
            project, lowest = requirement.split(">=")
            assert re.search(rf"^\| {project} \| {re.escape(lowest)} and newer ", page, re.M | re.I)


class TestWorkflows:
    def test_ci_is_one_script(self):
        assert "run: bash .ci/run\n" in text(".github/workflows/ci.yml")
        assert "uses: ./.github/workflows/ci.yml\n" in text(".github/workflows/release.yml")

    @pytest.mark.parametrize("path", [*WORKFLOWS, ACTION], ids=lambda path: path.name)
    def test_actions_are_pinned(self, path):
        used = re.findall(r"uses: (?!\./)(.+)", path.read_text("utf-8"))
        assert used
        assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", action) for action in used)

    def test_hooks_are_pinned(self):
        hooks = text(".pre-commit-config.yaml")
        assert hooks.count("language: python") == len(
            re.findall(r"dependencies: \[.+==.+\]", hooks)
        )

    @pytest.mark.parametrize(("files", "schema"), SCHEMAS)
    def test_form(self, files, schema):
        pytest.importorskip("check_jsonschema", reason="needs the extra lint")
        found = sorted(ROOT.glob(files))
        assert found
        run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *found)

    def test_every_form_is_tested(self):
        tested = {path for files, _ in SCHEMAS for path in ROOT.glob(files)}
        assert {*(ROOT / ".github").rglob("*.yml")} <= tested

    def test_nothing_unsafe_or_misspelled(self):
        pytest.importorskip("check_jsonschema", reason="needs the extra lint")
        zizmor = Path(sys.executable).with_name("zizmor")
        run(zizmor, "--offline", "--min-severity", "medium", ROOT / ".github", ACTION)
        if actionlint := shutil.which("actionlint"):  # pip cannot install it without GitHub
            run(actionlint, *WORKFLOWS)
