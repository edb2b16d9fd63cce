"""Costs of batches: the line through what a stand-in clock shows, and what measuring leaves as it was."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from training_support import N, make_engine, mean_over

from nolab.costs import BatchCosts
from nolab.training import costs
from nolab.training.costs import measure_batch_costs
from nolab.training.gradient import GradientEngine


@pytest.fixture
def batches(monkeypatch):
    """Every timed batch as (level, samples); one takes 0.5 + n · (level + 1) s, and some are disturbed."""
    seen = []

    class Engine:
        def accumulate(self, plan, step, share):
            (term,) = plan
            seen.append((term.level, len(term.indices)))
            assert term.weights.sum() == pytest.approx(1)

        device = torch.device("cpu")

    def timed(run, device):
        run()
        level, n = seen[-1]
        return 0.5 + n * (level + 1) + (10.0 if len(seen) % 3 == 0 else 0.0)

    monkeypatch.setattr(costs, "timed", timed)
    monkeypatch.setattr(GradientEngine, "aside", lambda self: Engine())
    return seen


def test_the_line_through_a_single_sample_and_a_large_batch(batches):
    engine = make_engine()
    found = measure_batch_costs(engine, engine.model, 4, 12, 3)
    np.testing.assert_allclose(found.fixed, [0.5] * 3)
    np.testing.assert_allclose(found.sample, [1.0, 2.0, 3.0])
    # Twice as many at each coarser level, as far as there are samples.
    assert set(batches) == {(0, 1), (0, 12), (1, 1), (1, 8), (2, 1), (2, 4)}


@pytest.mark.parametrize(("batch_size", "n_samples", "large"), [(1, 12, 2), (1, 1, 1), (9, 5, 5)])
def test_the_large_batch_has_two_samples_where_there_are(batches, batch_size, n_samples, large):
    engine = make_engine()
    found = measure_batch_costs(engine, engine.model, batch_size, n_samples, 1)
    assert set(batches) == {(0, 1), (0, large)}
    assert found.per_sample(1) == pytest.approx(1.5)


def test_parts_are_never_negative(monkeypatch):
    """One sample that takes longer than many, and many that take ten times their share."""
    engine = make_engine()
    for by_size in ({1: 5.0, 4: 1.0}, {1: 0.1, 4: 4.0}):
        monkeypatch.setattr(costs, "_seconds", lambda _, term, __, times=by_size: [times[len(term.indices)]])
        found = measure_batch_costs(engine, engine.model, 4, 12, 1)
        assert found.fixed[0] >= 0
        assert found.sample[0] > 0


def test_measuring_leaves_everything_as_it_was():
    engine = make_engine(neval=40, scheme="importance")
    engine.accumulate(mean_over(2), 0)  # points learn, gradients are there
    before = deepcopy((engine.model.state_dict(), engine.points.state_dict(), torch.get_rng_state()))
    found = measure_batch_costs(engine, engine.model, 2, N, 3)
    assert (found.sample > 0).all()
    after = (engine.model.state_dict(), engine.points.state_dict(), torch.get_rng_state())
    torch.testing.assert_close(after, before, rtol=0, atol=0, equal_nan=True)
    assert all(p.grad is None for p in engine.model.parameters())


def test_the_state_is_plain_and_comes_back_as_it_was():
    costs = BatchCosts(np.array([0.5, 0.25]), np.array([1.0, 4.0]))
    back = BatchCosts.from_state(costs.state_dict(), len(costs))
    assert back.state_dict() == costs.state_dict() == {"fixed": [0.5, 0.25], "sample": [1.0, 4.0]}
