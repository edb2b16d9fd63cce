"""Linear solvers beside each other: seconds and iterations for a sequence of media, residual 1e-8, one core.

    python scripts/bench_generation.py

Every row solves the same media, in turns: medians over `--repeats` rounds, in which assembling the matrix
and making the preconditioner count. Then: how many of two cores two threads keep busy, per problem.
"""

import argparse
import threading
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from _measuring import CPU, alternate, write_result
from bench_darcy_solver import assemble as assemble_darcy
from scipy.fft import dstn, idstn
from scipy.sparse.linalg import spilu, spsolve

from nolab import registry
from nolab.problems import darcy, helmholtz
from nolab.problems._elliptic import solve_dirichlet
from nolab.problems._helmholtz import assemble, homogeneous_inverse, integrate
from nolab.problems._linear import Solver, System, solve_sequence

PROBLEMS = ("darcy", "helmholtz", "heat", "diffusion_reaction")


class Case(NamedTuple):
    """Media, their systems under each preconditioner, and the solvers that may take them."""

    media: np.ndarray
    build: dict[str, Callable[[int], System]]
    solvers: tuple[Solver, ...]


def laplacian_inverse(r: int) -> Callable[[np.ndarray], np.ndarray]:
    """The inverse of Darcy's matrix where the permeability is 1, by sine transforms."""
    one_axis = 4 * np.sin(np.pi * np.arange(1, r - 1) / (2 * (r - 1))) ** 2
    spectrum = one_axis[:, None] + one_axis
    return lambda v: idstn(dstn(v.reshape(r - 2, r - 2), type=1) / spectrum, type=1).ravel()


def incomplete(system: System) -> System:
    """With an incomplete LU factorisation as preconditioner."""
    factors = spilu(system.matrix.tocsc(), drop_tol=1e-2, fill_factor=5)
    return System(system.matrix, system.right, factors.solve)


def darcy_case(r: int, samples: int) -> Case:
    media, _ = darcy.generate(darcy.Options(resolution=r), 0, "train", range(samples), CPU)
    media = media[:, 0].astype(np.float64)
    right, inverse = np.full((r - 2) ** 2, 1 / (r - 1) ** 2), laplacian_inverse(r)

    def plain(i: int) -> System:
        return System(assemble_darcy(media[i]).tocsr(), right)

    build = {"none": plain, "Laplacian": lambda i: System(plain(i).matrix, right, inverse)}
    return Case(media, build, ("cg", "gmres", "recycling"))


def helmholtz_case(r: int, samples: int, k: float, contrast: float) -> Case:
    options = helmholtz.Options(resolution=r, wavenumber=k, contrast=contrast)
    media = helmholtz.generate(options, 0, "train", range(samples), CPU)[0][:, 0].astype(np.float64)
    x = np.linspace(0, 1, r)
    bump = np.exp(-((x[:, None] - 0.5) ** 2 + (x - 0.25) ** 2) / (2 * options.width**2))
    right = integrate(bump)

    def plain(i: int) -> System:
        return System(assemble(k / media[i]), right)

    def homogeneous(i: int) -> System:
        return System(assemble(k / media[i]), right, homogeneous_inverse(r, k))

    build = {
        "incomplete LU": lambda i: incomplete(plain(i)),
        "homogeneous medium": homogeneous,
    }
    return Case(media, build, ("gmres", "recycling"))


def rows_of(case: Case, extra: dict[str, Callable[[], Any]], repeats: int) -> list[dict]:
    """A row per solver and preconditioner, the fastest first."""
    first = next(iter(case.build.values()))
    unsorted = np.zeros((len(case.media), 1))
    plain = {
        "scipy spsolve": lambda: [
            spsolve(s.matrix.tocsc(), s.right) for s in map(first, range(len(case.media)))
        ],
        "direct": partial(solve_sequence, first, case.media, "direct"),
    }
    iterative = {
        f"{solver}, {name}": partial(solve_sequence, build, case.media, solver)
        for name, build in case.build.items()
        for solver in case.solvers
    } | {
        f"recycling unsorted, {name}": partial(solve_sequence, build, unsorted, "recycling")
        for name, build in case.build.items()
    }
    iterations = {
        name: float(np.mean([solution.iterations for solution in solve()]))
        for name, solve in iterative.items()
    }
    seconds = alternate(plain | extra | iterative, repeats)
    base = median(seconds["scipy spsolve"])
    rows = [
        {
            "solver": name,
            "seconds_per_sample": median(times) / len(case.media),
            "iterations": iterations.get(name),
            "speedup_over_spsolve": base / median(times),
        }
        for name, times in seconds.items()
    ]
    return sorted(rows, key=lambda row: row["seconds_per_sample"])


def threading_of(problem: str, samples: int = 16) -> dict:
    """Two threads with a chunk each beside the two chunks in turn: near 2 cores where the GIL is let go."""
    module = registry.load("nolab.problems", problem, key="problem")
    options = module.Options()

    def chunk(i: int) -> None:
        module.generate(options, 0, "train", range(i * samples, (i + 1) * samples), CPU)

    def side_by_side() -> None:
        threads = [threading.Thread(target=chunk, args=(i,)) for i in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    chunk(0)
    wall = time.perf_counter()
    chunk(0)
    chunk(1)
    alone = time.perf_counter() - wall
    wall, cpu = time.perf_counter(), time.process_time()
    side_by_side()
    together = time.perf_counter() - wall
    busy = (time.process_time() - cpu) / together
    return {"problem": problem, "seconds_a_chunk": alone / 2, "speedup": alone / together, "cores_busy": busy}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--resolution", type=int, default=65)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    r, n = args.resolution, args.samples
    flow = darcy_case(r, n)
    a = torch.from_numpy(flow.media)
    cases = {
        "darcy": (flow, {"nolab, batched": lambda: solve_dirichlet(a, torch.ones_like(a))}),
        "helmholtz k=10 contrast=0.2": (helmholtz_case(r, n, 10.0, 0.2), {}),
        "helmholtz k=20 contrast=0.2": (helmholtz_case(r, n, 20.0, 0.2), {}),
        "helmholtz k=20 contrast=0.5": (helmholtz_case(r, n, 20.0, 0.5), {}),
    }
    result = {"resolution": r, "samples": n, "repeats": args.repeats, "cases": {}}
    for name, (case, extra) in cases.items():
        rows = result["cases"][name] = rows_of(case, extra, args.repeats)
        print(f"\n{name}, {r}²\n{'':40} {'ms/sample':>9} {'iterations':>10} {'/ spsolve':>9}")
        for row in rows:
            taken = "-" if row["iterations"] is None else f"{row['iterations']:.1f}"
            print(
                f"{row['solver']:40} {1e3 * row['seconds_per_sample']:9.2f} {taken:>10} "
                f"{row['speedup_over_spsolve']:9.2f}",
                flush=True,
            )
    result["threads"] = [threading_of(problem) for problem in PROBLEMS]
    print(f"\n{'two threads':20} {'ms/chunk':>9} {'speedup':>8} {'cores':>6}")
    for row in result["threads"]:
        print(
            f"{row['problem']:20} {1e3 * row['seconds_a_chunk']:9.1f} {row['speedup']:8.2f} {row['cores_busy']:6.2f}"
        )
    print(write_result("bench_generation", result))


if __name__ == "__main__":
    main()
