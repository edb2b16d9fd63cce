"""`adaptive` on hand-made moments: its levels, its n_ℓ, its probes; unbiased in every state."""

import numpy as np
import pytest
from estimators_support import N, costs_of, expected_level_sums, of_variances, same_plans
from hypothesis import given, settings
from hypothesis import strategies as st

from nolab.errors import InputError
from nolab.estimators import adaptive
from nolab.estimators._allocation import Corrections, level_sets

SECONDS = np.array([1.0, 4.0, 16.0])
COSTS = costs_of(SECONDS)
MANY = 10_000
FIXED = settings(derandomize=True, deadline=None, max_examples=60)


def build(n_levels=3, n_samples=MANY, seed=0, **values):
    return adaptive.build(adaptive.Options(**{"memory": 0.0, **values}), n_samples, n_levels, seed)


def taught(*variances, **values):
    """An estimator that has probed once."""
    estimator = build(len(variances[0]), **values)
    for step, v in enumerate(variances):
        estimator.probe(1000 * step, 0.0)
        estimator.learn(of_variances(v), costs_of(SECONDS[: len(v)]))
    return estimator


def product(moments, levels, budget=64.0, costs=COSTS):
    """Variance × cost of the best allocation on the levels."""
    corrections = Corrections.between(moments, costs, levels)
    return corrections.variance_times_cost(corrections.within(budget))


def levels_of(estimator):
    return {term.level for _, plan in estimator.outcomes() for term in plan}


def test_the_finest_level_alone_until_the_first_probe():
    estimator = build(batch_size=4)
    (term,) = estimator.plan(0)
    assert term.level == 2
    assert term.weights.tolist() == [0.25] * 4
    assert estimator.figures() == {"n": (0, 0, 4)}


def test_sizes_follow_variance_and_cost_and_fill_the_time_of_a_fine_step():
    """V = 1, 1/16, 1/256 and C = 1, 4, 16: √(V/C) = 1, 1/8, 1/64; a step of 4 fine samples takes 64 s."""
    estimator = taught([1.0, 1 / 16, 1 / 256], batch_size=4)
    first = 64 / (1 + 4 / 8 + 16 / 64)  # 36.6
    assert estimator.counts == (round(first), round(first / 8), pytest.approx(37 / 64, abs=0.02))
    assert float(np.dot(estimator.counts, SECONDS)) == pytest.approx(64, rel=0.1)
    assert estimator.figures() == {"V": (1.0, 1 / 16, 1 / 256), "n": estimator.counts}


@FIXED
@given(st.lists(st.floats(1e-3, 1e3), min_size=3, max_size=3))
def test_the_chosen_levels_have_the_least_product(variances):
    estimator, moments = taught(variances), of_variances(variances)
    products = {levels: product(moments, levels) for levels in level_sets(3)}
    chosen = products[estimator._levels]
    fine = products[(2,)]
    assert chosen == min(products.values()) or (chosen == fine and min(products.values()) >= 0.95 * fine)
    assert levels_of(estimator) <= set(estimator._levels)


def test_corrections_as_noisy_as_the_gradient_leave_the_finest_level():
    """(Σ√(VC))² is (1 + √8 + 8)² = 140 with all levels, (1 + √96)² = 117 without the middle: V_fine·C_fine is 112."""
    moments = of_variances([1, 2, 4])
    products = [product(moments, levels, 1e6) for levels in ((0, 1, 2), (0, 2), (2,))]
    assert products == pytest.approx([(9 + 8**0.5) ** 2, (1 + 96**0.5) ** 2, 112])
    estimator = taught([1.0, 2.0, 4.0], batch_size=6)
    assert estimator._levels == (2,)
    assert estimator.counts == (0, 0, 6)


def test_levels_come_and_go_as_the_variances_change():
    rare, noisy = [1.0, 1e-2, 1e-4], [1.0, 4.0, 9.0]
    assert levels_of(taught(rare)) == {0, 1, 2}
    assert levels_of(taught(noisy, rare)) == {0, 1, 2}
    assert levels_of(taught(rare, noisy)) == {2}
    assert levels_of(taught(rare, [1.0, 1e-9, 1e-2])) == {0, 2}  # the middle one is the coarse one
    assert levels_of(taught(rare, [1.0, 4.0, 1e-6])) == {1, 2}  # the coarse one is of no use


def test_levels_give_way_only_to_clearly_better_ones():
    """With two levels: (1 + 2√v)² against 4 (1 + v), equal near v = 0.05… of the product with hysteresis."""

    def ratio(v):
        return (1 + 2 * v**0.5) ** 2 / (4 * (1 + v))

    barely = next(v for v in np.linspace(0.01, 0.9, 2000) if 0.96 < ratio(v) < 0.99)
    above = next(v for v in np.linspace(0.01, 0.9, 2000) if 1.01 < ratio(v) < 1.04)
    clearly = next(v for v in np.linspace(0.01, 0.9, 2000) if 0.8 < ratio(v) < 0.9)
    assert taught([1.0, barely])._levels == (1,)  # from the finest level alone: stays
    assert taught([1.0, clearly])._levels == (0, 1)
    assert taught([1.0, clearly], [1.0, above])._levels == (0, 1)  # from both: stays, too
    assert taught([1.0, clearly], [1.0, 0.9])._levels == (1,)


@FIXED
@given(
    st.lists(st.lists(st.floats(0, 1e3), min_size=3, max_size=3), min_size=1, max_size=3),
    st.floats(0.1, 40),
)
def test_unbiased_in_every_state(variances, batch_size):
    estimator = taught(*variances, batch_size=batch_size, n_samples=N)
    np.testing.assert_allclose(expected_level_sums(estimator, 3), [0, 0, 1], atol=1e-9)
    assert all(n <= N for n in estimator.counts)


@pytest.mark.parametrize("overhead", [0.01, 0.05, 0.3])
@pytest.mark.parametrize("probe_samples", [2, 16])
def test_probes_keep_to_their_share_of_the_time(overhead, probe_samples):
    """A simulated run whose variances drift, by C_ℓ: all probes after the first one, with their steps."""
    estimator = build(overhead=overhead, probe_samples=probe_samples, memory=0.8)
    rng, probes, steps = np.random.default_rng(0), [], 0.0
    for step in range(1500):
        if (indices := estimator.probe(step, step / 1500)) is not None:
            probes.append((step, len(indices), len(indices) * SECONDS.sum()))
            estimator.learn(of_variances(10.0 ** rng.uniform([-0.1, -3, -5], [0.1, 0, 0])), COSTS)
        steps += sum(len(term.indices) * SECONDS[term.level] for term in estimator.plan(step))
    assert probes[0][:2] == (0, 4 * probe_samples)
    assert {n for _, n, _ in probes[1:]} == {probe_samples}
    spent = sum(cost for _, _, cost in probes[1:])
    assert 0.2 * overhead < spent / steps <= overhead


def test_probes_are_distinct_samples_and_a_pure_function_of_the_step():
    first, again = build(n_samples=N), build(n_samples=N)
    indices = first.probe(0, 0.0)
    assert len(set(indices.tolist())) == 16
    assert indices.tolist() == again.probe(0, 0.0).tolist()
    assert indices.tolist() != build(n_samples=N, seed=1).probe(0, 0.0).tolist()
    assert len(build(n_samples=5, batch_size=2).probe(0, 0.0)) == 5
    first.learn(of_variances([1, 1, 1]), COSTS)
    assert first.probe(1, 0.0) is None


def test_memory_weighs_the_past():
    estimator = build(memory=0.75)
    for v in ([1.0, 1.0, 1.0], [5.0, 1.0, 0.0]):
        estimator.probe(0, 0.0)
        estimator.learn(of_variances(v), COSTS)
    assert estimator.figures()["V"] == pytest.approx((2.0, 1.0, 0.75))


def test_the_state_comes_back_as_it_was():
    estimator = taught([1.0, 1e-2, 1e-4], [2.0, 1e-1, 1e-3], memory=0.8)
    back = build(memory=0.8)
    back.load_state_dict(estimator.state_dict())
    assert back.state_dict() == estimator.state_dict()
    for step in range(1000, 1400):
        wanted, found = estimator.probe(step, 0.0), back.probe(step, 0.0)
        assert (wanted is None) == (found is None)
        assert same_plans(back.plan(step), estimator.plan(step))
        if wanted is not None:
            assert wanted.tolist() == found.tolist()
            for one in (estimator, back):
                one.learn(of_variances([1.0, 1e-3, 1e-4]), COSTS)
    assert back.state_dict() == estimator.state_dict()
    before = build()
    before.load_state_dict(build().state_dict())  # before the first probe
    assert before.probe(0, 0.0) is not None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: build(batch_size=0), r"batch_size: must be > 0"),
        (lambda: build(batch_size=float("nan")), r"batch_size: must be > 0"),
        (lambda: build(probe_samples=1), r"probe_samples: must be >= 2"),
        (lambda: build(overhead=0.0), r"overhead: must be in \(0, 1\)"),
        (lambda: build(overhead=1.0), r"overhead: must be in \(0, 1\)"),
        (lambda: build(memory=1.0), r"memory: must be in \[0, 1\)"),
        (lambda: build(memory=-0.1), r"memory: must be in \[0, 1\)"),
        (lambda: build(n_samples=2), r"would get 4 samples .* has 2"),
        (lambda: build(n_samples=1, batch_size=1), r"need 2 training samples or more, there are 1"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(InputError, match=message):
        make()
