"""Chances, control variates and probes on a real model: the laws of the estimators in float64."""

import numpy as np
import pytest
import torch
from training_support import N, gradient, make_engine, mean_over

from nolab.estimators import mlmc
from nolab.plan import Term

SCHEMES = [mlmc.Nested, mlmc.Random]


@pytest.fixture(scope="module")
def single():
    """Gradient of every sample at every level, (levels, N, parameters)."""
    engine = make_engine()
    return torch.stack(
        [
            torch.stack([gradient(engine, (Term(level, np.array([i]), np.ones(1)),)) for i in range(N)])
            for level in range(3)
        ]
    )


@pytest.mark.parametrize("alpha", [[1.0, 1.0], [0.5, 0.5], [-0.3, 1.7], [0.0, 0.4]], ids=str)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_full_index_sets_give_the_fine_gradient_for_any_alpha(scheme, alpha):
    engine = make_engine()
    expected = gradient(engine, mean_over(2))
    actual = gradient(engine, scheme((N, N, N), N, 3, alpha).plan(2))
    assert (actual - expected).norm() <= 1e-13 * expected.norm()


@pytest.mark.parametrize("alpha", [[1.0, 1.0], [0.5, 0.8]], ids=str)
@pytest.mark.parametrize("sizes", [(4, 2, 1), (4, 1, 0.25), (4, 0.5, 0.1)], ids=str)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_mean_gradient_is_the_fine_one(scheme, sizes, alpha, single):
    estimator, steps = scheme(sizes, N, 0, alpha), 3000
    weights = np.zeros((steps, 3, N))
    for step in range(steps):
        for term in estimator.plan(step):
            np.add.at(weights[step, term.level], term.indices, term.weights)
    samples = torch.einsum("sli,lip->sp", torch.from_numpy(weights), single)
    expected = single[2].mean(0)
    standard_error = (samples.var(0).sum() / steps).sqrt()
    assert (samples.mean(0) - expected).norm() < 3 * standard_error
    assert standard_error < 0.25 * expected.norm()  # the test can see a bias of that size


@pytest.mark.parametrize("scheme", SCHEMES)
def test_control_variates_are_the_papers_formula(scheme):
    """E_ℓ = mean(∇J_ℓ - α_ℓ ∇J_{ℓ-1}) + α_ℓ E_{ℓ-1}, written out level by level."""
    engine, sizes, alpha = make_engine(), (4, 2, 1), [0.5, 0.8]
    plan = scheme(sizes, N, 3, alpha).plan(1)
    draws = [plan[level].indices[:n] for level, n in enumerate(sizes)]

    def mean(level, draw):
        return gradient(engine, mean_over(level, draw))

    estimate = mean(0, draws[0])
    for level in (1, 2):
        factor = alpha[level - 1]
        correction = mean(level, draws[level]) - factor * mean(level - 1, draws[level])
        estimate = correction + factor * estimate
    assert (gradient(engine, plan) - estimate).norm() <= 1e-13 * estimate.norm()
