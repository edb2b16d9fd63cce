"""`mlmc` with n_ℓ below 1 and with control variates: its laws on plans, and what it refuses."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from estimators_support import N, evaluations, expected_level_sums, same_plans

from nolab.errors import InputError
from nolab.estimators import mlmc

COUNTS = [(8, 2, 0.25), (8, 0.5, 0.1), (1, 0.9, 0.3), (6, 6, 0.5), (8, 0.4, 0.4)]
ALPHAS = [1.0, 0.5, -0.7, [0.3, 1.4]]
SCHEMES = ["nested", "random"]

laws = pytest.mark.parametrize("scheme", SCHEMES)


def build(counts, scheme="nested", alpha=1.0, seed=0):
    options = mlmc.Options(scheme=scheme, counts=list(counts), alpha=alpha)
    return mlmc.build(options, N, len(counts), seed)


@laws
@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("alpha", ALPHAS, ids=str)
def test_expected_weights_are_those_of_the_fine_gradient(scheme, counts, alpha):
    estimator = build(counts, scheme, alpha)
    np.testing.assert_allclose(expected_level_sums(estimator, 3), [0, 0, 1], atol=1e-13)
    assert sum(chance for chance, _ in estimator.outcomes()) == pytest.approx(1, abs=1e-14)
    assert all(chance > 0 for chance, _ in estimator.outcomes())


@laws
@pytest.mark.parametrize("counts", COUNTS)
def test_counts_are_the_mean_over_the_outcomes_and_over_steps(scheme, counts):
    estimator, steps = build(counts, scheme), 3000
    seen = np.zeros(3)
    for step in range(steps):
        for term in estimator.plan(step):
            seen[term.level] += len(term.indices)
    np.testing.assert_allclose(seen / steps, estimator.counts, atol=4 / np.sqrt(steps))


@laws
@pytest.mark.parametrize("counts", [(8, 2, 0.25), (8, 0.5, 0.1)])
def test_outcomes_come_as_often_as_their_chances(scheme, counts):
    def shape(plan):
        return tuple((term.level, len(term.indices)) for term in plan)

    estimator, steps = build(counts, scheme), 4000
    seen = Counter(shape(estimator.plan(step)) for step in range(steps))
    chances = {shape(plan): chance for chance, plan in estimator.outcomes()}
    assert set(seen) == set(chances)
    for kind, chance in chances.items():
        deviation = np.sqrt(chance * (1 - chance) / steps)
        assert abs(seen[kind] / steps - chance) < 4.5 * deviation


@laws
@pytest.mark.parametrize("alpha", [1.0, [0.3, 1.4]], ids=str)
@pytest.mark.parametrize("counts", [(8, 2, 0.25), (8, 0.5, 0.1)])
def test_mean_over_plans_is_the_fine_gradient(scheme, counts, alpha):
    """Every (level, sample), within 5 standard errors; samples are alike, so levels' means are sharper."""
    estimator, steps = build(counts, scheme, alpha), 4000
    totals = np.stack([evaluations(estimator.plan(step), 3) for step in range(steps)])
    expected = np.array([[0.0], [0.0], [1 / N]])
    standard_error = totals.std(axis=0).max() / np.sqrt(steps)
    assert np.abs(totals.mean(axis=0) - expected).max() < 5 * standard_error
    sums = totals.sum(axis=2)
    errors = np.abs(sums.mean(axis=0) - [0, 0, 1])
    assert (errors <= 4.5 * sums.std(axis=0) / np.sqrt(steps) + 1e-13).all()


@pytest.mark.parametrize("counts", [(8, 2, 0.25), (8, 0.5, 0.1)])
def test_nested_sets_lie_inside_each_other(counts):
    """A rare level's sample is the first of every coarser level's; rarer ones come with the less rare."""
    kinds = set()
    for step in range(100):
        plan = build(counts).plan(step)
        levels = [term.level for term in plan]
        assert levels == list(range(len(levels)))
        for coarse, fine in pairwise(plan):
            assert fine.indices.tolist() == coarse.indices[: len(fine.indices)].tolist()
        kinds.add(len(plan))
    assert len(kinds) > 1


@laws
def test_a_correction_that_happens_weighs_one_over_its_chance(scheme):
    plan = next(plan for chance, plan in build((8, 2, 0.25), scheme).outcomes() if len(plan) == 3)
    assert plan[2].weights.tolist() == [4.0]
    first = {"nested": 0.5 - 4.0, "random": -4.0}[scheme]
    assert first in plan[1].weights.tolist()


def test_equal_counts_leave_the_coarser_level_out():
    for counts, levels in [((6, 6, 2), {1, 2}), ((6, 2, 2), {0, 2}), ((8, 0.4, 0.4), {0, 2})]:
        estimator = build(counts)
        assert {term.level for _, plan in estimator.outcomes() for term in plan} == levels
        assert [n > 0 for n in estimator.counts] == [level in levels for level in range(3)]


@laws
def test_alpha_zero_is_the_finest_level_alone(scheme):
    for plan in (build((8, 4, 2), scheme, 0.0).plan(3), build((8, 4, 2), scheme, [1.0, 0.0]).plan(3)):
        (term,) = plan
        assert term.level == 2
        assert term.weights.tolist() == [0.5, 0.5]
    plan = build((8, 4, 2), scheme, [0.0, 1.0]).plan(3)  # the coarsest correction only is left out
    assert {term.level for term in plan} == {1, 2}


@laws
@pytest.mark.parametrize("counts", [(8, 4, 2), (8, 2, 0.25)])
def test_alpha_one_is_plain_mlmc_bit_for_bit(scheme, counts):
    plain = {"nested": mlmc.Nested, "random": mlmc.Random}[scheme](counts, N, 0)
    for step in range(20):
        for alpha in (1.0, [1.0, 1.0]):
            assert same_plans(build(counts, scheme, alpha).plan(step), plain.plan(step))


@laws
def test_plans_are_pure_functions_of_the_step_and_differ_between_seeds(scheme):
    estimator, again = build((8, 2, 0.25), scheme), build((8, 2, 0.25), scheme)
    plans = [estimator.plan(step) for step in range(30)]
    assert all(same_plans(again.plan(step), plans[step]) for step in reversed(range(30)))
    other = build((8, 2, 0.25), scheme, seed=1)
    assert [len(other.plan(step)) for step in range(30)] != [len(plan) for plan in plans]


def test_a_batch_size_below_one_is_the_chance_of_the_finest_level():
    estimator = mlmc.build(mlmc.Options(batch_size=0.25, delta=4.0), N, 3, 0)
    assert estimator.counts == (4, 1, 0.25)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"counts": [4.0, 2.0]}, r"counts: 2 numbers for 3 levels"),
        ({"counts": []}, r"counts: 0 numbers for 3 levels"),
        ({"counts": [8.0, 2.5, 1.0]}, r"counts: whole numbers of samples, or chances below 1, not 2\.5"),
        ({"counts": [float("inf"), 2.0, 1.0]}, r"counts: whole numbers .* not inf"),
        ({"counts": [8.0, float("nan"), 1.0]}, r"level 1 .* would get nan samples"),
        ({"counts": [8.0, -0.5, 1.0]}, r"level 1 .* would get -0\.5 samples"),
        ({"counts": [0.5, 0.25, 0.1]}, r"level 0 .* would get 0\.5 samples .* from 1 to 48"),
        ({"counts": [8.0, 0.0, 1.0]}, r"level 1 .* would get 0 samples .* from more than 0 to 48"),
        ({"counts": [4.0, 0.2, 0.5]}, r"do not grow with the level, got \(4\.0, 0\.2, 0\.5\)"),
        ({"counts": [64.0, 2.0, 1.0]}, r"level 0 .* would get 64 samples .* has 48"),
        ({"alpha": [1.0]}, r"alpha: 1 coefficients for 2 corrections"),
        ({"alpha": float("nan")}, r"alpha: must be from -1e6 to 1e6, got nan"),
        ({"alpha": [1.0, float("inf")]}, r"alpha: must be from -1e6 to 1e6"),
        (
            {"alpha": 0.0, "counts": [8.0, 2.0, 0.5]},
            r"alpha: 0\.0 leaves out .* 8, 2, 0\.5 some steps have nothing",
        ),
        ({"alpha": [0.0, 1.0], "counts": [8.0, 0.5, 0.1], "scheme": "random"}, r"alpha: .* nothing else"),
        ({"batch_size": 0.1, "delta": 2.0}, r"level 0 .* would get 0\.4 samples"),
    ],
)
def test_refusals_name_the_numbers(values, message):
    with pytest.raises(InputError, match=message):
        mlmc.build(mlmc.Options(**values), N, 3, 0)
