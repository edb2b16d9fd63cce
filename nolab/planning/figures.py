"""The figures of multi-level Monte Carlo at one stage: per level, their rates, and what they promise.

All relative to V_fine = tr Cov(g_L), the variance of one sample's gradient at the finest level. Rates are those of
M. B. Giles, Multilevel Monte Carlo methods, Acta Numerica 24, 2015, theorem 1: |E d_ℓ| ~ 2^-αℓ, V_ℓ ~ 2^-βℓ,
C_ℓ ~ 2^γℓ.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nolab.costs import BatchCosts
from nolab.estimators._allocation import Corrections, LevelSet, level_sets
from nolab.moments import Moments
from nolab.planning.resampling import Estimate, Sampled


@dataclass(frozen=True)
class LevelFigures:
    """Of one level ℓ.

    seconds : C_ℓ, of a sample in batches of the plan's size.
    batch_seconds : that a batch takes by itself, included in C_ℓ.
    gradient : tr Cov(g_ℓ).
    correction : V_ℓ = tr Cov(d_ℓ); the gradient's own at the coarsest level.
    squared_bias : |E(g_L - g_ℓ)|².
    share : n_ℓ/n_0 of the continuous optimum n_ℓ ∝ √(V_ℓ/C_ℓ), not growing: nested sets can't.
    """

    level: str
    seconds: float
    batch_seconds: float
    gradient: Estimate
    correction: Estimate
    squared_bias: Estimate
    share: float


@dataclass(frozen=True)
class Rates:
    """Per level in powers of two, by least squares over the levels ℓ >= 1; None where fewer than two are known."""

    alpha: Estimate | None
    """Of |E d_ℓ|, over the levels where it is told from the noise."""
    beta: Estimate | None
    gamma: float | None


@dataclass(frozen=True)
class Gains:
    """Variance times cost of the finest level alone, in batches of the plan's size, over that of corrections whose
    steps take as long, in the optimal ratios.

    levels : the choice of levels that gains most; the finest alone where corrections lose.
    delta : nearest to the optimum on all levels, by least squares in the logarithms of n_ℓ/n_{ℓ+1}.
    coarse : per coarser level, the same over it alone in such batches: below 1, that is what removing its bias costs.
    """

    all_levels: Estimate
    best: Estimate
    levels: LevelSet
    delta: float
    of_delta: Estimate
    coarse: tuple[Estimate, ...]


def level_figures(
    sampled: Sampled, costs: BatchCosts, batch_size: int, names: Sequence[str]
) -> list[LevelFigures]:
    """Of every level, coarsest first."""
    shares = Corrections.between(sampled.moments, costs, tuple(range(len(names)))).ratios()
    seconds = costs.per_sample(batch_size)

    def relative(figure: str, level: int) -> Estimate:
        return sampled.estimate(lambda m: float(getattr(m, figure)(level)) / m.fine_variance)

    def share_of_variance(level: int) -> Estimate:
        return sampled.estimate(lambda m: float(m.variances[level]) / m.fine_variance)

    return [
        LevelFigures(
            name,
            float(seconds[level]),
            float(costs.fixed[level]),
            relative("level_variance", level),
            share_of_variance(level),
            relative("squared_bias", level),
            float(shares[level]),
        )
        for level, name in enumerate(names)
    ]


def noise_scale(sampled: Sampled) -> Estimate:
    """tr Cov(g_L) / |E g_L|², in samples: batches far above it are not limited by noise (arXiv 1812.06162)."""

    def scale(moments: Moments) -> float:
        exact = float(moments.mean.sum())
        return moments.fine_variance / exact if exact > 0 else np.inf

    others = [scale(other) for other in sampled.others]
    low, high = np.percentile(others, (5, 95), method="nearest")  # infinite ones have no values between
    return Estimate(scale(sampled.moments), float(low), float(high))


def rates(sampled: Sampled, seconds: np.ndarray) -> Rates:
    """α, β and γ."""

    def is_told(level: int) -> bool:
        return sampled.estimate(lambda m: m.mean[level, level]).is_resolved

    finer = range(1, len(seconds))
    told = [level for level in finer if is_told(level)]
    varied = [level for level in finer if sampled.moments.variances[level] > 0]
    return Rates(
        sampled.estimate(lambda m: -slope(told, np.diag(m.mean)) / 2) if len(told) > 1 else None,
        sampled.estimate(lambda m: -slope(varied, m.variances)) if len(varied) > 1 else None,
        slope(list(finer), seconds) if len(finer) > 1 else None,
    )


def slope(levels: Sequence[int] | np.ndarray, values: np.ndarray) -> float:
    """Least squares of log2 `values` over the `levels`; nan where one is not positive."""
    chosen = np.asarray(values)[list(levels)]
    return float(np.polyfit(levels, np.log2(chosen), 1)[0]) if (chosen > 0).all() else np.nan


def gains(sampled: Sampled, costs: BatchCosts, batch_size: int) -> Gains:
    """Of corrections on all levels and on the best choice of them.

    The ratios are those of the moments; their intervals say how the gain of these very ratios varies.
    """
    moments, n_levels = sampled.moments, len(costs)
    finest, every = n_levels - 1, tuple(range(n_levels))
    seconds = costs.per_sample(batch_size)
    budget = batch_size * float(seconds[finest])

    def over(level: int, levels: LevelSet, sizes: np.ndarray) -> Estimate:
        return sampled.estimate(
            lambda m: (
                m.level_variance(level)
                * seconds[level]
                / Corrections.between(m, costs, levels).variance_times_cost(sizes)
            )
        )

    on = {levels: Corrections.between(moments, costs, levels) for levels in level_sets(n_levels)}
    optimal = {levels: corrections.within(budget) for levels, corrections in on.items()}
    best = min(on, key=lambda levels: on[levels].variance_times_cost(optimal[levels]))
    # Least squares of log n_ℓ/n_{ℓ+1} by a constant: the mean of the ratios' logarithms.
    delta = float(on[every].ratios()[-1] ** (-1 / finest))
    powers = delta ** -np.arange(n_levels)
    return Gains(
        over(finest, every, optimal[every]),
        over(finest, best, optimal[best]),
        best,
        delta,
        over(finest, every, on[every].filling(budget, lambda _: powers)),
        tuple(over(level, best, optimal[best]) for level in range(finest)),
    )
