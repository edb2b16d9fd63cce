"""The two laws of unbiased estimators, in float64, on a real model and real terms."""

import numpy as np
import pytest
import torch
from training_support import N, gradient, make_engine, mean_over

from nolab.estimators import mlmc
from nolab.metrics.errors import mse, rel_l2
from nolab.plan import Term


@pytest.mark.parametrize("scheme", [mlmc.Nested, mlmc.Random])
@pytest.mark.parametrize("loss", [mse, rel_l2])
def test_full_index_sets_give_the_fine_gradient(scheme, loss):
    engine = make_engine(loss=loss)
    expected = gradient(engine, mean_over(2))
    actual = gradient(engine, scheme((N, N, N), N, seed=3).plan(2))
    assert (actual - expected).norm() <= 1e-13 * expected.norm()


@pytest.mark.parametrize("scheme", [mlmc.Nested, mlmc.Random])
def test_telescoping_sum_is_what_a_step_computes(scheme):
    """The plan's gradient equals the paper's formula, written out sum by sum."""
    engine, sizes = make_engine(), (4, 2, 1)
    estimator = scheme(sizes, N, seed=3)
    plan = estimator.plan(1)
    if scheme is mlmc.Nested:
        draws = [plan[0].indices[:n] for n in sizes]
    else:
        draws = [plan[level].indices[:n] for level, n in enumerate(sizes)]

    def mean(level, draw):
        return gradient(engine, (Term(level, draw, np.full(len(draw), 1 / len(draw))),))

    expected = mean(0, draws[0])
    for level in (1, 2):
        expected = expected + mean(level, draws[level]) - mean(level - 1, draws[level])
    assert (gradient(engine, plan) - expected).norm() <= 1e-13 * expected.norm()


@pytest.mark.parametrize("scheme", [mlmc.Nested, mlmc.Random])
def test_mean_over_plans_converges_to_the_fine_gradient(scheme):
    """Within 5 standard errors, in the direction where the deviation is largest and in norm."""
    engine = make_engine()
    expected = gradient(engine, mean_over(2))
    # Per-sample gradients make the mean over thousands of plans a matrix product.
    single = torch.stack(
        [
            torch.stack([gradient(engine, (Term(level, np.array([i]), np.ones(1)),)) for i in range(N)])
            for level in range(3)
        ]
    )
    estimator, steps = scheme((4, 2, 1), N, seed=0), 6000
    weights = np.zeros((steps, 3, N))
    for step in range(steps):
        for term in estimator.plan(step):
            np.add.at(weights[step, term.level], term.indices, term.weights)
    samples = torch.einsum("sli,lip->sp", torch.from_numpy(weights), single)
    error = (samples.mean(0) - expected).norm()
    standard_error = (samples.var(0).sum() / steps).sqrt()
    assert error < 3 * standard_error
    assert standard_error < 0.1 * expected.norm()  # the test can see a bias of that size


@pytest.mark.parametrize("scope", ["shared", "per_sample"])
@pytest.mark.parametrize("scheme", ["random", "stratified", "sobol", "epoch", "importance"])
@pytest.mark.parametrize(("neval", "steps"), [(80, 100), pytest.param(40, 300, marks=pytest.mark.slow)])
def test_drawn_points_are_unbiased_for_mse(scheme, scope, neval, steps):
    """Importance learns from the errors while it draws: it is unbiased in every state."""
    engine, full = make_engine(neval=neval, scheme=scheme, scope=scope), make_engine()
    expected = gradient(full, mean_over(2))
    drawn = torch.stack([gradient(engine, mean_over(2), step) for step in range(steps)])
    standard_error = (drawn.var(0).sum() / len(drawn)).sqrt()
    assert (drawn.mean(0) - expected).norm() < 3 * standard_error
    assert 0 < standard_error < 0.2 * expected.norm()


def test_terms_add_up_and_losses_are_returned_per_term():
    engine = make_engine()
    plan = (Term(0, np.array([0, 1]), np.array([0.5, -0.25])), Term(2, np.array([1]), np.array([2.0])))
    parts = sum(gradient(engine, (term,)) for term in plan)
    assert torch.allclose(gradient(engine, plan), parts, rtol=1e-12, atol=1e-14)
    losses = engine.accumulate(plan, 0)
    single = [engine.accumulate((Term(0, np.array([i]), np.ones(1)),), 0).weighted[0] for i in (0, 1)]
    assert losses.weighted[0] == pytest.approx(float(0.5 * single[0] - 0.25 * single[1]))
    assert losses.mean[0] == pytest.approx(float(single[0] + single[1]) / 2)


def test_repeated_samples_count_twice():
    engine = make_engine()
    twice = gradient(engine, (Term(1, np.array([3, 3]), np.array([0.5, 0.5])),))
    once = gradient(engine, (Term(1, np.array([3]), np.array([1.0])),))
    assert torch.allclose(twice, once, rtol=1e-12, atol=1e-14)
