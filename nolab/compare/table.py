"""A comparison as tables for the eye."""

from math import isfinite, isnan

from nolab.compare.axes import title
from nolab.compare.comparison import Comparison
from nolab.compare.spread import Spread
from nolab.compare.targets import Reached, Targets
from nolab.compare.terminal import Glyphs, letter

Table = tuple[list[str], list[list[str]]]
"""Columns and rows; the first two columns are a group's letter and its label."""


def groups_table(comparison: Comparison, glyphs: Glyphs) -> Table:
    """Medians and quartiles of each group, and which are on the front."""
    columns = ["", "group", "runs", title(comparison.options.x), title(comparison.options.y)]
    rows = []
    for heads, group, on_front in zip(_heads(comparison), comparison.groups, comparison.front, strict=True):
        failed = f" ({group.failed} failed)" if group.failed else ""
        count = f"{len(group.runs)}{failed}"
        mark = f"{heads[0]} {glyphs.front}" if on_front else heads[0]
        rows.append([mark, heads[1], count, _spread(group.x, glyphs), _spread(group.y, glyphs)])
    return columns, rows


def targets_table(comparison: Comparison, targets: Targets, glyphs: Glyphs) -> Table:
    """Cost at which each group reached each target; how many of its runs did, where not all."""
    rows = [
        [*heads, *(_reached(cell, len(group.runs), glyphs) for cell in cells)]
        for heads, group, cells in zip(_heads(comparison), comparison.groups, targets.reached, strict=True)
    ]
    return ["", "group", *(short(error) for error in targets.errors)], rows


def baseline_table(comparison: Comparison, targets: Targets, glyphs: Glyphs) -> Table:
    """Speed-up at equal error and error at equal cost, against the baseline."""
    columns = ["", "group", "speed-up", "error", "ratio of errors"]
    rows = [
        [*heads, _factor(found.speed_up, glyphs), _finite(found.error), _factor(found.ratio, glyphs)]
        for heads, found in zip(_heads(comparison), targets.against, strict=True)
    ]
    return columns, rows


def hypervolume_line(comparison: Comparison) -> str:
    """The dominated share of the reference rectangle, and the baseline's alone."""
    x, y = map(short, comparison.reference)
    words = f"Hypervolume {short(comparison.hypervolume)} of [0, {x}] x [0, {y}]"
    if comparison.baseline is None:
        return words
    return f"{words}; the baseline alone {short(comparison.baseline_hypervolume)}"


def baseline_line(comparison: Comparison, targets: Targets) -> str:
    """What equal error and equal cost are in :func:`baseline_table`."""
    return (
        f"Against the baseline: speed-up in reaching its error, {short(targets.equal_error)}, "
        f"and error at its cost, {short(targets.equal_cost)}"
    )


def short(value: float) -> str:
    """Three digits of a figure: ``0.0201``, ``60.1``, ``2291``, ``1.23e12``; ``inf`` for a miss."""
    if not isfinite(value):
        return "-" if isnan(value) else "inf"
    if value == 0 or 1e-3 <= abs(value) < 1e3:
        return f"{value:#.3g}".rstrip(".")
    if 1e3 <= abs(value) < 1e5:
        return f"{value:.0f}"
    mantissa, _, power = f"{value:.2e}".partition("e")
    return f"{mantissa}e{int(power)}"


def _heads(comparison: Comparison) -> list[list[str]]:
    return [[letter(index), comparison.name(group)] for index, group in enumerate(comparison.groups)]


def _spread(spread: Spread, glyphs: Glyphs) -> str:
    low, median, high = short(spread.low), short(spread.median), short(spread.high)
    return median if low == high == median else f"{median} ({low}{glyphs.dash}{high})"


def _reached(cell: Reached, runs: int, glyphs: Glyphs) -> str:
    if not cell.count:
        return "missed"
    several = f" {cell.count}/{runs}" if cell.count < runs else ""
    return f"{_spread(cell.cost, glyphs)}{several}" if isfinite(cell.cost.median) else f"only{several}"


def _finite(error: float) -> str:
    return short(error) if isfinite(error) else "-"


def _factor(factor: float, glyphs: Glyphs) -> str:
    return "-" if isnan(factor) else f"{factor:.2f}{glyphs.times}"
