"""Giles' allocation: hand-computed values, brute force, and what never happens."""

from itertools import pairwise

import numpy as np
import pytest
from estimators_support import N, costs_of, exact_moments, of_variances
from hypothesis import given, settings
from hypothesis import strategies as st

from nolab.estimators._allocation import (
    LEAST_CHANCE,
    Corrections,
    counts,
    level_sets,
)
from nolab.estimators.mlmc import Nested
from nolab.moments import Moments


def on(moments, costs, levels=None):
    """Corrections on these levels; None: on all."""
    return Corrections.between(moments, costs, tuple(range(len(costs))) if levels is None else levels)


def variances_between(moments, levels):
    return on(moments, costs_of(np.ones(len(moments.variances))), levels).variances


FIXED = settings(derandomize=True, deadline=None, max_examples=60)
numbers = st.floats(1e-4, 1e4)


@st.composite
def cases(draw):
    """Random moments of 1 to 4 levels, with seconds that grow."""
    n = draw(st.integers(1, 4))
    root = np.array(
        draw(st.lists(st.lists(st.floats(-3, 3), min_size=n, max_size=n), min_size=n, max_size=n))
    )
    scale = np.diag([draw(st.sampled_from([1.0, 0.3, 0.1])) ** level for level in range(n)])
    covariance = scale @ (root @ root.T + 1e-3 * np.eye(n)) @ scale
    seconds = np.cumprod([draw(st.floats(1.0, 8.0)) for _ in range(n)])
    return Moments(covariance, np.eye(n), 10.0), costs_of(seconds, draw(st.floats(0.0, 3.0)))


def test_level_sets_are_all_that_hold_the_finest_level():
    assert list(level_sets(1)) == [(0,)]
    assert sorted(level_sets(3)) == [(0, 1, 2), (0, 2), (1, 2), (2,)]
    assert len(set(level_sets(5))) == 16


def test_variances_between_levels_by_hand():
    covariance = np.array([[4.0, 0.5, -0.25], [0.5, 2.0, 0.125], [-0.25, 0.125, 1.0]])
    moments = Moments(covariance, np.zeros((3, 3)), 10)
    assert variances_between(moments, (2,)).tolist() == [covariance.sum()]
    assert variances_between(moments, (0, 2)).tolist() == [4.0, 2.0 + 1.0 + 0.25]
    assert variances_between(moments, (1, 2)).tolist() == [4.0 + 2.0 + 1.0, 1.0]
    assert variances_between(moments, (0, 1, 2)).tolist() == [4.0, 2.0, 1.0]


@pytest.mark.parametrize("levels", list(level_sets(3)), ids=str)
def test_variances_between_are_those_of_the_differences(levels):
    gradients = np.random.default_rng(0).normal(size=(3, N, 5)).cumsum(axis=0)
    chosen = np.diff(gradients[list(levels)], axis=0, prepend=0.0)
    expected = chosen.var(axis=1, ddof=1).sum(axis=1)
    np.testing.assert_allclose(variances_between(exact_moments(gradients), levels), expected, rtol=1e-12)


def test_closed_form_of_a_linear_model():
    """y = a·x with a coarse grid that scales y by 1 - 4^-ℓ-1: V_ℓ, its decay and (Σ√(VC))² by hand."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(N, 4)), rng.normal(size=N)
    residual = x @ np.full(4, 0.5) - y
    level_factors = 1 - 0.25 ** np.arange(1, 5)
    gradients = level_factors[:, None, None] * (2 * residual[:, None] * x)  # of (a·x - y)² by a, on grid ℓ
    spread = (2 * residual[:, None] * x).var(axis=0, ddof=1).sum()
    moments = exact_moments(gradients)
    steps = np.diff(level_factors, prepend=0.0)  # 3/4, 3/16, 3/64, …
    np.testing.assert_allclose(moments.variances, spread * steps**2, rtol=1e-12)
    np.testing.assert_allclose(moments.variances[:-1] / moments.variances[1:], 16.0, rtol=1e-10)
    seconds = 4.0 ** np.arange(4)  # C_ℓ
    # √(V_ℓ C_ℓ) = √spread · 3/4 · 4^-ℓ · 2^ℓ
    expected = spread * (0.75 * (1 + 1 / 2 + 1 / 4 + 1 / 8)) ** 2
    found = on(moments, costs_of(seconds))
    assert found.variance_times_cost(found.within(1e9)) == pytest.approx(expected, rel=1e-9)
    # n_ℓ ∝ √(V_ℓ/C_ℓ) = 4^-ℓ · 2^-ℓ
    np.testing.assert_allclose(found.ratios(), 8.0 ** -np.arange(4), rtol=1e-12)
    np.testing.assert_allclose(found.shares(1e6), 8.0 ** -np.arange(4), rtol=1e-12)
    assert counts(64 * 8.0 ** -np.arange(4), (0, 1, 2, 3)) == (64, 8, 1, 0.125)


@FIXED
@given(st.lists(numbers, min_size=2, max_size=4), st.lists(numbers, min_size=4, max_size=4))
def test_no_other_allocation_has_less_variance_for_its_cost(variances, others):
    """Σ V_ℓ/n_ℓ · Σ n_ℓ C_ℓ is least, and (Σ√(VC))², at n_ℓ ∝ √(V_ℓ/C_ℓ)."""
    variances = np.sort(variances)[::-1]
    seconds = np.arange(1.0, 1 + len(variances)) ** 2
    moments = of_variances(variances)
    shares = on(moments, costs_of(seconds)).ratios()
    least = np.sqrt(variances * seconds).sum() ** 2
    if shares[-1] > LEAST_CHANCE:  # else it is clipped
        assert (variances / shares).sum() * (shares @ seconds) == pytest.approx(least, rel=1e-9)
    other = np.array(others[: len(variances)])
    assert (variances / other).sum() * (other @ seconds) >= least * (1 - 1e-9)


def test_shares_are_clipped_where_nested_sets_end():
    seconds = costs_of([1, 1, 1])
    assert on(of_variances([1.0, 4.0, 1.0]), seconds).ratios().tolist() == [1.0, 1.0, 1.0]
    assert on(of_variances([4.0, 1.0, 2.0]), seconds).ratios().tolist() == [1.0, 0.5, 0.5]
    assert on(of_variances([4.0, 1.0, 0.0]), seconds).ratios().tolist() == [1.0, 0.5, LEAST_CHANCE]
    assert on(of_variances([0.0, 1.0]), costs_of([1, 1])).ratios().tolist() == [1.0, 1.0]


@FIXED
@given(cases(), st.floats(1.0, N))
def test_counts_are_those_of_a_nested_estimator(case, first):
    """They never grow with the level, the coarsest has a sample, and left-out levels are not evaluated."""
    moments, costs = case
    for levels in level_sets(len(costs)):
        sizes = counts(first * on(moments, costs, levels).shares(first), levels)
        assert len(sizes) == len(costs)
        assert all(a >= b > 0 for a, b in pairwise(sizes))
        assert 1 <= sizes[0] <= N
        assert all(n < 1 or n == int(n) for n in sizes)
        evaluated = {term.level for _, plan in Nested(sizes, N, 0).outcomes() for term in plan}
        assert evaluated <= set(levels)
        assert levels[-1] in evaluated


def test_counts_by_hand():
    assert counts([20, 5, 0.2], (0, 1, 2)) == (20, 5, 0.2)
    assert counts([12, 1.5], (1, 3)) == (12, 12, 2, 2)
    assert counts([1.3], (2,)) == (1, 1, 1)


@FIXED
@given(cases(), st.floats(0.0, 6.0))
def test_a_step_takes_the_time_that_it_is_given(case, log_budget):
    """Unless its first sample alone takes longer; one more would be too many."""
    moments, costs = case
    for levels in level_sets(len(costs)):
        least = float(costs.fixed[levels[0]] + costs.sample[levels[0]])
        budget = 2 * len(costs) * least * np.exp(log_budget)
        corrections = on(moments, costs, levels)
        sizes = corrections.within(budget)
        assert corrections.cost(sizes) <= budget * (1 + 1e-9) or sizes[0] == pytest.approx(1)
        more = 1.001 * sizes[0]
        assert corrections.cost(more * corrections.shares(more)) > budget * (1 - 1e-3)


@FIXED
@given(
    st.floats(1e-4, 2.0),
    st.floats(0.0, 2.0),
    st.floats(0.0, 50.0),
    st.floats(1.0, 50.0),
    st.floats(0.1, 3.0),
)
def test_a_correction_by_chance_or_by_batch_is_the_better_of_both(variance, mean, fixed, sample, log_first):
    """Brute force over n of one correction: least V_ℓ(n) · price + cost(n), nested at n_0 at most."""
    moments = of_variances([1.0, variance], [[1.0, 0.0], [0.0, mean]])
    costs, first = costs_of([1.0, sample], [0.0, fixed]), np.exp(log_first)
    n = np.geomspace(LEAST_CHANCE * first, first, 200_001)
    spread = variance / n + mean**2 * np.maximum(1 / n - 1, 0)
    cost = np.minimum(n, 1) * fixed + n * sample
    objective = (
        first**2 * spread + cost
    )  # at the first level n_0² C_0 / V_0 is what a unit of variance is worth
    found = first * on(moments, costs).shares(first)[1]
    own = np.interp(found, n, objective)
    assert own <= objective.min() * (1 + 1e-3)


def test_a_batch_that_costs_much_is_drawn_by_chance():
    """V = 1, 1 and C = 1, 4: two samples of 4 pay by themselves, not where their batch costs 100 more."""
    moments = of_variances([1.0, 1.0], [[1.0], [0.0]])
    assert on(moments, costs_of([1, 4])).shares(4.0).tolist() == [1.0, 0.5]
    found = on(moments, costs_of([1, 4], [0, 100])).shares(4.0)
    assert found[1] == pytest.approx(np.sqrt(16 / 104) / 4)
