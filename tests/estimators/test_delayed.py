"""`delayed` on plans: what is refreshed when, and what the kept corrections sum to."""

import numpy as np
import pytest
from estimators_support import N, evaluations

from nolab.errors import InputError
from nolab.estimators import delayed
from nolab.estimators._draws import EpochDraws


def kept_weights(estimator, steps, n_levels):
    """Weights of every step with all slots added, (steps, levels, N)."""
    slots = {}
    for step in range(steps):
        plan = estimator.plan(step)
        for slot in {term.slot for term in plan}:
            slots[slot] = evaluations(tuple(term for term in plan if term.slot == slot), n_levels)
        yield sum(slots.values())


def test_the_correction_of_level_l_comes_every_2_to_the_l_steps():
    estimator = delayed.build(delayed.Options(batch_size=2), N, 3, 0)
    for step in range(17):
        plan = estimator.plan(step)
        fresh = {0, *([1] if step % 2 == 0 else []), *([2] if step % 4 == 0 else [])}
        assert {term.slot for term in plan} == fresh
        slots = [term.slot for term in plan]
        assert slots == sorted(slots)  # terms of a slot stand together
        for term in plan:
            assert term.level in (term.slot, term.slot - 1)


def test_a_correction_is_a_pair_on_the_same_samples():
    plan = delayed.build(delayed.Options(batch_size=2), N, 3, 0).plan(4)
    pairs = {slot: [term for term in plan if term.slot == slot] for slot in range(3)}
    assert [len(pairs[slot]) for slot in range(3)] == [1, 2, 2]
    for slot, n in ((1, 4), (2, 2)):
        fine, coarse = pairs[slot]
        assert (fine.level, coarse.level) == (slot, slot - 1)
        assert fine.indices.tolist() == coarse.indices.tolist()
        assert fine.weights.tolist() == [1 / n] * n
        assert coarse.weights.tolist() == [-1 / n] * n


def test_full_sets_are_the_fine_gradient_in_every_step():
    """Where the parameters stand still, kept corrections are as good as new ones."""
    for total in kept_weights(delayed.Delayed((N, N, N), N, 0), 8, 3):
        np.testing.assert_allclose(total[:2], 0, atol=1e-16)
        np.testing.assert_allclose(total[2], 1 / N, rtol=1e-14)


def test_mean_over_steps_is_the_fine_gradient_where_the_parameters_stand_still():
    steps = 6000
    totals = np.stack(list(kept_weights(delayed.Delayed((8, 4, 2), N, 0), steps, 3)))
    np.testing.assert_allclose(totals.sum(axis=2), np.tile([0.0, 0.0, 1.0], (steps, 1)), atol=1e-13)
    independent = steps / 4  # a correction is used up to 4 times
    standard_error = totals.std(axis=0).max() / np.sqrt(independent)
    assert np.abs(totals.mean(axis=0) - [[0], [0], [1 / N]]).max() < 5 * standard_error


def test_counts_are_the_mean_over_steps():
    estimator = delayed.Delayed((8, 4, 2), N, 0)
    seen = np.zeros(3)
    for step in range(40):
        for term in estimator.plan(step):
            seen[term.level] += len(term.indices)
    assert tuple(seen / 40) == estimator.counts == (8 + 4 / 2, 4 / 2 + 2 / 4, 2 / 4)
    assert estimator.steps_per_epoch == EpochDraws(N, 8, 0).steps_per_epoch


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: delayed.Options(batch_size=0), "batch_size: must be >= 1"),
        (lambda: delayed.Options(delta=0.9), "delta: must be a number >= 1"),
        (lambda: delayed.build(delayed.Options(16, 2.0), N, 3, 0), "level 0 .* would get 64 samples"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(InputError, match=message):
        make()
