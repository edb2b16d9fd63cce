"""The bootstrap on Gram matrices: unbiased, never negative, and its intervals hold the truth as often as they say."""

import numpy as np
import pytest
from planning_support import exact_gram, gram_of

from nolab.moments import Moments
from nolab.planning.resampling import Estimate, Sampled, estimate, resampled


def drawn(rng, n, scales=(1.0, 0.3), means=(0.5, 0.1), size=25):
    """Gaussian corrections (L+1, n, size) with V_ℓ = scale² and |E d_ℓ|² = mean²."""
    parts = [
        mean * np.eye(size)[level] + scale * rng.standard_normal((n, size)) / np.sqrt(size)
        for level, (scale, mean) in enumerate(zip(scales, means, strict=True))
    ]
    return gram_of(np.stack(parts))


def test_resamples_are_right_on_average():
    """A sample that is drawn twice would otherwise count as a pair: means too large by V/n."""
    gram = drawn(np.random.default_rng(0), 8)
    moments, others = Moments.of_gram(gram), resampled(gram, 6000)
    for part in ("covariance", "mean"):
        values = np.array([getattr(other, part) for other in others])
        error = values.std(axis=0) / np.sqrt(len(others))
        assert (np.abs(values.mean(axis=0) - getattr(moments, part)) < 5 * error).all()
    naive = moments.variances[0] / 8
    assert naive > 20 * np.std([other.mean[0, 0] for other in others]) / np.sqrt(len(others))


def test_a_resample_is_the_moments_of_its_samples_without_pairs_of_twins():
    """By brute force over pairs of different samples, (Σ w_i w_j |d_i - d_j|² / 2) over the same weights."""
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((2, 5, 3))
    weights = np.random.default_rng(7).multinomial(5, np.full(5, 0.2), size=20)
    for other, w in zip(resampled(gram_of(vectors), 20, seed=7), weights, strict=True):
        pairs = [(i, j, w[i] * w[j]) for i in range(5) for j in range(5) if i != j]
        total = sum(weight for *_, weight in pairs)
        for k in range(2):
            for m in range(2):
                mean = sum(weight * vectors[k, i] @ vectors[m, j] for i, j, weight in pairs) / total
                gaps = (
                    weight * (vectors[k, i] - vectors[k, j]) @ (vectors[m, i] - vectors[m, j]) / 2
                    for i, j, weight in pairs
                )
                assert other.mean[k, m] == pytest.approx(mean)
                assert other.covariance[k, m] == pytest.approx(sum(gaps) / total)


def test_few_samples_give_no_negative_variances_and_no_resample_without_pairs():
    gram = drawn(np.random.default_rng(2), 4)
    others = resampled(gram, 500)
    assert 400 < len(others) < 500  # a sample drawn four times has a chance of 4 · 4⁻⁴
    assert all((np.linalg.eigvalsh(other.covariance) > -1e-12).all() for other in others)


def test_samples_that_are_alike_leave_no_doubt():
    sampled = Sampled.of_gram(exact_gram([2.0, 0.5], [1.0, 0.25]), 50)
    for figure, value in ((lambda m: m.fine_variance, 2.5), (lambda m: m.squared_bias(0), 0.25)):
        shown = sampled.estimate(figure)
        assert (shown.value, shown.low, shown.high) == pytest.approx((value, value, value))


def test_intervals_hold_the_truth_nine_times_of_ten():
    """400 repetitions: 90 % has a standard error of 1.5 %; the percentile bootstrap of 32 samples is a bit short."""
    rng, held = np.random.default_rng(3), {"V": 0, "bias": 0}
    trials = 400
    for _ in range(trials):
        sampled = Sampled.of_gram(drawn(rng, 32, means=(0.5, 0.3)), 200)
        correction = sampled.estimate(lambda m: m.variances[1] / m.fine_variance)
        bias = sampled.estimate(lambda m: m.squared_bias(0) / m.fine_variance)
        held["V"] += correction.low < 0.09 / 1.09 < correction.high
        held["bias"] += bias.low < 0.09 / 1.09 < bias.high
    for count in held.values():
        assert 0.82 < count / trials < 0.96


def test_a_bias_of_zero_is_lost_in_the_noise():
    rng = np.random.default_rng(4)
    told = [
        Sampled.of_gram(drawn(rng, 32, means=(0.5, 0.0)), 100)
        .estimate(lambda m: m.squared_bias(0))
        .is_resolved
        for _ in range(200)
    ]
    assert np.mean(told) < 0.08


def test_resamples_without_the_figure_do_not_count():
    assert estimate(1.0, [np.nan, 0.5, np.inf, 0.5]) == Estimate(1.0, 0.5, 0.5)
    assert np.isnan(estimate(1.0, [np.nan]).low)
    assert not estimate(1.0, [np.nan]).is_resolved
