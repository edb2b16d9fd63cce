"""Moments of per-sample gradients against numpy, and the worth of estimators against simulation."""

import numpy as np
import pytest
from estimators_support import N, costs_of, exact_moments, of_variances, population, step_gradients

from nolab.estimators._single import SingleLevel
from nolab.estimators.mixed import Mixed
from nolab.estimators.mlmc import Nested, Random
from nolab.moments import Moments, coefficients, quality
from nolab.plan import Term

SECONDS = np.array([1.0, 3.0, 10.0])
COSTS = costs_of(SECONDS)


def gram(corrections):
    """(levels, n, levels, n) of corrections (levels, n, parameters)."""
    return np.einsum("kip,ljp->kilj", corrections, corrections)


@pytest.mark.parametrize("n", [2, 3, 10])
def test_moments_are_numpys_covariance_and_products_of_different_samples(n):
    d = np.random.default_rng(n).normal(1.0, 1.0, size=(3, n, 4))
    moments = Moments.of_gram(gram(d))
    for k in range(3):
        for m in range(3):
            covariance = sum(np.cov(d[k, :, p], d[m, :, p])[0, 1] for p in range(4))
            assert moments.covariance[k, m] == pytest.approx(covariance, rel=1e-12)
            products = [d[k, i] @ d[m, j] for i in range(n) for j in range(n) if i != j]
            assert moments.mean[k, m] == pytest.approx(np.mean(products), rel=1e-12)
    assert moments.n_samples == n


@pytest.mark.parametrize("n", [2, 5])
def test_both_are_unbiased(n):
    """Mean over draws from a known Gaussian."""
    rng = np.random.default_rng(0)
    mix = np.array([[1.0, 0.0, 0.0], [0.3, 0.2, 0.0], [-0.1, 0.05, 0.1]])
    mean = np.array([[0.5, -0.2], [0.1, 0.1], [0.02, 0.0]])
    draws = [
        Moments.of_gram(gram(mean[:, None] + np.einsum("kl,lip->kip", mix, rng.normal(size=(3, n, 2)))))
        for _ in range(4000)
    ]
    for values, truth in (
        (np.array([m.covariance for m in draws]), 2 * mix @ mix.T),
        (np.array([m.mean for m in draws]), mean @ mean.T),
    ):
        standard_error = values.std(axis=0) / np.sqrt(len(draws))
        assert (np.abs(values.mean(axis=0) - truth) < 4.5 * standard_error).all()
        assert standard_error.max() < 0.1  # so a bias of 1/n would be seen


def test_variances_and_bias_of_levels():
    gradients = population()
    moments = exact_moments(gradients)
    variances = gradients.var(axis=1, ddof=1).sum(axis=1)
    means = gradients.mean(axis=1)
    corrections = np.diff(gradients, axis=0, prepend=0.0).var(axis=1, ddof=1).sum(axis=1)
    np.testing.assert_allclose(moments.variances, corrections, rtol=1e-12)
    assert moments.fine_variance == pytest.approx(variances[-1])
    for level in range(3):
        assert moments.level_variance(level) == pytest.approx(variances[level])
        expected = np.square(means[2] - means[level]).sum()
        assert moments.squared_bias(level) == pytest.approx(expected, abs=1e-12)


def test_a_moving_average_is_as_sure_as_its_weights_allow():
    a = Moments(np.eye(2), 2 * np.eye(2), 10)
    b = Moments(3 * np.eye(2), 4 * np.eye(2), 20)
    mixed = a.blended(b, 0.25)
    np.testing.assert_allclose(mixed.covariance, 1.5 * np.eye(2))
    np.testing.assert_allclose(mixed.mean, 2.5 * np.eye(2))
    assert a.blended(b, 2 / 3).n_samples == pytest.approx(30)  # weighted by size: a plain mean of all
    long = a
    for _ in range(100):
        long = long.blended(b, 0.2)
    assert long.n_samples == pytest.approx(20 * 9, rel=1e-3)  # (1 + 0.8) / (1 - 0.8) probes


def test_the_state_is_plain_and_comes_back_as_it_was():
    moments = exact_moments(population()).blended(of_variances([3, 2, 1]), 0.3)
    state = moments.state_dict()
    assert all(isinstance(value, (list, float, int)) for value in state.values())
    back = Moments.from_state(state, 3)
    assert back.covariance.tolist() == moments.covariance.tolist()
    assert back.mean.tolist() == moments.mean.tolist()
    assert back.n_samples == moments.n_samples


def test_coefficients_by_hand():
    """g = 2 g_0(a) - 1 g_0(b) + 3 g_1(b) + 0.5 g_1(b) + 4 g_2(c): samples may come twice."""
    plan = (
        Term(0, np.array([7, 3]), np.array([2.0, -1.0])),
        Term(1, np.array([3, 3]), np.array([3.0, 0.5])),
        Term(2, np.array([9]), np.array([4.0])),
    )
    assert coefficients(plan, 3).tolist() == [[2.5, 3.5, 0.0], [2.0, 0.0, 0.0], [4.0, 4.0, 4.0]]


@pytest.mark.parametrize("scheme", [Nested, Random])
def test_coefficients_give_the_plans_gradient(scheme):
    gradients = population()
    corrections = np.diff(gradients, axis=0, prepend=0.0)
    plan = scheme((30, 20, 10), N, 0).plan(0)
    drawn = np.unique(np.concatenate([term.indices for term in plan]))
    actual = np.einsum("il,lip->p", coefficients(plan, 3), corrections[:, drawn])
    np.testing.assert_allclose(actual, step_gradients([plan], gradients)[0], rtol=1e-11)


ESTIMATORS = {
    "fine": SingleLevel(2, 4, N, 3, 0),
    "coarse": SingleLevel(0, 8, N, 3, 0),
    "middle": SingleLevel(1, 30, N, 3, 0),
    "mixed": Mixed((8, 4, 2), N, 0),
    "nested": Nested((16, 6, 2), N, 0),
    "nested, level left out": Nested((16, 4, 4), N, 0),
    "nested, chances": Nested((16, 2, 0.3), N, 0),
    "nested, all chances": Nested((8, 0.5, 0.2), N, 0),
    "nested, alpha": Nested((16, 6, 2), N, 0, [0.5, 0.8]),
    "nested, chances, alpha": Nested((8, 0.5, 0.2), N, 0, [0.5, 0.8]),
    "random": Random((16, 6, 2), N, 0),
    "random, chances": Random((16, 2, 0.3), N, 0),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_quality_is_what_a_simulation_shows(name):
    """tr Var, bias and cost over thousands of plans from a population whose moments are known."""
    estimator, gradients, steps = ESTIMATORS[name], population(), 4000
    plans = [estimator.plan(step) for step in range(steps)]
    found = quality(_outcomes(estimator), exact_moments(gradients), COSTS, N)
    values = step_gradients(plans, gradients)
    fine = gradients[2].mean(axis=0)
    variance = values.var(axis=0).sum()
    assert found.variance == pytest.approx(variance, rel=0.06)
    bias = values.mean(axis=0) - fine
    assert abs(found.squared_bias - bias @ bias) < 4 * np.sqrt(variance / steps) * (
        2 * np.sqrt(found.squared_bias) + 4 * np.sqrt(variance / steps)
    )
    expected = (fine @ values.mean(axis=0)) ** 2 / ((values**2).sum(axis=1).mean() * fine @ fine)
    assert found.progress == pytest.approx(expected, rel=0.06)
    cost = np.mean([sum(len(t.indices) * SECONDS[t.level] for t in plan) for plan in plans])
    assert found.cost == pytest.approx(cost, rel=0.05)
    assert found.rate == found.progress / found.cost


def _outcomes(estimator):
    """Independent draws overlap by chance: how much, is averaged over some steps."""
    if not isinstance(estimator, Random) or len(estimator.outcomes()) > 1:
        return estimator.outcomes()
    return [(1 / 200, estimator.plan(step)) for step in range(200)]


def test_costs_by_hand():
    def cost(estimator, costs=COSTS):
        return quality(estimator.outcomes(), of_variances([1, 1, 1]), costs, N).cost

    assert cost(SingleLevel(2, 4, N, 3, 0)) == pytest.approx(40)
    assert cost(Nested((8, 4, 2), N, 0)) == pytest.approx(8 * 1 + 4 * 3 + 2 * 10)
    assert cost(Nested((8, 8, 2), N, 0)) == pytest.approx(8 * 3 + 2 * 10)
    assert cost(Nested((8, 2, 0.25), N, 0)) == pytest.approx(8 + 2 * 3 + 0.25 * 10)
    assert cost(Random((8, 2, 0.25), N, 0)) == pytest.approx(8 + 2 * (1 + 3) + 0.25 * (3 + 10))
    launched = costs_of(SECONDS, [0.5, 0.25, 0.125])
    assert cost(SingleLevel(2, 4, N, 3, 0), launched) == pytest.approx(40.125)
    assert cost(Nested((8, 2, 0.25), N, 0), launched) == pytest.approx(8.5 + 6.25 + 0.25 * 10.125)


def test_the_exact_gradient_has_all_the_progress_and_no_variance():
    moments = exact_moments(population())
    for estimator in (SingleLevel(2, N, N, 3, 0), Nested((N, N, N), N, 0), Random((N, N, N), N, 0)):
        found = quality(estimator.outcomes(), moments, COSTS, N)
        assert found.variance == pytest.approx(0, abs=1e-12)
        assert found.squared_bias == pytest.approx(0, abs=1e-12)
        assert found.progress == pytest.approx(1, rel=1e-10)


def test_progress_by_hand():
    """A fine batch: |G|²/(|G|² + V/n); a coarse one: what its mean has along G, too."""
    moments = Moments(np.diag([6.0, 2.0]), np.array([[3.0, -1.0], [-1.0, 2.0]]), 1e9)  # |G|² = 3
    seconds, many = costs_of([1, 1]), 10**9
    fine = quality(SingleLevel(1, 4, N, 2, 0).outcomes(), moments, seconds, many)
    assert fine.variance == pytest.approx(8 / 4)
    assert fine.progress == pytest.approx(3 / (3 + 2))
    coarse = quality(SingleLevel(0, 4, N, 2, 0).outcomes(), moments, seconds, many)
    assert coarse.squared_bias == pytest.approx(2.0)
    assert coarse.progress == pytest.approx((3 - 1) ** 2 / ((3 + 6 / 4) * 3))
    against = Moments(np.diag([6.0, 2.0]), np.array([[1.0, -2.0], [-2.0, 9.0]]), 1e9)
    assert quality(SingleLevel(0, 4, N, 2, 0).outcomes(), against, seconds, many).progress == 0


def test_a_gradient_lost_in_noise_counts_as_what_could_be_told_from_zero():
    """|G|² is taken as √2 V / n at least, and never without a gradient at all."""
    moments = Moments(np.diag([4.0, 0.0]), np.diag([-1.0, 0.0]), 100)
    fine = SingleLevel(1, 4, N, 2, 0).outcomes()
    floor = np.sqrt(2) * 4 / 100
    assert quality(fine, moments, costs_of([1, 1]), 10**9).progress == pytest.approx(floor / (floor + 1))
    nothing = Moments(np.zeros((2, 2)), np.zeros((2, 2)), 4)
    assert quality(fine, nothing, costs_of([1, 1]), N).progress == 0
