"""`mlmc`: multi-level Monte Carlo gradients, many coarse ones and few fine corrections.

    ∇J ≈ (1/n_0) Σ ∇J_0 + Σ_{ℓ≥1} (1/n_ℓ) Σ [∇J_ℓ - ∇J_{ℓ-1}]        (arXiv 2505.12940)

with n_ℓ = n_L · δ^(L-ℓ). Every term of the sum that falls on the same level is evaluated in one
forward and backward, so a step costs Σ_ℓ n_ℓ C_ℓ (nested) or Σ_ℓ (n_ℓ + n_{ℓ+1}) C_ℓ (random).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from nolab.errors import InputError
from nolab.estimators._counts import check_counts, geometric_counts
from nolab.estimators._draws import EpochDraws
from nolab.plan import Estimator, Plan, Term
from nolab.schema import check


@dataclass(frozen=True)
class Options:
    """Config group `sampling` with estimator `mlmc`."""

    batch_size: int = 4
    """Samples per step at the finest level, n_L."""
    delta: float = 2.0
    """Sampling factor δ = n_ℓ / n_{ℓ+1}, real, >= 1."""
    scheme: Literal["nested", "random"] = "nested"
    """nested: each level's samples lie inside the coarser one's; random: a new draw per correction."""

    def __post_init__(self) -> None:
        check(self.batch_size >= 1, "batch_size", self.batch_size, ">= 1")
        check(1 <= self.delta < float("inf"), "delta", self.delta, "a number >= 1")


def build(options: Options, n_samples: int, n_levels: int, seed: int) -> Estimator:
    """Estimator over `n_samples` training samples on a hierarchy of `n_levels` levels."""
    counts = geometric_counts(options.batch_size, options.delta, n_levels)
    return {"nested": Nested, "random": Random}[options.scheme](counts, n_samples, seed)


class Nested:
    """Level sets S_L ⊂ … ⊂ S_0, prefixes of one draw: one evaluation per (sample, level).

    Sample i at level ℓ weighs 1/n_ℓ - [i ∈ S_{ℓ+1}]/n_{ℓ+1}: collecting the telescoping sum's
    coefficients per evaluation. Where n_ℓ = n_{ℓ+1} the weight is zero and nothing is evaluated.
    """

    def __init__(self, sizes: tuple[int, ...], n_samples: int, seed: int) -> None:
        check_counts(sizes, n_samples)
        if any(fine > coarse for coarse, fine in pairwise(sizes)):
            raise InputError(f"sampling: nested sets need n_ℓ that do not grow with the level, got {sizes}")
        self._draws = EpochDraws(n_samples, sizes[0], seed)
        self._layout = [_nested_weights(sizes, level) for level in range(len(sizes))]
        self.counts = tuple(len(weights) for weights in self._layout)
        self.steps_per_epoch = self._draws.steps_per_epoch

    def plan(self, step: int) -> Plan:
        drawn = self._draws.draw(step)
        return tuple(
            Term(level, drawn[: len(weights)], weights)
            for level, weights in enumerate(self._layout)
            if len(weights)
        )


def _nested_weights(sizes: tuple[int, ...], level: int) -> np.ndarray:
    weights = np.full(sizes[level], 1.0 / sizes[level])
    if level + 1 < len(sizes):
        weights[: sizes[level + 1]] -= 1.0 / sizes[level + 1]
        if sizes[level + 1] == sizes[level]:
            return weights[:0]
    return weights


class Random:
    """An independent draw per correction; its two levels see the same samples.

    Level ℓ evaluates draw ℓ with +1/n_ℓ and draw ℓ+1 with -1/n_{ℓ+1}.
    """

    def __init__(self, sizes: tuple[int, ...], n_samples: int, seed: int) -> None:
        check_counts(sizes, n_samples)
        self._draws = [EpochDraws(n_samples, n, seed, stream=level) for level, n in enumerate(sizes)]
        above = (*sizes[1:], 0)
        self._weights = [
            np.concatenate([np.full(n, 1.0 / n), np.full(m, -1.0 / m if m else 0.0)])
            for n, m in zip(sizes, above, strict=True)
        ]
        self.counts = tuple(n + m for n, m in zip(sizes, above, strict=True))
        self.steps_per_epoch = min(draws.steps_per_epoch for draws in self._draws)

    def plan(self, step: int) -> Plan:
        drawn = [draws.draw(step) for draws in self._draws]
        return tuple(
            Term(level, np.concatenate(drawn[level : level + 2]), weights)
            for level, weights in enumerate(self._weights)
        )
