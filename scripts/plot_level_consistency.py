"""The figure of `level_consistency.py`'s results: results/level_consistency.png.

python scripts/plot_level_consistency.py
"""

import json

import matplotlib
import numpy as np
from _measuring import RESULTS

matplotlib.use("Agg")
from matplotlib import pyplot as plt

COLOURS = {"consistent": "#1b7f5c", "index": "#b4532a"}


def draw_variances(ax, result):
    levels = result["levels"][1:]
    for name, colour in COLOURS.items():
        rows = np.array([run["V/V_fine"] for run in result[name]["per seed"]])
        ax.plot(levels, np.median(rows, axis=0), "o-", color=colour, label=name)
        ax.fill_between(levels, rows.min(axis=0), rows.max(axis=0), color=colour, alpha=0.2, lw=0)
    ax.set(xscale="log", yscale="log", xlabel="level (points per axis)")
    ax.set_xticks(levels, [f"{n}²" for n in levels])
    ax.minorticks_off()
    ax.set_title("Variance of the gradient's corrections\nover the fine gradient's", fontsize=10)
    ax.legend(frameon=False)


def draw_errors(ax, result):
    grids = ("33x33", "129x129")
    for name, colour in COLOURS.items():
        rows = np.array([[shot[g] for g in grids] for shot in result[name]["zero-shot per seed"]])
        ax.plot(range(len(grids)), np.median(rows, axis=0), "o-", color=colour, label=name)
        ax.fill_between(range(len(grids)), rows.min(axis=0), rows.max(axis=0), color=colour, alpha=0.2, lw=0)
    ax.set_xticks(range(len(grids)), ["33² (trained on)", "129² (zero-shot)"])
    ax.set(ylim=(0, None), xlim=(-0.2, 1.2))
    ax.set_title("Relative L2 error of an FNO\ntrained at 33² alone", fontsize=10)


def main():
    result = json.loads((RESULTS / "level_consistency.json").read_text())
    figure, axes = plt.subplots(1, 2, figsize=(8.6, 3.4), layout="constrained")
    draw_variances(axes[0], result)
    draw_errors(axes[1], result)
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    path = RESULTS / "level_consistency.png"
    figure.savefig(path, dpi=130)
    print(path)


if __name__ == "__main__":
    main()
