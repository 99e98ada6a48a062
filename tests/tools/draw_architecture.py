"""Draw docs/images/architecture.svg: the layers, from what modules import.

    python tests/tools/draw_architecture.py

An arrow is an import. One that follows from others is left out: where A imports B and B imports C,
A may import C too. A dotted arrow goes up, by an exception (`house.EXCEPTIONS`). A test compares
the file with what this draws.
"""

from itertools import groupby
from typing import NamedTuple

import house
from places import ROOT

PICTURE = ROOT / "docs" / "images" / "architecture.svg"
WIDTH, GAP, MARGIN = 900, 36, 20  # pixels; GAP is between layers, where the arrows are
LAYERS = [*house.LAYERS, *({room} for room in house.ASIDE)]
PLACES = {  # room: left and right edge, and the first and last row, from the top, that it spans
    "distributed": (30, 300, 0, 0),
    "sklearn": (310, 440, 0, 0),
    "cli": (450, 870, 0, 0),
    "plot": (20, 640, 1, 1),
    "functional": (30, 200, 2, 2),
    "metrics": (210, 630, 2, 2),
    "state": (20, 280, 3, 3),
    "comparison": (300, 600, 3, 3),
    "_files": (670, 880, 1, 3),
    "_engine": (150, 880, 4, 4),
    "_inputs": (150, 880, 5, 5),
    "_core": (20, 880, 6, 6),
}
COLORS = ["#dbe7f5", "#e3edda", "#f6ecd2", "#f3dfd6", "#e5def0", "#dcecec", "#ebe5dd"]
TITLE, LINE, LETTER, PADDING = 28, 25, 7.9, 10  # of a box: its title, a row of modules, a letter
INSET = 10  # of the rooms in a layer that has several

STYLE = """
text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #222 }
.room { font-weight: bold; font-size: 14px }
.layer { stroke: #8a8a8a }
.frame { fill: #fff; fill-opacity: 0.45; stroke: #b5b5b5 }
.module { fill: #fff; stroke: #b5b5b5 }
.arrow { stroke: #333; stroke-width: 1.6; fill: none; marker-end: url(#head) }
.up { stroke-dasharray: 2 4 }
""".strip()


class Box(NamedTuple):
    left: float
    right: float
    top: float
    bottom: float


def modules(room):
    """What a room's box lists: the modules in its folder, none for a room that is one file."""
    inside = (m for m in house.PATHS if house.room(m) == room and "." in m)
    return [module.partition(".")[2] for module in inside]


def rows(room):
    """The modules of a room, as (left, width, name), in as many rows as its box needs."""
    left, right, *_ = PLACES[room]
    found, at = [[]], left + PADDING
    for name in modules(room):
        width = LETTER * len(name) + 14
        if found[-1] and at + width > right - PADDING:
            found.append([])
            at = left + PADDING
        found[-1].append((at, width, name))
        at += width + 6
    return found if found[0] else []


def boxes():
    """Where each room is drawn, and each layer: a row is as high as the highest room in it."""
    heights = [0] * (1 + max(last for *_, last in PLACES.values()))
    for room, (_, _, first, last) in PLACES.items():
        if first == last:
            heights[first] = max(heights[first], TITLE + LINE * len(rows(room)) + 4)
    tops = [MARGIN]
    for height in heights:
        tops.append(tops[-1] + height + GAP)
    placed = {
        room: Box(left, right, tops[first], tops[last] + heights[last])
        for room, (left, right, first, last) in PLACES.items()
    }
    return placed, [_around([placed[room] for room in layer]) for layer in LAYERS]


def _around(inside):
    inset = INSET if len(inside) > 1 else 0
    return Box(
        min(box.left for box in inside) - inset,
        max(box.right for box in inside) + inset,
        min(box.top for box in inside) - inset,
        max(box.bottom for box in inside) + inset,
    )


def arrows():
    """Pairs of layers, as numbers, where the first imports the second; and those by exception."""
    number = {room: k for k, layer in enumerate(LAYERS) for room in layer}
    down, excepted = set(), set()
    for found in house.IMPORTS:
        a, b = house.room(found.module), house.room(found.imported)
        if a in number and b in number and number[a] != number[b]:
            is_exception = (found.module, found.imported) in house.EXCEPTIONS
            (excepted if is_exception else down).add((number[a], number[b]))
    kept = {pair for pair in down if not _leads(down - {pair}, *pair)}
    return sorted(kept), sorted(excepted)


def _leads(pairs, start, end):
    """Whether imports lead from one layer to another."""
    reached, fresh = set(), {start}
    while fresh:
        reached |= fresh
        fresh = {b for a, b in pairs if a in fresh} - reached
    return end in reached


def lane(layers, upper, lower, taken):
    """Where a vertical arrow from one layer to another meets no third: mid in the widest place."""
    above, below = layers[upper], layers[lower]
    blocked = [
        (box.left - 10, box.right + 10)
        for k, box in enumerate(layers)
        if k not in (upper, lower) and box.top < below.top and box.bottom > above.bottom
    ]
    blocked += [(x - 20, x + 20) for x in taken]
    first, last = max(above.left, below.left), min(above.right, below.right)
    places = range(round(first) + 12, round(last) - 11)
    runs = groupby(places, lambda x: any(left < x < right for left, right in blocked))
    free = [list(run) for is_blocked, run in runs if not is_blocked]
    if not free:
        raise ValueError(f"no way from {LAYERS[upper]} to {LAYERS[lower]}: edit PLACES")
    widest = max(free, key=len)
    return widest[len(widest) // 2]


def svg():
    """The picture as text."""
    placed, layers = boxes()
    height = max(layer.bottom for layer in layers) + MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:g}" '
        f'viewBox="0 0 {WIDTH} {height:g}" role="img">',
        "<title>hingemetrics: which layer imports which</title>",
        f"<style>\n{STYLE}\n</style>",
        '<marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 L10 5 L0 10 z" fill="#333"/></marker>',
        f'<rect width="{WIDTH}" height="{height:g}" fill="#fff"/>',
    ]
    for k, layer in enumerate(layers):
        out.append(_rectangle("layer", layer, f' rx="6" fill="{COLORS[k % len(COLORS)]}"'))
    for room, box in placed.items():
        out += _room(room, box, framed=box not in layers)
    down, excepted = arrows()
    taken = []
    for pairs, kind in ((down, "arrow"), (excepted, "arrow up")):
        for a, b in pairs:
            upper, lower = sorted((a, b), key=lambda k: layers[k].top)
            x = lane(layers, upper, lower, [at for at, pair in taken if pair & {a, b}])
            taken.append((x, {a, b}))
            ends = [layers[upper].bottom, layers[lower].top]
            start, end = ends if upper == a else ends[::-1]
            out.append(f'<path class="{kind}" d="M{x} {start:g} V{end:g}"/>')
    return "\n".join([*out, "</svg>", ""])


def _rectangle(kind, box, more=""):
    x, y, width, height = box.left, box.top, box.right - box.left, box.bottom - box.top
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"{more}/>'


def _room(room, box, framed):
    if framed:
        yield _rectangle("frame", box, ' rx="4"')
    yield f'<text class="room" x="{box.left + PADDING:g}" y="{box.top + 19:g}">{room}</text>'
    for k, row in enumerate(rows(room)):
        y = box.top + TITLE + LINE * k
        for left, width, name in row:
            yield _rectangle("module", Box(left, left + width, y, y + 20), ' rx="3"')
            yield f'<text x="{left + 7:g}" y="{y + 14:g}">{name}</text>'


if __name__ == "__main__":
    PICTURE.write_text(svg(), "utf-8")
