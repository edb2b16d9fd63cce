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
import torch
from _measuring import write_result
from omegaconf import OmegaConf

import nolab
from nolab.config import validate
from nolab.plan import Term
from nolab.training.setup import prepare

LEVELS = [17, 33, 65, 129]


def flat_gradient(model):
    grads = [p.grad if p.grad is not None else torch.zeros_like(p) for p in model.parameters()]
    return torch.cat([(torch.view_as_real(g) if g.is_complex() else g).flatten() for g in grads]).double()


def variances(discretization, steps, samples, seed):
    """V_ℓ/V_fine per correction and squared bias/V_fine per coarse level, after `steps` steps."""
    config = nolab.compose(
        [
            f"model.discretization={discretization}",
            f"hierarchy.levels={LEVELS}",
            "dataset.finest=129",
            "sampling=coarse",  # level -2, 65²
            "scheduler=constant",
            f"budget.steps={steps}",
            "evaluation.times=1",
            "tracking=none",
            f"seed={seed}",
            "name=level_consistency",
        ]
    )
    run = nolab.train(config)
    setup = prepare(validate(OmegaConf.to_container(config, resolve=True)))
    setup.model.load_state_dict(run.state["model"])
    engine = setup.engine(setup.load(), setup.model)
    gradients = np.empty((len(LEVELS), samples), dtype=object)
    for level in range(len(LEVELS)):
        for i in range(samples):
            setup.model.zero_grad(set_to_none=True)
            engine.accumulate((Term(level, np.array([i]), np.ones(1)),), 0)
            gradients[level, i] = flat_gradient(setup.model)
    g = [torch.stack(list(row)) for row in gradients]  # per level (samples, parameters)
    total = g[-1].var(0).sum()
    return {
        "V/V_fine": [float((g[k] - g[k - 1]).var(0).sum() / total) for k in range(1, len(g))],
        "bias²/V_fine": [float(((g[-1] - g[k]).mean(0) ** 2).sum() / total) for k in range(len(g) - 1)],
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
