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
from nolab.training.ranks import ALONE, Ranks

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
    ranks: Ranks = ALONE
    """The processes among which the samples are shared out."""

    def errors(self, level: LevelTensors, measures: tuple[str, ...] | None = None) -> dict[str, float]:
        """Mean of each measure over all samples of `level`; None: of all that the domain has."""
        measures = measures or measures_on(self.domain)
        sums = self._sums(
            level,
            len(measures),
            lambda *fields: torch.stack([MEASURES[name](*fields).double().sum() for name in measures]),
        )
        return dict(zip(measures, sums, strict=True))

    def channel_errors(self, level: LevelTensors) -> list[float]:
        """Mean relative L2 error of each output channel over all samples of `level`."""
        channels = level.target.shape[1]
        return self._sums(level, channels, lambda *fields: channel_rel_l2(*fields).double().sum(dim=0))

    @torch.no_grad()
    def _sums(
        self, level: LevelTensors, count: int, measure: Callable[[Tensor, FieldBatch, Units], Tensor]
    ) -> list[float]:
        """Mean over the samples of what `measure` sums over a batch's, (count,); one synchronisation, at the end.

        The model is put into eval mode for the call.
        """
        training = self.model.training
        self.model.eval()
        try:
            total = torch.zeros(count, dtype=torch.float64, device=self.device)
            with self._enough_memory(level):
                for batch in self._batches(level):
                    total += measure(*self._predicted(batch), self.units)
            self.ranks.sum_([total])
        finally:
            self.model.train(training)
        return (total / len(level.input)).tolist()

    def _predicted(self, batch: FieldBatch) -> tuple[Tensor, FieldBatch]:
        with arithmetic(self.mode, self.device, self.stabilizer), autocast(self.mode, self.device):
            prediction = self.model(batch)
        return prediction.to(batch.target.dtype), batch

    def _enough_memory(self, level: LevelTensors) -> AbstractContextManager[None]:
        what = f"the evaluation of {self._batch_size(level)} sample(s) at {shape_name(level.target.shape[2:])} together"
        return enough_for(
            what, "leave that grid out, or use precision=amp_bf16 or another device", self.device
        )

    def _batches(self, level: LevelTensors) -> Iterator[FieldBatch]:
        n_samples, size = len(level.input), self._batch_size(level)
        for start in range(self.ranks.rank * size, n_samples, size * self.ranks.size):
            rows = torch.arange(start, min(start + size, n_samples), device=level.input.device)
            yield level.take(rows).to(self.device).batch(self.domain)

    def _batch_size(self, level: LevelTensors) -> int:
        """Samples that are evaluated together, few enough that every process has some."""
        most = _POINTS_PER_BATCH // level.target[0, 0].numel()
        return max(1, min(most, -(-len(level.input) // self.ranks.size)))
