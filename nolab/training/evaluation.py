"""Errors on a split at one grid, in physical units."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nolab.data.pyramid import LevelTensors
from nolab.fields import FieldBatch
from nolab.grid import Domain, shape_name
from nolab.metrics import errors
from nolab.metrics.errors import Units, channel_rel_l2
from nolab.precision import Mode, arithmetic, autocast
from nolab.spectral.precision import Stabilizer
from nolab.training.memory import enough_for

_POINTS_PER_BATCH = 2**17

MEASURES = {"rel_l2": errors.rel_l2, "h1": errors.h1, "mse": errors.mse, "r2": errors.r2}


def measures_on(domain: Domain) -> tuple[str, ...]:
    """The measures that a domain has: h1 takes derivatives along the axes of a grid."""
    return tuple(name for name in MEASURES if name != "h1" or not domain.is_scattered)


@dataclass(frozen=True)
class Evaluator:
    """How a model is evaluated: on all points, under precision `mode`, in physical units."""

    model: nn.Module
    domain: Domain
    units: Units
    mode: Mode
    stabilizer: Stabilizer
    device: torch.device

    def errors(self, level: LevelTensors, measures: tuple[str, ...] | None = None) -> dict[str, float]:
        """Mean of each measure over all samples of `level`; None: of all that the domain has."""
        measures = measures or measures_on(self.domain)
        sums = self._sums(
            level, lambda *fields: torch.stack([MEASURES[name](*fields).double().sum() for name in measures])
        )
        return dict(zip(measures, sums, strict=True))

    def channel_errors(self, level: LevelTensors) -> list[float]:
        """Mean relative L2 error of each output channel over all samples of `level`."""
        return self._sums(level, lambda *fields: channel_rel_l2(*fields).double().sum(dim=0))

    @torch.no_grad()
    def _sums(
        self, level: LevelTensors, measure: Callable[[Tensor, FieldBatch, Units], Tensor]
    ) -> list[float]:
        """Mean over the samples of what `measure` sums over a batch's; one synchronisation, at the end.

        The model is put into eval mode for the call.
        """
        training = self.model.training
        self.model.eval()
        try:
            with self._enough_memory(level):
                total = sum(measure(*self._predicted(batch), self.units) for batch in self._batches(level))
        finally:
            self.model.train(training)
        return (total / len(level.input)).tolist()

    def _predicted(self, batch: FieldBatch) -> tuple[Tensor, FieldBatch]:
        with arithmetic(self.mode, self.device, self.stabilizer), autocast(self.mode, self.device):
            prediction = self.model(batch)
        return prediction.to(batch.target.dtype), batch

    def _enough_memory(self, level: LevelTensors) -> AbstractContextManager[None]:
        samples = min(len(level.input), _batch_size(level))
        what = f"the evaluation of {samples} sample(s) at {shape_name(level.target.shape[2:])} together"
        return enough_for(
            what, "leave that grid out, or use precision=amp_bf16 or another device", self.device
        )

    def _batches(self, level: LevelTensors) -> Iterator[FieldBatch]:
        size = _batch_size(level)
        for start in range(0, len(level.input), size):
            rows = torch.arange(start, min(start + size, len(level.input)), device=level.input.device)
            yield level.take(rows).to(self.device).batch(self.domain)


def _batch_size(level: LevelTensors) -> int:
    """Samples that are evaluated together."""
    return max(1, _POINTS_PER_BATCH // level.target[0, 0].numel())
