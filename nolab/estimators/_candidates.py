"""What could train from here, and what each is worth: the choices of `nolab plan` and of `sampling=auto`."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from nolab.costs import BatchCosts
from nolab.estimators._allocation import Corrections, LevelSet, counts, level_sets
from nolab.estimators._single import SingleLevel
from nolab.estimators.mixed import Mixed
from nolab.estimators.mlmc import Nested
from nolab.moments import Moments, Quality, quality
from nolab.plan import Estimator


@dataclass(frozen=True)
class Candidate:
    """An estimator with its numbers, before it is built.

    estimator : fine, coarse, mixed or mlmc.
    sizes : n_ℓ of every level.
    """

    estimator: str
    sizes: tuple[float, ...]

    @property
    def overrides(self) -> tuple[str, ...]:
        """What to type for it."""
        if self.estimator in ("fine", "coarse"):
            level = next(level for level, n in enumerate(self.sizes) if n)
            place = (f"sampling.level={level}",) if self.estimator == "coarse" else ()
            return (f"sampling={self.estimator}", *place, f"sampling.batch_size={self.sizes[level]:g}")
        if self.estimator == "mixed":
            return ("sampling=mixed", f"sampling.batch_size={self.sizes[-1]:g}", "delta=2")
        return ("sampling=mlmc", f"sampling.counts=[{','.join(f'{n:.4g}' for n in self.sizes)}]")

    def build(self, n_samples: int, seed: int) -> Estimator:
        """The estimator over `n_samples` training samples."""
        if self.estimator == "mlmc":
            return Nested(self.sizes, n_samples, seed)
        if self.estimator == "mixed":
            return Mixed(tuple(int(n) for n in self.sizes), n_samples, seed)
        level = next(level for level, n in enumerate(self.sizes) if n)
        return SingleLevel(level, int(self.sizes[level]), n_samples, len(self.sizes), seed)


def candidates(moments: Moments, costs: BatchCosts, batch_size: int, n_samples: int) -> Iterator[Candidate]:
    """Single levels, mixed with δ = 2, and MLMC on every choice of levels with its optimal ratios.

    All take `batch_size` samples or more: what smaller batches are worth depends on the learning rate.
    """
    n_levels = len(costs)
    for level in range(n_levels):
        sizes = tuple(float(batch_size) if i == level else 0.0 for i in range(n_levels))
        yield Candidate("fine" if level == n_levels - 1 else "coarse", sizes)
    if n_levels == 1:
        return
    finest = math.ceil(batch_size / (2**n_levels - 1))
    parts = tuple(float(finest * 2**level) for level in reversed(range(n_levels)))
    if sum(parts) <= n_samples:
        yield Candidate("mixed", parts)
    for levels in level_sets(n_levels):
        if len(levels) > 1:
            yield from _nested(moments, costs, levels, batch_size, n_samples)


def _nested(
    moments: Moments, costs: BatchCosts, levels: LevelSet, batch_size: int, n_samples: int
) -> Iterator[Candidate]:
    for first in dict.fromkeys((batch_size, 4 * batch_size)):
        if first <= n_samples:
            shares = Corrections.between(moments, costs, levels).shares(first)
            yield Candidate("mlmc", counts(first * shares, levels))


def ranked(
    moments: Moments, costs: BatchCosts, batch_size: int, n_samples: int
) -> list[tuple[Candidate, Quality]]:
    """Every candidate with its quality, the fastest progress per second first."""
    found = dict.fromkeys(candidates(moments, costs, batch_size, n_samples))
    rated = [(candidate, worth(candidate, moments, costs, n_samples)) for candidate in found]
    return sorted(rated, key=lambda pair: -pair[1].rate)


def worth(candidate: Candidate, moments: Moments, costs: BatchCosts, n_samples: int) -> Quality:
    """The candidate's quality at these moments."""
    return quality(candidate.build(n_samples, 0).outcomes(), moments, costs, n_samples)
