"""The front as a picture for a paper: one column wide, readable without colour."""

from collections.abc import Mapping, Sequence
from math import ceil, isfinite
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from nolab.compare.axes import title
from nolab.compare.comparison import Comparison
from nolab.compare.groups import Group
from nolab.compare.look import Look, looks
from nolab.compare.scale import Scale, tick_texts
from nolab.errors import InputError, unknown

SUFFIXES = ("png", "svg", "pdf")

_WIDTH, _HEIGHT = 3.5, 2.6  # inches
_LEGEND_LINE = 0.135  # inches
_LEGEND_CHARACTERS = 62  # in one line of the legend, of which each entry takes some for its marker
_MARKER_CHARACTERS = 4

_STYLE: Any = {  # matplotlib's own type of it lists every key, and which ones depends on its version
    "font.size": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "pdf.fonttype": 42,  # text stays text in PDF and SVG
    "svg.fonttype": "none",
}


def check_suffix(file: Path) -> None:
    """Refuse a picture's name of which the suffix is not png, svg or pdf.

    Raises
    ------
    InputError
    """
    if file.suffix.lower().removeprefix(".") not in SUFFIXES:
        raise unknown(f"{file}: suffix", file.suffix.removeprefix("."), SUFFIXES)


@matplotlib.rc_context(_STYLE)
def save_figure(comparison: Comparison, file: Path) -> None:
    """Draw medians with quartiles, single runs faintly and the front as a staircase.

    Groups without finite medians are left out.

    Raises
    ------
    InputError : no group has a finite median, a suffix that is not known, or the file can't be written.
    """
    check_suffix(file)
    if not any(group.drawable for group in comparison.groups):
        raise InputError(f"{file}: nothing to draw, no group has a finite median")
    try:
        draw(comparison).savefig(file, dpi=300)
    except OSError as error:
        raise InputError(f"{file}: can't be written: {error.strerror}") from error


@matplotlib.rc_context(_STYLE)
def draw(comparison: Comparison) -> Figure:
    """The picture of a comparison in which some group has finite medians."""
    figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
    axes = figure.add_subplot()
    shown = [group for group in comparison.groups if group.drawable]
    x, y = (Scale.of(_values(shown, side)) for side in (0, 1))
    # The scale first: setting it resets locators.
    axes.set(xscale="log" if x.log else "linear", yscale="log" if y.log else "linear")
    _set_ticks(axes.xaxis, x)
    _set_ticks(axes.yaxis, y)
    axes.set(xlim=(x.low, x.high), ylim=(y.low, y.high))
    axes.set(xlabel=title(comparison.options.x), ylabel=title(comparison.options.y))
    handles = _draw_front(axes, comparison.front_groups, x, y)
    drawn = [pair for pair in zip(comparison.groups, looks(comparison), strict=True) if pair[0].drawable]
    if comparison.options.along is not None:
        _join(axes, drawn)
    for group, look in drawn:
        handles += _draw_group(axes, group, look, x, y)
    _add_legend(figure, {str(handle.get_label()): handle for handle in handles})
    return figure


def _values(groups: Sequence[Group], side: int) -> list[float]:
    """What the x (0) or y (1) axis must hold."""
    runs = [point[side] for group in groups for point in group.points if isfinite(sum(point))]
    spreads = [(group.x, group.y)[side] for group in groups]
    return runs + [value for spread in spreads for value in (spread.low, spread.median, spread.high)]


def _set_ticks(axis: Axis, scale: Scale) -> None:
    # Ticks of our own: matplotlib's labels of minor ticks on short log axes run into each other.
    ticks = scale.ticks(6)
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FixedFormatter([_power(text) for text in tick_texts(ticks)]))
    axis.set_minor_locator(NullLocator())


def _power(text: str) -> str:
    mantissa, e, power = text.partition("e")
    if not e:
        return text
    return f"$10^{{{power}}}$" if mantissa == "1" else f"${mantissa}{{\\times}}10^{{{power}}}$"


def _draw_front(axes: Axes, front: Sequence[Group], x: Scale, y: Scale) -> list[Line2D]:
    if not front:
        return []
    # What the front allows lies above and right of it: it comes from the top and leaves to the right.
    across = [front[0].x.median, *(group.x.median for group in front), x.high]
    up = [y.high, *(group.y.median for group in front), front[-1].y.median]
    axes.fill_between(across, up, y.high, step="post", color="#F2F2F2", linewidth=0, zorder=0)
    style: dict[str, Any] = {"color": "#444444", "linewidth": 0.9, "drawstyle": "steps-post", "zorder": 1}
    return axes.plot(across, up, label="Pareto front", **style)


def _join(axes: Axes, drawn: Sequence[tuple[Group, Look]]) -> None:
    """A thin line through the medians of each curve, the cheapest first."""
    for label in dict.fromkeys(look.label for _, look in drawn):
        curve = [(group, look) for group, look in drawn if look.label == label]
        points = [(group.x.median, group.y.median) for group, _ in curve]
        axes.plot(*zip(*points, strict=True), color=curve[0][1].colour, linewidth=0.8, alpha=0.7, zorder=2)


def _draw_group(axes: Axes, group: Group, look: Look, x: Scale, y: Scale) -> list[Line2D]:
    if len(group.runs) > 1:
        runs: dict[str, Any] = {
            "linestyle": "none",
            "marker": ".",
            "markersize": 3,
            "markeredgewidth": 0,
            "alpha": 0.45,
        }
        finite = [point for point in group.points if isfinite(sum(point))]
        axes.plot(*zip(*finite, strict=True), color=look.colour, zorder=2, **runs)
        bars: dict[str, Any] = {"color": look.colour, "linewidth": 0.8, "zorder": 3}
        axes.plot([group.x.low, min(group.x.high, x.high)], [group.y.median] * 2, **bars)
        axes.plot([group.x.median] * 2, [group.y.low, min(group.y.high, y.high)], **bars)
    return axes.plot(
        group.x.median,
        group.y.median,
        linestyle="none",
        marker=look.marker,
        markersize=5,
        markerfacecolor=look.colour if look.filled else "white",
        markeredgecolor=look.colour,
        markeredgewidth=0.9,
        label=look.label,
        zorder=4,
    )


def _add_legend(figure: Figure, handles: Mapping[str, Line2D]) -> None:
    """Below the axes, where it covers nothing; the figure grows by its lines."""
    labels = list(map(_plain, handles))
    columns = max(1, _LEGEND_CHARACTERS // (max(map(len, labels)) + _MARKER_CHARACTERS))
    columns = min(columns, len(labels))
    figure.set_size_inches(_WIDTH, _HEIGHT + _LEGEND_LINE * ceil(len(labels) / columns))
    style = {"frameon": False, "handlelength": 1.4, "handletextpad": 0.5, "columnspacing": 1.2}
    figure.legend(
        handles.values(), labels, loc="outside lower center", ncols=columns, labelspacing=0.25, **style
    )


def _plain(label: str) -> str:
    """A label cut in its middle to fit a line, of which matplotlib takes nothing for a formula."""
    # Before 3.10 a label that starts with _ was hidden, hence the space.
    longest = _LEGEND_CHARACTERS - _MARKER_CHARACTERS - 1
    half = longest // 2
    short = label if len(label) <= longest else f"{label[: half - 1]}…{label[-half:]}"
    return f" {short}".replace("$", r"\$")
