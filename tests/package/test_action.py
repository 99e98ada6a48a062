"""The action: its steps, run as a runner runs them, and what is told of it."""

import json
import os
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from oracle import cells, exact_sum, expected
from places import EXAMPLES, PACKAGE, ROOT
from runner import first_in_path, program, run_action

from hingemetrics import HingeLoss

ACTION = ROOT / "action.yml"
DECLARED = yaml.safe_load(ACTION.read_text("utf-8"))
PICTURE_ACTION = "actions/upload-artifact@"
PREDS, TARGET = np.array([-2.2, 2.4, 0.1, 0.3]), np.array([0, 1, 1, 0])
LOSS = expected(PREDS, TARGET)
BEFORE = {"better": PREDS + TARGET, "worse": PREDS - 2 * TARGET}  # decision values of baselines

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="a script cannot stand for python.exe there"
)


def state_bytes(preds):
    metric = HingeLoss()
    metric.update(preds, TARGET)
    return metric.state.to_bytes()


def difference(before):
    """What the loss is above that of a baseline, rounded once, as a program prints it."""
    sums = [
        exact_sum(
            [loss for row in zip(preds, TARGET, strict=True) for loss in cells(*row, False, None)]
        )
        for preds in (PREDS.tolist(), BEFORE[before].tolist())
    ]
    return repr(float((sums[0] - sums[1]) / len(TARGET)))


@pytest.fixture
def act(tmp_path):
    """Run the action; what pip is asked for is written to a file, and the package is this one."""
    space = tmp_path / "work space"
    programs = tmp_path / "programs"
    for folder in (space, programs):
        folder.mkdir()
    np.save(space / "preds.npy", PREDS)
    np.save(space / "target.npy", TARGET)
    python, asked = shlex.quote(sys.executable), shlex.quote(str(tmp_path / "asked"))
    program(programs / "installed", f'exec {python} -m hingemetrics "$@"\n')
    program(
        programs / "environment's python",
        f'if test "$2" = pip; then printf "%s\\n" "$@" > {asked}; else exec {python} "$@"; fi\n',
    )
    program(
        programs / "python",
        f'test "$1 $2" = "-m venv" && mkdir "$3/bin" && cd {shlex.quote(str(programs))} &&\n'
        'cp installed "$3/bin/hingemetrics" && cp "environment\'s python" "$3/bin/python"\n',
    )
    environment = {
        **os.environ,
        "PATH": first_in_path(programs),
        "PYTHONPATH": str(PACKAGE.parent),
        "MPLBACKEND": "agg",
    }

    def act(**inputs):
        given = {"preds": "preds.npy", "target": "target.npy"}
        given |= {name.replace("_", "-"): value for name, value in inputs.items()}
        return run_action(ACTION, given, space, environment)

    act.space, act.asked = space, tmp_path / "asked"
    return act


def test_open_gate(act):
    (act.space / "model.state").write_bytes(state_bytes(BEFORE["worse"]))
    run = act(baseline="model.state", state="new.state")
    assert not run.failed, run.log
    assert difference("worse").startswith("-")
    assert run.outputs == {"loss": repr(LOSS), "difference": difference("worse"), "status": "0"}
    assert repr(LOSS) in run.summary
    assert "failed" not in run.summary
    assert (act.space / "new.state").read_bytes() == state_bytes(PREDS)
    assert run.used == []


def test_closed_gate(act):
    (act.space / "model.state").write_bytes(state_bytes(BEFORE["better"]))
    run = act(baseline="model.state", max_increase="1%")
    assert run.failed
    assert run.outputs == {"loss": repr(LOSS), "difference": difference("better"), "status": "1"}
    assert "**failed**" in run.summary
    assert "more than 1%" in run.summary
    assert "more than 1%" in run.log
    assert run.used == []


@pytest.mark.more
@pytest.mark.parametrize(("limit", "failed"), [("0.1", True), ("9", False)])
def test_picture(act, limit, failed):
    """It is drawn in any case, and uploaded if the gate closed."""
    run = act(args=f"--fail-above {limit}", plot="margins.svg", artifact="why")
    assert run.failed == failed
    assert (act.space / "margins.svg").is_file()
    given = {"name": "why", "path": "margins.svg", "if-no-files-found": "ignore"}
    assert [inputs for _, inputs in run.used] == [given] * failed
    assert all(name.startswith(PICTURE_ACTION) for name, _ in run.used)


@pytest.mark.more
def test_allowed_increase(act):
    (act.space / "model.state").write_bytes(state_bytes(BEFORE["better"]))
    run = act(baseline="model.state", max_increase="0.3")
    assert not run.failed, run.log
    assert run.outputs == {"loss": repr(LOSS), "difference": difference("better"), "status": "0"}


@pytest.mark.more
def test_baseline_that_the_run_replaces(act):
    """The difference is that to the baseline of before."""
    (act.space / "model.state").write_bytes(state_bytes(BEFORE["better"]))
    run = act(baseline="model.state", args="--update-baseline --accept-worse")
    assert not run.failed, run.log
    assert run.outputs["difference"] == difference("better")
    assert (act.space / "model.state").read_bytes() == state_bytes(PREDS)


@pytest.mark.more
def test_baseline_that_the_run_makes(act):
    run = act(baseline="model.state", args="--update-baseline")
    assert not run.failed, run.log
    assert run.outputs == {"loss": repr(LOSS), "difference": "null", "status": "0"}
    assert (act.space / "model.state").read_bytes() == state_bytes(PREDS)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"target": "nowhere.npy"}, "nowhere.npy: No such file"),
        ({"args": "--worst '10"}, "args must be quoted as in a shell, got: No closing quotation"),
        pytest.param(
            {"max_increase": "1%"}, "must be given with --baseline", marks=pytest.mark.more
        ),
        pytest.param({"args": "--state-out x"}, "must be the input state", marks=pytest.mark.more),
        pytest.param(
            {"preds": "--help", "target": ""}, "TARGET must be given", marks=pytest.mark.more
        ),
    ],
)
def test_broken(act, inputs, words):
    run = act(**inputs)
    assert run.failed
    assert run.outputs == {"loss": "", "difference": "", "status": "2"}
    assert words in run.log
    heading, _, told = run.summary.partition("\n\n")
    assert heading == "### Hinge loss: **broken**"
    assert words in told
    assert all(line.startswith("    hingemetrics: ") for line in told.strip("\n").splitlines())


@pytest.mark.more
def test_classes(act):
    rows, classes = np.load(EXAMPLES / "digits_preds.npy"), np.load(EXAMPLES / "digits_target.npy")
    np.save(act.space / "preds.npy", rows)
    np.save(act.space / "target.npy", classes)
    run = act(args="--multiclass-mode one-vs-all\n--fail-above 1")
    assert run.failed
    losses = expected(rows, classes, mode="one-vs-all")
    assert json.loads(run.outputs["loss"]) == losses.tolist()
    assert (run.outputs["difference"], run.outputs["status"]) == ("null", "1")


@pytest.mark.more
def test_words_reach_the_command_as_they_are(act):
    """Quoted as in a shell, and nothing in them is run or expanded."""
    name = "two words; $(touch broken) `touch broken` *.csv"
    (act.space / name).write_text("a b,$HOME\n-2.2,0\n2.4,1\n0.1,1\n0.3,0\n")
    run = act(preds=name, target="", args="--preds 'a b' --target '$HOME'")
    assert not run.failed, run.log
    assert run.outputs["loss"] == repr(LOSS)
    assert not (act.space / "broken").exists()


@pytest.mark.more
class TestInstalls:
    @pytest.mark.parametrize("package", ["", "hingemetrics[plot] == 0.1.0"])
    def test_package(self, act, package):
        act(package=package, preds="nowhere.npy")
        arguments = act.asked.read_text().splitlines()
        assert arguments[:2] == ["-m", "pip"]
        assert arguments[-1] == (package or f"{ROOT}[parquet,plot]")

    def test_failure(self, act):
        """Without a package nothing is measured, and the action fails."""
        Path(act.asked).mkdir()
        run = act()
        assert run.failed
        assert set(run.outputs.values()) == {""}


def test_no_input_becomes_text_of_a_script():
    scripts = [step["run"] for step in DECLARED["runs"]["steps"] if "run" in step]
    assert len(scripts) == 2
    for script in scripts:
        assert "${{" not in script
        assert script.startswith("set -euo pipefail\n")


def test_the_page_uses_what_there_is():
    page = (ROOT / "docs" / "how_to_ci.md").read_text("utf-8")
    workflows = map(yaml.safe_load, re.findall(r"^```yaml\n(.*?)^```$", page, re.M | re.S))
    steps = [step for flow in workflows for job in flow["jobs"].values() for step in job["steps"]]
    given = [step["with"] for step in steps if "/hingemetrics@" in step.get("uses", "")]
    assert given
    for inputs in given:
        assert inputs.keys() <= DECLARED["inputs"].keys()
    for name in [*DECLARED["inputs"], *DECLARED["outputs"]]:
        assert f"| `{name}` |" in page
