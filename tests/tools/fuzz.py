"""Fuzz what reads foreign bytes.

    python tests/tools/fuzz.py {bytes,state_dict,csv} [libFuzzer options]

Guided by the coverage of the package. Nothing but a ValueError (for state dicts also a TypeError)
may come out, or the very thing that the bytes say, read again by code that is not the package's.
Without options it goes on until Ctrl-C; `-runs=10000` or `-max_total_time=60` end it.
"""

import csv
import io
import json
import multiprocessing
import random
import re
import sys
import tempfile
import warnings
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import atheris
import numpy as np

with atheris.instrument_imports(include=["hingemetrics"]):
    from hingemetrics import HingeLoss, HingeState, _files
    from hingemetrics._files import csv as csv_files

from cases import MODES, battery
from hostile_states import spelt
from oracle import bits
from read_state import read_state

LIMITS = ("-timeout=20", "-rss_limit_mb=2048", "-max_len=600", "-len_control=0")


# bytes

NUMBERS = (
    0,
    1,
    2,
    3,
    2101,
    1077,
    2**10,
    2**53 + 1,
    2**64,
    2**128 - 1,
    2**128,
    2**2101,
    2**2102 - 1,
)


def numbers_in(data):
    """All the numbers of a state, as docs/state_format.md describes them."""
    at, found = 7, []
    while at < len(data) - 4:
        length = shift = 0
        while data[at] > 0x7F:
            length += (data[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
        length += data[at] << shift
        found.append(int.from_bytes(data[at + 1 : at + 1 + length], "little"))
        at += 1 + length
    return found


def check_bytes(data):
    """The package and a reader of its own agree on what is a state, and on what it says."""
    try:
        said = read_state(data)
    except ValueError:
        said = None
    try:
        state = HingeState.from_bytes(data)
    except ValueError:
        assert said is None
        return
    assert said is not None
    assert state.to_bytes() == data
    assert state.count == said.samples
    value = said.value()
    assert bits(state.value()) == bits(np.array(value) if isinstance(value, list) else value)
    assert (state - state).count == 0
    if 2 * state.count < 2**128:
        assert (state + state) - state == state


def mutate_bytes(data, size, seed):
    """Mutate bytes, or numbers that they spell, and mostly make the checksum right again."""
    chosen = random.Random(seed)
    change = chosen.randrange(8)
    if change == 0:
        return atheris.Mutate(data, size)
    if change > 3:
        with suppress(IndexError):  # the bytes spell no numbers
            numbers = numbers_in(data)
            k = chosen.randrange(len(numbers) or 1)
            numbers[k] = chosen.choice((numbers[k] + 1, max(numbers[k] - 1, 0), *NUMBERS))
            return spelt(*numbers, flags=chosen.choice((data[6], chosen.randrange(5))))[:size]
    body = atheris.Mutate(data[:-4], max(size - 4, 1))
    return body + zlib.crc32(body).to_bytes(4, "little")


def states():
    """States of every kind."""
    empty = [HingeState(squared, mode) for squared in (False, True) for mode in MODES]
    return [state.to_bytes() for state in (*empty, *(case.state() for case in battery(4)))]


# state_dict


METRICS = [HingeLoss(squared, mode) for squared in (False, True) for mode in MODES]
METRICS += [HingeLoss(ignore_index=-1)]
SAVED = []  # what each of METRICS has seen
WRONG = [None, True, 0, 1, -1, 2, 10**30, 1.0, "", "0", "one-vs-all", [], {}, [[]], {"state": 1}]


def check_state_dict(data):
    try:
        given = json.loads(data)
    except (ValueError, RecursionError):  # no JSON: no business of ours
        return
    for metric, saved in zip(METRICS, SAVED, strict=True):
        check_loading(metric, saved, given)


def check_loading(metric, saved, given):
    try:
        metric.load_state_dict(given)
    except (ValueError, TypeError):
        assert metric.state_dict() == saved
        return
    assert as_json(metric.state_dict()) == as_json(given)
    check_bytes(bytes.fromhex(given["state"]))
    metric.load_state_dict(saved)


def as_json(given):
    return json.dumps(given, sort_keys=True).encode()


def mutate_state_dict(data, size, seed):
    """Mutate the text, a field, or the bytes of the state in it."""
    try:
        given = json.loads(data)
        raw = bytes.fromhex(given["state"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return atheris.Mutate(data, size)
    chosen = random.Random(seed)
    change = chosen.randrange(6)
    if change == 0:
        return atheris.Mutate(data, size)
    if change == 1:
        del given[chosen.choice(sorted(given))]
    elif change == 2:
        given[chosen.choice(sorted(given))] = chosen.choice(WRONG)
    elif change == 3:
        given[chosen.choice(["", "States", "version ", "1"])] = chosen.choice(WRONG)
    else:
        given["state"] = mutate_bytes(raw, size // 4, seed).hex()
    return as_json(given)[:size]


def state_dicts():
    """State dicts of every kind, as JSON."""
    for metric in METRICS:
        metric.update([0.5, 0.5, 0.25], [1, 1, -1] if metric.ignore_index is None else [1, 0, -1])
        SAVED.append(metric.state_dict())
    others = (case.feed(case.metric()).state_dict() for case in battery(3))
    return list(map(as_json, (*SAVED, HingeLoss().state_dict(), *others)))


# csv


class Wanted(NamedTuple):
    """Which columns of a table to read."""

    ending: str
    preds: str
    target: str
    weight: str | None = None


WANTED = (
    Wanted("csv", "0", "1"),
    Wanted("csv", "0,1,2", "3", "4"),
    Wanted("tsv", "0", "1"),
    Wanted("csv", "score", "label"),
    Wanted("tsv", "b,a", "y", "w"),
    Wanted("csv", "0", "2", "1"),
)
TRUTH = {"False": 0, "false": 0, "FALSE": 0, "True": 1, "true": 1, "TRUE": 1}
NUMBER = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|inf(inity)?)", re.ASCII | re.I)


def read_by_package(data, wanted, elements):
    """Predictions, labels and weights as lists, or None where the file is refused."""
    parts = [
        None if names is None else _files.columns_of(argument, f"table.{wanted.ending}", names)
        for argument, names in zip(("preds", "target", "sample_weight"), wanted[1:], strict=True)
    ]
    found = ([], [], [])
    try:
        with mock.patch.object(csv_files, "_opened", return_value=io.BytesIO(data)):
            for block in _files.blocks(*parts, elements=elements):
                for values, array in zip(found, block[1:4], strict=True):
                    if array is not None:
                        values += array.reshape(len(block.preds), -1).tolist()
    except ValueError:
        return None
    return found


def read_by_python(data, wanted):
    """The same as texts, from Python's csv module; it fails where there is no plain table."""
    delimiter = "\t" if wanted.ending == "tsv" else ","
    lines = io.StringIO(data.decode("utf-8-sig"), newline="\n")
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise AssertionError("this is no CSV") from error
    if rows[-1] == []:  # one blank line at the end is none
        rows.pop()
    first = rows[0]
    assert {len(row) for row in rows} == {len(first)}, "rows of several lengths"
    names = [names.split(",") for names in wanted[1:] if names is not None]
    by_name = not all(name.isdecimal() for group in names for name in group)
    counted = len(first) > 1 and first == [str(k) for k in range(len(first))]
    header = by_name or counted or not any(map(is_number, first))
    picked = [
        [first.index(name) if header and name in first else int(name) for name in group]
        for group in names
    ]
    return [[[row[k] for k in group] for row in rows[header:]] for group in picked]


def is_number(text):
    """Whether a text is a number, or the truth value that a label may be."""
    text = text.strip(" \t\r\f\v")
    return text.isascii() and (text in TRUTH or NUMBER.fullmatch(text) is not None)


def check_csv(data):
    wanted, elements = WANTED[data[0] % len(WANTED)] if data else WANTED[0], 1 + sum(data[1:2])
    found = read_by_package(data[2:], wanted, elements)
    if found is None:
        return
    for k, texts in enumerate(read_by_python(data[2:], wanted)):
        assert len(found[k]) == len(texts), "rows are lost"
        for values, row in zip(found[k], texts, strict=True):
            for value, text in zip(values, row, strict=True):
                assert is_number(text), text
                assert same(value, text), (value, text)


def same(value, text):
    """Whether a value is the float that a text says, or the very int, or what is true."""
    if text.strip() in TRUTH:
        return value == TRUTH[text.strip()]
    if isinstance(value, int):
        return value == (int(text) if "." not in text and "e" not in text.lower() else float(text))
    return bits(value) == bits(float(text))


def tables_of_numbers():
    """Plain tables for all of WANTED."""
    small = [
        "-2.2,0\n2.4,1\n0.1,1\n",
        'x,y,z,label,weight\n"1",2,3,0,1e-3\r\n.5,-inf,nan,2,1\r\n',
        "0\t1\n1e400\t-1\n 7 \t1.0",
        "\ufefflabel,id,score\n1,a,0.5\n0,b,-0.5\n\n",
        "a\tb\tw\ty\n1\t2\t3\t9007199254740993\n",
        "1\n0\n1\n",
    ]
    return [bytes([k, 3]) + text.encode() for k, text in enumerate(small)]


TOKENS = ["nan", "inf", "1e400", '\\"', ",", "\\x0d", "\\x0a", "\\xef\\xbb\\xbf", "_", "\\x09"]
TOKENS += ["True", "FALSE", "1.2345678901234567", "0.000012345678901234567", "score", "label"]
TOKENS += ["0,1", "0x1", "1.0", "9223372036854775808", "\\x00", "\\xff"]


# The script


class Target(NamedTuple):
    """What to fuzz."""

    seeds: Callable[[], list[bytes]]
    check: Callable[[bytes], None]
    mutate: Callable[[bytes, int, int], bytes] | None = None


TARGETS = {
    "bytes": Target(states, check_bytes, mutate_bytes),
    "state_dict": Target(state_dicts, check_state_dict, mutate_state_dict),
    "csv": Target(tables_of_numbers, check_csv),
}


def fuzz(target, options, folder):
    """Fuzz in this process, which ends with it."""
    warnings.simplefilter("ignore")
    corpus, tokens = Path(folder, "corpus"), Path(folder, "tokens")
    corpus.mkdir()
    for k, seed in enumerate(target.seeds()):
        (corpus / str(k)).write_bytes(seed)
    tokens.write_text("".join(f'"{token}"\n' for token in TOKENS))
    arguments = [*LIMITS, f"-dict={tokens}", f"-artifact_prefix={folder}/", *options, str(corpus)]
    more = {} if target.mutate is None else {"custom_mutator": target.mutate}
    atheris.Setup([sys.argv[0], *arguments], target.check, **more)
    atheris.Fuzz()


def main(name, *options):
    """Fuzz in a child, and clean up after it; return its exit status, 0 if nothing was found."""
    with tempfile.TemporaryDirectory() as folder:
        forked = multiprocessing.get_context("fork")
        child = forked.Process(target=fuzz, args=(TARGETS[name], options, folder))
        child.start()
        child.join()
        return child.exitcode


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
