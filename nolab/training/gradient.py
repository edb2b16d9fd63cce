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

    def accumulate(self, plan: Plan, step: int) -> StepLosses:
        """Add g = Σ_terms Σ_i w_i ∇loss_i to the parameters' gradients.

        Backward runs term by term, so peak memory is that of the largest term, not of the sum.
        """
        weighted, mean = zip(*(self._backward(term, step) for term in plan), strict=True)
        return StepLosses(torch.stack(weighted), torch.stack(mean))

    def _backward(self, term: Term, step: int) -> tuple[Tensor, Tensor]:
        batch = self.batcher.get(term.level, term.indices)
        n_points = batch.target[0, 0].numel()
        batch = batch.at(self.points.draw(step, term.level, len(batch), n_points, self.device))
        mode = self.modes[term.level]
        with matmul_mode(mode, self.device):
            with autocast(mode, self.device):
                prediction = self.model(batch)
            losses = self.loss(prediction.to(batch.target.dtype), batch, self.units)
            weights = torch.from_numpy(term.weights).to(self.device, losses.dtype, non_blocking=True)
            weighted = losses @ weights
            weighted.backward()
        return weighted.detach(), losses.detach().mean()
