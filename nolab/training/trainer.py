"""The training loop: plans in, a trained model and its figures out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nolab.costs import BatchCosts
from nolab.data.hierarchy import Level
from nolab.errors import InputError, RunFailure, first_line
from nolab.metrics.resources import EnergyMeter, peak_memory_gib, reset_peak_memory
from nolab.plan import Plan
from nolab.tracking.progress import Status, View
from nolab.tracking.sinks import Record, Sink
from nolab.training.budget import Budget
from nolab.training.checkpoint import save_checkpoint
from nolab.training.clock import Clock
from nolab.training.compilation import compiled
from nolab.training.costs import LevelCosts, measure_batch_costs, measure_costs
from nolab.training.evaluation import Evaluator
from nolab.training.gradient import StepLosses
from nolab.training.guard import FiniteGuard, NonFiniteLoss
from nolab.training.neval import choose_neval
from nolab.training.optimizer import MovingAverage, build_optimizer, steps_taken
from nolab.training.probing import gradient_moments
from nolab.training.schedule import learning_rate_factor
from nolab.training.setup import TRAIN, Data, Setup
from nolab.training.spec import spec
from nolab.training.stopping import StopRequest

_RECORDS = 100  # training records over a run
_SECONDS_BETWEEN_STATUS = 0.5


class Interrupted(RunFailure):
    """A signal ended the run; its checkpoint is written."""


@dataclass
class Progress:
    """Where a run stands; everything here is in its checkpoints."""

    step: int = 0
    samples: list[int] = field(default_factory=list)
    """Samples evaluated so far at each level."""
    best: float = float("inf")
    """Lowest relative L2 at the finest level."""
    target_seconds: float | None = None
    """Training seconds at which the target error was first reached."""
    energy: float = 0.0
    """Joules used before the last resume."""
    errors: dict[str, float] = field(default_factory=dict)
    """Newest relative L2 per level name."""


class Trainer:
    """One run over a prepared setup and its data.

    Parameters
    ----------
    sinks : receive every record.
    checkpoints : folder of `last.pt` and `best.pt`.
    state : a checkpoint to go on from, or None.
    """

    def __init__(
        self,
        setup: Setup,
        data: Data,
        sinks: list[Sink],
        checkpoints: Path,
        state: dict[str, Any] | None = None,
    ) -> None:
        config = setup.config
        self.setup, self.data, self.sinks, self.checkpoints = setup, data, sinks, checkpoints
        self.model = setup.model
        self.engine = setup.engine(data, compiled(self.model) if config.compile else self.model)
        self.scaler = self.engine.scaler
        self.optimizer = build_optimizer(config.optimizer, self.model)
        self.ema = MovingAverage(self.model, config.optimizer.ema) if config.optimizer.ema else None
        self.budget = Budget.of(config.budget, setup.estimator.steps_per_epoch)
        self.clock = Clock(setup.device)
        self.guard = FiniteGuard(
            tuple(level.name for level in setup.hierarchy.levels), setup.device, self.scaler.is_enabled()
        )
        self.progress = Progress(samples=[0] * len(setup.hierarchy))
        self._batch_costs: BatchCosts | None = None  # as first measured: what estimators decide by
        if state is not None:
            self._restore(state)
        self.costs: LevelCosts | None = None
        self._energy = EnergyMeter(setup.device)
        zero = torch.zeros(1, device=setup.device)
        self._losses, self._levels = StepLosses(zero, zero), ()  # of the last step
        self._ahead: Plan | None = None  # the coming step's plan, which the batcher reads ahead
        self._saved_at = self._shown_at = 0.0

    @property
    def share(self) -> float:
        """Share of the budget that is used."""
        return self.budget.progress(self.progress.step, self.clock.seconds("train"))

    def fit(self, stop: StopRequest, view: View) -> None:
        """Train until the budget ends or the target error is reached.

        Raises
        ------
        Interrupted : a signal asked to stop; `last.pt` is written.
        NonFiniteLoss : `failed.pt` is written, with the weights as the failed step left or met them.
        """
        reset_peak_memory(self.setup.device)
        with self.clock.running("warmup"):
            plan = self.setup.estimator.plan(self.progress.step, self.share)
            choose_neval(self.engine, plan)
            self.costs = measure_costs(self.engine, self.model, plan, len(self.setup.hierarchy))
            if self._batch_costs is None and self.setup.estimator.probes:
                self._batch_costs = measure_batch_costs(
                    self.engine,
                    self.model,
                    len(plan[-1].indices),
                    self.setup.source.count(TRAIN),
                    len(self.setup.hierarchy),
                )
        self.model.train()
        self._saved_at = self._wall()
        with self.clock.running("train"):
            try:
                self._loop(stop, view)
                self.guard.flush()
            except NonFiniteLoss as error:
                self.save("failed.pt")
                raise NonFiniteLoss(f"{error}. State saved in {self.checkpoints / 'failed.pt'}") from None

    def _loop(self, stop: StopRequest, view: View) -> None:
        share = self.share
        while share < 1.0 and not self._reached():
            self._probe(share)
            self._step(share)
            before, share = share, self.share
            if self._crossed(before, share, _RECORDS):
                with self.clock.running("log"):
                    per_level = {f"train/loss/{name}": loss for name, loss in self._train_errors().items()}
                    rate = self.optimizer.param_groups[0]["lr"]
                    self._emit({"train/loss": self._train_loss(), **per_level, "train/lr": rate})
            if self._crossed(before, share, self.setup.config.evaluation.times):
                self._evaluate()
            elif self._wall() - self._saved_at > self.setup.config.evaluation.checkpoint_seconds:
                self._save_last()
            self._show(view, share)
            if stop and share < 1.0:
                self._save_last()
                raise Interrupted(f"{stop.signal} at step {self.progress.step}")

    def _probe(self, share: float) -> None:
        """Show the estimator the gradients that it asks for; they are on the clock and in the counts."""
        estimator, step, n_levels = self.setup.estimator, self.progress.step, len(self.setup.hierarchy)
        if (indices := estimator.probe(step, share)) is None:
            return
        moments = gradient_moments(self.engine, self.model, indices, n_levels, step, share)
        if np.isfinite(moments.covariance).all():  # else float16 overflowed: the scale of the loss adapts
            estimator.learn(moments, self._batch_costs)
        self.progress.samples = [n + len(indices) for n in self.progress.samples]
        self._ahead = None  # was planned without knowing

    def _step(self, share: float) -> None:
        config, step = self.setup.config, self.progress.step
        rate = config.optimizer.lr * learning_rate_factor(config.scheduler, share)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        plan, self._ahead = (
            self._ahead or self.setup.estimator.plan(step, share),
            self.setup.estimator.plan(step + 1, self.budget.progress(step + 1, self.clock.seconds("train"))),
        )
        self.data.batcher.prefetch(self._ahead)
        self.optimizer.zero_grad(set_to_none=self.engine.graphs is None)
        losses = self.engine.accumulate(plan, step, share)
        self.guard.check(step, plan, losses.weighted)
        if config.optimizer.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), config.optimizer.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.ema is not None:
            self.ema.update(self.model)
        for term in plan:
            self.progress.samples[term.level] += len(term.indices)
        self._losses = losses
        self._levels = tuple(term.level for term in plan)
        self.progress.step += 1

    def _crossed(self, before: float, now: float, times: int) -> bool:
        """Whether one of `times` evenly spaced marks lies in (before, now]."""
        # Rounding: 0.3 of a budget may be computed as 0.29999….
        return int(now * times + 1e-9) > int(before * times + 1e-9)

    def _reached(self) -> bool:
        return self.progress.target_seconds is not None

    def _evaluate(self) -> None:
        with self.clock.running("eval"):
            errors = {
                name: values["rel_l2"]
                for name, values in self.evaluate_levels(finer=False, measures=("rel_l2",)).items()
            }
            finest = errors[self.setup.hierarchy.finest.name]
        progress, target = self.progress, self.setup.config.budget.target_error
        progress.errors = errors
        if target is not None and finest <= target:
            progress.target_seconds = self.clock.seconds("train")
        improved = finest < progress.best
        progress.best = min(progress.best, finest)
        self.setup.estimator.observe(finest, self.share)
        self._ahead = None  # was planned without knowing
        with self.clock.running("log"):
            self._emit({"eval/rel_l2": finest, **{f"eval/rel_l2/{k}": v for k, v in errors.items()}})
            if improved:
                self.save("best.pt")
            self._save_last()

    def evaluate_levels(self, *, finer: bool, measures: tuple[str, ...]) -> dict[str, dict[str, float]]:
        """Errors per level name, of the averaged weights where there are any.

        Parameters
        ----------
        finer : also on grids finer than the hierarchy that the test split holds.
        """
        known = set(self.setup.hierarchy.levels)
        with self.averaged_weights():
            return {
                level.name: self._evaluator(level).errors(tensors, measures)
                for level, tensors in self.data.tests.items()
                if finer or level in known
            }

    def channel_errors(self) -> list[float]:
        """Relative L2 error of each output channel at the finest level, of the averaged weights where there are any."""
        finest = self.setup.hierarchy.finest
        with self.averaged_weights():
            return self._evaluator(finest).channel_errors(self.data.tests[finest])

    def _evaluator(self, level: Level) -> Evaluator:
        setup = self.setup
        return Evaluator(
            self.model,
            setup.hierarchy.domain,
            self.data.units,
            setup.mode_of(level, self.share),
            setup.config.precision.stabilizer,
            setup.device,
        )

    @contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """The model with its averaged weights, where the run keeps any, inside the block."""
        if self.ema is None:
            yield
            return
        self.ema.swap(self.model)
        try:
            yield
        finally:
            self.ema.swap(self.model)

    def figures(self) -> Record:
        """Costs so far, under the names of the summary."""
        clock, samples = self.clock, self.progress.samples
        names = [level.name for level in self.setup.hierarchy.levels]
        joules = self._energy.joules()
        neval = self.setup.points.counts(self.share)
        known = {**self.setup.estimator.figures(), "C": self.costs.seconds}
        return {
            **{f"cost/{bucket}_s": clock.seconds(bucket) for bucket in ("train", "eval", "log", "warmup")},
            "cost/steps": self.progress.step,
            **{f"cost/samples/{name}": n for name, n in zip(names, samples, strict=True)},
            **{f"points/neval/{name}": n for name, n in zip(names, neval, strict=True)},
            "precision/skipped_steps": self.progress.step - steps_taken(self.optimizer),
            "cost/fine_equivalents": self.costs.fine_equivalents(samples),
            "cost/flops": self.costs.total_flops(samples),
            "cost/peak_mem_gib": peak_memory_gib(self.setup.device),
            "cost/saved_gib": max(self.costs.saved_bytes) / 2**30,
            **{
                f"mlmc/{figure}/{name}": value
                for figure, values in known.items()
                for name, value in zip(names, values, strict=True)
            },
            "cost/energy_j": None if joules is None else self.progress.energy + joules,
        }

    def save(self, name: str) -> None:
        """Write the whole state to ``checkpoints/<name>``."""
        save_checkpoint(self.checkpoints / name, self._state())

    def _emit(self, record: Record) -> None:
        full = {"step": self.progress.step, **self.figures(), **record}
        for sink in self.sinks:
            sink.log(full)

    def _save_last(self) -> None:
        with self.clock.running("log"):
            self.save("last.pt")
        self._saved_at = self._wall()

    def _wall(self) -> float:
        return sum(self.clock.state_dict().values())

    def _show(self, view: View, share: float) -> None:
        if self._wall() - self._shown_at < _SECONDS_BETWEEN_STATUS:
            return
        self._shown_at = self._wall()
        with self.clock.running("log"):
            view.show(self.status(share))

    def status(self, share: float) -> Status:
        """What the progress display shows."""
        names = [level.name for level in self.setup.hierarchy.levels]
        seconds = self.clock.seconds("train")
        left = seconds * (1 - share) / share if share > 0 else None
        samples = dict(zip(names, self.progress.samples, strict=True))
        return Status(
            step=self.progress.step,
            share=share,
            loss=self._train_loss(),
            train_errors=self._train_errors(),
            test_errors=self.progress.errors,
            samples=samples,
            train_seconds=seconds,
            seconds_left=left,
        )

    def _train_loss(self) -> float:
        """The last step's estimate of the objective."""
        return self._losses.weighted.sum().item()

    def _train_errors(self) -> dict[str, float]:
        """Mean training loss of the last step at each level that it evaluated."""
        names = [self.setup.hierarchy.levels[level].name for level in self._levels]
        return dict(zip(names, self._losses.mean.tolist(), strict=False))

    def _state(self) -> dict[str, Any]:
        progress = self.progress
        joules = self._energy.joules()
        return {
            "step": progress.step,
            "samples": list(progress.samples),
            "best": progress.best,
            "target_seconds": progress.target_seconds,
            "energy": progress.energy + (joules or 0.0),
            "errors": dict(progress.errors),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "ema": None if self.ema is None else self.ema.state_dict(),
            "clock": self.clock.state_dict(),
            "points": self.setup.points.state_dict(),
            "estimator": self.setup.estimator.state_dict(),
            "slots": None if self.engine.slots is None else self.engine.slots.state_dict(),
            "batch_costs": None if self._batch_costs is None else self._batch_costs.state_dict(),
            "rng": _rng_state(self.setup.device),
            "spec": spec(self.setup, self.data.normalizers),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        try:
            self._load(state)
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{self.checkpoints}: the checkpoint does not fit the run's config ({first_line(error)})"
            ) from error

    def _load(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        if self.ema is not None:
            self.ema.load_state_dict(state["ema"])
        self.clock.load_state_dict(state["clock"])
        self.setup.points.load_state_dict(state["points"])
        self.setup.estimator.load_state_dict(state["estimator"])
        if self.engine.slots is not None:
            self.engine.slots.load_state_dict(state["slots"])
        if state["batch_costs"] is not None:
            self._batch_costs = BatchCosts.from_state(state["batch_costs"])
        names = ("step", "samples", "best", "target_seconds", "energy", "errors")
        self.progress = Progress(**{name: state[name] for name in names})
        _set_rng_state(state["rng"], self.setup.device)


def _rng_state(device: torch.device) -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def _set_rng_state(state: dict[str, Tensor], device: torch.device) -> None:
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
