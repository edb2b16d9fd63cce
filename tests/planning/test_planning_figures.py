"""The figures of a stage against closed forms, direct covariances and brute force."""

from itertools import combinations

import numpy as np
import pytest
from estimators_support import costs_of
from planning_support import exact_gram, exactly, gram_of

from nolab.planning.consistency import consistency
from nolab.planning.figures import gains, level_figures, noise_scale, rates, slope
from nolab.planning.resampling import Sampled

ALPHA, BETA, GAMMA = 1.5, 3.0, 2.0
LEVELS = np.arange(4)
POWER_LAW = (2.0 ** (-BETA * LEVELS), 2.0 ** (-2 * ALPHA * LEVELS))
SECONDS = 1e-3 * 2.0 ** (GAMMA * LEVELS)
MANY = 10_000
"""A batch whose n_ℓ are above 1 at every level."""


def linear_model(n=12, size=5, n_levels=3):
    """Per-sample gradients (w·x_ℓ - y) x_ℓ of ½ (w·x_ℓ - y)² on inputs that differ a little between levels."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, size))
    inputs = [x + 0.3 * 2.0**-level * rng.standard_normal((n, size)) for level in range(n_levels)]
    w, y = rng.standard_normal(size), rng.standard_normal(n)
    return np.stack([(x @ w - y)[:, None] * x for x in inputs])


def test_rates_of_power_laws():
    found = rates(exactly(*POWER_LAW), SECONDS)
    assert found.alpha.value == pytest.approx(ALPHA)
    assert found.beta.value == pytest.approx(BETA)
    assert found.gamma == pytest.approx(GAMMA)


def test_rates_leave_out_the_coarsest_level():
    """Its V is the gradient's own, no correction's; its cost belongs to no correction either."""
    variances, means = (values.copy() for values in POWER_LAW)
    variances[0], means[0] = 1e3, 1e3
    found = rates(exactly(variances, means), np.array([1.0, *SECONDS[1:]]))
    assert (found.alpha.value, found.beta.value, found.gamma) == pytest.approx((ALPHA, BETA, GAMMA))


def test_rates_by_least_squares():
    """Against the normal equations, for values on no line."""
    values = np.array([5.0, 1.0, 0.4, 0.01])
    x, y = LEVELS[1:], np.log2(values[1:])
    expected = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
    assert slope(x, values) == pytest.approx(expected)
    assert np.isnan(slope([1, 2], np.array([1.0, 0.0, 1.0])))


def test_no_rates_from_one_correction_or_from_means_in_the_noise():
    two = rates(exactly([1.0, 0.1], [1.0, 0.1]), np.array([1.0, 4.0]))
    assert (two.alpha, two.beta, two.gamma) == (None, None, None)
    lost = rates(exactly(POWER_LAW[0], [1.0, 0.1, -0.01, -0.01]), SECONDS)
    assert lost.alpha is None
    assert lost.beta.value == pytest.approx(BETA)


def test_moments_of_a_linear_model_are_the_covariances():
    gradients = linear_model()
    n = gradients.shape[1]
    corrections = np.diff(gradients, axis=0, prepend=0)
    sampled = Sampled.of_gram(gram_of(corrections), 20)
    found = level_figures(sampled, costs_of([1, 1, 1]), 4, ["a", "b", "c"])

    def spread(vectors):
        return np.cov(vectors, rowvar=False).trace()

    def square(vectors):
        """|E v|² without the share of the noise in it."""
        return (vectors.mean(axis=0) ** 2).sum() - spread(vectors) / n

    fine = spread(gradients[-1])
    for level, figures in enumerate(found):
        assert figures.gradient.value == pytest.approx(spread(gradients[level]) / fine)
        assert figures.correction.value == pytest.approx(spread(corrections[level]) / fine)
        assert figures.squared_bias.value == pytest.approx(
            square(gradients[-1] - gradients[level]) / fine, abs=1e-12
        )
    assert noise_scale(sampled).value == pytest.approx(fine / square(gradients[-1]))


def test_optimum_and_nearest_delta_of_power_laws():
    """n_ℓ ∝ √(V_ℓ/C_ℓ) = 2^(-(β+γ)ℓ/2): its ratios are all alike, and δ is one of them."""
    sampled = exactly(2.0 ** (-0.5 * LEVELS), np.ones(4))
    found = gains(sampled, costs_of(SECONDS), MANY)
    ratio = 2.0 ** ((0.5 + GAMMA) / 2)
    assert found.delta == pytest.approx(ratio)
    shares = [figures.share for figures in level_figures(sampled, costs_of(SECONDS), 4, list("abcd"))]
    np.testing.assert_allclose(shares, ratio**-LEVELS)
    assert found.of_delta.value == pytest.approx(found.all_levels.value)  # the optimum is of this form


def test_delta_is_the_least_squares_one():
    variances, seconds = [3.0, 0.4, 0.2, 0.001], np.array([1.0, 2.0, 7.0, 30.0])
    sizes = np.sqrt(np.array(variances) / seconds)
    ratios = np.log(sizes[:-1] / sizes[1:])
    grid = np.linspace(1, 30, 100_001)
    errors = ((ratios[:, None] - np.log(grid)) ** 2).sum(axis=0)
    assert gains(exactly(variances, np.ones(4)), costs_of(seconds), MANY).delta == pytest.approx(
        grid[errors.argmin()], rel=1e-3
    )


def test_gains_over_fine_and_over_coarse():
    """Of three levels, by Giles' formula written out."""
    variances, seconds = np.array([1.0, 0.04, 0.01]), np.array([1.0, 4.0, 25.0])
    found = gains(exactly(variances, np.ones(3)), costs_of(seconds), MANY)
    product = (1.0 + 0.4 + 0.5) ** 2
    assert found.all_levels.value == pytest.approx(1.05 * 25 / product)
    assert found.levels == (0, 1, 2)
    assert found.coarse[0].value == pytest.approx(1.0 * 1 / product)
    assert found.coarse[1].value == pytest.approx(1.04 * 4 / product)
    sizes = found.delta ** -np.arange(3.0)
    assert found.of_delta.value == pytest.approx(
        1.05 * 25 / ((variances / sizes).sum() * (seconds * sizes).sum())
    )
    assert found.of_delta.value < found.all_levels.value


def test_the_best_choice_of_levels():
    """By brute force over all choices; here a middle level that costs as much as the finest one is left out."""
    variances, seconds = np.array([1.0, 0.04, 0.01]), np.array([1.0, 24.0, 25.0])
    products = {}
    for size in range(3):
        for coarser in combinations(range(2), size):
            levels = (*coarser, 2)
            edges = [-1, *levels]
            parts = [variances[a + 1 : b + 1].sum() for a, b in zip(edges[:-1], levels, strict=True)]
            products[levels] = np.sqrt(parts * seconds[list(levels)]).sum() ** 2
    found = gains(exactly(variances, np.ones(3)), costs_of(seconds), MANY)
    assert found.levels == min(products, key=products.get) == (0, 2)
    assert found.best.value == pytest.approx(1.05 * 25 / products[(0, 2)])
    assert found.coarse[1].value == pytest.approx(1.04 * 24 / products[(0, 2)])


def test_a_mean_gradient_in_the_noise_has_an_endless_noise_scale():
    scale = noise_scale(exactly([1.0, 0.1], [-0.5, 0.1]))
    assert (scale.value, scale.low, scale.high) == (np.inf, np.inf, np.inf)


def test_consistency_is_the_difference_of_the_halves_over_its_deviation():
    corrections = np.diff(linear_model(n=9), axis=0, prepend=0)
    gradients = corrections.cumsum(axis=0)
    found = consistency(gram_of(corrections))
    for level in (1, 2):
        half, other = gradients[level, ::2], corrections[:, 1::2]
        gap = half.mean(axis=0) - other[:level].sum(axis=0).mean(axis=0) - other[level].mean(axis=0)
        variance = np.cov(gradients[level], rowvar=False).trace() * (1 / 5 + 1 / 4)
        assert found[level - 1] == pytest.approx(np.sqrt((gap**2).sum() / variance))


def test_consistency_is_about_one_and_tells_halves_apart():
    assert consistency(exact_gram([1.0, 0.1, 0.01], [1.0, 0.1, 0.01])) == pytest.approx([1, 1])
    vectors = np.random.default_rng(0).standard_normal((3, 32, 10)) * 0.1
    assert max(consistency(gram_of(vectors))) < 2
    vectors[0, ::2] += 1.0
    assert min(consistency(gram_of(vectors))) > 3
