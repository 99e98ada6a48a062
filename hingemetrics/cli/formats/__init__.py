"""The formats: each is a function from a report to what is printed."""

from collections.abc import Callable

from hingemetrics.cli.formats.json_object import as_json
from hingemetrics.cli.formats.junit import as_junit
from hingemetrics.cli.formats.markdown import as_markdown
from hingemetrics.cli.formats.text import as_text
from hingemetrics.cli.report import Report

__all__ = ["FORMATS", "as_json"]

FORMATS: dict[str, Callable[[Report], str]] = {
    "text": as_text,
    "json": as_json,
    "markdown": as_markdown,
    "junit": as_junit,
}
