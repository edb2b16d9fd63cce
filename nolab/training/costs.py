"""What samples cost at each level: seconds and FLOPs, measured before the clock starts."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn

from nolab.costs import BatchCosts
from nolab.device import synchronize
from nolab.metrics.flops import count_flops
from nolab.metrics.memory import saved_bytes
from nolab.plan import Plan, Term
from nolab.training.gradient import GradientEngine

_REPEATS = 3
_ROUNDS = 6  # of batches whose costs are compared with each other
_SHARE = 0.5  # of the run, for schedules of N_eval


@dataclass(frozen=True)
class LevelCosts:
    """Per level, coarsest first: forward + backward of one sample.

    seconds : at the batch size that the estimator uses there.
    flops : products, convolutions and transforms (see nolab.metrics.flops), at that batch size too:
        what a model computes once for all samples of a batch (a trunk) is shared by them.
    saved_bytes : what autograd keeps for the backward of a term, of all its samples together.
    """

    seconds: tuple[float, ...]
    flops: tuple[float, ...]
    saved_bytes: tuple[int, ...]

    def fine_equivalents(self, samples: list[int]) -> float:
        """Samples per level, in units of one finest-level sample by measured cost."""
        return sum(n * c for n, c in zip(samples, self.seconds, strict=True)) / self.seconds[-1]

    def total_flops(self, samples: list[int]) -> int:
        """FLOPs of all these samples' forwards and backwards."""
        return round(sum(n * f for n, f in zip(samples, self.flops, strict=True)))


def measure_costs(engine: GradientEngine, plain: nn.Module, plan: Plan, n_levels: int) -> LevelCosts:
    """Run every level a few times without changing the model: this warms up kernels, caches and
    compilation, and gives C_ℓ. Levels that the plan leaves out are measured at its batch size.

    The random state and what the points have learnt are left as they were; gradients are dropped.
    Where N_eval grows, the costs are those of the middle of the run.

    Parameters
    ----------
    plain : the engine's model before compilation, whose operations can be counted.
    """
    counted = engine.aside(plain)
    seconds, flops, saved = [], [], []
    with _undisturbed(engine, plain) as quiet:
        for level in range(n_levels):
            term = term_at(plan, level)
            n = len(term.indices)
            seconds.append(median(_seconds(quiet, term)) / n)
            run = partial(counted.accumulate, (term,), 0, _SHARE)
            flops.append(count_flops(run) / n)
            saved.append(saved_bytes(run))
    return LevelCosts(tuple(seconds), tuple(flops), tuple(saved))


def measure_batch_costs(
    engine: GradientEngine, plain: nn.Module, batch_size: int, n_samples: int, n_levels: int
) -> BatchCosts:
    """Time a batch of one sample and a large one at every level, without changing the model.

    The large one has `batch_size` samples at the finest level and twice as many at each coarser one: about what
    allocations ask for, and no more memory than the finest level takes.

    Parameters
    ----------
    plain : the engine's model before compilation.
    n_samples : of the training set.
    """
    with _undisturbed(engine, plain) as quiet:
        pairs = [
            _fixed_and_sample(quiet, level, min(n_samples, max(2, batch_size * 2 ** (n_levels - 1 - level))))
            for level in range(n_levels)
        ]
    fixed, sample = np.array(pairs).T
    return BatchCosts(fixed, sample)


def _fixed_and_sample(engine: GradientEngine, level: int, n: int) -> tuple[float, float]:
    """The line through the seconds of one sample and of `n`, neither part below zero."""
    # What else the machine does only ever adds: the least of some is nearest to the batch's own.
    one, many = (min(_seconds(engine, _first_samples(level, size), _ROUNDS)) for size in (1, n))
    sample = max((many - one) / (n - 1), many / n / 100) if n > 1 else many
    return max(one - sample, 0.0), sample


def _first_samples(level: int, n: int) -> Term:
    return Term(level, np.arange(n), np.full(n, 1.0 / n))


@contextmanager
def _undisturbed(engine: GradientEngine, plain: nn.Module) -> Iterator[GradientEngine]:
    """The engine without slots; the random state and what the points have learnt come back, gradients go."""
    learnt = deepcopy(engine.points.state_dict())
    cuda = [engine.device] if engine.device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        yield engine.aside()
    engine.points.load_state_dict(learnt)
    plain.zero_grad(set_to_none=True)


def term_at(plan: Plan, level: int) -> Term:
    """The plan's term at `level`, or one of its last term's size where it leaves the level out."""
    terms = {term.level: term for term in plan}
    some = plan[-1]
    return terms.get(level, Term(level, some.indices, np.abs(some.weights)))


def _seconds(engine: GradientEngine, term: Term, repeats: int = _REPEATS) -> list[float]:
    """Of every repeat, after one that warms up."""
    times = [timed(lambda: engine.accumulate((term,), 0, _SHARE), engine.device) for _ in range(1 + repeats)]
    return times[1:]


def timed(run: Callable[[], Any], device: torch.device) -> float:
    """Seconds of one call, the device's work included."""
    synchronize(device)
    start = time.perf_counter()
    run()
    synchronize(device)
    return time.perf_counter() - start
