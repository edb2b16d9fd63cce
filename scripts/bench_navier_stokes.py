"""Seconds a sample and errors of nolab's Navier–Stokes integrators, beside Li's scheme in plain numpy, in one run.

    python scripts/bench_navier_stokes.py
    python scripts/bench_navier_stokes.py --device cuda --samples 64 --name navier_stokes_cuda

All solve the same flow of `dataset=navier_stokes` from its initial field to `--time`, on one core or one GPU. Errors
are relative L2 norms at the end, against `ifrk4` with an eighth of its shortest step.
"""

import argparse
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from _measuring import CPU, write_result

from nolab.problems._torus_fields import torus_field, torus_normals
from nolab.problems._torus_flow import batches, evolve
from nolab.problems.navier_stokes import ALPHA, TAU, forcing
from nolab.training.costs import timed

CASES = (
    ("ifrk4", 0.02),
    ("ifrk4", 0.01),
    ("ifrk4", 0.005),
    ("crank_nicolson", 1e-3),
    ("crank_nicolson", 1e-4),
)
BASELINE = "numpy, crank_nicolson"
Fields = torch.Tensor


def li_in_numpy(w: np.ndarray, f: np.ndarray, viscosity: float, time: float, dt: float) -> np.ndarray:
    """Their scheme for one field (n, n), with complex transforms as in their script."""
    n = len(w)
    k = 2 * np.pi * np.fft.fftfreq(n, 1 / n)
    k1, k2 = np.meshgrid(k, k, indexing="ij")
    squares = k1**2 + k2**2
    inverse = 1 / np.where(squares == 0, 1, squares)
    limit = 2 / 3 * (n // 2) * 2 * np.pi * (1 + 1e-12)
    kept = (abs(k1) <= limit) & (abs(k2) <= limit)
    half = dt / 2 * viscosity * squares
    c, g = np.fft.fft2(w), np.fft.fft2(f)
    for _ in range(round(time / dt)):
        psi = c * inverse
        u, v = np.fft.ifft2(1j * k2 * psi).real, np.fft.ifft2(-1j * k1 * psi).real
        w_x, w_y = np.fft.ifft2(1j * k1 * c).real, np.fft.ifft2(1j * k2 * c).real
        transport = kept * np.fft.fft2(u * w_x + v * w_y)
        c = ((1 - half) * c + dt * (g - transport)) / (1 + half)
    return np.fft.ifft2(c).real


def flow(args: argparse.Namespace, integrator: str, dt: float) -> Fields:
    """The vorticity of all samples at the end, on the CPU."""
    ends = []
    for batch in batches(range(args.samples), args.points, args.device):
        normals = torus_normals(0, "train", batch, args.points).to(args.device)
        start = torus_field(normals, args.points, TAU ** (ALPHA - 1), ALPHA, TAU)
        options = {"viscosity": args.viscosity, "dt": dt, "integrator": integrator}
        (end,) = evolve(start, forcing(args.points).to(start), [args.time], **options)
        ends.append(end.cpu())
    return torch.cat(ends)


def baseline(args: argparse.Namespace, dt: float) -> Fields:
    """The first sample alone."""
    start = torus_field(
        torus_normals(0, "train", range(1), args.points), args.points, TAU ** (ALPHA - 1), ALPHA, TAU
    )
    end = li_in_numpy(start[0].numpy(), forcing(args.points).numpy(), args.viscosity, args.time, dt)
    return torch.from_numpy(end)[None]


def measured(task: Callable[[], Fields], reference: Fields, repeats: int, device: torch.device) -> dict:
    """Median seconds a sample, and the error."""
    found: list[Fields] = []
    seconds = [timed(lambda: found.append(task()), device) for _ in range(repeats)]
    end = found[-1]
    error = (end - reference[: len(end)]).norm() / reference[: len(end)].norm()
    return {"seconds_per_sample": median(seconds) / len(end), "relative_error": float(error)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--points", type=int, default=64, help="per axis")
    parser.add_argument("--viscosity", type=float, default=1e-5)
    parser.add_argument("--time", type=float, default=20.0)
    parser.add_argument(
        "--samples", type=int, default=4, help="solved by nolab; the numpy baseline solves one"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", type=torch.device, default=CPU, help="of nolab's solver")
    parser.add_argument("--name", default="navier_stokes", help="of the result's file")
    args = parser.parse_args()
    torch.set_num_threads(1)
    reference = flow(args, "ifrk4", min(dt for name, dt in CASES if name == "ifrk4") / 8)
    tasks = {(name, dt): (lambda name=name, dt=dt: flow(args, name, dt)) for name, dt in CASES}
    tasks[BASELINE, 1e-4] = lambda: baseline(args, 1e-4)
    rows = []
    print(f"{'scheme':<24} {'dt':>8} {'s/sample':>9} {'error':>9}")
    for (name, dt), task in tasks.items():
        # The short steps take minutes: once is enough for a median.
        repeats = args.repeats if dt > 1e-4 else 1
        rows.append({"scheme": name, "dt": dt, **measured(task, reference, repeats, args.device)})
        print(
            f"{name:<24} {dt:>8g} {rows[-1]['seconds_per_sample']:>9.3g} {rows[-1]['relative_error']:>9.2e}",
            flush=True,
        )
    for row in rows:
        row["speedup"] = rows[-1]["seconds_per_sample"] / row["seconds_per_sample"]
    setting = {key: getattr(args, key) for key in ("points", "viscosity", "time", "samples", "repeats")}
    print(write_result(args.name, {**setting, "baseline": BASELINE, "rows": rows}, args.device))


if __name__ == "__main__":
    main()
