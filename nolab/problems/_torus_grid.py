"""The Fourier derivatives of two-dimensional flow on the torus, as multipliers on one grid.

The velocity of the vorticity w is u = (ψ_y, -ψ_x) with -Δψ = w. Derivatives are taken of the Fourier series,
products at the grid's points; of the transport u·∇w only the modes with max(|k₁|, |k₂|) ≤ 2/3·⌊n/2⌋ are kept
(Orszag's rule, as the script ``ns_2d.py`` of Li et al., arXiv 2010.08895, has it).

Shapes: B samples, n points per axis, m = n//2 + 1 modes along the last axis of a real transform.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Torus:
    """The n×n grid on [0, L)² and the Fourier multipliers that belong to it.

    Parameters
    ----------
    points : n.
    gradients : (4, n, m) complex, which take w's coefficients to those of u₁, u₂, ∂w/∂x and ∂w/∂y.
    squares : (n, m), |k|² of the wave numbers k.
    kept : (n, m), 1 for the modes of the transport that are kept, 0 for the others.
    """

    points: int
    gradients: Tensor
    squares: Tensor
    kept: Tensor

    @classmethod
    def build(cls, points: int, length: float, dtype: torch.dtype, device: torch.device) -> "Torus":
        """`dtype` is that of the fields, float64 or float32."""
        k1 = torch.fft.fftfreq(points, 1 / points, dtype=torch.float64)[:, None]  # (n, 1)
        k2 = torch.fft.rfftfreq(points, 1 / points, dtype=torch.float64)  # (m,)
        limit = 2 / 3 * (points // 2)
        unit = 2 * math.pi / length
        squares = unit**2 * (k1**2 + k2**2)
        inverse = torch.where(squares > 0, 1 / squares, 0.0)
        # The points of an even grid are the zeros of the derivative of its shortest wave.
        d1, d2 = (1j * unit * torch.where(2 * k.abs() == points, 0.0, k) for k in (k1, k2))
        gradients = torch.stack(torch.broadcast_tensors(d2 * inverse, -d1 * inverse, d1, d2))
        return cls(
            points,
            gradients.to(device, dtype.to_complex()),
            squares.to(device, dtype),
            ((k1.abs() <= limit) & (k2 <= limit)).to(device, dtype),
        )

    def coefficients(self, values: Tensor) -> Tensor:
        """Values at the points (…, n, n) to Fourier coefficients (…, n, m)."""
        return torch.fft.rfft2(values)

    def values(self, coefficients: Tensor) -> Tensor:
        """Fourier coefficients (…, n, m) to values at the points (…, n, n)."""
        return torch.fft.irfft2(coefficients, s=(self.points, self.points))

    def transport(self, w: Tensor) -> Tensor:
        """The kept coefficients of u·∇w of the vorticity's coefficients `w` (B, n, m): (B, n, m)."""
        # One at a time: on a CPU the four together fall out of the cache and take several times as long.
        u1, u2, w_x, w_y = (self.values(gradient * w) for gradient in self.gradients)
        return self.kept * self.coefficients(u1 * w_x + u2 * w_y)
