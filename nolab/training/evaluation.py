"""Errors on a split at one grid, in physical units."""

from collections.abc import Iterator

import torch
from torch import nn

from nolab.data.pyramid import LevelTensors
from nolab.fields import FieldBatch
from nolab.grid import Domain
from nolab.metrics import errors
from nolab.metrics.errors import Units
from nolab.precision import Mode, arithmetic, autocast
from nolab.spectral.precision import Stabilizer

_POINTS_PER_BATCH = 2**17

MEASURES = {"rel_l2": errors.rel_l2, "h1": errors.h1, "mse": errors.mse, "r2": errors.r2}


@torch.no_grad()
def evaluate(
    model: nn.Module,
    level: LevelTensors,
    domain: Domain,
    units: Units,
    mode: Mode,
    stabilizer: Stabilizer,
    device: torch.device,
    measures: tuple[str, ...] = tuple(MEASURES),
) -> dict[str, float]:
    """Mean of each measure over all samples of `level`, under precision `mode`, on all points.

    The model is put into eval mode for the call. Sums are kept on the device: one synchronisation.
    """
    training = model.training
    model.eval()
    sums = torch.zeros(len(measures), dtype=torch.float64, device=device)
    try:
        for batch in _batches(level, domain, device):
            with arithmetic(mode, device, stabilizer), autocast(mode, device):
                prediction = model(batch)
            prediction = prediction.to(batch.target.dtype)
            values = [MEASURES[name](prediction, batch, units).double().sum() for name in measures]
            sums += torch.stack(values)
    finally:
        model.train(training)
    return dict(zip(measures, (sums / len(level.input)).tolist(), strict=True))


def _batches(level: LevelTensors, domain: Domain, device: torch.device) -> Iterator[FieldBatch]:
    points = level.target[0, 0].numel()
    size = max(1, _POINTS_PER_BATCH // points)
    for start in range(0, len(level.input), size):
        rows = torch.arange(start, min(start + size, len(level.input)), device=level.input.device)
        yield level.take(rows).to(device).batch(domain)
