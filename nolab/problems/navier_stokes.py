"""Navier–Stokes flow on the unit torus: first frames of the vorticity to the frames that follow.

The setting of Li et al., *Fourier Neural Operator for Parametric Partial Differential Equations* (arXiv
2010.08895): w_t + u·∇w = νΔw + 0.1(sin 2π(x+y) + cos 2π(x+y)) on [0,1)², w(0) a Gaussian random field of
covariance 7³(-Δ + 49)^-2.5 (up to a constant, see below). They train on the frames t = 1, …, 10 to predict those
up to t = 50 (ν = 1e-3), 30 (1e-4) and 20 (1e-5), solved on 256² points and stored on 64².

Paper and script differ in the size of w(0), the script's versions too. Here it is that of the script at the time
of the paper (two real normals per mode): a standard deviation of 0.262. Later versions (complex normals of
variance 1) give 0.185, the law as it is printed 0.043.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from nolab.frames import frame_name
from nolab.grid import Axis, Domain
from nolab.problems._description import Description
from nolab.problems._torus_fields import torus_field, torus_normals
from nolab.problems._torus_flow import batches, chosen_step, evolve
from nolab.problems._torus_options import TorusOptions
from nolab.schema import check

VERSION = "1"

ALPHA, TAU = 2.5, 7.0
"""Smoothness and inverse length of the initial vorticity's law."""

FORCING = 0.1

SPEED = 0.75
"""Bound on the velocity in times up to 50, for the choice of the time step."""


@dataclass(frozen=True)
class Options(TorusOptions):
    """Everything that a sample depends on besides (seed, split, index)."""

    viscosity: float = 1e-3
    """The constant ν."""
    start: float = 1.0
    """Time of the first input frame; 0 is the initial field."""
    interval: float = 1.0
    """Time between frames."""
    history: int = 10
    """Input frames."""
    horizon: int = 10
    """Output frames, right after the input's."""
    layout: Literal["frames", "space_time"] = "frames"
    """The output: frames as channels of a field on the torus, or one field over time and the torus."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(1e-6 <= self.viscosity <= 1, "viscosity", self.viscosity, "from 0.000001 to 1")
        check(0 <= self.start <= 1000, "start", self.start, "from 0 to 1000")
        check(0.001 <= self.interval <= 100, "interval", self.interval, "from 0.001 to 100")
        check(1 <= self.history <= 1000, "history", self.history, "from 1 to 1000")
        fewest = 2 if self.layout == "space_time" else 1
        check(
            fewest <= self.horizon <= 1000, "horizon", self.horizon, f"from {fewest} to 1000 ({self.layout})"
        )

    @property
    def times(self) -> list[float]:
        """Times of the frames, the input's first."""
        return [self.start + i * self.interval for i in range(self.history + self.horizon)]


def describe(options: Options) -> Description:
    """Names, units (all dimensionless) and grid; axis -2 is x, axis -1 is y, before them t in space_time."""
    names = tuple(frame_name("vorticity", time) for time in options.times)
    inputs, frames = names[: options.history], names[options.history :]
    torus, grid = Domain.unit(2, "periodic"), (options.resolution, options.resolution)
    if options.layout == "frames":
        return Description(torus, grid, inputs, frames, dict.fromkeys(names, "1"))
    first, last = options.times[options.history], options.times[-1]
    return Description(
        domain=Domain((Axis("nodal", first, last), *torus.axes)),
        shape=(options.horizon, *grid),
        input_names=inputs,
        output_names=("vorticity",),
        units=dict.fromkeys((*inputs, "vorticity"), "1"),
        input_axes=(1, 2),
    )


def generate(
    options: Options, seed: int, split: str, indices: range, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Samples `indices` of a split.

    The initial field depends on (seed, split, index) and the solver's grid alone; the last bits of the frames
    may depend on the batch and on the device.

    Returns
    -------
    float32, with r = ``options.resolution``, n samples, H = ``history`` and T = ``horizon``:
    frames: (n, H, r, r) and (n, T, r, r); space_time: (n, H, 1, r, r) and (n, 1, T, r, r).

    Raises
    ------
    InputError : unknown split.
    RunFailure : the time step is too large.
    """
    solved = []
    for batch in batches(indices, options.points, device):
        normals = torus_normals(seed, split, batch, options.points).to(device)
        solved.append(torch.stack([options.stored(w) for w in trajectory(normals, options)], dim=1))
    frames = torch.cat(solved)  # (n, H + T, r, r)
    before, after = frames[:, : options.history], frames[:, options.history :]
    if options.layout == "space_time":
        before, after = before[:, :, None], after[:, None]
    return before.numpy(), after.numpy()


def trajectory(normals: Tensor, options: Options) -> Iterator[Tensor]:
    """The vorticity (n, p, p) on the solver's grid at each of the frames' times."""
    w = torus_field(normals, options.points, TAU ** (ALPHA - 1), ALPHA, TAU).to(options.dtype)
    dt = options.dt or chosen_step(options.integrator, 1 / options.points, SPEED)
    return evolve(
        w,
        forcing(options.points).to(w),
        options.times,
        viscosity=options.viscosity,
        dt=dt,
        integrator=options.integrator,
    )


def forcing(points: int) -> Tensor:
    """The forcing of Li et al. on p² points, (p, p) float64."""
    x, y = Domain.unit(2, "periodic").coordinates((points, points))
    phase = 2 * math.pi * (x + y)
    return FORCING * (phase.sin() + phase.cos())
