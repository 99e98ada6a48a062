"""The report as JUnit XML, which CI systems show as tests: a case for each verdict."""

from __future__ import annotations

from hingemetrics.cli.formats.characters import valid
from hingemetrics.cli.formats.text import as_text
from hingemetrics.cli.report import Report


def as_junit(report: Report) -> str:
    """Return a suite with a case for each verdict, and the report as text as its output."""
    from xml.etree.ElementTree import Element, SubElement, tostring

    verdicts = [(gate, verdict) for gate in report.gates for verdict in gate.verdicts]
    counts = {
        "tests": str(len(verdicts)),
        "failures": str(sum(not verdict.is_open for _, verdict in verdicts)),
        "errors": "0",
    }
    suites = Element("testsuites", counts)
    suite = SubElement(
        suites, "testsuite", {"name": valid(f"hinge loss of {report.data}"), **counts}
    )
    for gate, verdict in verdicts:
        names = {"classname": f"hingemetrics.{gate.name}", "name": valid(verdict.name)}
        case = SubElement(suite, "testcase", names)
        if not verdict.is_open:
            sentence = valid(verdict.sentence)
            SubElement(case, "failure", message=sentence, type="gate").text = sentence
    SubElement(suite, "system-out").text = valid(as_text(report))
    data: bytes = tostring(suites, "us-ascii", xml_declaration=True)
    return data.decode()
