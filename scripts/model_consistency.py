"""V_ℓ of every model on every kind of hierarchy: how far each has level consistency.

    python scripts/model_consistency.py [--places grids] [--steps 200] [--samples 24] [--seeds 0 1 2]
    python scripts/model_consistency.py --places points

Each model is trained briefly at the level below the finest; then gradients of single samples at every level give
V_ℓ = tr Cov(g_ℓ - g_{ℓ-1}) over V_fine = tr Cov(g_L), and the squared bias |E(g_L - g_ℓ)|² over V_fine. Averaged
hierarchies need cell-centred or periodic data; what a model or a data set does not take is left out by name. On
scattered points `subsample` is the hierarchy of meshes that the data hold.
"""

import argparse
from statistics import median

import numpy as np
from _measuring import RESULTS, trained_moments, write_result

from nolab.errors import InputError

DARCY = ["dataset=darcy", "dataset.finest=129", "hierarchy.levels=[17,33,65,129]"]
SPHERE = ["dataset=shallow_water", "hierarchy=two"]
SHAPES = ["dataset=poisson_shapes", "dataset.n_train=1024", "hierarchy=four", "optimizer.lr=2e-3"]
CELL = ["dataset=elasticity", "hierarchy=three", "optimizer.lr=2e-3"]
MESSAGES = ["model=mp_pde", "model.hidden=16", "model.n_layers=4", "model.radius=0.15", "model.neighbours=64"]
TRANSFORMER = ["model=ginot", "model.width=32"]
GRAPH = ["model=gino", "model.latent=17", "model.hidden_channels=12", "model.in_radius=0.25"]
PLAIN = "model.weighted=false"
GRIDS = {
    "fno, consistent": ["model=fno", *DARCY],
    "fno, index": ["model=fno", "model.discretization=index", *DARCY],
    "tfno, consistent": ["model=tfno", *DARCY],
    "tfno, index": ["model=tfno", "model.discretization=index", *DARCY],
    "deeponet, sensors": ["model=deeponet", "optimizer.lr=1e-3", *DARCY],
    "sfno (shallow water)": ["model=sfno", *SPHERE],
}
POINTS = {
    "mp_pde, weighted, shapes": [*MESSAGES, *SHAPES],
    "mp_pde, plain means, shapes": [*MESSAGES, PLAIN, *SHAPES],
    "mp_pde, plain means of 8 nearest, shapes": [
        *MESSAGES,
        PLAIN,
        "model.graph=nearest",
        "model.neighbours=8",
        *SHAPES,
    ],
    "ginot, weighted, shapes": [*TRANSFORMER, *SHAPES],
    "ginot, as published, shapes": [*TRANSFORMER, PLAIN, *SHAPES],
    "gino, weighted, shapes": [*GRAPH, *SHAPES],
    "gino, plain means, shapes": [*GRAPH, PLAIN, *SHAPES],
    "mp_pde, weighted, cell": [*MESSAGES, *CELL],
    "mp_pde, plain means, cell": [*MESSAGES, PLAIN, *CELL],
    "ginot, weighted, cell": [*TRANSFORMER, *CELL],
    "ginot, as published, cell": [*TRANSFORMER, PLAIN, *CELL],
}
PLACES = {
    "grids": (GRIDS, ("subsample", "average", "spectral"), "model_consistency"),
    "points": (POINTS, ("subsample", "farthest", "random"), "point_consistency"),
}


def measure(overrides, kind, steps, samples, seeds):
    rows = []
    for seed in seeds:
        moments = trained_moments(
            [*overrides, f"hierarchy.restriction={kind}", f"budget.steps={steps}", f"seed={seed}"], samples
        )
        fine = moments.fine_variance
        bias = [moments.squared_bias(level) / fine for level in range(len(moments.variances) - 1)]
        rows.append({"V/V_fine": list(moments.variances[1:] / fine), "bias²/V_fine": bias})
    return rows


def slope(variances):
    """β: -log₂ of V_ℓ's factor from one level to the next, by least squares."""
    if len(variances) < 2:
        return None
    return -float(np.polyfit(np.arange(len(variances)), np.log2(variances), 1)[0])


def line(model, kind, rows):
    medians = {
        key: [median(column) for column in zip(*(row[key] for row in rows), strict=True)] for key in rows[0]
    }
    cells = [", ".join(f"{value:.2g}" for value in medians[key]) for key in ("V/V_fine", "bias²/V_fine")]
    beta = slope(medians["V/V_fine"])
    return f"| {model} | {kind} | {cells[0]} | {'-' if beta is None else f'{beta:.1f}'} | {cells[1]} |"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--places", choices=PLACES, default="grids")
    parser.add_argument("--kinds", nargs="+", help="hierarchies; default: all")
    parser.add_argument("--overrides", nargs="+", default=[], help="of every run, e.g. data_dir=…")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--samples", type=int, default=24)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    lines = [
        "| model | hierarchy | V_ℓ / V_fine, coarse to fine | β | squared bias of g_ℓ / V_fine |",
        "|---|---|---|---|---|",
    ]
    result = {}
    models, kinds, name = PLACES[options.places]
    for model, overrides in models.items():
        for kind in options.kinds or kinds:
            try:
                rows = measure(
                    [*overrides, *options.overrides], kind, options.steps, options.samples, options.seeds
                )
            except InputError as error:
                lines.append(f"| {model} | {kind} | refused: {error} | | |")
                print(lines[-1], flush=True)
                continue
            result[f"{model}, {kind}"] = rows
            lines.append(line(model, kind, rows))
            print(lines[-1], flush=True)
    (RESULTS / f"{name}.md").write_text("\n".join(lines) + "\n")
    print(write_result(name, {"options": vars(options), "rows": result}))


if __name__ == "__main__":
    main()
