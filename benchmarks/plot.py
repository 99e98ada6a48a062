"""Draw the results of run.py, and print them as a table for Markdown.

python benchmarks/plot.py                      results.json to results.png
python benchmarks/plot.py --input FILE --output FILE
"""

from __future__ import annotations

import argparse
import json
from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # no display needed
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

RESULTS = Path(__file__).with_name("results.json")
COLUMN = 40  # points, from the axes to the right end of what is written beside them
ROOFLINE, FASTER = "x roofline", "x faster"
# Okabe and Ito's colours, which everybody can tell apart
BLACK, RULER = "#000000", "#EEEEEE"
COLORS = {True: "#0072B2", False: "#E69F00", None: "#56B4E9"}
LABELS = {True: "target met", False: "target missed", None: "no target"}
VERDICT = {True: "yes", False: "**no**", None: ""}


def main() -> None:
    """Read the results, draw them and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--input", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument("--output", type=Path, default=RESULTS.with_suffix(".png"), metavar="FILE")
    arguments = parser.parse_args()
    results = json.loads(arguments.input.read_text())
    draw(results).savefig(arguments.output, dpi=120)
    print(table(results))


def table(results: dict[str, Any]) -> str:
    """Return the environment and every row as GitHub Markdown, a table for each section."""
    environment = ", ".join(f"{name} {value}" for name, value in results["environment"].items())
    lines = [environment, *results["notes"]]
    for section, rows in groupby(results["rows"], lambda row: row.get("section")):
        lines += ["", f"{section[0].upper()}{section[1:]}:"] if section else []
        lines += ["", "| work | measured | target | met |"]
        lines.append("|---|---|---|---|")
        lines += [
            f"| {row['name']} | {row['figure']} {row['unit']} | {row['target']} "
            f"| {VERDICT[row['met']]} |"
            for row in rows
        ]
    return "\n".join(lines)


def draw(results: dict[str, Any]) -> Figure:
    """Return the figure: ratios to the roofline, and speed-ups over peers."""
    roofline = [row for row in results["rows"] if row["unit"] == ROOFLINE]
    faster = [row for row in results["rows"] if row["unit"] == FASTER]
    height = max(len(roofline), len(faster))
    figure, axes = plt.subplot_mosaic(
        [["roofline", "faster"], ["legend", "faster"]],
        height_ratios=[len(roofline), max(1, height - len(roofline))],  # bars of one height
        figsize=(16, 1.8 + 0.27 * height),
        layout="constrained",
    )
    left, right = axes["roofline"], axes["faster"]
    right.set_xscale("log")
    right.xaxis.set_major_formatter("{x:g}")
    bars(left, roofline, start=0.0)
    bars(right, faster, start=1.0)
    left.set_title("Time over that of only reading the arrays (less is better)")
    left.set_xlabel("time / roofline")
    right.set_title("How many times faster than a peer (more is better)")
    right.set_xlabel("peer's time / hingemetrics' time")
    environment = results["environment"]
    figure.suptitle(f"hingemetrics {environment['hingemetrics']}, {environment['CPU']}")
    axes["legend"].axis("off")
    axes["legend"].legend(
        handles=[
            *(Patch(color=COLORS[met], label=LABELS[met]) for met in COLORS),
            Line2D([], [], color=BLACK, linewidth=2.5, label="target"),
            Line2D([], [], color=BLACK, linewidth=0.8, linestyle=":", label="1: no difference"),
        ],
        loc="center",
        fontsize=11,
        frameon=False,
    )
    return figure


def bars(axes: Axes, rows: list[dict[str, Any]], start: float) -> None:
    """Draw a bar for each row, the first on top, a mark for its target, and right of all its value.

    There, no mark can be taken for the end of a value's bar, or run through the value.
    """
    places = range(len(rows))
    lengths = [row["value"] - start for row in rows]
    colors = [COLORS[row["met"]] for row in rows]
    axes.barh(places, lengths, left=start, height=0.7, color=colors)
    for place, row in zip(places, rows, strict=True):
        axes.annotate(
            row["figure"],
            (1.0, place),
            (COLUMN, 0),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=9,
        )
        if row["limit"]:
            axes.vlines(row["limit"], place - 0.45, place + 0.45, color=BLACK, linewidth=2.5)
    axes.axvline(1.0, color=BLACK, linewidth=0.8, linestyle=":")
    axes.set_yticks(places, [row["name"] for row in rows], fontsize=9)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.margins(x=0.08)
    axes.grid(axis="y", color=RULER)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main()
