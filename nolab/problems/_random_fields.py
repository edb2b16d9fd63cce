"""Gaussian random fields on the unit square."""

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor


def neumann_coefficients(rng: np.random.Generator, modes: int) -> np.ndarray:
    """Independent standard normals ξ(k₁, k₂), shape (modes, modes).

    They are drawn in shells of max(k₁, k₂), so a larger `modes` adds modes to the same field
    instead of drawing another one.
    """
    drawn = np.empty(modes * modes)
    drawn[_shell_order(modes)] = rng.standard_normal(modes * modes)
    return drawn.reshape(modes, modes)


def neumann_field(xi: Tensor, points: int, alpha: float, tau: float) -> Tensor:
    r"""Realisations of $N(0, \tau^{2(\alpha-1)} (-\Delta + \tau^2)^{-\alpha})$, zero Neumann data.

    The field is $\sum_{k \ne 0} \lambda_k \xi_k c_{k_1} c_{k_2} \cos(\pi k_1 x) \cos(\pi k_2 y)$ with
    $\lambda_k = \tau^{\alpha-1} (\pi^2 (k_1^2 + k_2^2) + \tau^2)^{-\alpha/2}$, $c_0 = 1$ and
    $c_k = \sqrt 2$: the basis is orthonormal in $L^2(0,1)^2$. This is the amplitude that the
    orthonormal ``idct2`` of ``s * λ * ξ`` in the script of Li et al. (arXiv 2010.08895) has; here
    the series is evaluated at the nodes themselves, with no interpolation from cell centres.

    Parameters
    ----------
    xi : (B, K, K) standard normals, K modes per axis; the (0, 0) entry is not used.
    points : number of nodes per axis, both ends included.
    alpha, tau : smoothness and inverse length of the law.

    Returns
    -------
    (B, points, points), the dtype and device of `xi`.
    """
    modes = xi.shape[-1]
    k = torch.arange(modes, dtype=xi.dtype, device=xi.device)  # (K,)
    x = torch.arange(points, dtype=xi.dtype, device=xi.device) / (points - 1)  # (r,)
    basis = math.sqrt(2) * torch.cos(math.pi * k[:, None] * x)  # (K, r)
    basis[0] = 1.0
    amplitude = amplitudes(k, alpha, tau)
    amplitude[0, 0] = 0.0
    return basis.T @ (amplitude * xi) @ basis


def amplitudes(k: Tensor, alpha: float, tau: float) -> Tensor:
    r"""$\lambda = \tau^{\alpha-1} (\pi^2 (k_1^2 + k_2^2) + \tau^2)^{-\alpha/2}$ of all pairs of `k` (K,): (K, K)."""
    return tau ** (alpha - 1) * (math.pi**2 * (k[:, None] ** 2 + k**2) + tau**2) ** (-alpha / 2)


@cache
def _shell_order(modes: int) -> np.ndarray:
    """Flat index of the n-th mode to be drawn, shape (modes²,)."""
    return np.concatenate([_shell(s, modes) for s in range(modes)])


def _shell(s: int, modes: int) -> np.ndarray:
    """Flat indices of the modes with max(k₁, k₂) = s: its row, then the rest of its column."""
    return np.concatenate([s * modes + np.arange(s + 1), np.arange(s) * modes + s])
