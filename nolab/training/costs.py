"""What a sample costs at each level: seconds and FLOPs, measured before the clock starts."""

import time
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
import torch
from torch import nn

from nolab.device import synchronize
from nolab.metrics.flops import count_flops
from nolab.plan import Plan, Term
from nolab.training.gradient import GradientEngine

_REPEATS = 3


@dataclass(frozen=True)
class LevelCosts:
    """Per level, coarsest first: forward + backward of one sample.

    seconds : at the batch size that the estimator uses there.
    flops : products, convolutions and transforms (see nolab.metrics.flops).
    """

    seconds: tuple[float, ...]
    flops: tuple[int, ...]

    def fine_equivalents(self, samples: list[int]) -> float:
        """Samples per level, in units of one finest-level sample by measured cost."""
        return sum(n * c for n, c in zip(samples, self.seconds, strict=True)) / self.seconds[-1]

    def total_flops(self, samples: list[int]) -> int:
        """FLOPs of all these samples' forwards and backwards."""
        return sum(n * f for n, f in zip(samples, self.flops, strict=True))


def measure_costs(engine: GradientEngine, plain: nn.Module, plan: Plan, n_levels: int) -> LevelCosts:
    """Run every level a few times without changing the model: this warms up kernels, caches and
    compilation, and gives C_ℓ. Levels that the plan leaves out are measured at its batch size.

    The random state is left as it was; gradients are dropped.

    Parameters
    ----------
    plain : the engine's model before compilation, whose operations can be counted.
    """
    counted = replace(engine, model=plain)
    terms = {term.level: term for term in plan}
    some = plan[-1]
    seconds, flops = [], []
    cuda = [engine.device] if engine.device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        for level in range(n_levels):
            term = terms.get(level, Term(level, some.indices, np.abs(some.weights)))
            seconds.append(_seconds(engine, term) / len(term.indices))
            one = Term(level, term.indices[:1], term.weights[:1])
            flops.append(count_flops(lambda one=one: counted.accumulate((one,), step=0)))
    plain.zero_grad(set_to_none=True)
    return LevelCosts(tuple(seconds), tuple(flops))


def _seconds(engine: GradientEngine, term: Term) -> float:
    times = []
    for _ in range(1 + _REPEATS):  # the first one warms up
        synchronize(engine.device)
        start = time.perf_counter()
        engine.accumulate((term,), step=0)
        synchronize(engine.device)
        times.append(time.perf_counter() - start)
    return median(times[1:])
