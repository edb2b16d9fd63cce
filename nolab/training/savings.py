"""What N_eval saves: FLOPs of a step at the finest level, by the number of points."""

import torch

from nolab.fields import Draw, FieldBatch
from nolab.metrics.flops import count_flops
from nolab.training.setup import Setup


def neval_flops(setup: Setup, nevals: list[int]) -> dict[int, int]:
    """FLOPs of forward and backward at each N_eval, per-sample random points, on made-up fields.

    The batch is what the estimator evaluates at the finest level; nothing is read or trained.
    """
    level, device = setup.hierarchy.finest, setup.device
    n_samples = setup.estimator.counts[-1] or max(setup.estimator.counts)
    batch = FieldBatch(
        torch.rand(n_samples, setup.spec.in_channels, *setup.spec.input_shape, device=device),
        setup.spec.domain,
        grid=level.shape,
        zero=torch.zeros(setup.spec.out_channels, device=device),
    )
    flops = {}
    for n in nevals:
        keys = torch.rand(n_samples, level.points, device=device)
        draw = None if n >= level.points else Draw(keys.argsort(dim=1)[:, :n])
        flops[n] = count_flops(lambda draw=draw: setup.model(batch.at(draw)).square().sum().backward())
    setup.model.zero_grad(set_to_none=True)
    return flops
