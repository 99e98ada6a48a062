"""Makes golden.json: inputs by seed, the bytes of their states and their values.

With that file another implementation, in any language, can check itself. Nothing here is of the
package: losses and sums are the oracle's (oracle.py), the bytes are written from
docs/state_format.md. Run it to make the file again; the bytes are always the same.
"""

import hashlib
import itertools
import json
import math
import struct
import zlib
from fractions import Fraction
from pathlib import Path

from oracle import cells, compared_column, exact_sum, rounded

FILE = Path(__file__).with_name("golden.json")
ABOUT = """\
Inputs and results of the hinge loss, for any implementation to check itself with.
Doubles are written in C's hexadecimal form (%a), nan, inf or -inf; bytes as hexadecimal digits.
Each case draws 64-bit words from SplitMix64: the state s starts as its seed; for each word add
0x9E3779B97F4A7C15 to s, let z = s, z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9,
z = (z ^ (z >> 27)) * 0x94D049BB133111EB, and the word is z ^ (z >> 31); all modulo 2**64.
A row is drawn after the other, and of each its predictions, its target and its weight:
- each of its predictions (one if classes is 1, which is binary) from a word u:
  ((u >> 11) - 2**52) * 2**-50, or for float32 ((u >> 40) - 2**23) * 2**-21, both exact;
  if special is not null, from another word v: where v % 8 is 0 the prediction is replaced
  by number (v >> 3) % length of the list specials[special][dtype];
- its target from a word u: u % classes, or for binary 1 where u is odd and else negative;
  if ignore_index is not null, from another word v: where v % 4 is 0 the target is ignore_index;
- its weight, if weights is not null, from a word u: (u >> 11) * 2**-53; if weights is wild, from
  another word v: where v % 8 is 0 it is number (v >> 3) % length of the list specials.weights.
state is what docs/state_format.md describes, mean and sum are the state's values: one number, or
for one-vs-all of several classes a list. What is long is {bytes, sha256}: of the state, or of the
list as little-endian doubles, every NaN as 7ff8000000000000. Each of sums adds the states of the
cases in plus (by their place, from 0) and takes those in minus out again.
Each of comparisons is a case, and has a baseline with the predictions that the same case draws
with the seed baseline_seed; targets and weights are those of the case. state is that of a
comparison; value and baseline are the means, difference is the first minus the second, and stderr
is the standard error of that, each a number or a list like the mean. If groups is not null, each
row, first to last, is in the group u % groups, an integer, where u are words of the seed
baseline_seed, and the standard error is clustered.""".splitlines()

SPECIALS = {
    "finite": {
        "float64": [
            *(sign * x for x in (1e300, 1e-300, 2.0**30, 2.0**30 - 2.0**-23) for sign in (1, -1)),
            *(-0.0, 1.0, 1 - 2.0**-53, -(2.0**31), 1.35e154, -1e16, 5e-324),
        ],
        "float32": [
            *(sign * x for x in (2.0**127, 2.0**-149, 2.0**30, 2.0**30 - 64) for sign in (1, -1)),
            *(-0.0, 1.0, 1 - 2.0**-24, -(2.0**31), 2.0**100, -(2.0**53)),
        ],
    },
    "broken": {
        "float64": [math.nan, math.inf, -math.inf, 2.0**30],
        "float32": [math.nan, math.inf, -math.inf, 2.0**30],
    },
    "weights": [0.0, 1e300, 1e-300, 5e-324, 2.0**30, 2.0**30 - 2.0**-23],
}
MODES = ("crammer-singer", "one-vs-all")
CLASSES = (2, 3, 10, 11, 12, 64, 130)
ROWS = (0, 1, 2, 40, 255, 256, 257, 1000, 4100)
CELLS = 17_000
WORD = (1 << 64) - 1
LONGEST = 96  # bytes that are written out


def words(seed):
    """SplitMix64."""
    while True:
        seed = (seed + 0x9E3779B97F4A7C15) & WORD
        z = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & WORD
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
        yield z ^ (z >> 31)


def inputs(case):
    """Predictions, targets and weights (or None) of a case, as lists."""
    draw = words(case["seed"]).__next__
    classes, special, ignored = case["classes"], case["special"], case["ignore_index"]
    replaced = SPECIALS[special][case["dtype"]] if special else ()
    digits = 53 if case["dtype"] == "float64" else 24

    def or_one_of(number, numbers):
        word = draw()
        return number if word % 8 else numbers[(word >> 3) % len(numbers)]

    def prediction():
        number = ((draw() >> 64 - digits) - 2 ** (digits - 1)) * 2.0 ** (3 - digits)
        return or_one_of(number, replaced) if special else number

    def label():
        word = draw()
        drawn = word % classes if classes > 1 else (1 if word % 2 else case["negative"])
        return drawn if ignored is None or draw() % 4 else ignored

    def weight():
        number = (draw() >> 11) * 2.0**-53
        return or_one_of(number, SPECIALS["weights"]) if case["weights"] == "wild" else number

    preds, target, weights = [], [], []
    for _ in range(case["rows"]):
        row = [prediction() for _ in range(classes)]
        preds.append(row if classes > 1 else row[0])
        target.append(label())
        if case["weights"]:
            weights.append(weight())
    return preds, target, weights if case["weights"] else None


def grid():
    """The cases: every form, squared or not, weighted or not, float32 or float64."""
    choose = words(0).__next__
    forms = [(1, negative, None) for negative in (0, -1)]
    forms += [(classes, None, mode) for mode in MODES for classes in CLASSES]
    options = itertools.product(forms, (False, True), (False, True), ("float32", "float64"))
    for (classes, negative, mode), squared, weighted, dtype in options:
        sizes = [rows for rows in ROWS if rows * classes <= CELLS]
        ignored = {0: -1, -1: 0}.get(negative, -(choose() % 2))
        yield {
            "seed": choose() >> 11,
            "rows": sizes[choose() % len(sizes)],
            "classes": classes,
            "negative": negative,
            "mode": mode or MODES[choose() % 2],
            "squared": squared,
            "weights": ("plain", "wild")[choose() % 2] if weighted else None,
            "dtype": dtype,
            "special": (None, None, "finite", "broken")[choose() % 4],
            "ignore_index": (None, None, ignored)[choose() % 3],
        }


def families():
    """Cases that can be added up, four after each other."""
    forms = [(1, 0, MODES[0]), (1, -1, MODES[1]), (3, None, MODES[0]), (12, None, MODES[1])]
    for place, (classes, negative, mode) in enumerate(forms):
        for shard, rows in enumerate((40, 0, 257, 11)):
            yield {
                "seed": 1000 * place + shard,
                "rows": rows,
                "classes": classes,
                "negative": negative,
                "mode": mode,
                "squared": place % 2 == 1,
                "weights": ("wild", None, "plain", "plain")[(place + shard) % 4],
                "dtype": ("float64", "float32")[shard % 2],
                "special": (None, None, None, ("finite", "broken")[place // 2])[shard],
                "ignore_index": None,
            }


def comparisons():
    """Cases with a baseline."""
    choose = words(1).__next__
    forms = [(1, 0, MODES[0]), (1, -1, MODES[1]), (3, None, MODES[0])]
    forms += [(classes, None, MODES[1]) for classes in (2, 12)]
    options = itertools.product(forms, (False, True), (None, "plain", "wild"))
    for place, ((classes, negative, mode), squared, weights) in enumerate(options):
        yield {
            "seed": choose() >> 11,
            "baseline_seed": choose() >> 11,
            "rows": (2, 40, 257, 1, 300, 0, 100)[place % 7] if classes < 12 else 40,
            "classes": classes,
            "negative": negative,
            "mode": mode,
            "squared": squared,
            "weights": weights,
            "dtype": ("float64", "float32")[place % 2],
            "special": (None, "finite", "finite", None, "broken")[place % 5],
            "ignore_index": (None, None, {0: -1, -1: 0}.get(negative, -1))[choose() % 3],
            "groups": (None, 3, None, 20)[place % 4],
        }


def seen(case):
    """The rows that count: predictions, label, weight."""
    preds, target, weights = inputs(case)
    table = zip(preds, target, weights or [1.0] * len(target), strict=True)
    return [row for row in table if row[1] != case["ignore_index"]]


def results(case, rows):
    """The state of rows, and what it is worth."""
    vector = case["classes"] > 1 and case["mode"] == "one-vs-all" and rows
    table = [[w * x for x in cells(row, y, case["squared"], case["mode"])] for row, y, w in rows]
    columns = [counted(losses) for losses in zip(*table, strict=True)]
    weight = exact_sum([weight for _, _, weight in rows])
    values = {}
    for reduction, divisor in (("mean", weight), ("sum", 1)):
        found = [value(*column, divisor) for column in columns or [(0, 0, Fraction(0))]]
        values[reduction] = found if vector else found[0]
    return state_bytes(case, rows, weight, columns), values


def compared(case):
    """The state of a comparison, and what it is worth."""
    pair = [seen(case), baseline_rows(case)]
    rows = pair[0]
    vector = case["classes"] > 1 and case["mode"] == "one-vs-all" and rows
    tables = [
        [[w * x for x in cells(row, y, case["squared"], case["mode"])] for row, y, w in rows]
        for rows in pair
    ]
    weights = [weight for _, _, weight in rows]
    columns = list(zip(*(zip(*table, strict=True) for table in tables), strict=True))
    body = header(b"paired-hinge\x01", case, rows) + sum_bytes(exact_sum(weights))
    body += sum_bytes(sum(Fraction(w) ** 2 for w in weights), 2154)
    for x, y in columns:
        body += loss_bytes(*counted(x)) + loss_bytes(*counted(y))
        differences = [finite(a) - finite(b) for a, b in zip(x, y, strict=True)]
        products = sum(Fraction(w) * d for w, d in zip(weights, differences, strict=True))
        body += sum_bytes(sum(d * d for d in differences), 2154)
        body += number_bytes(int(products < 0)) + sum_bytes(abs(products), 2154)
    groups, body = grouped(case, rows, columns, weights, body)
    found = [compared_column(x, y, weights, groups)[:4] for x, y in columns] or [(math.nan,) * 4]
    values = zip(*found, strict=True)
    names = ("value", "baseline", "difference", "stderr")
    return checked(body), {
        name: list(numbers) if vector else numbers[0]
        for name, numbers in zip(names, values, strict=True)
    }


def grouped(case, rows, columns, weights, body):
    """The group of each row or None, and the bytes with those of groups."""
    if not (case["groups"] and rows):
        return None, body + number_bytes(0)
    _, target, _ = inputs(case)
    table = zip(groups_of(case), target, strict=True)
    kept = [group for group, label in table if label != case["ignore_index"]]
    names = sorted(set(kept))
    body += number_bytes(2) + number_bytes(len(names))
    for name in names:
        own = [place for place, group in enumerate(kept) if group == name]
        text = str(name).encode()
        body += number_bytes(len(text)) + text + number_bytes(len(own))
        body += sum_bytes(exact_sum([weights[place] for place in own]))
        for x, y in columns:
            difference = sum(finite(x[place]) - finite(y[place]) for place in own)
            body += number_bytes(int(difference < 0)) + sum_bytes(abs(difference))
    return kept, body


def groups_of(case):
    """The groups of all rows, or None."""
    draw = words(case["baseline_seed"])
    return [next(draw) % case["groups"] for _ in range(case["rows"])] if case["groups"] else None


def baseline_rows(case):
    """The rows that count, with the baseline's predictions."""
    preds, _, _ = inputs(case | {"seed": case["baseline_seed"]})
    _, target, weights = inputs(case)
    table = zip(preds, target, weights or [1.0] * len(target), strict=True)
    return [row for row in table if row[1] != case["ignore_index"]]


def finite(loss):
    """A loss as it counts in sums of products."""
    return Fraction(loss) if math.isfinite(loss) else Fraction(0)


def counted(losses):
    """The number of NaN, the number of infinite ones and the sum of the others."""
    finite = [loss for loss in losses if math.isfinite(loss)]
    return sum(map(math.isnan, losses)), losses.count(math.inf), exact_sum(finite)


def value(nan, inf, total, divisor):
    """A loss, as docs/state_format.md has it."""
    if nan or not divisor:
        return math.nan
    return math.inf if inf else rounded(total / divisor)


def state_bytes(case, rows, weight, columns):
    """The bytes of a state, as docs/state_format.md has them."""
    body = header(b"hinge\x01", case, rows) + sum_bytes(weight)
    return checked(body + b"".join(loss_bytes(*column) for column in columns))


def header(magic, case, rows):
    """What comes before the sums."""
    labels = [label for _, label, _ in rows if case["classes"] == 1]
    counts = (case["classes"] if rows else 0, len(rows), labels.count(0), labels.count(-1))
    flags = bytes([case["squared"] + 2 * (case["mode"] == "one-vs-all")])
    return magic + flags + b"".join(map(number_bytes, counts))


def loss_bytes(nan, inf, total):
    return number_bytes(nan) + number_bytes(inf) + sum_bytes(total)


def checked(body):
    """The bytes with what they are checked with."""
    return body + zlib.crc32(body).to_bytes(4, "little")


def number_bytes(number):
    """A length, seven bits a byte, and so many bytes."""
    length = rest = (number.bit_length() + 7) // 8
    head = [rest & 127]
    while rest := rest >> 7:
        head[-1] |= 128
        head.append(rest & 127)
    return bytes(head) + number.to_bytes(length, "little")


def sum_bytes(total, places=1077):
    """An exponent and an odd mantissa, of total * 2**places."""
    units = Fraction(total) * 2**places
    assert units.denominator == 1
    exponent = max((units.numerator & -units.numerator).bit_length() - 1, 0)
    return number_bytes(exponent) + number_bytes(units.numerator >> exponent)


def double_bytes(number):
    """A double, least significant byte first; there is one NaN."""
    return (0x7FF8 << 48).to_bytes(8, "little") if math.isnan(number) else struct.pack("<d", number)


def digest(data):
    """What stands for bytes that are too long to write out."""
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def written_state(data):
    """A state as the file has it."""
    return data.hex() if len(data) <= LONGEST else digest(data)


def written(value):
    """A value, or several, as the file has them."""
    if not isinstance(value, list):
        return value.hex()
    data = b"".join(map(double_bytes, value))
    return [number.hex() for number in value] if len(data) <= LONGEST else digest(data)


def sums(first):
    """Sums and differences of families, the first of which begins at case `first`."""
    for start in range(first, first + 16, 4):
        a, b, c, d = range(start, start + 4)
        yield from (
            {"plus": plus, "minus": minus}
            for plus, minus in (
                ([a, b, c, d], []),
                ([d, c, a], [d]),
                ([a, b, c, d], [a, d]),
                ([c, a], [c, a]),
            )
        )


def entries():
    """Cases, sums and comparisons, each with the bytes of its state and its values."""
    cases = list(grid())
    added = list(sums(len(cases)))
    cases += families()
    rows = [seen(case) for case in cases]
    yield from ((case, *results(case, own), "cases") for case, own in zip(cases, rows, strict=True))
    for entry in added:
        left = [place for place in entry["plus"] if place not in entry["minus"]]
        own = [row for place in left for row in rows[place]]
        yield entry, *results(cases[entry["plus"][0]], own), "sums"
    yield from ((case, *compared(case), "comparisons") for case in comparisons())


def golden(made):
    """The text of the file that entries make: one a line."""
    parts = {"cases": [], "sums": [], "comparisons": []}
    for entry, data, values, part in made:
        of_values = {name: written(value) for name, value in values.items()}
        parts[part].append(entry | {"state": written_state(data)} | of_values)
    texts = {
        "about": lines(ABOUT),
        "specials": json.dumps(hexadecimal(SPECIALS)),
        **{name: lines(part) for name, part in parts.items()},
    }
    return "{\n" + ",\n".join(f'"{name}": {text}' for name, text in texts.items()) + "\n}\n"


def hexadecimal(tree):
    """The same with its numbers as text."""
    if isinstance(tree, dict):
        return {name: hexadecimal(part) for name, part in tree.items()}
    return [number.hex() for number in tree]


def lines(part):
    """A list as JSON, one entry a line."""
    return "[\n" + ",\n".join(map(json.dumps, part)) + "\n]"


if __name__ == "__main__":
    FILE.write_text(golden(entries()), "utf-8", newline="\n")
