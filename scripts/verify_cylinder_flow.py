"""Drag, lift and Strouhal number of `dataset=cylinder_flow`'s solver beside the benchmark of Schäfer and Turek.

    python scripts/verify_cylinder_flow.py
    python scripts/verify_cylinder_flow.py --resolutions 8 12 16 --end 8

Cases 2D-1 (Re = 20, steady) and 2D-2 (Re = 100, periodic) in the benchmark's channel of length 2.2. Forces are
residuals of the momentum equation at the cylinder's nodes. Figures of Re = 100 are those of the last `--last` units of
time.
"""

import argparse
import time

import numpy as np

from nolab.problems._channel_flow import ChannelFlow
from nolab.problems._channel_mesh import CENTRE, RADIUS
from nolab.problems.cylinder_flow import STEP

RANGES = {
    "c_D (Re 20)": "5.57 - 5.59",
    "c_D max": "3.22 - 3.24",
    "c_L max": "0.99 - 1.01",
    "St": "0.295 - 0.305",
}
"""Of Schäfer and Turek (1996)."""


def coefficients(flow: ChannelFlow, dt: float, steps: int) -> np.ndarray:
    """Drag and lift coefficients after each of the steps but the first two, (steps - 2, 2)."""
    space = flow.space
    around = np.square(space.nodes - CENTRE).sum(axis=1) < (1.001 * RADIUS) ** 2
    past, forces = [flow.velocity] * 3, []
    for _ in range(steps):
        flow.advance(1)
        now, before, earlier = past
        change = (11 / 6 * flow.velocity - 3 * now + 3 / 2 * before - 1 / 3 * earlier) / dt
        residual = change @ space.mass + flow.viscosity * flow.velocity @ space.stiffness
        residual += space.convection(3 * now - 3 * before + earlier)
        residual -= np.stack([gradient @ flow.pressure for gradient in space.gradient])
        forces.append(-residual[:, around].sum(axis=1))
        past = [flow.velocity, now, before]
    return np.array(forces)[2:] / RADIUS  # 2F / (U²D)


def strouhal(lift: np.ndarray, dt: float) -> float:
    """Of a lift that crosses its mean upwards at least twice, by interpolation between steps."""
    lift = lift - lift.mean()
    up = np.flatnonzero((lift[:-1] < 0) & (lift[1:] >= 0))
    crossings = up + lift[up] / (lift[up] - lift[up + 1])
    return 2 * RADIUS * (len(crossings) - 1) / ((crossings[-1] - crossings[0]) * dt)


def figures(resolution: int, args: argparse.Namespace) -> dict[str, float]:
    """The figures of :data:`RANGES` at one resolution."""
    dt = STEP / resolution
    steady = ChannelFlow(resolution, 2.2, CENTRE, 20, dt, kick=0)
    steady.advance(round(args.steady / dt))
    drag = coefficients(steady, dt, 5)[-1, 0]
    periodic = ChannelFlow(resolution, 2.2, CENTRE, 100, dt)
    last = round(args.last / dt)
    periodic.advance(round(args.end / dt) - last)
    drags, lifts = coefficients(periodic, dt, last).T
    return dict(zip(RANGES, (drag, drags.max(), lifts.max(), strouhal(lifts, dt)), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--resolutions", type=int, nargs="+", default=[8, 10, 12])
    parser.add_argument("--end", type=float, default=6.0, help="time of the run at Re = 100")
    parser.add_argument("--last", type=float, default=1.5, help="its last part, which is measured")
    parser.add_argument("--steady", type=float, default=4.0, help="time of the run at Re = 20")
    args = parser.parse_args()
    print(f"{'resolution':>12}", *(f"{name:>14}" for name in RANGES), f"{'CPU s':>8}")
    for resolution in args.resolutions:
        began = time.process_time()
        found = figures(resolution, args)
        spent = time.process_time() - began
        print(
            f"{resolution:>12}",
            *(f"{value:>14.4f}" for value in found.values()),
            f"{spent:>8.0f}",
            flush=True,
        )
    print(f"{'benchmark':>12}", *(f"{text:>14}" for text in RANGES.values()))


if __name__ == "__main__":
    main()
