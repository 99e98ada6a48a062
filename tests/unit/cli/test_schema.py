"""docs/report.schema.json: all that --json prints is in it, and what it requires is printed."""

import json

import numpy as np
import pytest
from cases import Case, form, forms, name
from command import AGAIN, LESS, MORE
from jsonschema import Draft202012Validator
from places import ROOT

SCHEMA = json.loads((ROOT / "docs" / "report.schema.json").read_text("utf-8"))


def closed(schema):
    """A schema that also refuses fields that it does not describe."""
    if isinstance(schema, list):
        return list(map(closed, schema))
    if not isinstance(schema, dict):
        return schema
    more = {"additionalProperties": False} if isinstance(schema.get("required"), list) else {}
    return {key: closed(value) for key, value in schema.items()} | more


VALIDATOR = Draft202012Validator(closed(SCHEMA))
MOST = ["--worst", "2", "--per-class", "--fail-above", "0.3"]


@pytest.fixture
def report(table, tmp_path):
    """What --json prints of a case, which must be as the schema says."""

    def run(case, *options, before=None):
        if before is not None:
            (tmp_path / "base.state").write_bytes(before.state().to_bytes())
            options = (*options, "--baseline", tmp_path / "base.state")
        done = table(case, *options, "--json")
        found = json.loads(done.stdout)
        VALIDATOR.validate(found)
        assert done.returncode == (found["verdict"] == "fail")
        return found

    return run


def test_it_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["version"] == {"const": 1}


@pytest.mark.parametrize("case", forms(9), ids=name)
def test_reports(report, case):
    report(case)
    report(case, *MOST, before=case)
    found = report(case, *MOST, "--ignore-index", "1")
    assert {"worst", "per_class", "gates", "ignored"} <= found.keys()


@pytest.mark.parametrize("preds", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("mode", [None, "one-vs-all"])
def test_what_is_not_finite(report, preds, mode):
    case = Case(np.array([[preds, 0.5, 0.5]]), np.array([0]), mode=mode)
    found = report(case, *MOST, before=form(9, 3, mode, False, None))
    assert found["verdict"] == ("fail" if preds != np.inf or mode else "pass")


def test_nothing_seen(report):
    assert report(AGAIN.rows(slice(0)), *MOST, before=AGAIN)["num_classes"] is None


def test_of_states(command, tmp_path):
    (tmp_path / "a.state").write_bytes(AGAIN.state().to_bytes())
    found = json.loads(command("--merge", tmp_path / "a.state", "--json").stdout)
    VALIDATOR.validate(found)
    assert found["ignored"] is None


@pytest.mark.parametrize("case", [LESS, MORE])
@pytest.mark.parametrize("options", [[], ["--max-increase", "99%"]])
def test_baselines(report, case, options):
    found = report(case, *options, before=AGAIN)
    assert found["baseline"]["max_increase"] == (options[1] if options else "0")
    assert report(case, *options, "--update-baseline", before=AGAIN)["gates"] == found["gates"]


def test_a_first_baseline(report, tmp_path):
    options = ["--baseline", tmp_path / "new.state", "--update-baseline"]
    found = report(AGAIN, *options)["baseline"]
    assert [found[key] for key in ("value", "exact", "count", "difference")] == [None] * 4
    assert found["updated"] is True


@pytest.fixture
def of_rows(tmp_path):
    """Options of two more columns: other predictions and groups, each for the rows of a case."""

    def options(case):
        np.save(tmp_path / "p.npy", case.preds)
        np.save(tmp_path / "y.npy", case.target)
        np.save(tmp_path / "other.npy", case.preds * 0.5)
        np.save(tmp_path / "groups.npy", np.arange(len(case)) % 2 / 2)
        mode = ["--multiclass-mode", case.mode] if case.mode else []
        against = ["--against", tmp_path / "other.npy", "--by", tmp_path / "groups.npy"]
        return [tmp_path / "p.npy", tmp_path / "y.npy", *mode, *against]

    return options


@pytest.mark.parametrize("case", [AGAIN, AGAIN.rows([0]), AGAIN.rows(slice(0)), *forms(9, [None])])
def test_of_two_models_and_groups(command, of_rows, case):
    gates = ["--fail-if-worse", "--fail-above-difference", "0.1", "--fail-above", "0.3"]
    found = json.loads(command(*of_rows(case), *gates, "--json").stdout)
    VALIDATOR.validate(found)
    names = ["fail-above", *["by"] * bool(len(case)), "fail-if-worse", "fail-above-difference"]
    assert [gate["name"] for gate in found["gates"]] == names
    for key in ("against", "groups"):
        assert not VALIDATOR.is_valid({**found, key: {"else": 1}}), key


@pytest.mark.parametrize("options", [[], ["--bootstrap", "39"]])
@pytest.mark.parametrize(
    "case", [AGAIN, AGAIN.rows(slice(0)), form(9, 3, "one-vs-all", True, None)]
)
def test_of_intervals(report, case, options):
    found = report(case, "--interval", *options)
    assert not VALIDATOR.is_valid({**found, "interval": {**found["interval"], "level": 1}})


def test_what_it_requires_is_needed(report):
    """And each kind of field is checked: the schema says no to what is not a report."""
    found = report(AGAIN, *MOST, before=AGAIN)
    assert {*SCHEMA["required"], "baseline", "worst", "per_class"} == found.keys()
    for key in SCHEMA["required"]:
        assert not VALIDATOR.is_valid({k: found[k] for k in found.keys() - {key}}), key
    for key in found:
        assert not VALIDATOR.is_valid({**found, key: {"else": 1}}), key
    assert not VALIDATOR.is_valid({**found, "other": 1})
