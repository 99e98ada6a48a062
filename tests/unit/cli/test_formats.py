"""The formats: the same results, verdicts and statuses, for a job's summary and as tests."""

import html
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from cases import Case, forms, name
from command import AGAIN, LESS, MORE, json_of

from hingemetrics.cli import run
from hingemetrics.cli.formats import FORMATS
from hingemetrics.cli.gate import Gate, Verdict
from hingemetrics.cli.report import Report

OTHERS = [name for name in FORMATS if name != "text"]
MOST = ["--worst", "2", "--per-class", "--fail-above", "0.2"]
WORSE = Case(np.array([[-0.5, 0.25, -0.5], [0.0, 1.0, 0.0]]), np.array([0, 1]), mode="one-vs-all")
NAMES = [  # what must not become markup, end a cell or a line, or break XML
    *("a|b", "a\\|b", "a\\\\|b", "<b>bold</b>", "<!-- ", "&lt;", "&#124;", "*a* _b_ __c__ ~~d~~"),
    *("`code` ``", "[x](http://y)", "![x](y)", "$x$ $$y$$", "@somebody #1", "{{x}} {% y %}"),
    *("]]>", "\"quoted\" 'too'", "a\nb\n\n# c", "a\r\n| - |", "Größe 損失", "\U0001f600", "|"),
    *("\x00\x01\x1b[31m", "\ud83d", "\ufffe\uffff", "a\u2028b", "a\x85b", "a\tb"),
    *("-" * 9, "=" * 9, "1. a", "+ a", "> a", "    a"),
]


def report_of(text):
    """A report in which all that may hold names does."""
    passed, failed = Verdict(text, True, text, 0.25, 0.5), Verdict(text, False, text, 1.0, 0.5)
    gate = Gate("fail-above", [passed, failed], 1, (text, f"{text}s"))
    return Report(text, AGAIN.state(), 0.3, 3, gates=[gate])


@pytest.fixture
def shown(table, tmp_path):
    """Run the command in a format, with a baseline."""

    def run(case, *options, before=AGAIN):
        (tmp_path / "base.state").write_bytes(before.state().to_bytes())
        return table(case, "--baseline", tmp_path / "base.state", *options)

    return run


class TestAll:
    @pytest.mark.parametrize("format_", OTHERS)
    @pytest.mark.parametrize("case", [AGAIN, LESS, MORE, replace(AGAIN, preds=np.full(3, np.nan))])
    def test_they_change_neither_status_nor_messages(self, shown, format_, case):
        text = shown(case, *MOST)
        done = shown(case, *MOST, "--format", format_)
        assert (done.returncode, done.stderr) == (text.returncode, text.stderr)
        assert done.stdout != text.stdout

    @pytest.mark.parametrize("format_", FORMATS)
    def test_the_picture_is_drawn_too(self, table, monkeypatch, tmp_path, format_):
        drawn = []
        monkeypatch.setattr(run, "_draw", lambda *given: drawn.append(given))
        monkeypatch.setattr(run, "find_spec", lambda name: name)
        assert table(MORE, *MOST, "--format", format_, "--plot", tmp_path / "a.png").returncode == 1
        assert len(drawn) == 1

    @pytest.mark.parametrize("format_", OTHERS)
    @pytest.mark.parametrize("text", NAMES)
    def test_any_stream_can_print_them(self, format_, text):
        """Also one in an encoding of few letters, as a redirected one may be."""
        assert FORMATS[format_](report_of(text)).isascii()

    @pytest.mark.parametrize(
        ("options", "label"),
        [
            (["a.csv:s", "a.csv:y"], "a.csv:s"),
            (["a.csv", "--preds", "s", "--target", "y"], "a.csv:s"),
            (["--merge", "a.state"], "1 state"),
            (["--merge", "a.state", "b.state"], "2 states"),
        ],
    )
    def test_they_name_the_data(self, command, monkeypatch, tmp_path, options, label):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "a.csv").write_text("s,y\n-2.2,0\n2.4,1\n-0.2,1\n")
        for path, case in (("a.state", AGAIN), ("b.state", LESS)):
            (tmp_path / path).write_bytes(case.state().to_bytes())
        done = command(*options, "--format", "markdown")
        assert done.stdout.startswith(f"### Hinge loss of {label}\n")
        done = command(*options, "--format", "junit")
        assert f'<testsuite name="hinge loss of {label}"' in done.stdout


def unescaped(line):
    """A line of Markdown as it is read, if it has no markup."""
    assert not re.search(r"[\\`*_~$@<>|{}\[\]]|&(?!#\d+;)|(?<!&)#", line), line
    return html.unescape(line)


IN_XML = (range(0x20, 0xD800), range(0xE000, 0xFFFE), range(0x10000, 0x110000))


def in_xml(text):
    """A text without characters that XML 1.0 excludes."""
    is_in = [c in "\t\n\r" or any(ord(c) in part for part in IN_XML) for c in text]
    return "".join(c if is_c else "\ufffd" for c, is_c in zip(text, is_in, strict=True))


def one_line(text):
    """What is left of a text in one line."""
    return in_xml(" ".join(text.split()))


class TestMarkdown:
    def test_the_verdict_comes_first(self, shown, tmp_path):
        for case, word in ((LESS, "passed"), (MORE, "**failed**")):
            first, *_ = shown(case, "--format", "markdown").stdout.splitlines()
            assert first.startswith("### Hinge loss of ")
            assert first.endswith(f"table.csv:c0: {word}")

    def test_no_gate(self, table):
        first, *_ = table(AGAIN, "--format", "markdown").stdout.splitlines()
        assert first.endswith("table.csv:c0")

    def test_all_of_it(self, command, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "a.csv").write_text("s,y\n-2.2,0\n2.4,1\n-0.2,1\n0,7\n")
        (tmp_path / "base.state").write_bytes(AGAIN.state().to_bytes())
        options = ["--preds", "s", "--target", "y", "--ignore-index", "7", "--worst", "1"]
        options += ["--per-class", "--fail-above", "1", "--baseline", "base.state"]
        assert (
            command("a.csv", *options, "--format", "markdown").stdout
            == """\
### Hinge loss of a.csv:s: **failed**

- fail-above passed: loss 0.4 is at most 1
- baseline **failed**: loss 0.4 is above the baseline's 0.3 by 0.1

| loss | baseline | difference |
| ---: | ---: | ---: |
| 0.39999999999999997 | 0.3 | 0.09999999999999998 |

3 samples, 1 ignored

#### Worst samples

| index | target | loss |
| ---: | ---: | ---: |
| 2 | 1 | 1.2 |

#### Loss of each class's samples

| class | count | loss |
| ---: | ---: | ---: |
| 0 | 1 | 0.0 |
| 1 | 2 | 0.6 |
"""
        )

    @pytest.mark.parametrize("text", NAMES)
    def test_names_are_no_markup(self, text):
        printed = FORMATS["markdown"](report_of(text)).splitlines()
        heading, _, gate, *_ = printed
        name = heading.removeprefix("### Hinge loss of ").removesuffix(": **failed**")
        assert unescaped(name) == one_line(text)
        assert unescaped(gate.removeprefix("- fail-above **failed**: ")) == one_line(text)

    @pytest.mark.parametrize("text", NAMES)
    def test_as_a_reader_of_markdown_has_it(self, text):
        markdown_it = pytest.importorskip("markdown_it")
        read = markdown_it.MarkdownIt("commonmark").enable("table").enable("strikethrough")
        tokens = read.parse(FORMATS["markdown"](report_of(text)))
        heading, gate, *_ = [token for token in tokens if token.type == "inline"]
        for token, before in ((heading, "Hinge loss of "), (gate, "fail-above failed: ")):
            content = "".join(part.content for part in token.children)
            assert f"{before}{one_line(text)}" in content
            kinds = {part.type for part in token.children}
            assert kinds <= {"text", "strong_open", "strong_close", "text_special"}

    def test_a_table_of_classes(self, shown):
        before = replace(WORSE, preds=np.zeros((2, 3)))
        done = shown(WORSE, "--format", "markdown", before=before)
        rows = re.findall(r"^\| (\d) \| (\S+) \| (\S+) \| (\S+) \|$", done.stdout, re.M)
        losses = WORSE.expected().tolist()
        assert [(int(c), float(a), float(b)) for c, a, b, _ in rows] == [
            (c, loss, 1.0) for c, loss in enumerate(losses)
        ]

    @pytest.mark.parametrize("case", forms(9), ids=name)
    def test_numbers_have_every_bit(self, table, case):
        found = np.ravel(json_of(table(case, "--json"))["value"]).tolist()
        printed = table(case, "--format", "markdown").stdout
        rows = re.findall(r"^\|(?: \d+ \|)? ([\d.e+-]+) \|$", printed, re.M)
        assert list(map(float, rows)) == found


class TestJunit:
    def suite(self, done):
        suites = ET.fromstring(done.stdout)
        (suite,) = suites
        assert (suites.tag, suite.tag) == ("testsuites", "testsuite")
        cases = suite.findall("testcase")
        failed = [case for case in cases if case.find("failure") is not None]
        for element in (suites, suite):
            counts = [int(element.get(key)) for key in ("tests", "failures", "errors")]
            assert counts == [len(cases), len(failed), 0]
        assert (done.returncode == 1) == bool(failed)
        return suite, cases

    def test_a_case_for_each_gate(self, shown):
        suite, cases = self.suite(shown(MORE, "--fail-above", "1", "--format", "junit"))
        assert suite.get("name").endswith("table.csv:c0")
        assert [(case.get("classname"), case.get("name")) for case in cases] == [
            ("hingemetrics.fail-above", "loss"),
            ("hingemetrics.baseline", "loss"),
        ]
        assert cases[0].find("failure") is None
        failure = cases[1].find("failure")
        said = "loss 0.4 is above the baseline's 0.3 by 0.1"
        assert (failure.get("message"), failure.text) == (said, said)

    def test_a_case_for_each_class(self, shown):
        before = replace(WORSE, preds=np.zeros((2, 3)))
        _, cases = self.suite(shown(WORSE, "--format", "junit", before=before))
        assert [case.get("name") for case in cases] == ["class 0", "class 1", "class 2"]
        failed = [case.find("failure") is not None for case in cases]
        assert failed == (WORSE.expected() > 1).tolist()
        assert {*failed} == {True, False}

    def test_no_gate(self, table):
        _, cases = self.suite(table(AGAIN, "--format", "junit"))
        assert cases == []

    def test_what_text_shows_is_its_output(self, shown):
        options = ["--worst", "2", "--per-class"]
        suite, _ = self.suite(shown(MORE, *options, "--format", "junit"))
        assert suite.find("system-out").text + "\n" == shown(MORE, *options).stdout

    @pytest.mark.parametrize("text", NAMES)
    def test_well_formed_whatever_names_hold(self, text):
        (suite,) = ET.fromstring(FORMATS["junit"](report_of(text)))
        _, case = suite.findall("testcase")
        failure = case.find("failure")
        assert [case.get("name"), failure.get("message")] == [in_xml(text)] * 2
        assert failure.text == in_xml(text).replace("\r\n", "\n")
