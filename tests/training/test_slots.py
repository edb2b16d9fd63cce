"""Gradients that are kept over steps: sums of old and new corrections, bit by bit and by hand."""

import numpy as np
import pytest
import torch
from torch import nn
from training_support import N, gradient, make_engine, mean_over, same_bits

from nolab.estimators.curriculum import Options, build
from nolab.estimators.delayed import Delayed
from nolab.plan import Term
from nolab.training.slots import GradientSlots


def with_slots(**more):
    engine = make_engine(**more)
    object.__setattr__(engine, "slots", GradientSlots(list(engine.model.parameters())))
    return engine


def descend(engine, step):
    """Move the parameters by a step that is not the gradient's own."""
    generator = torch.Generator().manual_seed(step)
    with torch.no_grad():
        for p in engine.model.parameters():
            noise = torch.randn(p.shape, dtype=torch.float64, generator=generator)
            p.add_(0.05 * p.abs().mean() * noise.to(p.dtype))


def without_slots(terms):
    return tuple(Term(term.level, term.indices, term.weights) for term in terms)


@pytest.mark.parametrize("step", [0, 4, 8])
def test_full_sets_are_the_fine_gradient_where_every_slot_is_fresh(step):
    engine = with_slots()
    expected = gradient(make_engine(), mean_over(2))
    actual = gradient(engine, Delayed((N, N, N), N, 0).plan(step))
    assert (actual - expected).norm() <= 1e-13 * expected.norm()


def test_kept_corrections_stand_for_new_ones_while_the_parameters_stand_still():
    engine, estimator = with_slots(), Delayed((N, N, N), N, 0)
    expected = gradient(make_engine(), mean_over(2))
    for step in range(6):
        assert (gradient(engine, estimator.plan(step), step) - expected).norm() <= 1e-13 * expected.norm()


@pytest.mark.parametrize("scale", [None, 2.0**6])
def test_stale_corrections_are_those_of_older_parameters(scale):
    """Each step's gradient is the sum of every slot's last one, at the parameters that it was taken at."""
    dtype = torch.float64 if scale is None else torch.float32
    engine, plain = with_slots(dtype=dtype, scale=scale), make_engine(dtype=dtype)
    estimator, kept = Delayed((4, 2, 1), N, 0), {}
    stale = 0
    for step in range(6):
        plan = estimator.plan(step)
        plain.model.load_state_dict(engine.model.state_dict())
        for slot in {term.slot for term in plan}:
            terms = without_slots(term for term in plan if term.slot == slot)
            kept[slot] = gradient(plain, terms, step)
        stale += len(kept) - len({term.slot for term in plan})
        actual, expected = gradient(engine, plan, step), sum(kept.values())
        tolerance = 1e-13 if scale is None else 1e-5
        assert (actual - expected).norm() <= tolerance * expected.norm()
        descend(engine, step)
    assert stale == 1 * 3 + 1 * 4  # slot 1 in steps 1, 3, 5; slot 2 in steps 1, 2, 3, 5
    fresh = gradient(plain, without_slots(Delayed((4, 2, 1), N, 0).plan(0)))
    assert (actual - fresh).norm() > 1e-3 * fresh.norm()


def test_terms_without_a_slot_belong_to_their_step_alone():
    engine, plain = with_slots(), make_engine()
    kept, own = mean_over(0), mean_over(2)
    slotted = tuple(Term(term.level, term.indices, term.weights, slot=0) for term in kept)
    first = gradient(engine, own + slotted)
    parts = gradient(plain, kept), gradient(plain, own)
    torch.testing.assert_close(first, parts[0] + parts[1], rtol=1e-12, atol=1e-15)
    again = gradient(engine, (*own, Term(1, np.array([0]), np.ones(1), slot=1)))
    other = gradient(plain, (Term(1, np.array([0]), np.ones(1)),))
    torch.testing.assert_close(again, parts[0] + parts[1] + other, rtol=1e-12, atol=1e-15)


def test_losses_come_in_the_plans_order():
    engine, plain = with_slots(), make_engine()
    plan = Delayed((4, 2, 1), N, 0).plan(0)
    assert engine.accumulate(plan, 0).weighted.tolist() == plain.accumulate(plan, 0).weighted.tolist()
    assert len(engine.accumulate(plan, 0).mean) == len(plan) == 5


def test_a_phase_without_slots_forgets_them():
    """Curriculum: delayed, then fine, whose gradient is its own; and delayed again starts anew."""
    phases = [
        {"estimator": "delayed", "batch_size": 1, "share": 0.5},
        {"estimator": "fine", "batch_size": 2},
    ]
    engine, estimator = with_slots(), build(Options(phases), N, 3, 0)
    gradient(engine, estimator.plan(0, 0.0))
    assert set(engine.slots.state_dict()["kept"]) == {0, 1, 2}
    fine = estimator.plan(1, 0.5)
    assert same_bits(gradient(engine, fine), gradient(make_engine(), fine))
    assert engine.slots.state_dict() == {"kept": {}}
    delayed = estimator.plan(1, 0.0)
    assert same_bits(gradient(engine, delayed), gradient(make_engine(), without_slots(delayed)))


def model():
    return [nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(1))]


def test_refresh_leaves_the_gradients_as_they_were():
    a, b, c = parameters = model()
    slots = GradientSlots(parameters)
    a.grad = torch.tensor([1.0, 2.0, 3.0])
    address = a.grad

    def run():
        a.grad.add_(10.0)
        b.grad = torch.full((2,), 6.0)

    slots.refresh(0, run, scale=2.0)
    assert a.grad is address
    assert a.grad.tolist() == [1.0, 2.0, 3.0]
    assert b.grad.tolist() == [0.0, 0.0]
    assert c.grad is None
    kept = slots.state_dict()["kept"][0]
    assert [g.tolist() for g in kept] == [[5.0] * 3, [3.0] * 2, [0.0]]
    slots.add(scale=4.0)
    assert a.grad.tolist() == [21.0, 22.0, 23.0]
    assert b.grad.tolist() == [12.0, 12.0]
    assert c.grad.tolist() == [0.0]
    slots.add(scale=1.0)  # what is kept is not what was added to
    assert [g.tolist() for g in kept] == [[5.0] * 3, [3.0] * 2, [0.0]]


def test_the_state_comes_back_as_it_was():
    engine = with_slots()
    gradient(engine, Delayed((4, 2, 1), N, 0).plan(0))
    back = GradientSlots(list(engine.model.parameters()))
    back.load_state_dict(engine.slots.state_dict())
    assert same_bits(back.state_dict(), engine.slots.state_dict())
    back.clear()
    assert back.state_dict() == {"kept": {}}
    assert len(engine.slots.state_dict()["kept"]) == 3
    with pytest.raises(ValueError, match="slot 0 is no list"):
        back.load_state_dict({"kept": {0: []}})
