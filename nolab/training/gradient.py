"""The gradient of one step: the weighted sum of a plan's terms."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby

import numpy as np
import torch
from torch import Tensor, nn

from nolab.data.batcher import Batcher
from nolab.fields import Draw, FieldBatch, tensors_of
from nolab.metrics.errors import Units
from nolab.plan import Plan, Term
from nolab.points import PointSampler
from nolab.precision import Mode, Schedule, arithmetic, autocast
from nolab.spectral.precision import Stabilizer
from nolab.training.graphs import TermGraphs
from nolab.training.ranks import ALONE, Ranks
from nolab.training.slots import GradientSlots

Loss = Callable[[Tensor, FieldBatch, Units], Tensor]


@dataclass(frozen=True)
class StepLosses:
    """Losses of a step's terms, detached, on the device.

    weighted : (terms,), Σ_i w_i loss_i of each term; their sum estimates the objective.
    mean : (terms,), the plain mean of each term's losses: what the model errs at that level.
    """

    weighted: Tensor
    mean: Tensor


@dataclass(frozen=True)
class GradientEngine:
    """Carries out plans: it knows levels, points and precision, never which estimator it serves.

    Parameters
    ----------
    model : forward(FieldBatch) -> prediction with exactly the target's shape.
    points : draws N_eval points per term, and learns from their errors where its scheme does.
    loss : per-sample error, (B,).
    precision : mode of each level over the run.
    graphs : replays the terms; None runs them as they are.
    slots : keeps the gradients of terms that later steps use again; None where no estimator asks for it.
    ranks : the processes among which every plan is shared out.
    scaler : scales the loss before the backward, so that gradients do not underflow in float16; every
        term of a step is scaled alike. Its caller unscales the sum.
    """

    model: nn.Module
    batcher: Batcher
    points: PointSampler
    loss: Loss
    units: Units
    precision: tuple[Schedule, ...]
    device: torch.device
    stabilizer: Stabilizer = "scale"
    graphs: TermGraphs | None = None
    slots: GradientSlots | None = None
    ranks: Ranks = ALONE
    scaler: torch.amp.GradScaler = field(default_factory=lambda: torch.amp.GradScaler("cpu", enabled=False))

    def aside(self, model: nn.Module | None = None) -> "GradientEngine":
        """The engine for measuring: it keeps no gradients and exchanges none, and with `model` replays none."""
        engine = replace(self, slots=None, ranks=ALONE)
        return engine if model is None else replace(engine, model=model, graphs=None)

    def accumulate(
        self, plan: Plan, step: int, share: float = 0.0, notes: Sequence[Tensor] = ()
    ) -> StepLosses:
        """Add g = Σ_terms Σ_i w_i ∇loss_i to the parameters' gradients.

        Backward runs term by term, so peak memory is that of the largest term, not of the sum. Of several processes
        each evaluates its part of the plan; afterwards all have the gradient and the losses of the whole.

        Parameters
        ----------
        share : of the budget that is used, for schedules of precision and N_eval.
        notes : what else is to be summed over the processes in the same exchange, in place.
        """
        refreshed: list[Tensor] = []
        losses: list[Tensor] = []
        scale = self.scaler.get_scale() if self.slots is not None and self.scaler.is_enabled() else 1.0
        for slot, group in groupby(
            zip(plan, self.ranks.slices(plan), strict=True), key=lambda pair: pair[0].slot
        ):
            run = partial(self._run_terms, list(group), step, share, losses)
            if slot is None or self.slots is None:
                run()
            else:
                refreshed += self.slots.refresh(slot, run, scale)
        stacked = torch.stack(losses)  # (terms, 2)
        self._exchange([*refreshed, stacked, *notes])
        if self.slots is not None:
            if all(term.slot is None for term in plan):
                self.slots.clear()
            self.slots.add(scale)
        return StepLosses(stacked[:, 0], stacked[:, 1])

    def _exchange(self, others: list[Tensor]) -> None:
        if self.ranks.is_alone:
            return
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        if without := [p for p in parameters if p.grad is None]:  # no sample was here; hooks see zeros too
            torch.autograd.backward(without, [torch.zeros_like(p) for p in without])
        self.ranks.sum_([*(p.grad for p in parameters), *others])

    def _run_terms(
        self, terms: list[tuple[Term, slice]], step: int, share: float, losses: list[Tensor]
    ) -> None:
        losses.extend(self._term(term, own, step, share) for term, own in terms)

    def _term(self, term: Term, own: slice, step: int, share: float) -> Tensor:
        """Backward of this process's samples; their share of the term's weighted and of its mean loss, (2,)."""
        n_samples = len(term.indices)
        draw = self.points.draw(step, term.level, n_samples, share, self.device)
        observes = draw is not None and self.points.observes
        indices, weights = term.indices[own], term.weights[own]
        if len(indices):
            at = draw if draw is None else draw.of_samples(own)
            weighted, mean, *errors = self._backward(term.level, indices, weights, at, share, observes)
            losses = torch.stack(
                (weighted, mean if self.ranks.is_alone else mean * (len(indices) / n_samples))
            )
        else:
            errors, losses = [], torch.zeros(2, dtype=self.units.std.dtype, device=self.device)
        if observes:
            self.points.observe(term.level, draw, self._of_all(errors, own, n_samples, draw))
        return losses

    def _of_all(self, errors: list[Tensor], own: slice, n_samples: int, draw: Draw) -> Tensor:
        """The errors (B, C, P) of all processes' samples; points that learn cost an exchange per term."""
        if self.ranks.is_alone:
            return errors[0]
        shape = n_samples, len(self.units.std), draw.index.shape[-1]
        whole = self.units.std.new_zeros(shape)
        if errors:
            whole[own] = errors[0]
        self.ranks.sum_([whole])
        return whole

    def _backward(
        self,
        level: int,
        indices: np.ndarray,
        weights: np.ndarray,
        draw: Draw | None,
        share: float,
        observes: bool,
    ) -> tuple[Tensor, ...]:
        batch = self.batcher.get(level, indices).at(draw)
        weights = torch.from_numpy(weights).to(self.device, batch.target.dtype, non_blocking=True)
        mode = self.precision[level].at(share)
        if self.graphs is None:
            return self._run(batch, weights, mode, observes)
        names, tensors = zip(*tensors_of(batch).items(), strict=True)
        return self.graphs(
            (level, mode, names),
            (weights, *tensors),
            lambda weights, *tensors: self._run(
                replace(batch, **dict(zip(names, tensors, strict=True))), weights, mode, observes
            ),
        )

    def _run(self, batch: FieldBatch, weights: Tensor, mode: Mode, observes: bool) -> tuple[Tensor, ...]:
        """Backward of one term; its weighted loss, its mean loss, and |error| (B, C, P) if it is asked for."""
        with arithmetic(mode, self.device, self.stabilizer):
            # What autocast remembers of one step would be stale in the replay of another.
            with autocast(mode, self.device, remember=self.graphs is None):
                prediction = self.model(batch)
            losses = self.loss(prediction.to(batch.target.dtype), batch, self.units)
            weighted = losses @ weights.to(losses.dtype)
            self.scaler.scale(weighted).backward()
        errors = ((prediction.detach() - batch.target).abs(),) if observes else ()
        return weighted.detach(), losses.detach().mean(), *errors
