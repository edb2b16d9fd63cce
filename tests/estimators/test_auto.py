"""`auto` and the candidates that it ranks, on hand-made moments."""

import numpy as np
import pytest
from estimators_support import N, costs_of, expected_level_sums, of_variances, same_plans

import nolab
from nolab.config import validate
from nolab.errors import InputError
from nolab.estimators import auto, mixed
from nolab.estimators._candidates import Candidate, candidates, ranked, worth
from nolab.estimators.mlmc import Nested

COSTS = costs_of([1.0, 4.0, 16.0])
MANY = 10_000
MISLED = [(0.1, 0.0), (-0.05, 0.0), (-0.05, 0.1)]
"""Means of the corrections whose coarse gradients are at a right angle to the fine one."""
SMALL_BIAS = of_variances([1.0, 1e-3, 1e-6])
LARGE_BIAS = of_variances([1.0, 1e-2, 1e-4], MISLED)
NOISY = of_variances([1.0, 40.0, 40.0], MISLED)


def build(n_levels=3, n_samples=MANY, **values):
    return auto.build(auto.Options(**{"memory": 0.0, **values}), n_samples, n_levels, 0)


def taught(*moments, **values):
    estimator = build(len(moments[0].variances), **values)
    for step, one in enumerate(moments):
        estimator.probe(1000 * step, 0.0)
        estimator.learn(one, COSTS)
    return estimator


def test_the_finest_level_until_the_first_probe():
    estimator = build(batch_size=3)
    assert [(term.level, len(term.indices)) for term in estimator.plan(0)] == [(2, 3)]
    assert estimator.counts == (0, 0, 3)


@pytest.mark.parametrize(
    ("moments", "expected"),
    [(SMALL_BIAS, "coarse"), (LARGE_BIAS, "mlmc"), (NOISY, "fine")],
    ids=["no bias", "bias, small corrections", "bias, noisy corrections"],
)
def test_picks_what_the_moments_call_for(moments, expected):
    best, _ = ranked(moments, COSTS, 4, MANY)[0]
    assert best.estimator == expected
    estimator = taught(moments)
    assert same_plans(estimator.plan(7), best.build(MANY, 0).plan(7))
    assert estimator.counts == best.build(MANY, 0).counts


def test_it_follows_the_moments():
    """Coarse while bias is nil, corrections once it matters, and back."""
    kinds = [
        taught(*([SMALL_BIAS, LARGE_BIAS, NOISY, SMALL_BIAS][:n]))._candidate.estimator for n in range(1, 5)
    ]
    assert kinds == ["coarse", "mlmc", "fine", "coarse"]


def test_the_first_probe_decides_however_little_is_won():
    close = of_variances([1.0, 40.0, 40.0], np.diag([0.1, 1.0, 10.0]) ** 0.5)
    best, quality = ranked(close, COSTS, 4, MANY)[0]
    fine = worth(build()._candidate, close, COSTS, MANY)
    assert fine.rate < quality.rate < 1.1 * fine.rate
    assert taught(close)._candidate == best


def test_a_candidate_has_to_be_clearly_faster():
    """Also in place of MLMC, whose numbers are new at every probe."""
    estimator = taught(LARGE_BIAS)
    kept = estimator._candidate
    for change in (1.02, 0.97, 1.05):
        near = of_variances([1.0, 1e-2 * change, 1e-4 * change], MISLED)
        assert ranked(near, COSTS, 4, MANY)[0][0] != kept
        estimator.learn(near, COSTS)
        assert estimator._candidate == kept
    estimator.learn(NOISY, COSTS)
    assert estimator._candidate.estimator == "fine"


def test_the_state_comes_back_as_it_was():
    estimator = taught(LARGE_BIAS, NOISY, LARGE_BIAS, memory=0.5)
    back = build(memory=0.5)
    back.load_state_dict(estimator.state_dict())
    assert back.state_dict() == estimator.state_dict()
    assert back.figures() == estimator.figures()
    for step in range(2000, 2300):
        assert (back.probe(step, 0.0) is None) == (estimator.probe(step, 0.0) is None)
        assert same_plans(back.plan(step), estimator.plan(step))


def test_figures_are_the_variances_and_the_numbers():
    figures = taught(LARGE_BIAS).figures()
    assert figures["V"] == pytest.approx((1.0, 1e-2, 1e-4))
    assert figures["n"] == taught(LARGE_BIAS).counts


@pytest.mark.parametrize("n_levels", [1, 2, 3, 4])
@pytest.mark.parametrize("batch_size", [1, 4, 20])
def test_candidates_keep_their_contract(n_levels, batch_size):
    """Every single level, mixed, MLMC; samples enough at the coarsest level; unbiased where they say so."""
    moments = of_variances(4.0 ** -np.arange(n_levels))
    found = list(candidates(moments, costs_of(4.0 ** np.arange(n_levels)), batch_size, N))
    singles = [c.estimator for c in found if c.estimator in ("fine", "coarse")]
    assert singles == ["coarse"] * (n_levels - 1) + ["fine"]
    for candidate in found:
        estimator = candidate.build(N, 0)
        outcomes = estimator.outcomes()
        assert min(sum(len(term.indices) for term in plan) for _, plan in outcomes) >= batch_size
        expected = expected_level_sums(estimator, n_levels)
        assert expected.sum() == pytest.approx(1)
        if candidate.estimator in ("fine", "mlmc"):
            np.testing.assert_allclose(expected, [0.0] * (n_levels - 1) + [1.0], atol=1e-9)


def test_candidates_never_draw_more_than_there_is():
    moments = of_variances([1.0, 1e-2, 1e-4])
    for n_samples in (4, 6, 20):
        for candidate in candidates(moments, COSTS, 4, n_samples):
            candidate.build(n_samples, 0)
            assert sum(candidate.sizes) <= n_samples or candidate.estimator == "mlmc"
            assert candidate.sizes[0] <= n_samples


def test_ranked_is_by_progress_per_second_and_worth_is_what_it_says():
    order = ranked(LARGE_BIAS, COSTS, 4, MANY)
    rates = [quality.rate for _, quality in order]
    assert rates == sorted(rates, reverse=True)
    assert len({candidate for candidate, _ in order}) == len(order)
    for candidate, quality in order:
        assert worth(candidate, LARGE_BIAS, COSTS, MANY) == quality


@pytest.mark.parametrize(
    "candidate",
    [
        Candidate("fine", (0.0, 0.0, 5.0)),
        Candidate("coarse", (0.0, 3.0, 0.0)),
        Candidate("mixed", (12.0, 6.0, 3.0)),
        Candidate("mlmc", (16.0, 4.0, 0.25)),
        Candidate("mlmc", (16.0, 16.0, 2.0)),
    ],
    ids=lambda c: c.estimator,
)
def test_overrides_are_what_to_type_for_it(candidate):
    from omegaconf import OmegaConf

    from nolab import registry

    config = validate(OmegaConf.to_container(nolab.compose(list(candidate.overrides)), resolve=True))
    part = registry.load("nolab.estimators", config.sampling.name, "")
    typed = part.build(config.sampling.options, N, 3, 0)
    assert all(same_plans(typed.plan(step), candidate.build(N, 0).plan(step)) for step in range(5))
    assert isinstance(typed, {"mlmc": Nested, "mixed": mixed.Mixed}.get(candidate.estimator, object))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: build(batch_size=0), r"batch_size: must be >= 1"),
        (lambda: build(probe_samples=1), r"probe_samples: must be >= 2"),
        (lambda: build(n_samples=3), r"4 samples from 3"),
        (lambda: build(n_samples=1, batch_size=1), r"need 2 training samples"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(InputError, match=message):
        make()
