"""Started by torchrun: what several processes make of one plan, in float64. The first one writes JSON.

Every case is computed by all processes together and, by each, alone; errors are relative to the largest entry.
"""

import json
import sys
from dataclasses import replace

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from training_support import N, gradient, make_engine, mean_over

from nolab.estimators import delayed, mixed, mlmc
from nolab.training.probing import gradient_gram
from nolab.training.ranks import Ranks, joined
from nolab.training.slots import GradientSlots

ESTIMATORS = {
    "nested": mlmc.Nested((5, 3, 1), N, 0),
    "random": mlmc.Random((3, 2, 1), N, 0),
    "by chance": mlmc.Nested((2, 1, 0.5), N, 0),
    "mixed": mixed.Mixed((3, 1, 1), N, 0),
}
OPTIONS = {
    "random per sample": {"neval": 20, "scope": "per_sample"},
    "stratified, shared": {"neval": 20, "scope": "shared", "scheme": "stratified"},
    "importance": {"neval": 20, "scheme": "importance"},
    "tfno": {"neval": 20, "model": "tfno"},
    "scaled": {"scale": 1024.0},
}


def flat_gradient(model: nn.Module) -> torch.Tensor:
    parts = [p.grad for p in model.parameters()]
    return torch.cat([(torch.view_as_real(g) if g.is_complex() else g).flatten() for g in parts])


def distance(a: torch.Tensor, b: torch.Tensor) -> float:
    return ((a - b).abs().max() / b.abs().max()).item()


def steps(engine, estimator, n_steps: int = 2):
    """Gradient and losses of the first steps; points learn on the way."""
    for step in range(n_steps):
        engine.model.zero_grad(set_to_none=True)
        losses = engine.accumulate(estimator.plan(step), step)
        yield flat_gradient(engine.model), losses


def gradients(ranks: Ranks) -> dict[str, float]:
    cases = {name: (estimator, {}) for name, estimator in ESTIMATORS.items()}
    cases |= {name: (ESTIMATORS["nested"], options) for name, options in OPTIONS.items()}
    return {name: worst(ranks, *case) for name, case in cases.items()}


def worst(ranks: Ranks, estimator, options: dict) -> float:
    together, alone = make_engine(ranks=ranks, **options), make_engine(**options)
    return max(
        max(distance(g, h), distance(a.weighted, b.weighted), distance(a.mean, b.mean))
        for (g, a), (h, b) in zip(steps(together, estimator), steps(alone, estimator), strict=True)
    )


def kept(ranks: Ranks) -> float:
    """Corrections that are kept over steps."""
    estimator = delayed.Delayed((4, 2, 1), N, 0)
    both = make_engine(ranks=ranks), make_engine()
    together, alone = (replace(e, slots=GradientSlots(list(e.model.parameters()))) for e in both)
    return max(
        distance(a[0], b[0])
        for a, b in zip(steps(together, estimator, 9), steps(alone, estimator, 9), strict=True)
    )


class _Loss(nn.Module):
    def __init__(self, engine) -> None:
        super().__init__()
        self.model, self.engine = engine.model, engine

    def forward(self, batch, n_own: int):
        return self.engine.loss(self.model(batch), batch, self.engine.units).sum() / n_own


def against_ddp(ranks: Ranks) -> float:
    """The mean gradient of all samples, by PyTorch's DistributedDataParallel."""
    engine = make_engine()
    indices = np.array_split(np.arange(N), ranks.size)[ranks.rank]
    module = DistributedDataParallel(_Loss(engine))
    module(engine.batcher.get(2, indices), N / ranks.size).backward()
    return distance(gradient(make_engine(ranks=ranks), mean_over(2)), flat_gradient(engine.model))


def collectives(ranks: Ranks) -> list[int]:
    """All-reduces of a step, for plans of one, two and three terms."""
    counts, original = [], dist.all_reduce
    plan = mlmc.Nested((5, 3, 1), N, 0).plan(0)
    for n in (1, 2, 3):
        calls = []
        dist.all_reduce = lambda tensor, calls=calls: (calls.append(tensor.numel()), original(tensor))[1]
        gradient(make_engine(ranks=ranks), plan[:n])
        counts.append(len(calls))
    dist.all_reduce = original
    return counts


def without_samples(ranks: Ranks) -> dict[str, bool]:
    """A process that has no sample of a step has all gradients, and what hangs on them."""
    engine = make_engine(ranks=ranks)
    seen = []
    for p in engine.model.parameters():
        p.register_post_accumulate_grad_hook(lambda p: seen.append(p))
    engine.accumulate(mean_over(2, np.array([3])), 0)
    everywhere = ranks.gathered(len(seen) == len(list(engine.model.parameters())))
    return {"hooks": all(everywhere)}


def probes(ranks: Ranks) -> list[float]:
    indices = np.arange(5)
    engine, alone = make_engine(ranks=ranks), make_engine()
    together = gradient_gram(engine, engine.model, indices, 3)
    expected = gradient_gram(alone, alone.model, indices, 3)
    same = ranks.gathered(together.tobytes())
    return [float(np.abs(together - expected).max() / np.abs(expected).max()), float(len(set(same)))]


def spoken(ranks: Ranks) -> list[str]:
    """Errors of the first process reach all of them."""

    def fail() -> None:
        raise ValueError("of the first")

    try:
        ranks.from_first(fail)
    except ValueError as error:
        return ranks.gathered(str(error))
    return ranks.gathered("nothing")


if __name__ == "__main__":
    with joined("cpu") as ranks:
        found = {
            "gradients": gradients(ranks),
            "kept": kept(ranks),
            "ddp": against_ddp(ranks),
            "collectives": collectives(ranks),
            "without": without_samples(ranks),
            "probes": probes(ranks),
            "spoken": spoken(ranks),
            "ranks": ranks.gathered(ranks.rank),
        }
    if ranks.is_first:
        with open(sys.argv[1], "w") as file:
            json.dump(found, file)
