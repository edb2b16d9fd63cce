"""Which of the N_out output points enter the loss (N_eval of them), anew each step.

Source: arXiv 2409.13280 (randomised trunk sampling). Points are uniform and without replacement,
so every point is equally likely and the mean of a point-wise loss is an unbiased estimate of its
mean over all points.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from nolab.errors import InputError
from nolab.schema import check


@dataclass(frozen=True)
class PointOptions:
    """Config group `points`."""

    scheme: Literal["all", "random"] = "random"
    """all: every point; random: `neval` points, uniform without replacement, anew each step."""
    scope: Literal["shared", "per_sample"] = "per_sample"
    """Whether the samples of a term share their points or each draws its own."""
    neval: int | None = None
    """Points per sample in the loss, N_eval; null takes all of them."""

    def __post_init__(self) -> None:
        check(self.neval is None or self.neval >= 1, "neval", self.neval, ">= 1 or null (all points)")
        if self.scheme == "all" and self.neval is not None:
            raise InputError(
                f"points: scheme 'all' takes every point, but neval={self.neval} was given; "
                "use points=random, or neval=null"
            )


class PointSampler:
    """Draws points as a pure function of (seed, step, level).

    Parameters
    ----------
    options : the config group.
    seed : of the run.
    neval : N_eval per level, None for all points (a level may override ``options.neval``).
    """

    def __init__(self, options: PointOptions, seed: int, neval: tuple[int | None, ...]) -> None:
        self._scope = options.scope
        self._seed = seed
        self._neval = neval
        self._generators: dict[torch.device, torch.Generator] = {}

    def draw(
        self, step: int, level: int, n_samples: int, n_points: int, device: torch.device
    ) -> Tensor | None:
        """Flat point indices: (P,) shared, (n_samples, P) per sample, or None for all points."""
        neval = self._neval[level]
        if neval is None or neval >= n_points:
            return None
        generator = self._generator(step, level, device)
        if self._scope == "shared":
            return torch.randperm(n_points, generator=generator, device=device)[:neval]
        # The N_eval largest of N independent keys are a uniform subset, for all samples at once.
        keys = torch.rand(n_samples, n_points, generator=generator, device=device)
        return keys.topk(neval, dim=1, sorted=False).indices

    def _generator(self, step: int, level: int, device: torch.device) -> torch.Generator:
        generator = self._generators.get(device)
        if generator is None:
            generator = self._generators[device] = torch.Generator(device)
        # One 63-bit key per (seed, step, level); odd multipliers spread them over the range.
        key = (self._seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + level * 0x94D049BB133111EB) >> 1
        generator.manual_seed(key & (2**63 - 1))
        return generator
