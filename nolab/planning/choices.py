"""What could train from a stage, each with what it is worth there, and the one to take."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nolab.costs import BatchCosts
from nolab.estimators._candidates import Candidate, ranked
from nolab.moments import Quality, quality
from nolab.planning.resampling import Estimate, Sampled, estimate

WORTH_A_CHANGE = 1.1
"""What is simpler, or trained before, gives way to what is faster by this factor."""

_SIMPLEST_FIRST = ("fine", "coarse", "mixed", "mlmc")


@dataclass(frozen=True)
class Choice:
    """A candidate beside the finest level alone, with the same batch.

    levels : that it evaluates.
    seconds : of a step.
    variance_cost : variance of a step's gradient times its cost, over that of fine.
    squared_bias : |E(g - g_L)|² / V_fine.
    rate : expected progress per second over that of fine (see :class:`nolab.moments.Quality`).
    """

    candidate: Candidate
    levels: tuple[int, ...]
    seconds: float
    variance_cost: float
    squared_bias: Estimate
    rate: Estimate

    @property
    def kind(self) -> tuple:
        """What stays when only the numbers of samples of MLMC change."""
        return self.candidate.estimator, self.levels


def choices(sampled: Sampled, costs: BatchCosts, batch_size: int, n_samples: int) -> list[Choice]:
    """Every candidate, the fastest progress per second first.

    Parameters
    ----------
    batch_size : samples of a step, at least.
    n_samples : of the training set.
    """
    rated = [
        _rate(candidate, worth, sampled, costs, n_samples)
        for candidate, worth in ranked(sampled.moments, costs, batch_size, n_samples)
    ]
    fine = next(each for each in rated if each.candidate.estimator == "fine")
    return [_beside(fine, each, sampled) for each in rated if not each.is_fine_again]


@dataclass(frozen=True)
class _Rated:
    """A candidate with its quality, and that at every resample."""

    candidate: Candidate
    levels: tuple[int, ...]
    worth: Quality
    others: list[Quality]

    @property
    def is_fine_again(self) -> bool:
        """Corrections with as many samples at every level: all but the finest one's cancel."""
        return self.candidate.estimator == "mlmc" and len(self.levels) == 1


def _rate(
    candidate: Candidate, worth: Quality, sampled: Sampled, costs: BatchCosts, n_samples: int
) -> _Rated:
    estimator = candidate.build(n_samples, 0)
    levels = tuple(level for level, n in enumerate(estimator.counts) if n)
    outcomes = estimator.outcomes()
    others = [quality(outcomes, other, costs, n_samples) for other in sampled.others]
    return _Rated(candidate, levels, worth, others)


def _beside(fine: _Rated, rated: _Rated, sampled: Sampled) -> Choice:
    worth, base = rated.worth, fine.worth
    rates = [_over(own.rate, its.rate) for own, its in zip(rated.others, fine.others, strict=True)]
    biases = [
        _over(own.squared_bias, moments.fine_variance)
        for own, moments in zip(rated.others, sampled.others, strict=True)
    ]
    return Choice(
        rated.candidate,
        rated.levels,
        worth.cost,
        _over(worth.variance * worth.cost, base.variance * base.cost),
        estimate(_over(worth.squared_bias, sampled.moments.fine_variance), biases),
        estimate(_over(worth.rate, base.rate), rates),
    )


def choose(ranking: Sequence[Choice], before: Choice | None = None) -> Choice:
    """The one to take: the kind that trained before, else the simplest, of those that are about as fast as the best.

    Parameters
    ----------
    ranking : the fastest first.
    before : what the stage before chose.
    """
    near = [choice for choice in ranking if choice.rate.value * WORTH_A_CHANGE >= ranking[0].rate.value]
    if before is not None and (same := [choice for choice in near if choice.kind == before.kind]):
        return same[0]
    return min(near, key=lambda choice: _SIMPLEST_FIRST.index(choice.candidate.estimator))


def best_of(ranking: Sequence[Choice], estimator: str) -> Choice | None:
    """The fastest choice with this estimator."""
    return next((choice for choice in ranking if choice.candidate.estimator == estimator), None)


def _over(value: float, base: float) -> float:
    return value / base if base > 0 else np.nan
