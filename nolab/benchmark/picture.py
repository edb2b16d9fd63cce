"""Time and memory of a sample over the grid's size."""

from collections.abc import Callable
from pathlib import Path

import matplotlib

from nolab.benchmark.rows import NOLAB, Row

matplotlib.use("Agg", force=False)
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

# Okabe and Ito's colours, which colour-blind people can tell apart; markers say the same.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
_MARKERS = "osD^vP*"


def draw(path: Path, rows: list[Row], memory: str) -> None:
    """Milliseconds and memory per sample, a line of panels per batch size.

    Parameters
    ----------
    memory : which memory it is, for the axis.
    """
    batches = list(dict.fromkeys(row.batch for row in rows))
    figure, axes = plt.subplots(
        len(batches),
        2,
        figsize=(10.4, 0.6 + 3.2 * len(batches)),
        sharey="col",
        squeeze=False,
        layout="constrained",
    )
    styles = _styles(rows)
    for batch, line in zip(batches, axes, strict=True):
        measured = [row for row in rows if row.batch == batch and not row.failure]
        _panel(line[0], measured, styles, lambda row: row.ms_per_step / row.batch)
        _panel(line[1], measured, styles, lambda row: row.memory_mib / row.batch)
        line[0].set_ylabel("ms per sample")
        line[1].set_ylabel("MiB per sample")
        line[0].set_title(f"time of a training step, batches of {batch}", fontsize=10)
        line[1].set_title(f"memory {memory}, batches of {batch}", fontsize=10)
    for ax in axes[-1]:
        ax.set_xlabel("grid")
    handles = {
        label: handle
        for ax in axes.flat
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside right center", frameon=False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _panel(ax: Axes, rows: list[Row], styles: dict[str, dict], value: Callable[[Row], float]) -> None:
    for name in dict.fromkeys(row.name for row in rows):
        line = sorted((row.points, value(row)) for row in rows if row.name == name)
        ax.plot(*zip(*line, strict=True), label=name, **styles[name])
    grids = {row.points: row.grid for row in rows}
    ax.set(xscale="log", yscale="log")
    ax.set_xticks(list(grids), list(grids.values()))
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_minor_locator(NullLocator())
    ax.grid(alpha=0.3, lw=0.6)
    ax.spines[["top", "right"]].set_visible(False)


def _styles(rows: list[Row]) -> dict[str, dict]:
    """Line style by name: nolab's modes in colours, neuraloperator in black, dashed."""
    styles: dict[str, dict] = {}
    for implementation in dict.fromkeys(row.implementation for row in rows):
        own = implementation == NOLAB
        for i, name in enumerate(dict.fromkeys(r.name for r in rows if r.implementation == implementation)):
            colour = _COLOURS[i % len(_COLOURS)] if own else "black"
            styles[name] = {
                "color": colour,
                "marker": _MARKERS[i % len(_MARKERS)],
                "linestyle": "-" if own else "--",
                "markersize": 5,
                "markerfacecolor": colour if own else "white",
            }
    return styles
