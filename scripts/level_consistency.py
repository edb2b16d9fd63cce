"""How much of the fine gradient's variance the corrections carry: `consistent` beside `index`.

    python scripts/level_consistency.py [--steps 150] [--samples 64] [--seeds 0 1 2]

1. FNO on nodal Darcy 17/33/65/129, trained briefly (at 65²) with each discretization; then per-sample
   gradients g_ℓ of the relative L2 loss at every level: V_ℓ = tr Cov(g_ℓ - g_{ℓ-1}) over
   V_fine = tr Cov(g_L), and the squared bias |E(g_L - g_ℓ)|² of the coarse gradients over V_fine.
2. FNO trained at 33² alone: its error at 129² over its error at 33².
"""

import argparse
from statistics import median

import numpy as np
from _measuring import trained_moments, write_result

import nolab

LEVELS = [17, 33, 65, 129]


def variances(discretization, steps, samples, seed):
    """V_ℓ/V_fine per correction and squared bias/V_fine per coarse level, after `steps` steps."""
    moments = trained_moments(
        [
            f"model.discretization={discretization}",
            f"hierarchy.levels={LEVELS}",
            "dataset.finest=129",
            f"budget.steps={steps}",
            f"seed={seed}",
        ],
        samples,
    )
    total = moments.fine_variance
    return {
        "V/V_fine": [float(v / total) for v in moments.variances[1:]],
        "bias²/V_fine": [moments.squared_bias(level) / total for level in range(len(LEVELS) - 1)],
    }


def zero_shot(discretization, seed):
    """Error per grid of an FNO trained at 33² alone."""
    overrides = ["experiment=coarse_then_zero_shot", f"model.discretization={discretization}", f"seed={seed}"]
    config = nolab.compose([*overrides, "dataset.resolution=129", "evaluation.times=1", "tracking=none"])
    summary = nolab.train(config).summary
    return {grid: summary[f"final/rel_l2/{grid}"] for grid in ("33x33", "129x129")}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    result = {"levels": LEVELS, "steps": options.steps, "samples": options.samples, "seeds": options.seeds}
    for discretization in ("consistent", "index"):
        runs = [variances(discretization, options.steps, options.samples, seed) for seed in options.seeds]
        shots = [zero_shot(discretization, seed) for seed in options.seeds]
        gaps = [shot["129x129"] / shot["33x33"] for shot in shots]
        result[discretization] = {"per seed": runs, "zero-shot per seed": shots, "gap": gaps}
        for name in ("V/V_fine", "bias²/V_fine"):
            rows = np.array([run[name] for run in runs])
            print(f"{discretization:10} {name:12} median {np.median(rows, axis=0)}  worst {rows.max(axis=0)}")
        print(
            f"{discretization:10} error at 129² over error at 33²: median {median(gaps):.3f}, worst {max(gaps):.3f}"
        )
    print(write_result("level_consistency", result))


if __name__ == "__main__":
    main()
