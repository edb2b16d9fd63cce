r"""What the trapezoid rule misses at the two ends of a nodal axis.

The periodic continuation of a field that is not periodic jumps where the domain ends, and the
trapezoid rule aliases the jump: the coefficient k of a ramp on m intervals is (i/2m) cot(πk/m)
instead of i/(2πk), off by (πk/m)²/3. That error is the same for every sample and differs from grid to
grid, so a model trained on one grid learns to live with it and is wrong on the others.

The line through the two end values is therefore integrated exactly, and only the rest, which is
continuous, by the trapezoid rule. The rule stays linear in the samples (only the weights of the
two ends change), exact for band-limited periodic fields, and is now exact for linear ones too.
"""

import math

import torch
from torch import Tensor

from nolab.grid import Axis


def end_corrections(axis: Axis, n: int, frequencies: range, period: float) -> Tensor:
    """Factors of the first and the last sample to be added to each coefficient.

    Parameters
    ----------
    axis : a nodal axis; on others, which do not hold the two ends, the factors are zero.
    n : number of samples.
    frequencies : the K frequencies k of e^{-2πi k (x-start)/(P L)}.
    period : P, in units of the axis's length L.

    Returns
    -------
    (2, K), complex128.
    """
    if axis.placement != "nodal":
        return torch.zeros(2, len(frequencies), dtype=torch.complex128)
    k = torch.tensor(list(frequencies), dtype=torch.float64)
    x = torch.linspace(0, 1, n, dtype=torch.float64)
    waves = torch.polar(torch.ones(1, dtype=torch.float64), -2 * math.pi * k[:, None] / period * x)  # (K, n)
    shapes = torch.stack([1 - x, x]).to(torch.complex128)  # carries the value of the first, the last sample
    trapezoid = shapes @ (waves * axis.weights(n)).T  # (2, K)
    return (_exact(k / period) - trapezoid) / period


def _exact(frequency: Tensor) -> Tensor:
    """∫ (1-x) e^{-2πi κx} dx and ∫ x e^{-2πi κx} dx over [0, 1] for each κ: (2, K)."""
    a = -2j * math.pi * torch.where(frequency == 0, 1.0, frequency)  # ∫ e^{ax} and ∫ x e^{ax}
    end = a.exp()
    whole, ramp = (end - 1) / a, end / a - (end - 1) / a**2
    whole = torch.where(frequency == 0, 1.0, whole)
    ramp = torch.where(frequency == 0, 0.5, ramp)
    return torch.stack([whole - ramp, ramp])
