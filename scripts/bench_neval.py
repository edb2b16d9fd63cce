"""What N_eval saves of a step, model by model: seconds and FLOPs beside the full grid's.

    python scripts/bench_neval.py [--repeats 7] [--threads 1] [--device cpu]

A step is what `nolab train` runs: batch, points, forward, backward, optimizer. Tasks of one model
take turns in one process; medians, and medians of the paired ratios.
"""

import argparse
from statistics import median

import torch
from _measuring import Step, alternate, median_ratio, setup_of, write_result

from nolab.metrics.flops import count_flops

SMALL = ["dataset.n_train=512", "dataset.n_test=4"]
DARCY = [*SMALL, "hierarchy=one", "sampling=fine", "sampling.batch_size=16"]
CASES = {
    "FNO, Darcy 65², batch 16": DARCY,
    "TFNO, Darcy 65², batch 16": [*DARCY, "model=tfno"],
    "DeepONet, heat 32², batch 256": [*SMALL, "experiment=deeponet_heat"],
    "DeepONet, dynamical system 100, batch 256": [*SMALL, "experiment=deeponet_dynamical"],
    "DeepONet, diffusion–reaction 101×100, batch 256": [*SMALL, "experiment=deeponet_diffusion_reaction"],
    "gated DeepONet, dynamical system 100, batch 256": [
        *SMALL,
        "experiment=deeponet_dynamical",
        "model.variant=gated",
    ],
}
FULL = "full grid"
POINTS = {
    FULL: ["neval=null"],
    **{
        f"{scheme}, {scope}, N/{k}": [f"points={scheme}", f"points.scope={scope}", f"neval={1 / k}"]
        for k in (8, 64)
        for scheme, scope in (("random", "shared"), ("random", "per_sample"), ("sobol", "per_sample"))
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    for name, overrides in CASES.items():
        tasks = {
            points: Step(setup_of(*overrides, *chosen, f"device={options.device}"))
            for points, chosen in POINTS.items()
        }
        seconds = alternate(tasks, options.repeats, torch.device(options.device))
        flops = {points: count_flops(step) for points, step in tasks.items()}
        for points in tasks:
            row = {
                "case": name,
                "points": points,
                "ms": 1e3 * median(seconds[points]),
                "time over full grid": median_ratio(seconds[points], seconds[FULL]),
                "FLOPs over full grid": flops[points] / flops[FULL],
            }
            rows.append(row)
            shown = " ".join(f"{value:10.3g}" for value in list(row.values())[2:])
            print(f"{name:50s} {points:30s} {shown}", flush=True)
    print(write_result(f"bench_neval_{options.device.replace(':', '')}", {"steps": rows}))


if __name__ == "__main__":
    main()
