"""`mixed`: samples of several resolutions, all with the same positive weight, no correction.

The objective is the average of the levels' losses, not the finest one's: simple, often good, and
the baseline that multi-level gradients have to beat (compare arXiv 2510.06646).
"""

from dataclasses import dataclass

import numpy as np

from nolab.estimators._counts import check_counts, geometric_counts
from nolab.estimators._draws import EpochDraws
from nolab.plan import Estimator, Plan, Term
from nolab.schema import check


@dataclass(frozen=True)
class Options:
    """Config group `sampling` with estimator `mixed`."""

    batch_size: int = 4
    """Samples per step at the finest level."""
    delta: float = 2.0
    """Ratio of the samples at neighbouring levels, n_ℓ / n_{ℓ+1}, real, >= 1."""

    def __post_init__(self) -> None:
        check(self.batch_size >= 1, "batch_size", self.batch_size, ">= 1")
        check(1 <= self.delta < float("inf"), "delta", self.delta, "a number >= 1")


def build(options: Options, n_samples: int, n_levels: int, seed: int) -> Estimator:
    """Estimator over `n_samples` training samples on a hierarchy of `n_levels` levels."""
    sizes = tuple(int(n) for n in geometric_counts(options.batch_size, options.delta, n_levels))
    return Mixed(sizes, n_samples, seed)


class Mixed(Estimator):
    """Disjoint parts of one draw, one per level, every sample weighing 1/Σ n_ℓ."""

    def __init__(self, sizes: tuple[int, ...], n_samples: int, seed: int) -> None:
        check_counts(sizes, n_samples)
        total = sum(sizes)
        self._draws = EpochDraws(n_samples, total, seed)
        self._ends = np.cumsum(sizes)
        self._weights = [np.full(n, 1.0 / total) for n in sizes]
        self.counts = sizes
        self.steps_per_epoch = self._draws.steps_per_epoch

    def plan(self, step: int, share: float = 0.0) -> Plan:
        parts = np.split(self._draws.draw(step), self._ends[:-1])
        terms = zip(parts, self._weights, strict=True)
        return tuple(Term(level, part, weights) for level, (part, weights) in enumerate(terms))
