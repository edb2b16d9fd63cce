"""Gaussian random fields of mean zero on the torus."""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from nolab.problems._description import stream


def torus_normals(seed: int, split: str, indices: range, points: int) -> Tensor:
    """The normals of the modes that a grid of `points` per axis carries, (n, M, 2) float64.

    They are drawn in shells of max(|k₁|, |k₂|), so a finer grid adds modes to the same field instead of
    drawing another one.

    Raises
    ------
    InputError : unknown split.
    """
    shape = (len(_half_plane(points)), 2)
    return torch.from_numpy(np.stack([stream(seed, split, i).standard_normal(shape) for i in indices]))


def torus_field(
    normals: Tensor, points: int, sigma: float, alpha: float, tau: float, length: float = 1.0
) -> Tensor:
    r"""Fields in the normalisation of ``GaussianRF``, the script of Li et al. (arXiv 2010.08895).

    $w(x) = \sum_{k \ne 0} \sqrt 2 \sigma \lambda_k (\xi_k \cos(2\pi k \cdot x / L) + \eta_k \sin(2\pi k
    \cdot x / L))$ over all integer $k$ with $\lambda_k = (|2\pi k / L|^2 + \tau^2)^{-\alpha/2}$ and independent
    standard normals; so $w$ has the variance $2 \sigma^2 \sum_k \lambda_k^2$ at each point. (Terms of k and
    -k are one wave: here each wave is drawn once.) Modes with max(|k₁|, |k₂|) ≥ points/2, which the grid
    cannot tell from longer waves, are left out.

    Parameters
    ----------
    normals : (B, M, 2) of :func:`torus_normals` for the same `points`.
    points : points per axis.
    sigma, alpha, tau : amplitude, smoothness and inverse length of the law.
    length : the torus is [0, L)².

    Returns
    -------
    (B, points, points), the dtype and device of `normals`.
    """
    k = _half_plane(points).to(normals.device)  # (M, 2)
    squares = (k.to(normals.dtype) * (2 * torch.pi / length)).square().sum(-1)  # (M,)
    waves = sigma * (squares + tau**2) ** (-alpha / 2) * torch.complex(normals[..., 0], -normals[..., 1])
    spectrum = waves.new_zeros(len(normals), points, points // 2 + 1)
    spectrum[:, k[:, 0] % points, k[:, 1]] = waves
    real = k[:, 1] == 0  # this column holds both k and -k
    spectrum[:, -k[real, 0] % points, 0] = waves[:, real].conj()
    return torch.fft.irfft2(spectrum, s=(points, points), norm="forward")


@cache
def _half_plane(points: int) -> Tensor:
    """One of each pair (k, -k) of the modes with 0 < max(|k₁|, |k₂|) < points/2, by shells: (M, 2)."""
    shells = [_shell(s) for s in range(1, (points + 1) // 2)]
    return torch.tensor([k for shell in shells for k in shell], dtype=torch.int64).reshape(-1, 2)


def _shell(s: int) -> list[tuple[int, int]]:
    """The 4s modes with max(|k₁|, |k₂|) = s that have k₂ > 0, or k₂ = 0 and k₁ > 0."""
    top = [(k, s) for k in range(-s, s + 1)]
    sides = [(side, k) for k in range(1, s) for side in (-s, s)]
    return [*top, *sides, (s, 0)]
