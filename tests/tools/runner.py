"""A runner of GitHub Actions in small: the steps of a composite action, as they are run there."""

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import yaml

BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail")  # what `shell: bash` stands for


class Outcome(NamedTuple):
    """What is left of an action that was run."""

    failed: bool
    outputs: dict[str, str]
    summary: str
    log: str
    used: list[tuple[str, dict[str, str]]]  # other actions, and what they were given


def run_action(path, inputs, folder, environment):
    """Run an action in a folder, its workspace; other actions are only noted."""
    return _Run(path, inputs, folder, environment).outcome()


class _Run:
    def __init__(self, path, inputs, folder, environment):
        self.action = yaml.safe_load(path.read_text("utf-8"))
        declared = self.action["inputs"]
        assert inputs.keys() <= declared.keys()
        assert {name for name in declared if declared[name].get("required")} <= inputs.keys()
        self.inputs = {name: inputs.get(name, declared[name].get("default")) for name in declared}
        self.folder = folder
        self.temporary = folder / "runner's temporary files"
        self.temporary.mkdir(exist_ok=True)
        self.environment = {
            **environment,
            "RUNNER_TEMP": str(self.temporary),
            "GITHUB_ACTION_PATH": str(path.parent),
        }
        self.failed, self.log = False, ""
        self.outputs, self.summaries, self.used = {}, [], []

    def outcome(self):
        assert self.action["runs"]["using"] == "composite"
        for step in self.action["runs"]["steps"]:
            if self.is_due(step.get("if", "")):
                self.run(step)
        outputs = {name: self.filled(out["value"]) for name, out in self.action["outputs"].items()}
        return Outcome(self.failed, outputs, "".join(self.summaries), self.log, self.used)

    def is_due(self, condition):
        """Whether a step runs: without a word on failures, only after none."""
        if "failure()" not in condition and self.failed:
            return False
        return not condition or self.evaluated(condition)

    def run(self, step):
        if "uses" in step:
            given = {name: self.filled(value) for name, value in step["with"].items()}
            self.used.append((step["uses"], given))
            return
        assert step["shell"] == "bash"
        files = {name: self.temporary / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for file in files.values():
            file.write_text("")
        script = self.temporary / "script.sh"
        script.write_text(step["run"])
        run = subprocess.run(
            [*BASH, script],
            cwd=self.folder,
            env={
                **self.environment,
                **{name: self.filled(value) for name, value in step["env"].items()},
                **{name: str(file) for name, file in files.items()},
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        self.failed |= run.returncode != 0
        self.log += run.stdout
        self.summaries.append(files["GITHUB_STEP_SUMMARY"].read_text())
        lines = files["GITHUB_OUTPUT"].read_text().splitlines()
        self.outputs[step["id"]] = dict(line.split("=", 1) for line in lines)

    def filled(self, text):
        """A text with the values of its expressions."""
        return re.sub(r"\$\{\{ (.+?) \}\}", lambda match: self.evaluated(match[1]), text)

    def evaluated(self, expression):
        """The value of an expression: terms with && and !=, names, texts and failure()."""
        if " && " in expression:
            return all(map(self.evaluated, expression.split(" && ")))
        if " != " in expression:
            left, right = map(self.evaluated, expression.split(" != "))
            return left != right
        if text := re.fullmatch("'([^']*)'", expression):
            return text[1]
        if expression == "failure()":
            return self.failed
        match expression.split("."):
            case ["inputs", name]:
                return self.inputs[name]
            case ["steps", step, "outputs", name]:
                return self.outputs.get(step, {}).get(name, "")
        raise NotImplementedError(expression)


def program(path, script):
    """Make a program of a script for sh."""
    path.write_text(f"#!/bin/sh\n{script}")
    path.chmod(0o755)


def first_in_path(folder):
    """The PATH with a folder in front."""
    return f"{Path(folder)}{os.pathsep}{os.environ['PATH']}"
