"""Clock, budget, schedule, optimizer, guard and checkpoint, each on its own."""

import os
import time

import numpy as np
import pytest
import torch
from torch import nn

from nolab.config import BudgetOptions, OptimizerOptions, SchedulerOptions
from nolab.errors import InputError
from nolab.plan import Term
from nolab.training.budget import Budget
from nolab.training.checkpoint import load_checkpoint, save_checkpoint
from nolab.training.clock import Clock
from nolab.training.guard import FiniteGuard, NonFiniteLoss
from nolab.training.optimizer import MovingAverage, build_optimizer
from nolab.training.schedule import learning_rate_factor

CPU = torch.device("cpu")


class TestClock:
    def test_inner_buckets_are_not_charged_to_the_outer_one(self):
        clock = Clock(CPU)
        with clock.running("train"):
            time.sleep(0.02)
            with clock.running("eval"):
                time.sleep(0.05)
            time.sleep(0.02)
        assert clock.seconds("eval") == pytest.approx(0.05, abs=0.02)
        assert clock.seconds("train") == pytest.approx(0.04, abs=0.02)

    def test_time_outside_of_every_bucket_is_not_charged(self):
        clock = Clock(CPU)
        with clock.running("train"):
            pass
        time.sleep(0.02)
        assert clock.seconds("train") < 0.01

    def test_goes_on_after_a_checkpoint(self):
        clock = Clock(CPU)
        clock.load_state_dict({"train": 5.0, "eval": 1.0, "log": 0.0, "warmup": 2.0})
        with clock.running("train"):
            time.sleep(0.01)
        assert clock.seconds("train") > 5.005
        assert clock.state_dict()["warmup"] == 2.0


class TestBudget:
    @pytest.mark.parametrize(
        ("options", "steps", "seconds"),
        [
            (BudgetOptions(steps=10), 10, None),
            (BudgetOptions(epochs=2), 14, None),
            (BudgetOptions(epochs=0.01), 1, None),
            (BudgetOptions(steps=10, epochs=1, seconds=3.0), 7, 3.0),
            (BudgetOptions(default_steps=5), 5, None),
            (BudgetOptions(default_steps=5, steps=10), 10, None),
            (BudgetOptions(default_steps=5, seconds=3.0), None, 3.0),
        ],
    )
    def test_the_first_limit_counts(self, options, steps, seconds):
        assert Budget.of(options, steps_per_epoch=7) == Budget(steps, seconds)

    def test_progress_is_the_largest_share(self):
        budget = Budget(100, 10.0)
        assert budget.progress(20, 1.0) == 0.2
        assert budget.progress(20, 5.0) == 0.5
        assert budget.progress(200, 1.0) == 1.0

    def test_a_run_needs_an_end(self):
        with pytest.raises(InputError, match=r"one of budget.steps, budget.epochs and budget.seconds"):
            BudgetOptions(target_error=0.1)


class TestSchedule:
    def test_cosine_goes_from_one_to_final(self):
        options = SchedulerOptions("cosine", final=0.1)
        factors = [learning_rate_factor(options, p) for p in (0.0, 0.5, 1.0)]
        assert factors == pytest.approx([1.0, 0.55, 0.1])

    def test_step_drops_evenly(self):
        options = SchedulerOptions("step", gamma=0.5, drops=3)
        assert [learning_rate_factor(options, p) for p in (0, 0.24, 0.26, 0.51, 0.76)] == [
            1,
            1,
            0.5,
            0.25,
            0.125,
        ]

    def test_warmup_rises_linearly_and_joins(self):
        options = SchedulerOptions("cosine", warmup=0.2)
        assert learning_rate_factor(options, 0.1) == 0.5
        assert learning_rate_factor(options, 0.2) == pytest.approx(1.0)
        assert learning_rate_factor(options, 1.0) == pytest.approx(0.0)

    def test_constant(self):
        assert {learning_rate_factor(SchedulerOptions("constant"), p) for p in (0, 0.5, 1)} == {1.0}


class TestOptimizer:
    @pytest.mark.parametrize("name", ["adam", "adamw"])
    def test_complex_parameters_move_as_pairs_of_reals(self, name):
        complex_one = nn.ParameterList([nn.Parameter(torch.tensor([1.0 + 2.0j, -3.0 + 0.5j]))])
        real_one = nn.ParameterList([nn.Parameter(torch.view_as_real(complex_one[0].detach()).clone())])
        for model in (complex_one, real_one):
            optimizer = build_optimizer(OptimizerOptions(name, lr=0.1), model)
            for _ in range(5):
                optimizer.zero_grad()
                (model[0].abs() ** 2).sum().backward()
                optimizer.step()
        assert torch.allclose(torch.view_as_real(complex_one[0]), real_one[0])

    def test_moving_average_follows_and_swaps_back(self):
        model = nn.Linear(1, 1, bias=False)
        with torch.no_grad():
            model.weight.fill_(0.0)
        average = MovingAverage(model, 0.5)
        with torch.no_grad():
            model.weight.fill_(1.0)
        average.update(model)  # decay min(0.5, 2/11)
        average.swap(model)
        assert model.weight.item() == pytest.approx(1 - 2 / 11)
        average.swap(model)
        assert model.weight.item() == 1.0


class TestGuard:
    PLAN = (Term(0, np.arange(3), np.ones(3)), Term(1, np.array([7, 9]), np.ones(2)))

    def test_names_step_level_and_samples(self):
        guard = FiniteGuard(("9x9", "17x17"), CPU)
        with pytest.raises(NonFiniteLoss, match=r"nan at step 4, level 17x17, samples 7, 9"):
            guard.check(4, self.PLAN, torch.tensor([1.0, float("nan")]))

    def test_lets_finite_losses_pass(self):
        FiniteGuard(("9x9", "17x17"), CPU).check(4, self.PLAN, torch.tensor([1.0, -1e30]))


class TestCheckpoint:
    def test_round_trip_keeps_bits(self, tmp_path):
        state = {"weights": torch.randn(3, 2), "z": torch.randn(2, dtype=torch.complex64), "step": 3}
        save_checkpoint(tmp_path / "a" / "last.pt", state)
        loaded = load_checkpoint(tmp_path / "a" / "last.pt", parts=("weights", "z"))
        assert torch.equal(loaded["weights"], state["weights"])
        assert torch.equal(loaded["z"], state["z"])
        assert loaded["step"] == 3

    def test_code_in_a_checkpoint_is_refused_and_does_not_run(self, tmp_path):
        path, proof = tmp_path / "evil.pt", tmp_path / "ran"
        torch.save(_Evil(str(proof)), path)
        with pytest.raises(InputError, match="never runs code from a checkpoint"):
            load_checkpoint(path)
        assert not proof.exists()

    @pytest.mark.parametrize("cut", [0, 10, 200])
    def test_a_truncated_checkpoint_is_refused(self, tmp_path, cut):
        path = tmp_path / "last.pt"
        save_checkpoint(path, {"weights": torch.randn(100)})
        path.write_bytes(path.read_bytes()[:cut])
        with pytest.raises(InputError, match="damaged"):
            load_checkpoint(path)

    def test_another_format_is_refused(self, tmp_path):
        torch.save({"model": {}}, tmp_path / "other.pt")
        with pytest.raises(InputError, match="not a checkpoint of this nolab"):
            load_checkpoint(tmp_path / "other.pt")

    def test_a_missing_one_is_named(self, tmp_path):
        with pytest.raises(InputError, match=r"nothing.pt: no such checkpoint"):
            load_checkpoint(tmp_path / "nothing.pt")


class _Evil:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)
