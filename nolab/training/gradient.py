"""The gradient of one step: the weighted sum of a plan's terms."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby

import torch
from torch import Tensor, nn

from nolab.data.batcher import Batcher
from nolab.fields import FieldBatch, tensors_of
from nolab.metrics.errors import Units
from nolab.plan import Plan, Term
from nolab.points import PointSampler
from nolab.precision import Mode, Schedule, arithmetic, autocast
from nolab.spectral.precision import Stabilizer
from nolab.training.graphs import TermGraphs
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
    scaler: torch.amp.GradScaler = field(default_factory=lambda: torch.amp.GradScaler("cpu", enabled=False))

    def accumulate(self, plan: Plan, step: int, share: float = 0.0) -> StepLosses:
        """Add g = Σ_terms Σ_i w_i ∇loss_i to the parameters' gradients.

        Backward runs term by term, so peak memory is that of the largest term, not of the sum.

        Parameters
        ----------
        share : of the budget that is used, for schedules of precision and N_eval.
        """
        if self.slots is None:
            losses = [self._backward(term, step, share) for term in plan]
        else:
            losses = self._with_slots(plan, step, share)
        weighted, mean = zip(*losses, strict=True)
        return StepLosses(torch.stack(weighted), torch.stack(mean))

    def _with_slots(self, plan: Plan, step: int, share: float) -> list[tuple[Tensor, Tensor]]:
        losses: list[tuple[Tensor, Tensor]] = []

        def run(terms: Plan) -> None:
            losses.extend(self._backward(term, step, share) for term in terms)

        scale = self.scaler.get_scale() if self.scaler.is_enabled() else 1.0
        for slot, terms in groupby(plan, key=lambda term: term.slot):
            if slot is None:
                run(tuple(terms))
            else:
                self.slots.refresh(slot, partial(run, tuple(terms)), scale)
        if all(term.slot is None for term in plan):
            self.slots.clear()
        self.slots.add(scale)
        return losses

    def _backward(self, term: Term, step: int, share: float) -> tuple[Tensor, Tensor]:
        draw = self.points.draw(step, term.level, len(term.indices), share, self.device)
        batch = self.batcher.get(term.level, term.indices).at(draw)
        weights = torch.from_numpy(term.weights).to(self.device, batch.target.dtype, non_blocking=True)
        mode = self.precision[term.level].at(share)
        observes = draw is not None and self.points.observes
        if self.graphs is None:
            outputs = self._run(batch, weights, mode, observes)
        else:
            names, tensors = zip(*tensors_of(batch).items(), strict=True)
            outputs = self.graphs(
                (term.level, mode, names),
                (weights, *tensors),
                lambda weights, *tensors: self._run(
                    replace(batch, **dict(zip(names, tensors, strict=True))), weights, mode, observes
                ),
            )
        if observes:
            self.points.observe(term.level, draw, outputs[2])
        return outputs[0], outputs[1]

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
