"""What tests of estimators share: total weights of plans, and a population of known per-sample gradients."""

from collections.abc import Iterable, Sequence

import numpy as np

from nolab.costs import BatchCosts
from nolab.moments import Moments
from nolab.plan import Estimator, Plan

N = 48


def evaluations(plan: Plan, n_levels: int) -> np.ndarray:
    """Total weight of each (level, sample), as an array (levels, N)."""
    total = np.zeros((n_levels, N))
    for term in plan:
        np.add.at(total[term.level], term.indices, term.weights)
    return total


def level_sums(plan: Plan, n_levels: int) -> np.ndarray:
    """Σ_i w_i of every level, (levels,)."""
    return evaluations(plan, n_levels).sum(axis=1)


def same_plans(a: Plan, b: Plan) -> bool:
    """Whether two plans have the same terms, bit for bit."""
    return len(a) == len(b) and all(
        x.level == y.level
        and x.slot == y.slot
        and x.indices.tolist() == y.indices.tolist()
        and x.weights.tolist() == y.weights.tolist()
        for x, y in zip(a, b, strict=True)
    )


def population(
    spreads: Sequence[float] = (1.0, 0.4, 0.15), offset: float = 0.5, parameters: int = 8
) -> np.ndarray:
    """Gradients of N samples at every level, (levels, N, parameters), whose corrections are correlated."""
    rng = np.random.default_rng(5)
    common = rng.normal(size=(N, parameters))
    corrections = [spread * (offset + 0.5 * common + rng.normal(size=(N, parameters))) for spread in spreads]
    return np.cumsum(corrections, axis=0)


def exact_moments(gradients: np.ndarray) -> Moments:
    """Moments of the whole population: the covariance with N - 1, the mean as it is."""
    corrections = np.diff(gradients, axis=0, prepend=0.0)
    means = corrections.mean(axis=1)
    centred = corrections - means[:, None]
    covariance = np.einsum("kip,lip->kl", centred, centred) / (gradients.shape[1] - 1)
    return Moments(covariance, means @ means.T, float("inf"))


def step_gradients(plans: Iterable[Plan], gradients: np.ndarray) -> np.ndarray:
    """The gradient of every plan, (plans, parameters)."""
    weights = np.stack([evaluations(plan, len(gradients)) for plan in plans])
    return np.einsum("sli,lip->sp", weights, gradients)


def of_variances(variances: Sequence[float], means: Sequence[Sequence[float]] | None = None) -> Moments:
    """Moments with uncorrelated corrections of these V_ℓ and means (levels, any); None: no bias, |G| = 1."""
    vectors = np.eye(len(variances), 1) if means is None else np.array(means, float)
    return Moments(np.diag(np.array(variances, float)), vectors @ vectors.T, 1e9)


def expected_level_sums(estimator: Estimator, n_levels: int) -> np.ndarray:
    """E Σ_i w_i of every level over the estimator's outcomes."""
    return sum(chance * level_sums(plan, n_levels) for chance, plan in estimator.outcomes())


def costs_of(sample: Sequence[float], fixed: float | Sequence[float] = 0.0) -> BatchCosts:
    """Seconds of a sample at each level; the same fixed part at every level, or one each."""
    sample = np.array(sample, float)
    return BatchCosts(np.broadcast_to(np.array(fixed, float), sample.shape), sample)
