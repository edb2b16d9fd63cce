"""Samples per second of nolab's Darcy solver beside a sparse direct solver, in one run.

    python scripts/bench_darcy_solver.py 65 129 241 421 --json darcy_solver.json

Both solve the same media on one core of the same machine; medians over `--repeats` rounds, which
alternate between the two. Only solving is timed: the coefficient is there, the matrix assembled.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import spsolve

from nolab.problems import darcy
from nolab.problems._elliptic import solve_dirichlet


def assemble(a: np.ndarray) -> sp.csc_matrix:
    """h² times the 5-point matrix of the inner nodes, (m², m²), for a coefficient (r, r)."""
    m = len(a) - 2
    along_x = (a[1:, 1:-1] + a[:-1, 1:-1]) / 2  # (m+1, m)
    along_y = (a[1:-1, 1:] + a[1:-1, :-1]) / 2  # (m, m+1)
    diagonal = along_x[1:] + along_x[:-1] + along_y[:, 1:] + along_y[:, :-1]
    below = along_x[1:-1].ravel()
    right = np.pad(along_y[:, 1:-1], ((0, 0), (0, 1))).ravel()[:-1]
    bands = [diagonal.ravel(), -right, -right, -below, -below]
    return sp.diags_array(bands, offsets=[0, 1, -1, m, -m], shape=(m * m, m * m)).tocsc()


def seconds(work: Callable[[], object], device: torch.device) -> float:
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def bench(resolution: int, samples: int, repeats: int, device: torch.device) -> dict:
    """Medians of seconds per sample, and how far the two solutions are apart."""
    options = darcy.Options(resolution=resolution)
    media, _ = darcy.generate(options, 0, "train", range(samples), torch.device("cpu"))
    a = torch.from_numpy(media[:, 0]).double().to(device)  # (n, r, r)
    f = torch.ones_like(a)
    matrix, right = assemble(media[0, 0].astype(np.float64)), np.full((resolution - 2) ** 2, 1.0)
    right /= (resolution - 1) ** 2
    ours, direct = solve_dirichlet(a, f)[0, 1:-1, 1:-1].cpu().numpy(), spsolve(matrix, right)
    times = {"nolab": [], "spsolve": []}
    for _ in range(repeats):
        times["nolab"].append(seconds(lambda: solve_dirichlet(a, f), device) / samples)
        times["spsolve"].append(seconds(lambda: spsolve(matrix, right), torch.device("cpu")))
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {
        "resolution": resolution,
        "nolab_samples_per_s": 1 / medians["nolab"],
        "spsolve_samples_per_s": 1 / medians["spsolve"],
        "speedup": medians["spsolve"] / medians["nolab"],
        "relative_difference": float(np.linalg.norm(ours.ravel() - direct) / np.linalg.norm(direct)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("resolutions", nargs="*", type=int, default=[65, 129, 241, 421])
    parser.add_argument("--samples", type=int, default=16, help="samples in one batch of nolab's solver")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"), help="of nolab's solver")
    parser.add_argument("--json", type=Path, help="write the numbers to this file as well")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'r':>5} {'nolab 1/s':>11} {'spsolve 1/s':>12} {'speedup':>8} {'difference':>11}")
    rows = []
    for resolution in args.resolutions:
        row = bench(resolution, args.samples, args.repeats, args.device)
        rows.append(row)
        print(
            f"{resolution:>5} {row['nolab_samples_per_s']:>11.2f} {row['spsolve_samples_per_s']:>12.2f} "
            f"{row['speedup']:>8.1f} {row['relative_difference']:>11.1e}",
            flush=True,
        )
    if args.json:
        versions = {
            "torch": torch.__version__,
            "scipy": scipy.__version__,
            "python": platform.python_version(),
        }
        setting = {"device": str(args.device), "samples": args.samples, "repeats": args.repeats}
        record = {"versions": versions, "machine": platform.machine(), **setting, "rows": rows}
        args.json.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
