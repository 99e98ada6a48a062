"""The report as JUnit XML, which CI systems show as tests: a case for each verdict."""

from __future__ import annotations

import re

from hingemetrics.cli.formats.text import as_text
from hingemetrics.cli.report import Report

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # even escaped


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
        suites, "testsuite", {"name": _valid(f"hinge loss of {report.data}"), **counts}
    )
    for gate, verdict in verdicts:
        names = {"classname": f"hingemetrics.{gate.name}", "name": _valid(verdict.name)}
        case = SubElement(suite, "testcase", names)
        if not verdict.is_open:
            sentence = _valid(verdict.sentence)
            SubElement(case, "failure", message=sentence, type="gate").text = sentence
    SubElement(suite, "system-out").text = _valid(as_text(report))
    data: bytes = tostring(suites, "us-ascii", xml_declaration=True)
    return data.decode()


def _valid(text: str) -> str:
    """Replace characters that XML cannot hold."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
