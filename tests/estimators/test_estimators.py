"""The laws of the estimators on plans alone, and their refusals."""

import numpy as np
import pytest
from estimators_support import N, evaluations

from nolab.errors import InputError
from nolab.estimators import coarse, fine, mixed, mlmc
from nolab.estimators._counts import geometric_counts


def build_mlmc(scheme, n_levels, delta=2.0, batch_size=2, seed=0):
    return mlmc.build(mlmc.Options(batch_size, delta, scheme), N, n_levels, seed)


@pytest.mark.parametrize("scheme", ["nested", "random"])
@pytest.mark.parametrize("n_levels", [1, 2, 3, 4])
@pytest.mark.parametrize("delta", [1.0, 1.5, 2.0, 2.7])
def test_weights_telescope(scheme, n_levels, delta):
    """Every level's weights sum to 0, the finest one's to 1: constants are estimated exactly."""
    total = evaluations(build_mlmc(scheme, n_levels, delta).plan(3), n_levels)
    np.testing.assert_allclose(total.sum(axis=1), [0.0] * (n_levels - 1) + [1.0], atol=1e-14)


@pytest.mark.parametrize("scheme", [mlmc.Nested, mlmc.Random])
def test_full_sets_are_the_fine_gradient(scheme):
    """With every index set equal to the data set, only the finest level keeps weight, 1/N each."""
    total = evaluations(scheme((N, N, N), N, seed=0).plan(0), 3)
    np.testing.assert_allclose(total[:2], 0, atol=1e-16)
    np.testing.assert_allclose(total[2], 1 / N, rtol=1e-14)


@pytest.mark.parametrize("scheme", ["nested", "random"])
def test_mean_over_plans_is_the_fine_gradient(scheme):
    """E[weight of (ℓ, i)] is 1/N at the finest level and 0 elsewhere."""
    estimator = build_mlmc(scheme, 3)
    steps = 40 * N
    mean = sum(evaluations(estimator.plan(step), 3) for step in range(steps)) / steps
    expected = np.array([[0.0] * N, [0.0] * N, [1 / N] * N])
    spread = np.std([evaluations(estimator.plan(step), 3) for step in range(200)], axis=0).max()
    assert np.abs(mean - expected).max() < 5 * spread / np.sqrt(steps)


def test_nested_sets_lie_inside_each_other_and_are_evaluated_once():
    plan = build_mlmc("nested", 3).plan(5)
    sets = [set(term.indices.tolist()) for term in plan]
    assert sets[2] < sets[1] < sets[0]
    assert [len(term.indices) for term in plan] == [len(s) for s in sets] == [8, 4, 2]


def test_random_pairs_use_the_same_samples():
    plan = build_mlmc("random", 3).plan(5)
    for low, high in ((0, 1), (1, 2)):
        negative = plan[low].indices[plan[low].weights < 0]
        positive = plan[high].indices[plan[high].weights > 0]
        assert negative.tolist() == positive.tolist()


def test_delta_one_nested_evaluates_the_finest_level_only():
    estimator = build_mlmc("nested", 3, delta=1.0)
    assert [term.level for term in estimator.plan(0)] == [2]
    assert estimator.counts == (0, 0, 2)


@pytest.mark.parametrize(
    "estimator",
    [
        build_mlmc("nested", 3),
        build_mlmc("random", 3),
        fine.build(fine.Options(4), N, 3, 0),
        coarse.build(coarse.Options(4), N, 3, 0),
        mixed.build(mixed.Options(2, 2.0), N, 3, 0),
    ],
    ids=["nested", "random", "fine", "coarse", "mixed"],
)
class TestEveryEstimator:
    def test_plans_are_pure_functions_of_the_step(self, estimator):
        first = [estimator.plan(step) for step in (0, 7, 100)]
        again = [estimator.plan(step) for step in (100, 7, 0)][::-1]
        for a, b in zip(first, again, strict=True):
            for x, y in zip(a, b, strict=True):
                assert x.level == y.level
                assert x.indices.tolist() == y.indices.tolist()
                assert x.weights.tolist() == y.weights.tolist()

    def test_counts_are_what_a_step_evaluates(self, estimator):
        counts = [0] * 3
        for term in estimator.plan(0):
            counts[term.level] += len(term.indices)
        assert tuple(counts) == estimator.counts

    def test_weights_sum_to_one(self, estimator):
        assert sum(term.weights.sum() for term in estimator.plan(1)) == pytest.approx(1.0, abs=1e-14)


def test_an_epoch_shows_every_sample_once_at_the_largest_draw():
    estimator = build_mlmc("nested", 3)  # 8 of 48 a step
    assert estimator.steps_per_epoch == 6
    for epoch in range(2):
        steps = range(epoch * 6, (epoch + 1) * 6)
        seen = np.concatenate([estimator.plan(step)[0].indices for step in steps])
        assert sorted(seen.tolist()) == list(range(N))


def test_epochs_and_seeds_are_shuffled_differently():
    a, b = build_mlmc("nested", 2, seed=0), build_mlmc("nested", 2, seed=1)
    assert a.plan(0)[0].indices.tolist() != b.plan(0)[0].indices.tolist()
    assert a.plan(0)[0].indices.tolist() != a.plan(a.steps_per_epoch)[0].indices.tolist()


def test_coarse_counts_levels_from_either_end():
    def level_of(level):
        return coarse.build(coarse.Options(4, level), N, 3, 0).plan(0)[0].level

    assert [level_of(level) for level in (0, 1, -1, -2)] == [0, 1, 2, 1]


def test_mixed_draws_are_disjoint():
    plan = mixed.build(mixed.Options(2, 2.0), N, 3, 0).plan(0)
    drawn = np.concatenate([term.indices for term in plan])
    assert len(set(drawn.tolist())) == len(drawn) == 14


@pytest.mark.parametrize(
    ("delta", "expected"), [(1.0, (4, 4, 4)), (2.0, (16, 8, 4)), (1.5, (9, 6, 4)), (2.7, (29, 11, 4))]
)
def test_counts_follow_delta(delta, expected):
    assert geometric_counts(4, delta, 3) == expected


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mlmc.Options(batch_size=0), "batch_size: must be > 0"),
        (lambda: mlmc.Options(delta=0.5), "delta: must be a number >= 1"),
        (lambda: mlmc.Options(delta=float("inf")), "delta: must be a number >= 1"),
        (lambda: mlmc.Options(delta=float("nan")), "delta: must be a number >= 1"),
        (lambda: build_mlmc("nested", 4, delta=4.0), "level 0 .* would get 128 samples .* has 48"),
        (lambda: build_mlmc("random", 4, delta=4.0), "level 0 .* would get 128 samples .* has 48"),
        (lambda: mlmc.Nested((4, 0), N, 0), "level 1 .* would get 0 samples"),
        (lambda: mlmc.Nested((2, 4), N, 0), "nested sets need"),
        (lambda: fine.build(fine.Options(49), N, 1, 0), "49 samples from 48"),
        (lambda: mixed.build(mixed.Options(16, 2.5), N, 2, 0), "56 samples from 48"),
        (lambda: coarse.build(coarse.Options(4, 3), N, 3, 0), "level: 3 does not exist"),
    ],
)
def test_refusals_name_the_numbers(make, message):
    with pytest.raises(InputError, match=message):
        make()
