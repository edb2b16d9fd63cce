"""What N_eval saves: FLOPs of a step at the finest level, by the number of points."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from nolab.fields import Draw, FieldBatch
from nolab.metrics.flops import count_flops
from nolab.neighbourhood import Neighbourhood
from nolab.training.setup import Setup


def finest_batch(setup: Setup) -> int:
    """Samples that a step evaluates at the finest level; where it evaluates none, as many as at its largest."""
    counts = setup.estimator.counts
    return math.ceil(counts[-1] or max(counts))


def neval_flops(setup: Setup, nevals: list[int]) -> dict[int, int]:
    """FLOPs of forward and backward at each N_eval, per-sample random points, on made-up fields.

    The batch is what the estimator evaluates at the finest level; nothing is read or trained.
    """
    level, device = setup.hierarchy.finest, setup.device
    n_samples = finest_batch(setup)
    batch = FieldBatch(
        torch.rand(n_samples, setup.spec.in_channels, *setup.spec.input_shape, device=device),
        setup.spec.domain,
        grid=level.shape,
        zero=torch.zeros(setup.spec.out_channels, device=device),
    )
    if setup.spec.domain.is_scattered:
        batch = _scattered(batch, setup.neighbourhood)
    flops = {}
    for n in nevals:
        keys = torch.rand(n_samples, level.points, device=device)
        draw = None if n >= level.points else Draw(keys.argsort(dim=1)[:, :n])
        flops[n] = count_flops(lambda draw=draw: setup.model(batch.at(draw)).square().sum().backward())
    setup.model.zero_grad(set_to_none=True)
    return flops


def _scattered(batch: FieldBatch, wanted: Neighbourhood | None) -> FieldBatch:
    """The batch with random points, and full tables of random neighbours."""
    n_samples, n, device = len(batch), batch.shape[0], batch.input.device
    axes = batch.domain.axes
    start = torch.tensor([axis.start for axis in axes], device=device)
    length = torch.tensor([axis.length for axis in axes], device=device)

    def places(count: int) -> Tensor:
        return start + length * torch.rand(n_samples, count, len(axes), device=device)

    geometry = {
        "coords": places(n),
        "weights": torch.full((n_samples, n), 1 / n, device=device),
    }
    if wanted is not None:
        size = (n_samples, wanted.centres or n, wanted.most)
        geometry["neighbours"] = torch.randint(n, size, device=device)
        if wanted.centres is not None:
            geometry["centres"] = places(wanted.centres)
    return replace(batch, **geometry)
