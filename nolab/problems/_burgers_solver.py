"""The solver of u_t + (u²/2)_x = ν u_xx on the circle [0, 1), for functions by their Fourier coefficients.

Fourier series, products without aliasing, an integrating factor for the viscosity and the classical
Runge–Kutta method of fourth order (Canuto et al., *Spectral Methods*, 2006). The steps grow in
proportion to √t: where u(0) has few derivatives, even steps would lose the order to what its high
frequencies do before the viscosity has damped them.
"""

import math
from collections.abc import Callable

import torch
from scipy.fft import next_fast_len
from torch import Tensor

from nolab.errors import RunFailure
from nolab.problems._periodic_field import circle_values

STEPS = 200
"""Fewest time steps."""

TAIL = 1e-6
"""Largest share of the last eighth of the frequencies in the norm of a solution that counts as resolved."""


def solve(start: Tensor, viscosity: float, time: float, frequencies: int) -> Tensor:
    """Velocity at `time` from that at 0, both by their Fourier coefficients (see ``_periodic_field``).

    Parameters
    ----------
    start : (B, K+1) complex128, on any device.
    viscosity, time : ν and T, positive.
    frequencies : highest frequency M >= K that the solution has.

    Returns
    -------
    (B, M+1) complex128, on the device of `start`.

    Raises
    ------
    RunFailure : the last eighth of the frequencies holds more than :data:`TAIL` of a solution, or it is
        not finite.
    """
    u = torch.nn.functional.pad(start, (0, frequencies + 1 - start.shape[1]))
    counts = _steps(circle_values(u, 2 * frequencies + 2).abs().amax(dim=1), viscosity, time)
    for steps in sorted(set(counts)):
        alike = torch.tensor([count == steps for count in counts], device=u.device)
        u[alike] = integrate(u[alike], viscosity, time, steps)
    _check_resolved(u)
    return u


def integrate(u: Tensor, viscosity: float, time: float, steps: int) -> Tensor:
    """:func:`solve` in this many steps, all samples in one batch; u (B, M+1)."""
    frequencies = u.shape[1] - 1
    wave = 2 * math.pi * torch.arange(frequencies + 1, dtype=torch.float64, device=u.device)  # (M+1,)
    # A square has frequencies up to 2M; those that a grid of more than 3M nodes takes for others are cut off.
    nodes = next_fast_len(3 * frequencies + 1, real=True)

    def rate(u: Tensor) -> Tensor:
        square = torch.fft.irfft(u, n=nodes, norm="forward") ** 2
        return -0.5j * wave * torch.fft.rfft(square, norm="forward")[:, : frequencies + 1]

    times = time * (torch.arange(steps + 1, dtype=torch.float64) / steps) ** 2
    for h in times.diff().tolist():
        u = _step(u, rate, torch.exp(-viscosity * wave**2 * h / 2), h)
    return u


def _step(u: Tensor, rate: Callable[[Tensor], Tensor], decay: Tensor, h: float) -> Tensor:
    """One step of RK4 for exp(νk²t) u; `decay` (M+1,) is what viscosity leaves after half the step."""
    first, halfway = rate(u), decay * u
    second = rate(halfway + h / 2 * decay * first)
    third = rate(halfway + h / 2 * second)
    last = rate(decay * (halfway + h * third))
    return decay * (halfway + h / 6 * (decay * first + 2 * (second + third))) + h / 6 * last


def _steps(speed: Tensor, viscosity: float, time: float) -> list[int]:
    """Time steps of each sample by its largest initial speed, which is never exceeded later; by measurement.

    A shock arises after a time of about 1/speed and is ν/speed thick. Powers of two times the fewest, so
    that many samples share their number.
    """
    needed = 2 * speed / viscosity * (speed * time).sqrt().clamp(min=1)
    return [STEPS * 2 ** math.ceil(math.log2(max(1.0, count / STEPS))) for count in needed.tolist()]


def _check_resolved(u: Tensor) -> None:
    """NaN is not resolved either."""
    failed = ~(u[:, -(u.shape[1] // 8) :].norm(dim=1) <= TAIL * u.norm(dim=1))
    if bool(failed.any()):
        raise RunFailure(
            f"burgers: {int(failed.sum())} of {len(u)} samples have shocks too thin for {u.shape[1] - 1} "
            "frequencies. A larger viscosity, a smaller sigma or more modes resolve them."
        )
