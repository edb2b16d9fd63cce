"""The gradient of one step: the weighted sum of a plan's terms."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nolab.data.batcher import Batcher
from nolab.fields import FieldBatch
from nolab.metrics.errors import Units
from nolab.plan import Plan, Term
from nolab.points import PointSampler
from nolab.precision import Mode, autocast, matmul_mode

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
    modes : precision mode of each level.
    """

    model: nn.Module
    batcher: Batcher
    points: PointSampler
    loss: Loss
    units: Units
    modes: tuple[Mode, ...]
    device: torch.device

    def accumulate(self, plan: Plan, step: int, share: float = 0.0) -> StepLosses:
        """Add g = Σ_terms Σ_i w_i ∇loss_i to the parameters' gradients.

        Backward runs term by term, so peak memory is that of the largest term, not of the sum.

        Parameters
        ----------
        share : of the budget that is used, for schedules of N_eval.
        """
        weighted, mean = zip(*(self._backward(term, step, share) for term in plan), strict=True)
        return StepLosses(torch.stack(weighted), torch.stack(mean))

    def _backward(self, term: Term, step: int, share: float) -> tuple[Tensor, Tensor]:
        draw = self.points.draw(step, term.level, len(term.indices), share, self.device)
        batch = self.batcher.get(term.level, term.indices).at(draw)
        mode = self.modes[term.level]
        with matmul_mode(mode, self.device):
            with autocast(mode, self.device):
                prediction = self.model(batch)
            losses = self.loss(prediction.to(batch.target.dtype), batch, self.units)
            weights = torch.from_numpy(term.weights).to(self.device, losses.dtype, non_blocking=True)
            weighted = losses @ weights
            weighted.backward()
        if draw is not None and self.points.observes:
            self.points.observe(term.level, draw, (prediction.detach() - batch.target).abs())
        return weighted.detach(), losses.detach().mean()
