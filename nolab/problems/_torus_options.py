"""Options that every flow on the torus has: the grids and how time advances."""

from dataclasses import dataclass
from typing import Literal

import torch

from nolab.problems._torus_flow import Integrator
from nolab.schema import check


@dataclass(frozen=True)
class TorusOptions:
    """Grid that is stored, grid that is solved, and the solver's choices."""

    resolution: int = 64
    """Points per axis that are stored."""
    solve_resolution: int | None = None
    """Points per axis of the solver, a multiple of `resolution`; null: the same. Seeds show the same random
    fields on every grid, up to the modes that the grid does not carry."""
    integrator: Integrator = "ifrk4"
    """How time advances: ifrk4, or crank_nicolson, the scheme of Li et al."""
    dt: float | None = None
    """Longest time step; null: one that is stable on the solver's grid."""
    arithmetic: Literal["float64", "float32"] = "float64"
    """Of the solver; the fields are stored in float32."""

    def __post_init__(self) -> None:
        check(4 <= self.resolution <= 2048, "resolution", self.resolution, "from 4 to 2048")
        solved = self.solve_resolution
        check(
            solved is None or (self.resolution <= solved <= 4096 and solved % self.resolution == 0),
            "solve_resolution",
            solved,
            f"null or a multiple of resolution = {self.resolution}, at most 4096",
        )
        check(self.dt is None or 1e-6 <= self.dt <= 1, "dt", self.dt, "null or from 0.000001 to 1")

    @property
    def points(self) -> int:
        """Points per axis of the solver's grid."""
        return self.solve_resolution or self.resolution

    @property
    def dtype(self) -> torch.dtype:
        """Of the solver's fields."""
        return getattr(torch, self.arithmetic)

    def stored(self, field: torch.Tensor) -> torch.Tensor:
        """The stored points of a field on the solver's grid: (…, p, p) to (…, r, r) float32, on the CPU."""
        stride = self.points // self.resolution
        return field[..., ::stride, ::stride].float().cpu()
