"""What a scheme of points does."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from nolab.fields import Draw

Shape = tuple[int, ...]


class Scheme(ABC):
    """Chooses points of a grid; a scheme inherits from here what it does not need to say itself.

    The random numbers of a draw depend on the seed and the step, not on the grid, and row r of a draw
    does not depend on how many rows there are. Schemes that draw places rather than indices (`random`
    where N_eval is small, `stratified`, `sobol`, `importance`) hence put the points of a sample at
    nearly the same places on all levels, which keeps the correction of two levels small.
    """

    observes: bool = False
    """Whether the scheme learns from errors."""
    steady: bool = False
    """Whether N_eval must be the same at every step."""

    @abstractmethod
    def draw(self, step: int, shape: Shape, neval: int, n_samples: int, device: torch.device) -> Draw | None:
        """The points of a step, a pure function of (seed, step) unless the scheme learns.

        Parameters
        ----------
        shape : of the grid, with N points.
        neval : N_eval, 1 <= N_eval < N.
        n_samples : B; the rows of a draw per sample.

        Returns
        -------
        Draw : index (P,) or (B, P) int64, factor float64 of that shape or None; None: all points.
        """

    def count(self, shape: Shape, neval: int) -> int:
        """P, the points of a draw of `neval`."""
        return neval

    def observe(self, shape: Shape, draw: Draw, error: Tensor) -> None:
        """Learn from the absolute errors (B, C, P) at the points of `draw`."""

    def state_dict(self) -> dict[str, Any]:
        """What has been learnt, in tensors and plain values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what was learnt.

        Raises
        ------
        ValueError : the state is another scheme's.
        """
        if state:
            raise ValueError(f"points: the scheme learns nothing, but its state holds {sorted(state)}")
