"""How noisy a step's gradient becomes through N_eval, beside the noise that its batch has anyway.

    python scripts/points_variance.py [--steps 1000] [--draws 64]

A DeepONet of Example 1 or 3 of arXiv 2409.13280 is trained for some steps on all points; then, its weights
held, tr Cov of the batch gradient is measured twice: over random batches with all points, and over random points
with one batch. Their ratio says how much of a step's noise is the points': far below 1, and more points
buy nothing but time.
"""

import argparse
from statistics import median

import torch
from _measuring import setup_of, write_result

import nolab

CASES = {
    "dynamical system": ["experiment=deeponet_dynamical"],
    "heat": ["experiment=deeponet_heat", "dataset.n_train=1024", "dataset.n_test=64"],
}
NEVALS = {"dynamical system": (1, 10, 50), "heat": (16, 128)}
SCHEMES = [
    ("random", "per_sample"),
    ("random", "shared"),
    ("stratified", "shared"),
    ("sobol", "shared"),
    ("stratified", "per_sample"),
    ("sobol", "per_sample"),
    ("importance", "per_sample"),
]


def gradient(engine, plan, step):
    """The flat gradient of one plan."""
    engine.model.zero_grad(set_to_none=True)
    engine.accumulate(plan, step)
    return torch.cat([p.grad.flatten() for p in engine.model.parameters()]).double()


def total_variance(gradients):
    """tr Cov of a list of gradients."""
    return float(torch.stack(gradients).var(0).sum())


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=64)
    options = parser.parse_args()
    rows = []
    for case, overrides in CASES.items():
        budget = [
            "budget.seconds=null",
            f"budget.steps={options.steps // (1 if 'dynamical' in case else 10)}",
        ]
        common = [*overrides, *budget, "sampling.batch_size=64", "evaluation.times=1", "tracking=none"]
        run = nolab.train(nolab.compose([*common, "neval=null", "name=points_variance"]))
        whole = setup_of(*common, "neval=null")
        whole.model.load_state_dict(run.state["model"])
        data = whole.load()
        engine = whole.engine(data, whole.model)
        plans = [whole.estimator.plan(step) for step in range(options.draws)]
        batches = total_variance([gradient(engine, plan, step) for step, plan in enumerate(plans)])
        for neval in NEVALS[case]:
            for scheme, scope in SCHEMES:
                setup = setup_of(*common, f"points={scheme}", f"points.scope={scope}", f"neval={neval}")
                setup.model.load_state_dict(run.state["model"])
                drawn = setup.engine(data, setup.model)
                shares = []
                for plan in plans[:3]:
                    draws = [gradient(drawn, plan, step) for step in range(options.draws)]
                    settled = draws[len(draws) // 2 :] if scheme == "importance" else draws  # it has learnt
                    shares.append(total_variance(settled) / batches)
                rows.append(
                    {"case": case, "N_eval": neval, "points": f"{scheme}, {scope}", "share": median(shares)}
                )
                print(f"{case:18s} {neval:4d} {scheme + ', ' + scope:24s} {median(shares):.4f}", flush=True)
    print(write_result("points_variance", {"batch": 64, "over the batches' variance": rows}))


if __name__ == "__main__":
    main()
