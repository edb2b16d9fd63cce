"""Gaussian random fields on the circle [0, 1), and functions on it by their Fourier coefficients.

A real function is held by its coefficients c (K+1) of the frequencies 0 to K: it is
$c_0 + 2 \\operatorname{Re} \\sum_{k=1}^K c_k e^{2 \\pi i k x}$.
"""

import math

import numpy as np
import torch
from torch import Tensor


def circle_normals(rng: np.random.Generator, modes: int) -> np.ndarray:
    """Independent standard normals (2·modes + 1,): of the mean, then of cosine and sine, mode by mode.

    So a larger `modes` adds modes to the same field instead of drawing another one.
    """
    return rng.standard_normal(2 * modes + 1)


def circle_amplitudes(modes: int, alpha: float, tau: float, sigma: float) -> Tensor:
    r"""Standard deviations $\sigma ((2 \pi k)^2 + \tau^2)^{-\alpha/2}$ of N(0, σ²(−Δ+τ²)^−α), (modes + 1,).

    They belong to the basis 1, √2 cos(2πkx), √2 sin(2πkx), which is orthonormal in L²(0,1): the
    reading of the law by ``GRF1.m``, the script of Li et al. (arXiv 2010.08895) for Burgers' equation.
    """
    k = torch.arange(modes + 1, dtype=torch.float64)
    return sigma * ((2 * math.pi * k) ** 2 + tau**2) ** (-alpha / 2)


def circle_coefficients(xi: Tensor, amplitudes: Tensor) -> Tensor:
    """Fourier coefficients of realisations: normals (B, 2K+1) and amplitudes (K+1,) to (B, K+1) complex."""
    amplitudes = amplitudes.to(xi.device)
    waves = torch.complex(xi[:, 1::2], -xi[:, 2::2]) * amplitudes[1:] / math.sqrt(2)  # (B, K)
    return torch.cat([(xi[:, :1] * amplitudes[0]).to(waves.dtype), waves], dim=1)


def circle_values(coefficients: Tensor, points: int) -> Tensor:
    """Values at the nodes j/points of the functions themselves, however few the nodes: (B, K+1) to (B, points).

    A Fourier transform of `points` nodes would leave out the frequencies that they do not carry; one of
    a multiple of them that carries all has the nodes among its own.
    """
    stride = -(-(2 * coefficients.shape[1] - 1) // points)
    fine = torch.fft.irfft(coefficients, n=points * stride, norm="forward")
    return fine[:, ::stride]
