"""nolab's training step in one precision mode."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

from nolab.benchmark.rows import NOLAB
from nolab.benchmark.subject import STEPS
from nolab.config import OptimizerOptions
from nolab.data.pyramid import LevelTensors
from nolab.fields import FieldBatch
from nolab.grid import Domain
from nolab.metrics.errors import Units
from nolab.models import in_float64
from nolab.points import PointSampler
from nolab.precision import MODES, Mode, arithmetic, autocast
from nolab.spectral.precision import Stabilizer
from nolab.training.compilation import compiled
from nolab.training.optimizer import build_optimizer

_SCALE = 2.0**12  # of the loss in modes with float16, whose gradients would underflow


@dataclass(frozen=True)
class Task:
    """What all modes have to do alike, on one grid with one batch size.

    samples : as many as a batch has, on the device.
    level : of `points`.
    loss : per-sample error, (B,).
    compile : time the compiled model; errors and memory are those of the model as it stands.
    """

    samples: LevelTensors
    domain: Domain
    points: PointSampler
    level: int
    loss: Callable[[Tensor, FieldBatch, Units], Tensor]
    optimizer: OptimizerOptions
    stabilizer: Stabilizer
    device: torch.device
    compile: bool = False

    @property
    def n_samples(self) -> int:
        """Batch size, B."""
        return len(self.samples.input)

    def batch(self, step: int) -> FieldBatch:
        """The samples in the order of their numbers, at the points of `step`."""
        draw = self.points.draw(step, self.level, self.n_samples, 0.0, self.device)
        return self.samples.batch(self.domain).at(draw)

    def shuffled(self, step: int) -> FieldBatch:
        """The samples in random order, gathered as a batcher gathers them."""
        order = torch.randperm(self.n_samples).to(self.device, non_blocking=True)
        return replace(self, samples=self.samples.take(order)).batch(step)

    def in_float64(self) -> Self:
        """The same with the same values in float64."""
        held = self.samples
        wide = LevelTensors(*(t.double() for t in (held.input, held.target, held.norm, held.zero)))
        return replace(self, samples=wide)


class TrainingStep:
    """Steps of a copy of `model` in `mode`; see :class:`nolab.benchmark.subject.Subject`."""

    implementation = NOLAB

    def __init__(self, model: nn.Module, mode: Mode, task: Task) -> None:
        self.model = deepcopy(model)
        self._timed = compiled(self.model) if task.compile else self.model
        self.mode, self.precision = mode, mode
        self._task = task
        self._optimizer = build_optimizer(task.optimizer, self.model)
        self._scale = _SCALE if MODES[mode].has_float16 else 1.0
        n = task.n_samples
        dtype = task.samples.target.dtype
        self._weights = torch.full((n,), 1 / n, dtype=dtype, device=task.device)
        channels = task.samples.target.shape[1]
        self._units = Units(*(make(channels, device=task.device) for make in (torch.zeros, torch.ones)))
        self._step = 0

    def __call__(self) -> None:
        for _ in range(STEPS):
            self.clear()
            self._backward(self._timed, self._task.shuffled(self._step))
            self._optimizer.step()
            self._step += 1

    def gradient(self) -> Tensor:
        return self._backward(self.model, self._task.batch(0))

    def clear(self) -> None:
        self._optimizer.zero_grad(set_to_none=True)

    def in_float64(self) -> Self:
        return type(self)(in_float64(self.model), "fp32", self._task.in_float64())

    def _backward(self, model: nn.Module, batch: FieldBatch) -> Tensor:
        task = self._task
        with arithmetic(self.mode, task.device, task.stabilizer):
            with autocast(self.mode, task.device):
                prediction = model(batch)
            losses = task.loss(prediction.to(batch.target.dtype), batch, self._units)
            (losses @ self._weights * self._scale).backward()
        if self._scale != 1:
            gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
            torch._foreach_mul_(gradients, 1 / self._scale)
        return prediction.detach()
