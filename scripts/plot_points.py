"""Error against training seconds and against steps, batch size by batch size, from scripts/results/NAME.json.

    python scripts/plot_points.py points_heat

Lines are medians over the seeds, bands their range.
"""

import argparse
import json
from itertools import groupby

import matplotlib
import numpy as np
from _measuring import RESULTS

matplotlib.use("Agg")
from matplotlib import pyplot as plt

SHADES = {64: plt.get_cmap("Oranges"), 256: plt.get_cmap("Blues")}
STYLES = {"per_sample": "-", "shared": "--"}


def curves(runs, column):
    """(x, errors of the seeds) on the evaluations that all seeds have."""
    series = [np.array([(row[column], row[2]) for row in run["curve"]]) for run in runs]
    n = min(map(len, series))
    return np.median([s[:n, 0] for s in series], axis=0), np.stack([s[:n, 1] for s in series])


def draw(ax, groups, column):
    """One line per setting."""
    for (batch, neval, scheme), runs in groups:
        x, errors = curves(runs, column)
        n_out = 1024
        scope = scheme.rpartition(", ")[2]
        colour = SHADES[batch](0.9 if neval == n_out else 0.65 if neval > 100 else 0.4)
        label = f"batch {batch}, " + (
            "all points" if neval == n_out else f"{neval} {scope.replace('_', ' ')}"
        )
        ax.plot(x, np.median(errors, axis=0), STYLES.get(scope, "-"), color=colour, label=label)
        ax.fill_between(x, errors.min(axis=0), errors.max(axis=0), color=colour, alpha=0.12, linewidth=0)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name")
    name = parser.parse_args().name
    runs = json.loads((RESULTS / f"{name}.json").read_text())["runs"]
    runs.sort(key=lambda run: run["setting"])
    groups = [(tuple(key), list(members)) for key, members in groupby(runs, key=lambda run: run["setting"])]
    figure, axes = plt.subplots(1, 2, figsize=(12, 4.6), sharey=True, layout="constrained")
    for ax, column, label in zip(axes, (0, 1), ("training seconds", "steps"), strict=True):
        draw(ax, groups, column)
        ax.set(xlabel=label, xscale="log", yscale="log")
        ax.grid(True, which="both", linewidth=0.3, alpha=0.6)
    axes[0].set_ylabel("relative L2 error, test set")
    axes[0].legend(fontsize=8, loc="lower left")
    figure.savefig(RESULTS / f"{name}.png", dpi=110)
    print(RESULTS / f"{name}.png")


if __name__ == "__main__":
    main()
