"""Precision through the real engine, optimizer and runs: gradients, overflow, schedules, resuming, predicting."""

import json
from copy import deepcopy
from functools import cache, partial

import numpy as np
import pytest
import torch
import training_support
from tests_support import spec, tiny_overrides
from torch import nn
from training_support import CPU, DOMAIN, MODELS, N, build_operator, gradient, interrupt, mean_over, same_bits

import nolab
from nolab.config import OptimizerOptions
from nolab.estimators import mlmc
from nolab.fields import FieldBatch
from nolab.models import deeponet
from nolab.plan import Term
from nolab.precision import MODES, PrecisionOptions, arithmetic, autocast, build_schedule
from nolab.spectral.precision import current
from nolab.training import evaluation, pictures
from nolab.training import gradient as engine_module
from nolab.training.guard import PATIENCE, FiniteGuard, NonFiniteLoss
from nolab.training.optimizer import build_optimizer
from nolab.training.setup import Setup
from nolab.training.trainer import Trainer

CPU_MODES = [mode for mode in MODES if mode != "tf32"]
make_engine = partial(training_support.make_engine, dtype=torch.float32)


def relative(a, b):
    return ((a - b).norm() / b.norm()).item()


# Of each mode: bounds on the gradient's relative error for FNO and TFNO, from below, and the loss's scale.
BOUNDS = {
    "fp32": ({"fno": 1.2e-6, "tfno": 4e-7}, 1e-8, None),
    "amp_bf16": ({"fno": 5e-2, "tfno": 8e-3}, 1e-3, None),
    "amp_fp16": ({"fno": 9e-3, "tfno": 8e-4}, 1e-4, 2.0**10),
    "half": ({"fno": 4e-4, "tfno": 4e-4}, 5e-5, 2.0**10),
    "mixed": ({"fno": 9e-3, "tfno": 8e-4}, 1e-4, 2.0**10),
    "mixed_fp32_transform": ({"fno": 9e-3, "tfno": 8e-4}, 1e-4, 2.0**10),
}


class TestGradient:
    @pytest.mark.parametrize("name", MODELS)
    @pytest.mark.parametrize("mode", CPU_MODES)
    def test_error_of_every_mode(self, mode, name):
        exact = gradient(make_engine(("fp32",) * 3, model=name, dtype=torch.float64), mean_over(2))
        upper, lower, scale = BOUNDS[mode]
        found = gradient(make_engine((mode,) * 3, model=name, scale=scale), mean_over(2))
        assert lower < relative(found, exact) < upper[name]

    @pytest.mark.parametrize("mode", CPU_MODES)
    def test_parameters_and_gradients_stay_in_full_precision(self, mode):
        engine = make_engine((mode,) * 3)
        gradient(engine, mean_over(2))
        for parameter in engine.model.parameters():
            assert parameter.grad.dtype == parameter.dtype in (torch.float32, torch.complex64)

    @pytest.mark.parametrize("mode", ["half", "mixed"])
    def test_scaling_saves_small_gradients(self, mode):
        """A loss of weight 1e-8: unscaled, its gradients vanish in float16."""
        plan = (Term(2, np.arange(N), np.full(N, 1e-8)),)
        exact = gradient(make_engine(("fp32",) * 3, dtype=torch.float64), plan)
        assert relative(gradient(make_engine((mode,) * 3), plan), exact) > 0.05
        assert (
            relative(gradient(make_engine((mode,) * 3, scale=2.0**28), plan), exact) < BOUNDS[mode][0]["fno"]
        )

    def test_the_backward_runs_in_the_mode_too(self):
        """Layers that are computed again in the backward have to meet the same arithmetic."""
        engine, seen = make_engine(("half",) * 3), []
        for parameter in engine.model.parameters():
            parameter.register_hook(lambda grad: seen.append(current().is_reduced))
        gradient(engine, mean_over(2))
        assert seen
        assert all(seen)
        assert not current().is_reduced

    def test_losses_are_returned_without_the_scale(self):
        plain, scaled = make_engine(("half",) * 3), make_engine(("half",) * 3, scale=2.0**10)
        a, b = (engine.accumulate(mean_over(2), 0) for engine in (plain, scaled))
        assert torch.equal(a.weighted, b.weighted)
        assert torch.equal(a.mean, b.mean)

    def test_all_terms_are_scaled_alike(self):
        """Levels in float32 beside levels in float16."""
        modes, plan = ("half", "fp32", "fp32"), (*mean_over(0), *mean_over(1), *mean_over(2))
        exact = gradient(make_engine(("fp32",) * 3, dtype=torch.float64), plan)
        assert relative(gradient(make_engine(modes, scale=2.0**10), plan), exact) < 2e-3

    @pytest.mark.parametrize("mode", ["half", "mixed", "amp_bf16"])
    def test_nothing_of_the_mode_is_left_behind(self, mode):
        engine = make_engine((mode, "fp32", "fp32"))
        before = gradient(engine, mean_over(2))
        gradient(engine, mean_over(0))
        assert torch.equal(gradient(engine, mean_over(2)), before)


class TestLevels:
    """Coarse levels in low precision, corrections and the fine level in full."""

    COARSE = (("half", "fp32", "fp32"), ("half", "half", "fp32"), ("amp_bf16", "half", "fp32"))

    @pytest.mark.parametrize("modes", COARSE, ids=str)
    @pytest.mark.parametrize("scheme", [mlmc.Nested, mlmc.Random])
    def test_full_index_sets_give_the_fine_gradient_of_the_fine_mode(self, scheme, modes):
        """The coarse terms cancel since both of a pair run in the coarse level's mode."""
        engine = make_engine(modes, scale=2.0**10)
        plan = scheme((N, N, N), N, seed=3).plan(2)
        found, expected = gradient(engine, plan), gradient(engine, mean_over(2))
        bias = gradient(engine, mean_over(0)) - gradient(make_engine(("fp32",) * 3), mean_over(0))
        assert bias.norm() > 5e-5 * expected.norm()
        assert (found - expected).norm() < 0.02 * bias.norm()

    def test_the_fine_mode_is_the_one_that_remains(self):
        """The other way round: the fine level in half keeps its error, whatever the coarse ones run in."""
        plan = mlmc.Random((N, N, N), N, seed=3).plan(2)
        low = make_engine(("fp32", "fp32", "half"), scale=2.0**10)
        assert relative(gradient(low, plan), gradient(low, mean_over(2))) < 2e-6
        full = gradient(make_engine(("fp32",) * 3), mean_over(2))
        assert relative(gradient(low, plan), full) > 1e-4

    @pytest.mark.parametrize("scheme", [mlmc.Nested, mlmc.Random])
    def test_double_levels_cancel_to_the_last_bits(self, scheme):
        engine = make_engine(("fp32",) * 3, dtype=torch.float64)
        plan = scheme((N, N, N), N, seed=3).plan(2)
        assert relative(gradient(engine, plan), gradient(engine, mean_over(2))) < 1e-13

    @pytest.mark.parametrize("scheme", [mlmc.Nested, mlmc.Random])
    def test_every_term_runs_in_the_mode_of_its_level(self, scheme, monkeypatch):
        modes = ("half", "amp_bf16", "fp32")
        plan = scheme((4, 2, 1), N, seed=3).plan(1)
        seen = spied(monkeypatch, engine_module)
        engine = make_engine(modes)
        together = gradient(engine, plan)
        assert [mode for name, mode in seen if name == "arithmetic"] == [modes[t.level] for t in plan]
        assert [mode for name, mode in seen if name == "autocast"] == [modes[t.level] for t in plan]
        single = sum(gradient(make_engine((modes[t.level],) * 3), (t,)) for t in plan)
        assert relative(together, single) < 1e-6

    def test_a_run_with_a_coarse_level_in_half(self, tiny, cached):
        plain = cached("precision=fp32", "model=fno")
        coarse = run_of(tiny, "hierarchy.levels=[{size: 9, precision: half},17]")
        fine = run_of(tiny, "hierarchy.levels=[9,{size: 17, precision: half}]")
        assert coarse.summary["final/rel_l2"] == pytest.approx(plain.summary["final/rel_l2"], rel=1e-2)
        changed = [relative(weights_of(run), weights_of(plain)) for run in (coarse, fine)]
        assert min(changed) > 1e-7
        assert max(changed) < 1e-2


def spied(monkeypatch, module):
    """Names and modes of the precision contexts that `module` enters."""
    seen = []

    def watch(name, original):
        def call(mode, *arguments, **options):
            seen.append((name, mode))
            return original(mode, *arguments, **options)

        monkeypatch.setattr(module, name, call)

    watch("arithmetic", arithmetic)
    watch("autocast", autocast)
    return seen


@pytest.fixture(scope="module")
def cached(data_dir, tmp_path_factory):
    """Runs that several tests look at."""

    @cache
    def run(*overrides):
        return nolab.train(
            nolab.compose(tiny_overrides(data_dir, tmp_path_factory.mktemp("out"), *overrides))
        )

    return run


def run_of(tiny, *overrides):
    return nolab.train(nolab.compose(tiny(*overrides)))


def weights_of(run):
    return torch.cat([torch.view_as_real(p + 0j).flatten() for p in run.state["model"].values()])


def records_of(run):
    return [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]


class TestRuns:
    @pytest.mark.parametrize(
        ("precision", "model"),
        [
            *((name, "fno") for name in ("amp_fp16", "half", "mixed", "mixed_fp32_transform", "schedule")),
            ("mixed", "tfno"),
        ],
    )
    def test_finish_with_finite_figures(self, cached, precision, model):
        run, plain = (cached(f"precision={name}", f"model={model}") for name in (precision, "fp32"))
        figures = [value for value in run.summary.values() if isinstance(value, float)]
        assert np.isfinite(figures).all()
        assert run.summary["precision/skipped_steps"] == 0
        assert all(record["precision/skipped_steps"] == 0 for record in records_of(run))
        assert run.summary["final/rel_l2"] == pytest.approx(plain.summary["final/rel_l2"], rel=2e-2)
        assert not torch.equal(weights_of(run), weights_of(plain))

    def test_the_scaler_is_on_for_float16_only(self, cached):
        states = {
            name: cached(f"precision={name}", "model=fno").state["scaler"]
            for name in ("fp32", "amp_bf16", "half")
        }
        assert states["fp32"] == states["amp_bf16"] == {}
        assert states["half"]["_growth_tracker"] == 4

    @pytest.mark.parametrize("clip", ["null", "1.0"])
    @pytest.mark.parametrize("precision", ["mixed", "amp_fp16"])
    def test_overflow_skips_steps_and_the_run_goes_on(self, tiny, monkeypatch, precision, clip):
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40, backoff_factor=2.0**-8)
        monkeypatch.setattr(Setup, "scaler", lambda self: scaler)
        moved, scales, original = [], [], Trainer._step

        def step(self, share):
            before, scale = deepcopy(self.model.state_dict()), scaler.get_scale()
            moments = deepcopy(self.optimizer.state_dict()["state"])
            original(self, share)
            moved.append(any(not torch.equal(v, before[k]) for k, v in self.model.state_dict().items()))
            scales.append(scaler.get_scale() / scale)
            if not moved[-1]:  # neither did the moments
                after = self.optimizer.state_dict()["state"]
                assert all(torch.equal(x[k], after[i][k]) for i, x in moments.items() for k in x)

        monkeypatch.setattr(Trainer, "_step", step)
        run = run_of(tiny, f"precision={precision}", "budget.steps=8", f"optimizer.clip_norm={clip}")
        skipped = moved.index(True)
        assert 1 <= skipped <= 6
        assert moved == [False] * skipped + [True] * (8 - skipped)
        assert scales == [2.0**-8] * skipped + [1.0] * (8 - skipped)
        assert run.summary["precision/skipped_steps"] == skipped
        assert run.summary["cost/steps"] == 8
        by_step = {record["step"]: record["precision/skipped_steps"] for record in records_of(run)}
        assert [by_step[n] for n in range(1, 9)] == [min(n, skipped) for n in range(1, 9)]
        assert 0 < run.summary["final/rel_l2"] < 1.5

    def test_clipping_is_of_the_gradient_without_the_scale(self, tiny):
        """Adam's first moment after one step is (1-β)·g."""
        run = run_of(tiny, "precision=mixed", "budget.steps=1", "optimizer.clip_norm=1e-6")
        state = run.state["optimizer"]["state"]
        moment = sum(s["exp_avg"].square().sum().item() for s in state.values()) ** 0.5
        assert moment == pytest.approx(0.1 * 1e-6, rel=1e-2)

    def test_a_schedule_switches_at_its_steps(self, tiny, monkeypatch):
        steps, evaluations = [], spied(monkeypatch, evaluation)
        seen, original = spied(monkeypatch, engine_module), Trainer._step

        def step(self, share):
            seen.clear()
            original(self, share)
            steps.append({mode for _, mode in seen})

        monkeypatch.setattr(Trainer, "_step", step)
        run_of(tiny, "precision=schedule", "budget.steps=8", "evaluation.times=4")
        low, middle, full = {"mixed"}, {"mixed_fp32_transform"}, {"fp32"}
        assert steps == [low, low, middle, middle, middle, middle, full, full]
        # After steps 2, 4, 6 and 8, at two levels, and for the summary: the mode of the coming step.
        modes = [mode for name, mode in evaluations if name == "arithmetic"]
        assert modes == ["mixed_fp32_transform"] * 4 + ["fp32"] * 6

    def test_a_level_may_leave_the_schedule(self, tiny, monkeypatch):
        seen = spied(monkeypatch, engine_module)
        run_of(tiny, "precision=schedule", "hierarchy.levels=[{size: 9, precision: amp_bf16},17]")
        modes = [mode for name, mode in seen if name == "arithmetic"]
        assert {"amp_bf16", "mixed", "fp32"} <= set(modes)
        assert modes.count("amp_bf16") * 2 == len(modes)

    def test_phases_of_the_users_own(self):
        schedule = build_schedule(PrecisionOptions("schedule", (("half", 0.5), ("fp32", 0.5))), CPU)
        engine = make_engine((schedule,) * 3, scale=2.0**10)
        for share, mode in ((0.0, "half"), (0.49, "half"), (0.5, "fp32"), (1.0, "fp32")):
            expected = gradient(make_engine((mode,) * 3, scale=2.0**10), mean_over(2))
            assert torch.equal(gradient(engine, mean_over(2), share=share), expected)


class TestGuard:
    PLAN = (Term(0, np.arange(3), np.ones(3)),)
    GOOD, BAD = torch.tensor([1.0]), torch.tensor([float("inf")])

    def guard(self, is_scaled):
        return FiniteGuard(("9x9",), CPU, is_scaled)

    @pytest.mark.parametrize("bad", [float("inf"), -float("inf"), float("nan")])
    def test_patience_ends_after_ten_in_a_row(self, bad):
        guard = self.guard(True)
        for step in range(PATIENCE):
            guard.check(step, self.PLAN, torch.tensor([bad]))
        with pytest.raises(NonFiniteLoss, match=f"at step {PATIENCE}, level 9x9"):
            guard.check(PATIENCE, self.PLAN, torch.tensor([bad]))
        assert PATIENCE == 10

    def test_a_finite_loss_starts_the_count_anew(self):
        guard = self.guard(True)
        for step in range(3 * PATIENCE):
            guard.check(step, self.PLAN, self.GOOD if step % PATIENCE == 0 else self.BAD)
        guard.check(0, self.PLAN, self.GOOD)
        for step in range(PATIENCE):
            guard.check(step, self.PLAN, self.BAD)
        with pytest.raises(NonFiniteLoss):
            guard.check(0, self.PLAN, self.BAD)

    def test_without_a_scaler_there_is_no_patience(self):
        with pytest.raises(NonFiniteLoss, match="inf at step 0"):
            self.guard(False).check(0, self.PLAN, self.BAD)

    def test_a_scaled_run_whose_loss_never_recovers_ends(self, tiny):
        with pytest.raises(nolab.errors.RunFailure, match=r"level (9x9|17x17), samples .*failed.pt"):
            run_of(tiny, "precision=amp_fp16", "optimizer.lr=1e30", "budget.steps=40")


@pytest.mark.parametrize(
    ("precision", "at", "overflows"), [("mixed", 2, False), ("mixed", 2, True), ("schedule", 4, False)]
)
def test_resumed_run_ends_with_the_same_bits(tiny, tmp_path, monkeypatch, precision, at, overflows):
    if overflows:  # skipped steps and a moving scale are part of the state
        monkeypatch.setattr(
            Setup,
            "scaler",
            lambda self: torch.amp.GradScaler("cpu", init_scale=2.0**40, backoff_factor=2.0**-8),
        )
    steps = 8 if overflows else 6
    config = nolab.compose(tiny(f"precision={precision}", f"budget.steps={steps}", "optimizer.ema=0.9"))
    whole = nolab.train(config)
    cut_dir = interrupt(monkeypatch, config, at, tmp_path / "outputs")
    resumed = nolab.resume(cut_dir)
    for key in ("model", "optimizer", "scaler", "ema", "rng", "step", "samples", "best", "errors"):
        assert same_bits(whole.state[key], resumed.state[key]), key
    for name in ("final/rel_l2", "final/h1", "precision/skipped_steps"):
        assert whole.summary[name] == resumed.summary[name]
    assert (whole.summary["precision/skipped_steps"] > 0) == overflows


def make_deeponet():
    options = deeponet.Options(
        branch="cnn",
        cnn_channels=(4, 6),
        branch_hidden=(10,),
        basis=8,
        trunk_width=8,
        trunk_blocks=1,
        activation="gelu",
    )
    return deeponet.build(options, spec(DOMAIN))


OPTIMISED = {**{name: partial(build_operator, name) for name in MODELS}, "deeponet": make_deeponet}


class TestOptimizer:
    def model_and_batch(self, name):
        torch.manual_seed(0)
        model = OPTIMISED[name]()
        return model, FieldBatch(torch.randn(3, 1, 17, 17), DOMAIN)

    @pytest.mark.parametrize("model", OPTIMISED)
    @pytest.mark.parametrize("name", ["adam", "adamw"])
    def test_equals_torch_over_the_complex_parameters(self, name, model):
        """Gradients are those of the fused one's model, so only the step itself may differ."""
        ours, batch = self.model_and_batch(model)
        theirs, options = deepcopy(ours), OptimizerOptions(name, lr=1e-2, weight_decay=0.1)
        fused = build_optimizer(options, ours)
        start = [p.detach().clone() for p in ours.parameters()]
        reference = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name](
            theirs.parameters(), lr=1e-2, betas=options.betas, weight_decay=0.1, foreach=True
        )
        for _ in range(5):
            fused.zero_grad(set_to_none=True)
            (ours(batch) - 1).square().mean().backward()
            for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
                other.grad = mine.grad.clone()
            fused.step()
            reference.step()
        for before, mine, other in zip(start, ours.parameters(), theirs.parameters(), strict=True):
            assert (mine - other).abs().max() < 1e-5 * (other - before).abs().max()

    def test_the_layouts_that_are_put_to_the_test(self):
        """Weights of the convolutions lie channels last; complex weights are there."""
        model, _ = self.model_and_batch("deeponet")
        weights = [p for p in model.parameters() if p.ndim == 4]
        assert any(not p.is_contiguous() for p in weights)
        model, _ = self.model_and_batch("fno")
        assert any(p.is_complex() for p in model.parameters())

    @pytest.mark.parametrize("set_to_none", [True, False])
    def test_zero_grad_clears_complex_gradients(self, set_to_none):
        model, batch = self.model_and_batch("fno")
        optimizer = build_optimizer(OptimizerOptions(), model)
        once = []
        for _ in range(2):
            optimizer.zero_grad(set_to_none)
            assert all(p.grad is None or not p.grad.any() for p in model.parameters())
            model(batch).square().mean().backward()
            once.append([p.grad.clone() for p in model.parameters()])
        assert all(torch.equal(a, b) for a, b in zip(*once, strict=True))
        optimizer.zero_grad(set_to_none)
        if set_to_none:
            assert all(p.grad is None for p in model.parameters())

    def test_gradients_of_several_backwards_add_up(self):
        model, batch = self.model_and_batch("fno")
        stepped = []
        for parts in (1, 4):
            ours = deepcopy(model)
            optimizer = build_optimizer(OptimizerOptions(lr=1e-2), ours)
            optimizer.zero_grad()
            for _ in range(parts):
                (ours(batch).square().mean() / parts).backward()
            optimizer.step()
            stepped.append([p.detach() for p in ours.parameters()])
        for before, a, b in zip(model.parameters(), *stepped, strict=True):
            assert (a - b).norm() < 1e-2 * (a - before).norm()

    def test_a_parameter_without_gradient_is_left_alone(self):
        """Not even its weights decay, and the last step's gradient is forgotten."""
        used, unused = (nn.Parameter(torch.randn(3, dtype=torch.complex64)) for _ in range(2))
        plain = nn.Parameter(torch.randn(3))
        model = nn.ParameterList([used, unused, plain])
        optimizer = build_optimizer(OptimizerOptions(lr=0.1, weight_decay=0.1), model)
        before = [p.detach().clone() for p in model]
        used.abs().sum().backward()
        optimizer.step()
        assert [torch.equal(a, b) for a, b in zip(model, before, strict=True)] == [False, True, True]
        optimizer.zero_grad()
        before = [p.detach().clone() for p in model]
        plain.abs().sum().backward()
        optimizer.step()
        assert [torch.equal(a, b) for a, b in zip(model, before, strict=True)] == [True, True, False]

    @pytest.mark.parametrize("model", OPTIMISED)
    def test_state_dict_round_trip(self, model, tmp_path):
        ours, batch = self.model_and_batch(model)

        def steps(model, optimizer, count):
            for _ in range(count):
                optimizer.zero_grad()
                (model(batch) - 1).square().mean().backward()
                optimizer.step()

        optimizer = build_optimizer(OptimizerOptions(lr=1e-2), ours)
        steps(ours, optimizer, 2)
        torch.save({"model": ours.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "state.pt")
        saved = torch.load(tmp_path / "state.pt", weights_only=True)
        fresh, _ = self.model_and_batch(model)
        fresh.load_state_dict(saved["model"])
        other = build_optimizer(OptimizerOptions(lr=1e-2), fresh)
        other.load_state_dict(saved["optimizer"])
        steps(ours, optimizer, 2), steps(fresh, other, 2)
        assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), fresh.parameters(), strict=True))


class TestStabilizerOfARun:
    LARGE = ("optimizer.lr=0.1", "budget.steps=8")
    """Spectral weights that matter."""

    def test_predicting_uses_it(self, tiny):
        run = nolab.load_run(run_of(tiny, *self.LARGE, "precision.stabilizer=tanh").path, device="cpu")
        inputs = np.random.default_rng(0).lognormal(size=(2, 1, 17, 17)).astype(np.float32)
        predicted = run.predict(inputs)

        def forward(stabilizer):
            batch = FieldBatch(torch.from_numpy(run.normalizers.input.encode(inputs)), run.domain)
            batch = FieldBatch(batch.input, run.domain, zero=torch.tensor(run.normalizers.output.zero))
            with torch.no_grad(), arithmetic("fp32", CPU, stabilizer):
                return run.normalizers.output.decode(run.model(batch).numpy())

        assert np.array_equal(predicted, forward("tanh"))
        assert not np.allclose(predicted, forward("scale"), rtol=1e-3)

    @pytest.mark.pictures
    def test_plots_use_it(self, tiny, monkeypatch):
        rows = {}
        original = pictures.plot_predictions
        monkeypatch.setattr(
            pictures,
            "plot_predictions",
            lambda *a, **k: rows.update({row.level: row.fields for row in a[1]}) or original(*a, **k),
        )
        run = run_of(tiny, *self.LARGE, "precision.stabilizer=tanh")
        fields = rows["17x17"]
        again = nolab.load_run(run.path, device="cpu").predict(fields["input"][None, None])
        assert np.allclose(fields["prediction"], again[0, 0], rtol=1e-4, atol=1e-6)

    def test_training_uses_it(self, tiny):
        weights = [
            weights_of(run_of(tiny, f"precision.stabilizer={name}")) for name in ("scale", "none", "tanh")
        ]
        assert torch.equal(weights[0], weights[1])
        assert not torch.allclose(weights[0], weights[2], rtol=1e-3)
