"""Power of a field by wave number, on domains that are periodic along every axis."""

import torch
from torch import Tensor


def shell_spectrum(field: Tensor) -> Tensor:
    """Mean square of a field by shells of wave numbers |k| in [s - ½, s + ½), s = 0, 1, … up to half the shortest axis.

    Shells sum to the mean square of the field without its wave numbers beyond the last shell (Parseval).

    Parameters
    ----------
    field : (n, *S), S periodic along every axis.

    Returns
    -------
    (n, shells), in the square of the field's units.
    """
    shape = field.shape[1:]
    axes = tuple(range(1, field.ndim))
    power = (torch.fft.fftn(field, dim=axes).abs() / torch.Size(shape).numel()).square()
    counts = torch.meshgrid(*(torch.fft.fftfreq(n, 1 / n, dtype=torch.float64) for n in shape), indexing="ij")
    shell = torch.stack(counts).square().sum(dim=0).sqrt().round().long().flatten()
    shells = min(shape) // 2 + 1
    kept = shell < shells
    sums = power.new_zeros(len(field), shells)
    return sums.index_add_(1, shell[kept], power.flatten(1)[:, kept])
