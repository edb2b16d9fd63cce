"""The training loop: plans in, a trained model and its figures out."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from nolab.costs import BatchCosts
from nolab.data.hierarchy import Level
from nolab.errors import RunFailure
from nolab.metrics.resources import EnergyMeter, reset_peak_memory
from nolab.plan import Plan
from nolab.tracking.progress import View
from nolab.tracking.run_directory import NotWritten
from nolab.tracking.sinks import Record, Sink
from nolab.training.accounts import figures_of, status_of, training_figures
from nolab.training.budget import Budget
from nolab.training.checkpoint import save_checkpoint
from nolab.training.clock import Clock
from nolab.training.compilation import compiled
from nolab.training.costs import LevelCosts, measure_batch_costs, measure_costs
from nolab.training.evaluation import Evaluator
from nolab.training.gradient import StepLosses
from nolab.training.guard import FiniteGuard, NonFiniteLoss
from nolab.training.neval import choose_neval
from nolab.training.optimizer import MovingAverage, averaged, build_optimizer
from nolab.training.probing import gradient_moments
from nolab.training.pulse import Pulse
from nolab.training.schedule import learning_rate_factor
from nolab.training.setup import TRAIN, Data, Setup
from nolab.training.state import Progress, restore, state_of
from nolab.training.stopping import StopRequest

_RECORDS = 100  # training records over a run
_SECONDS_BETWEEN_STATUS = 0.5


class Interrupted(RunFailure):
    """A signal ended the run; its checkpoint is written."""


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
        self.ranks = setup.ranks
        self.guard = FiniteGuard(
            tuple(level.name for level in setup.hierarchy.levels), setup.device, self.scaler.is_enabled()
        )
        self.progress = Progress(samples=[0] * len(setup.hierarchy))
        self.batch_costs: BatchCosts | None = None  # as first measured: what estimators decide by
        if state is not None:
            restore(self, state)
        self.costs: LevelCosts | None = None
        self.energy = EnergyMeter(setup.device)
        zero = torch.zeros(1, device=setup.device)
        self.losses, self.levels = StepLosses(zero, zero), tuple[int, ...]()  # of the last step
        self._ahead: Plan | None = None  # the coming step's plan, which the batcher reads ahead
        self._saved_at = self._shown_at = 0.0
        self.pulse = Pulse(self.ranks, self.clock, setup.device)

    @property
    def share(self) -> float:
        """Share of the budget that is used."""
        return self.budget.progress(self.progress.step, self.pulse.seconds)

    def fit(self, stop: StopRequest, view: View | None) -> None:
        """Train until the budget ends or the target error is reached.

        Parameters
        ----------
        view : shows the progress; None: nobody looks.

        Raises
        ------
        Interrupted : a signal asked to stop; `last.pt` is written.
        NonFiniteLoss : `failed.pt` is written, with the weights as the failed step left or met them.
        """
        self.pulse.listen(stop)
        reset_peak_memory(self.setup.device)
        with self.clock.running("warmup"):
            plan = self.setup.estimator.plan(self.progress.step, self.share)
            self._measure(self.ranks.largest_part(plan))
        self.model.train()
        self._saved_at = self._wall()
        with self.clock.running("train"):
            try:
                self._loop(stop, view)
                self.guard.flush()
            except NonFiniteLoss as error:
                raise NonFiniteLoss(f"{error}. {self._kept('failed.pt')}") from None

    def _kept(self, name: str) -> str:
        """What became of the state that is saved now: the reason why is told all the same."""
        try:
            self.save(name)
        except NotWritten as error:
            return f"Its state is lost: {error}"
        return f"State saved in {self.checkpoints / name}"

    def _measure(self, plan: Plan) -> None:
        """What a step like `plan` costs; the first process's figures are everyone's."""
        n_levels = len(self.setup.hierarchy)
        choose_neval(self.engine, plan)
        costs = measure_costs(self.engine, self.model, plan, n_levels)
        self.costs = self.ranks.from_first(lambda: costs)
        if self.batch_costs is None and self.setup.estimator.probes:
            size, n_samples = len(plan[-1].indices), self.setup.source.count(TRAIN)
            batch_costs = measure_batch_costs(self.engine, self.model, size, n_samples, n_levels)
            self.batch_costs = self.ranks.from_first(lambda: batch_costs)

    def _loop(self, stop: StopRequest, view: View | None) -> None:
        share = self.share
        while share < 1.0 and not self._reached():
            self._probe(share)
            self._step(share)
            before, share = share, self.share
            if self._crossed(before, share, _RECORDS):
                with self.clock.running("log"):
                    self._emit(training_figures(self))
            if self._crossed(before, share, self.setup.config.evaluation.times):
                self._evaluate()
            elif self._wall() - self._saved_at > self.setup.config.evaluation.checkpoint_seconds:
                self._save_last()
            self._show(view, share)
            if self.pulse.stop and share < 1.0:
                self._save_last()
                raise Interrupted(f"{stop.signal or 'a signal'} at step {self.progress.step}")

    def _probe(self, share: float) -> None:
        """Show the estimator the gradients that it asks for; they are on the clock and in the counts."""
        estimator, step, n_levels = self.setup.estimator, self.progress.step, len(self.setup.hierarchy)
        if (indices := estimator.probe(step, share)) is None:
            return
        moments = gradient_moments(self.engine, self.model, indices, n_levels, step, share)
        if np.isfinite(moments.covariance).all():  # else float16 overflowed: the scale of the loss adapts
            estimator.learn(moments, self.batch_costs)
        self.progress.samples = [n + len(indices) for n in self.progress.samples]
        self._ahead = None  # was planned without knowing

    def _step(self, share: float) -> None:
        config, step = self.setup.config, self.progress.step
        rate = config.optimizer.lr * learning_rate_factor(config.scheduler, share)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        plan, self._ahead = (
            self._ahead or self.setup.estimator.plan(step, share),
            self.setup.estimator.plan(step + 1, self.budget.progress(step + 1, self.pulse.seconds)),
        )
        self.data.batcher.prefetch(self.ranks.part(self._ahead))
        self.optimizer.zero_grad(set_to_none=self.engine.graphs is None)
        notes = self.pulse.sent()
        losses = self.engine.accumulate(plan, step, share, notes)
        self.pulse.receive(notes)
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
        self.losses = losses
        self.levels = tuple(term.level for term in plan)
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
            progress.target_seconds = self.pulse.seconds
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
        with averaged(self.ema, self.model):
            return {
                level.name: self._evaluator(level).errors(tensors, measures)
                for level, tensors in self.data.tests.items()
                if finer or level in known
            }

    def channel_errors(self) -> list[float]:
        """Relative L2 error of each output channel at the finest level, of the averaged weights where there are any."""
        finest = self.setup.hierarchy.finest
        with averaged(self.ema, self.model):
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
            self.ranks,
        )

    def save(self, name: str) -> None:
        """Write the whole state to ``checkpoints/<name>``; of several processes the first one does."""
        if self.ranks.is_first:
            save_checkpoint(self.checkpoints / name, state_of(self))

    def _emit(self, record: Record) -> None:
        full = {"step": self.progress.step, **figures_of(self), **record}
        for sink in self.sinks:
            sink.log(full)

    def _save_last(self) -> None:
        with self.clock.running("log"):
            self.save("last.pt")
        self._saved_at = self._wall()

    def _wall(self) -> float:
        return sum(self.clock.state_dict().values())

    def _show(self, view: View | None, share: float) -> None:
        if view is None or self._wall() - self._shown_at < _SECONDS_BETWEEN_STATUS:
            return
        self._shown_at = self._wall()
        with self.clock.running("log"):
            view.show(status_of(self, share))
