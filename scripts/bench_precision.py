"""Everything that precision and speed are measured by, in one call: what to run where a GPU is at hand.

    python scripts/bench_precision.py --device cuda
    python scripts/bench_precision.py --device cpu --batch 2 --grids 97 --repeats 3   # a small try

1. `nolab bench` on the networks of arXiv 2307.15034 (64 modes; width 64 as for Navier-Stokes, 32 as for
   Darcy, dense and CP weights of rank 0.05, group norm, H1 loss): time, memory and error of every precision
   mode beside neuraloperator's own model, on grids of 2^k, of other even and of odd size; and the same with
   activation checkpointing.
2. What a sample costs at each level, 17² to 257²: as it is, compiled, with CUDA graphs, and with both.

Figures, tables and the machine's name go to scripts/results/bench_precision_<device>.json.
"""

import argparse
from dataclasses import asdict

import torch
from _measuring import setup_of, write_result

from nolab.benchmark import BenchOptions, benchmark, tables
from nolab.training.compilation import compiled
from nolab.training.costs import measure_costs

NETWORKS = {
    "Navier-Stokes, dense": ["model=fno", "model.hidden_channels=64"],
    "Navier-Stokes, CP": [
        "model=tfno",
        "model.hidden_channels=64",
        *("model.factorization=cp", "model.rank=0.05"),
    ],
    "Darcy, dense": ["model=fno", "model.hidden_channels=32"],
}
COMMON = ["model.n_modes=64", "+model.norm=group_norm", "loss=h1", "hierarchy=one", "tracking=none"]
VARIANTS = {
    "plain": [],
    "compiled": ["compile=true"],
    "graphs": ["cuda_graphs=true"],
    "compiled, graphs": ["compile=true", "cuda_graphs=true"],
}


def networks(options):
    """Rows of `nolab bench` for every network, without and with checkpointing."""
    bench = BenchOptions(grids=options.grids, batch=[options.batch], repeats=options.repeats)
    found = {}
    for name, overrides in NETWORKS.items():
        for checkpointing in ("false", "true"):
            more = [f"checkpointing={checkpointing}", f"device={options.device}"]
            rows = benchmark(setup_of(*overrides, *COMMON, *more), bench)
            title = name + (", checkpointing" if checkpointing == "true" else "")
            print(title, flush=True)
            for grid, cells in tables(rows):
                print(f" {grid}")
                for row in cells:
                    print("  " + "  ".join(f"{cell:>12}" for cell in row))
            found[title] = [asdict(row) for row in rows]
    return found


def costs(options):
    """Milliseconds per sample, forward and backward, at each level."""
    sizes = [17, 33, 65, 129, 257]
    levels = ",".join(map(str, sizes))
    found = {}
    for name, more in VARIANTS.items():
        if "cuda_graphs=true" in more and options.device == "cpu":
            continue
        setup = setup_of(
            f"hierarchy.levels=[{levels}]", f"dataset.resolution={sizes[-1]}", f"dataset.finest={sizes[-1]}",
            "dataset.n_train=64", "dataset.n_test=4", "sampling=fine", "sampling.batch_size=16",
            f"device={options.device}", "tracking=none", *more,
        )  # fmt: skip
        engine = setup.engine(setup.load(), timed_model(setup))
        measured = measure_costs(engine, setup.model, setup.estimator.plan(0), len(sizes))
        found[name] = {f"{n}x{n}": 1e3 * seconds for n, seconds in zip(sizes, measured.seconds, strict=True)}
        print(name, {level: round(ms, 3) for level, ms in found[name].items()}, flush=True)
    return found


def timed_model(setup):
    return compiled(setup.model) if setup.config.compile else setup.model


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--grids", type=int, nargs="+", default=[96, 128, 241])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--only", choices=["networks", "costs"])
    options = parser.parse_args()
    result = {}
    if options.only != "costs":
        result["networks"] = networks(options)
    if options.only != "networks":
        result["milliseconds per sample"] = costs(options)
    device = torch.device(options.device)
    print(write_result(f"bench_precision_{device.type}", result, device))


if __name__ == "__main__":
    main()
