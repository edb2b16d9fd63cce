"""Variance and cost over the levels, as papers on MLMC draw them."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np

from nolab.planning.figures import LevelFigures, slope
from nolab.planning.outlook import Outlook
from nolab.planning.resampling import Estimate

matplotlib.use("Agg", force=False)
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.typing import ColorType

_COLOURS = plt.get_cmap("viridis")


def draw(path: Path, outlooks: Sequence[Outlook]) -> None:
    """log2 of V over V_fine, a pair of lines per stage with its slope, and log2 of C_ℓ."""
    figure, (variance, cost) = plt.subplots(
        1, 2, figsize=(9.6, 3.8), width_ratios=(1.35, 1), layout="constrained"
    )
    levels = outlooks[0].levels
    shades = np.linspace(0.15, 0.75, len(outlooks)) if len(outlooks) > 1 else [0.15]
    for place, (outlook, shade) in enumerate(zip(outlooks, shades, strict=True)):
        shift = 0.06 * (place - (len(outlooks) - 1) / 2)  # intervals of two stages would hide each other
        _variances(variance, outlook, _COLOURS(shade), shift)
    variance.set_title("Variance of one sample's gradient, over the finest level's", fontsize=10)
    variance.set_ylabel(r"$\log_2$ of the variance")
    variance.legend(frameon=False, fontsize=8)
    _costs(cost, levels)
    for ax in (variance, cost):
        ax.set_xticks(range(len(levels)), [figures.level for figures in levels])
        ax.set_xlabel("level")
        ax.set_xlim(-0.4, len(levels) - 0.6)
        ax.grid(alpha=0.3, lw=0.6)
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _variances(ax: Axes, outlook: Outlook, colour: tuple, shift: float) -> None:
    places = np.arange(len(outlook.levels)) + shift
    _line(
        ax,
        places,
        [figures.gradient for figures in outlook.levels],
        "s--",
        colour,
        f"gradient, {outlook.name}",
    )
    corrections = [figures.correction for figures in outlook.levels[1:]]
    beta = outlook.rates.beta
    rate = "" if beta is None else f", β = {beta.value:.2f}"
    _line(ax, places[1:], corrections, "o-", colour, f"correction, {outlook.name}{rate}")
    if beta is not None:
        _fit(ax, places[1:], np.array([c.value for c in corrections]), colour)


def _line(
    ax: Axes, places: np.ndarray, estimates: Sequence[Estimate], style: str, colour: tuple, label: str
) -> None:
    values, low, high = (
        _log2([getattr(estimate, end) for estimate in estimates]) for end in ("value", "low", "high")
    )
    ax.errorbar(
        places,
        values,
        np.maximum(np.nan_to_num([values - low, high - values]), 0.0),
        fmt=style,
        color=colour,
        markersize=5,
        markerfacecolor="white" if style.startswith("s") else colour,
        lw=1.2,
        capsize=2.5,
        label=label,
    )


def _costs(ax: Axes, levels: Sequence[LevelFigures]) -> None:
    seconds = np.array([figures.seconds for figures in levels])
    places = np.arange(len(levels))
    gamma = slope(places[1:], seconds) if len(levels) > 2 else None
    ax.plot(places, np.log2(1e3 * seconds), "o-", color="black", lw=1.2, markersize=5)
    ax.set_title("Cost of one sample", fontsize=10)
    ax.set_ylabel(r"$\log_2\,C_\ell$ in ms")
    if gamma is not None:
        _fit(ax, places[1:], 1e3 * seconds[1:], "black", f"γ = {gamma:.2f}")
        ax.legend(frameon=False, fontsize=8)


def _fit(
    ax: Axes, places: np.ndarray, values: np.ndarray, colour: ColorType, label: str | None = None
) -> None:
    """The least squares line through log2 of the positive values."""
    known = values > 0
    line = np.polyfit(places[known], np.log2(values[known]), 1)
    ends = np.array([places[0] - 0.3, places[-1] + 0.3])
    ax.plot(ends, np.polyval(line, ends), ":", color=colour, lw=1.4, label=label)


def _log2(values: Sequence[float]) -> np.ndarray:
    """nan where a value is not positive."""
    array = np.array(values, dtype=float)
    return np.log2(array, out=np.full(array.shape, np.nan), where=array > 0)
