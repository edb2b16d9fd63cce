"""First and second moments of per-sample gradients over the levels: all that an allocation needs to know.

Everything is kept in the basis of *corrections* d_0 = g_0, d_ℓ = g_ℓ - g_{ℓ-1}, in which small differences between
levels are not lost to rounding. A weighted sum of gradients Σ_ℓ c_ℓ g_ℓ is Σ_ℓ a_ℓ d_ℓ with a_ℓ = Σ_{k≥ℓ} c_k.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nolab.costs import BatchCosts
from nolab.plan import Plan
from nolab.saved import number, numbers


@dataclass(frozen=True)
class Moments:
    """Of one sample's gradients at L+1 levels, all inner products summed over the parameters.

    covariance : (L+1, L+1), tr Cov(d_k, d_l); its diagonal is V_ℓ, the variance of each correction.
    mean : (L+1, L+1), E[d_k] · E[d_l], without bias (so it need not be positive).
    n_samples : that they were estimated from; of a moving average, those of an estimate as sure as it is.
    """

    covariance: np.ndarray
    mean: np.ndarray
    n_samples: float

    @classmethod
    def of_gram(cls, gram: np.ndarray) -> "Moments":
        """From the inner products d_{k,i} · d_{l,j} of samples i, j at levels k, l: (L+1, n, L+1, n), n >= 2."""
        n = gram.shape[1]
        same = np.einsum("kili->kl", gram)
        every = gram.sum(axis=(1, 3))
        mean = (every - same) / (n * (n - 1))
        return cls(same / n - mean, mean, n)

    @property
    def variances(self) -> np.ndarray:
        """V_ℓ, (L+1,): of the coarsest gradient, then of every correction."""
        return np.maximum(np.diag(self.covariance), 0.0)

    @property
    def fine_variance(self) -> float:
        """tr Cov(g_L)."""
        return float(self.covariance.sum())

    def level_variance(self, level: int) -> float:
        """tr Cov(g_ℓ)."""
        return float(self.covariance[: level + 1, : level + 1].sum())

    def squared_bias(self, level: int) -> float:
        """|E(g_L - g_ℓ)|², an estimate without bias; about 0, or below it, where it is lost in the noise."""
        return float(self.mean[level + 1 :, level + 1 :].sum())

    def blended(self, other: "Moments", weight: float) -> "Moments":
        """Moving average: `weight` of `other`, the rest of these."""
        keep = 1.0 - weight
        return Moments(
            keep * self.covariance + weight * other.covariance,
            keep * self.mean + weight * other.mean,
            1.0 / (keep**2 / self.n_samples + weight**2 / other.n_samples),
        )

    def state_dict(self) -> dict[str, Any]:
        """Plain lists and numbers."""
        return {"covariance": self.covariance.tolist(), "mean": self.mean.tolist(), "n": self.n_samples}

    @classmethod
    def from_state(cls, state: dict[str, Any], n_levels: int) -> "Moments":
        """The inverse of :meth:`state_dict`.

        Raises
        ------
        ValueError : not moments over so many levels.
        """
        covariance, mean = (
            numbers(state[name], name, (n_levels, n_levels)) for name in ("covariance", "mean")
        )
        return cls(covariance, mean, number(state["n"], "n", least=1.0))


def coefficients(plan: Plan, n_levels: int) -> np.ndarray:
    """(samples, L+1): the factor of each sample's correction at each level in the plan's gradient."""
    drawn, position = np.unique(np.concatenate([term.indices for term in plan]), return_inverse=True)
    weights = np.zeros((len(drawn), n_levels))
    start = 0
    for term in plan:
        rows = position[start : start + len(term.indices)]
        np.add.at(weights[:, term.level], rows, term.weights)
        start += len(term.indices)
    return np.cumsum(weights[:, ::-1], axis=1)[:, ::-1]


@dataclass(frozen=True)
class Quality:
    """What a step of an estimator is worth at the parameters where the moments were taken.

    variance : tr Cov of the step's gradient over its draws.
    squared_bias : |E g - E g_L|².
    cost : seconds.
    progress : expected decrease of the loss for the best step size, (G·E g)² / E|g|², as a share of that of
        the exact gradient G, for a Hessian that is a multiple of the identity (McCandlish et al., arXiv
        1812.06162, eq. 2.7, for a biased gradient).
    """

    variance: float
    squared_bias: float
    cost: float
    progress: float

    @property
    def rate(self) -> float:
        """Progress per second."""
        return self.progress / self.cost


def quality(
    outcomes: Sequence[tuple[float, Plan]], moments: Moments, costs: BatchCosts, population: int
) -> Quality:
    """Of an estimator with these kinds of plan (:meth:`nolab.plan.Estimator.outcomes`).

    Parameters
    ----------
    population : samples that a step draws from, without replacement.
    """
    covariance, mean = moments.covariance, _resolved_mean(moments)
    chances = np.array([chance for chance, _ in outcomes])
    tables = [coefficients(plan, len(costs)) for _, plan in outcomes]
    sums = np.array([table.sum(axis=0) for table in tables])  # (plans, L+1)
    expected = chances @ sums
    within = [
        ((table @ covariance) * table).sum() - total @ covariance @ total / population
        for table, total in zip(tables, sums, strict=True)
    ]
    between = [(total - expected) @ mean @ (total - expected) for total in sums]
    variance = max(float(chances @ (np.array(within) + np.array(between))), 0.0)
    error = expected - 1.0
    along = float(expected @ mean @ np.ones(len(costs)))
    second = float(expected @ mean @ expected) + variance
    exact = float(mean.sum())
    scale = second * exact
    progress = max(along, 0.0) ** 2 / scale if scale > 0 else 0.0
    return Quality(variance, float(error @ moments.mean @ error), costs.of_outcomes(outcomes), progress)


def _resolved_mean(moments: Moments) -> np.ndarray:
    """The mean's products with |E g_0|² raised to what its noise lets one tell from zero.

    Differences between levels are known far better than the gradient itself: late in training |G|² drowns in
    the samples' spread, while the corrections' means do not.
    """
    floor = np.sqrt(2.0) * moments.fine_variance / moments.n_samples
    mean = moments.mean.copy()
    mean[0, 0] += max(0.0, floor - mean.sum())
    return mean
