"""Pictures of a run."""

from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np

matplotlib.use("Agg", force=False)
from matplotlib import pyplot as plt
from matplotlib.axes import Axes


class Points(NamedTuple):
    """Where the values of a field on scattered points lie: coords (N, 1 to 3), and cells (T, 3), none of a cloud."""

    coords: np.ndarray
    cells: np.ndarray


class Shown(NamedTuple):
    """One level: {"input", "truth", "prediction"}, each a field (n,) or (n1, n2), of which one may be 1: the field does
    not vary along that axis; (N,) on scattered points."""

    level: str
    fields: dict[str, np.ndarray]
    points: Points | None = None


def plot_predictions(path: Path, rows: list[Shown], extent: tuple[float, ...]) -> Path:
    """One row per level: input, truth, prediction and absolute error of one sample.

    Parameters
    ----------
    extent : left, right, bottom, top of the domain; left, right in one dimension.
    """
    solid = any(row.points is not None and row.points.coords.shape[1] == 3 for row in rows)
    figure, axes = plt.subplots(
        len(rows),
        4,
        figsize=(13, _row_height(rows, extent) * len(rows)),
        squeeze=False,
        layout="constrained",
        subplot_kw={"projection": "3d"} if solid else None,
    )
    for line, (name, fields, points) in zip(axes, rows, strict=True):
        shown = {**fields, "|error|": np.abs(fields["prediction"] - fields["truth"])}
        low, high = float(fields["truth"].min()), float(fields["truth"].max())
        for ax, (title, field) in zip(line, shown.items(), strict=True):
            limits = (low, high) if title in ("truth", "prediction") else (None, None)
            colours = "magma" if title == "|error|" else "viridis"
            if points is None:
                _draw(ax, field, extent, limits, colours)
            else:
                _draw_points(ax, field, points, limits, colours)
            ax.set_title(f"{title}, {name}", fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def _row_height(rows: list[Shown], extent: tuple[float, ...]) -> float:
    """Inches: points are shown to scale, so that a long domain needs less."""
    if len(extent) != 4 or all(row.points is None for row in rows):
        return 3.1
    left, right, bottom, top = extent
    return 3.1 * float(np.clip((top - bottom) / (right - left), 0.5, 1.3))


def _draw(ax: Axes, field: np.ndarray, extent: tuple, limits: tuple, colours: str) -> None:
    if field.ndim == 1 or 1 in field.shape:
        axis = int(np.argmax(field.shape))
        ax.plot(np.linspace(*extent[2 * axis : 2 * axis + 2], field.size), field.ravel())
        return
    # The first axis of a field is x: it runs to the right.
    image = ax.imshow(field.T, origin="lower", extent=extent, vmin=limits[0], vmax=limits[1], cmap=colours)
    ax.figure.colorbar(image, ax=ax, shrink=0.85)
    ax.tick_params(labelsize=7)


def _draw_points(ax: Axes, field: np.ndarray, points: Points, limits: tuple, colours: str) -> None:
    coords, (low, high) = points.coords, limits
    if coords.shape[1] == 1:
        ax.plot(coords[:, 0], field, ".", markersize=3)
        return
    if len(points.cells):
        image = ax.tripcolor(*coords.T, field, triangles=points.cells, shading="gouraud", vmin=low, vmax=high)
    else:
        size = min(40.0, 8000.0 / len(coords))
        image = ax.scatter(*coords.T, c=field, s=size, linewidths=0, vmin=low, vmax=high)
    image.set_cmap(colours)
    ax.set_aspect("equal")
    ax.figure.colorbar(image, ax=ax, shrink=0.85)
    ax.tick_params(labelsize=7)


def plot_spectra(path: Path, spectra: dict[str, np.ndarray], title: str) -> Path:
    """Power by wave number, one line each.

    Parameters
    ----------
    spectra : name to (shells,), from wave number 0, which is left out.
    """
    figure, ax = plt.subplots(figsize=(5.2, 3.6), layout="constrained")
    for (name, spectrum), style in zip(spectra.items(), ("k-", "C1--", "C0:"), strict=False):
        shown = np.where(spectrum > 0, spectrum, np.nan)
        ax.loglog(np.arange(1, len(shown)), shown[1:], style, label=name, lw=1.6)
    ax.set_xlabel("wave number")
    ax.set_ylabel("mean square in the shell")
    ax.set_title(title, fontsize=10)
    ax.legend(frameon=False)
    ax.grid(alpha=0.3, lw=0.6)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path
