"""Two-dimensional incompressible flow on the torus: w_t + u·∇w = νΔw + f for the vorticity w.

Pseudo-spectral in space, see :mod:`nolab.problems._torus_grid`. The mean of w changes by that of f alone.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from nolab.errors import RunFailure
from nolab.problems._torus_grid import Torus

Integrator = Literal["ifrk4", "crank_nicolson"]
"""How time advances:

* ``ifrk4``: diffusion exactly, by the integrating factor exp(-ν|k|²t); the rest by the classical fourth-order
  Runge–Kutta method;
* ``crank_nicolson``: diffusion by Crank–Nicolson, the rest by the explicit Euler method; first order. The
  scheme of Li et al. (arXiv 2010.08895).
"""

COURANT = 0.9
"""Grid spacings that the flow may pass in one step of ``ifrk4``. Kept modes have up to 2π/3 radians per spacing
along both axes, and Runge–Kutta is stable up to 2.83 radians per step: 2.83/(√2·2π/3) = 0.95."""

LONGEST_STEP = 0.02
"""Longest step of ``ifrk4`` that is chosen for times of order 1; for accuracy, on grids that would allow more."""

CRANK_NICOLSON_STEP = 1e-4
"""The step of Li et al."""

CACHED_POINTS = 2**14
"""Points of a batch on a CPU, beyond which its fields fall out of the cache."""

MARGIN = 1.01
"""What discretisation and rounding may add to the bound on the vorticity."""

Step = Callable[[Tensor], Tensor]
"""From the vorticity's coefficients (B, n, m) to those one step later."""


def chosen_step(integrator: Integrator, spacing: float, speed: float) -> float:
    """The largest time step for a flow of at most this speed on a grid of this spacing."""
    if integrator == "crank_nicolson":
        return CRANK_NICOLSON_STEP
    return min(LONGEST_STEP, COURANT * spacing / speed)


def batches(indices: range, points: int, device: torch.device) -> list[range]:
    """Samples that are best solved together on n×n points: all on a GPU, as many as a CPU's cache holds."""
    size = len(indices) if device.type != "cpu" else max(1, CACHED_POINTS // points**2)
    return [indices[i : i + size] for i in range(0, len(indices), size)]


def evolve(
    start: Tensor,
    forcing: Tensor,
    times: Sequence[float],
    *,
    viscosity: float,
    dt: float,
    integrator: Integrator = "ifrk4",
    length: float = 1.0,
) -> Iterator[Tensor]:
    """The vorticity at each of the times, met exactly by steps of at most `dt`.

    Parameters
    ----------
    start : (B, n, n), the vorticity at time 0; float64 or float32, which is also that of the arithmetic.
    forcing : (n, n), or (B, n, n) per sample; constant in time.
    times : ascending, from 0 on.
    viscosity : ν > 0.
    dt : longest time step.
    length : the torus is [0, L)².

    Yields
    ------
    (B, n, n) for each time.

    Raises
    ------
    RunFailure : `dt` is too large: the norm of w exceeds ‖w(0)‖ + t‖f‖, which no flow does.
    """
    torus = Torus.build(start.shape[-1], length, start.dtype, start.device)
    w, f = torus.coefficients(start), torus.coefficients(forcing)
    largest, growth = _norm(start), _norm(forcing)

    @cache
    def stepper(h: float) -> Step:
        return _STEPPERS[integrator](torus, f, viscosity, h)

    for before, time in pairwise([0.0, *times]):
        steps = steps_between(before, time, dt)
        for _ in range(steps):
            w = stepper((time - before) / steps)(w)
        values = torus.values(w) if time > 0 else start
        if not (_norm(values) <= MARGIN * (largest + time * growth)).all():  # catches NaN as well
            raise RunFailure(
                f"the flow became unstable before t = {time:g} in time steps of {dt:g}; take smaller ones, e.g. "
                f"dataset.dt={dt / 2:g}"
            )
        yield values


def steps_between(before: float, after: float, dt: float) -> int:
    """The fewest equal steps of at most `dt`, up to rounding."""
    return math.ceil((after - before) / dt * (1 - 1e-9))


def _norm(field: Tensor) -> Tensor:
    """Root of the mean square over the torus, (…, n, n) to (…)."""
    return field.square().mean((-2, -1)).sqrt()


def _ifrk4(torus: Torus, forcing: Tensor, viscosity: float, h: float) -> Step:
    half = torch.exp(-viscosity * h / 2 * torus.squares)  # (n, m), diffusion over half a step
    whole = half.square()

    def slope(w: Tensor) -> Tensor:
        return forcing - torus.transport(w)

    def step(w: Tensor) -> Tensor:
        k1 = slope(w)
        k2 = slope(half * (w + h / 2 * k1))
        k3 = slope(half * w + h / 2 * k2)
        k4 = slope(whole * w + h * half * k3)
        return whole * (w + h / 6 * k1) + h / 3 * half * (k2 + k3) + h / 6 * k4

    return step


def _crank_nicolson(torus: Torus, forcing: Tensor, viscosity: float, h: float) -> Step:
    diffusion = h / 2 * viscosity * torus.squares  # (n, m)
    kept, inverse = 1 - diffusion, 1 / (1 + diffusion)

    def step(w: Tensor) -> Tensor:
        return inverse * (kept * w + h * (forcing - torus.transport(w)))

    return step


_STEPPERS = {"ifrk4": _ifrk4, "crank_nicolson": _crank_nicolson}
