"""Predicted against achieved gain of multi-level gradients at fixed parameters: variance × cost over fine-only's.

    python scripts/plan_gain.py [--steps 200] [--samples 64] [--draws 100] [--seed 0]

Predicted as `nolab plan` does: from the moments of single samples' gradients, and the seconds of a batch of one
sample and of a large one at every level. Achieved: the spread of `--draws` gradients of the real estimator, times the
mean seconds of its steps; the estimators take turns.
"""

import argparse
from itertools import count

import numpy as np
import torch
from _measuring import alternate, trained, write_result

from nolab.estimators import fine, mlmc
from nolab.estimators._allocation import Corrections, counts
from nolab.moments import quality
from nolab.training.costs import measure_batch_costs
from nolab.training.probing import gradient_moments

BATCH = 4  # of fine-only, and the largest at the finest level whose seconds are measured
HIERARCHIES = {"17/33/65": (65, "three"), "17/33/65/129": (129, "four")}


def contestants(moments, costs, n_samples, seed):
    """fine-only with 4 samples, and nested MLMC: by δ, and with the optimal ratios, by chance where below 1."""
    levels = tuple(range(len(costs)))
    best = counts(16 * Corrections.between(moments, costs, levels).shares(16), levels)
    optimal = mlmc.Options(counts=list(best))
    return {
        "fine": fine.build(fine.Options(BATCH), n_samples, len(levels), seed),
        "mlmc δ=2": mlmc.build(mlmc.Options(1, 2.0), n_samples, len(levels), seed),
        "mlmc δ=4": mlmc.build(mlmc.Options(1, 4.0), n_samples, len(levels), seed),
        f"mlmc {'/'.join(f'{n:.2g}' for n in best)}": mlmc.build(optimal, n_samples, len(levels), seed),
    }


def spread(setup, engine, estimator, draws):
    """tr Cov of the estimator's gradient over its draws."""
    rows = []
    for step in range(draws):
        setup.model.zero_grad(set_to_none=True)
        engine.accumulate(estimator.plan(step), step, 1.0)
        parts = [p.grad for p in setup.model.parameters() if p.grad is not None]
        rows.append(torch.cat([(torch.view_as_real(g) if g.is_complex() else g).flatten() for g in parts]))
    return float(torch.stack(rows).double().var(dim=0).sum())


def measure(finest, hierarchy, options):
    setup, engine = trained(
        [
            f"dataset.finest={finest}",
            f"hierarchy={hierarchy}",
            "dataset.n_train=1024",
            f"budget.steps={options.steps}",
            f"seed={options.seed}",
        ]
    )
    n_levels, n_samples = len(setup.hierarchy), setup.source.count("train")
    drawn = np.random.default_rng(options.seed).choice(n_samples, options.samples, replace=False)
    moments = gradient_moments(engine, setup.model, drawn, n_levels, 0, 1.0)
    costs = measure_batch_costs(engine, setup.model, BATCH, n_samples, n_levels)
    estimators = contestants(moments, costs, n_samples, options.seed)
    predicted = {
        name: quality(estimator.outcomes(), moments, costs, n_samples)
        for name, estimator in estimators.items()
    }

    def step_of(estimator):
        steps = count()
        return lambda: engine.accumulate(estimator.plan(step := next(steps)), step, 1.0)

    timed = alternate({name: step_of(estimator) for name, estimator in estimators.items()}, 40)
    achieved = {
        name: (spread(setup, engine, estimator, options.draws), float(np.mean(timed[name])))
        for name, estimator in estimators.items()
    }
    rows = {}
    for name in estimators:
        before = predicted[name].variance * predicted[name].cost
        after = achieved[name][0] * achieved[name][1]
        rows[name] = {
            "predicted gain": predicted["fine"].variance * predicted["fine"].cost / before,
            "achieved gain": achieved["fine"][0] * achieved["fine"][1] / after,
            "predicted": {"variance": predicted[name].variance, "seconds": predicted[name].cost},
            "achieved": {"variance": achieved[name][0], "seconds": achieved[name][1]},
        }
        rows[name]["variance ratio"] = achieved[name][0] / predicted[name].variance
        rows[name]["cost ratio"] = achieved[name][1] / predicted[name].cost
    return {"costs": costs.state_dict(), "estimators": rows}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    result = {}
    for name, (finest, hierarchy) in HIERARCHIES.items():
        result[name] = measure(finest, hierarchy, options)
        for estimator, row in result[name]["estimators"].items():
            print(
                f"{name:14} {estimator:24} gain predicted {row['predicted gain']:.2f}, achieved "
                f"{row['achieved gain']:.2f}; achieved over predicted: variance {row['variance ratio']:.2f}, "
                f"cost {row['cost ratio']:.2f}",
                flush=True,
            )
    print(write_result("plan_gain", {"options": vars(options), "hierarchies": result}))


if __name__ == "__main__":
    main()
