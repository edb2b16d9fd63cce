"""A step that does not fit into memory: what it needs, as measured, and what to change."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nolab.data.pyramid import pyramid_bytes
from nolab.metrics.memory import saved_bytes
from nolab.metrics.resources import free_memory, total_memory
from nolab.models import Checkpointed
from nolab.plan import Term
from nolab.training.memory import OutOfMemory, give_back, is_out_of_memory, shown
from nolab.training.setup import TRAIN, Setup
from nolab.training.trainer import Trainer

_MUCH = 0.1  # share of the device's memory from which on it is worth keeping the data elsewhere


@dataclass(frozen=True)
class TermNeed:
    """Samples of a step at one level, and the bytes that one keeps for the backward; None: not even one fits."""

    level: str
    samples: int
    of_one: int | None


@dataclass(frozen=True)
class StepNeed:
    """Bytes that a step needs, beside the device's.

    missing : gradients and, unless a resumed run brought it, the optimizer's state: not there before the first step.
    before, free : bytes free before the first step and now. A C library that keeps freed memory makes the second
        too small where the process has a limit, so that what fits follows from the first.
    """

    terms: tuple[TermNeed, ...]
    weights: int
    gradients: int
    optimizer: int
    missing: int
    before: int
    free: int
    total: int

    @property
    def factor(self) -> float | None:
        """By how much the samples of every term can be multiplied; None where one sample is too much."""
        if any(term.of_one is None for term in self.terms):
            return None
        largest = max(term.samples * term.of_one for term in self.terms)  # one term runs after another
        return (self.before - self.missing) / max(1, largest)


@contextmanager
def step_memory(trainer: Trainer) -> Iterator[None]:
    """Answer training that runs out of memory with a step's needs, as measured, and with what to change.

    Raises
    ------
    OutOfMemory : the device is as it was before the step; the run's checkpoints are untouched.
    """
    before, is_new = free_memory(trainer.setup.device), not trainer.optimizer.state
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        trainer.model.zero_grad(set_to_none=True)
        trainer.optimizer.zero_grad(set_to_none=True)
        give_back(error, trainer.setup.device)
        need = measure_need(trainer, before, is_new)
        raise OutOfMemory(
            _text(need, trainer.setup, trainer.progress.step, _fitting_batch(trainer, need))
        ) from None


def measure_need(trainer: Trainer, before: int, is_new: bool) -> StepNeed:
    """Run one sample at every level of the coming step's plan.

    The random state and what points have learnt are of no more use: the run is at its end.

    Parameters
    ----------
    before : bytes that were free before the first step.
    is_new : the optimizer had no state then.
    """
    setup, step, share = trainer.setup, trainer.progress.step, trainer.share
    engine = trainer.engine.aside(trainer.model)
    names = [level.name for level in setup.hierarchy.levels]
    parameters = sum(p.numel() * p.element_size() for p in trainer.model.parameters())
    terms = []
    for term in trainer.ranks.part(setup.estimator.plan(step, share)):
        one = Term(term.level, np.arange(1), np.ones(1))
        of_one = _saved(lambda one=one: engine.accumulate((one,), step, share), setup.device)
        terms.append(TermNeed(names[term.level], len(term.indices), of_one))
        trainer.model.zero_grad(set_to_none=True)
    moments = 2 * parameters  # Adam's
    missing = parameters + (moments if is_new else 0)
    device = setup.device
    return StepNeed(
        tuple(terms),
        weights=parameters,
        gradients=parameters,
        optimizer=moments,
        missing=missing,
        before=before,
        free=free_memory(device),
        total=total_memory(device),
    )


def _saved(run: Any, device: torch.device) -> int | None:
    try:
        return saved_bytes(run)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        give_back(error, device)
        return None


def _fitting_batch(trainer: Trainer, need: StepNeed) -> int | None:
    """The largest `sampling.batch_size` that fits by the measurement and then has run; None where there is none.

    What operations need beside what they save, and what the allocator wastes, is no part of the measurement.
    """
    now = getattr(trainer.setup.config.sampling.options, "batch_size", None)
    if now is None or need.factor is None:
        return None
    batch = math.floor(now * min(need.factor, 0.5))
    while batch >= 1 and not _runs(trainer, batch / now):
        batch //= 2
    return batch if batch >= 1 else None


def _runs(trainer: Trainer, scale: float) -> bool:
    """Whether the coming step runs with `scale` of its samples."""
    engine = trainer.engine.aside(trainer.model)
    step, share = trainer.progress.step, trainer.share
    try:
        for term in trainer.ranks.part(trainer.setup.estimator.plan(step, share)):
            n = max(1, round(scale * len(term.indices)))
            engine.accumulate((Term(term.level, term.indices[:n], term.weights[:n]),), step, share)
    except (MemoryError, RuntimeError) as error:  # libraries have words of their own for want of memory
        give_back(error, trainer.setup.device)
        return False
    finally:
        trainer.model.zero_grad(set_to_none=True)
    return True


def _text(need: StepNeed, setup: Setup, step: int, batch: int | None) -> str:
    terms = ", ".join(_term_text(term) for term in need.terms)
    return (
        f"out of memory on {setup.device} at step {step}, which evaluates {terms}, one level after the other; "
        f"weights {shown(need.weights)}, gradients {shown(need.gradients)}, optimizer {shown(need.optimizer)}; "
        f"{shown(need.before)} of {shown(need.total)} were free before the first step, {shown(need.free)} are now. "
        f"What helps: {'; '.join(_advice(need, setup, batch))}"
    )


def _term_text(term: TermNeed) -> str:
    samples = f"{term.samples} sample{'s' if term.samples > 1 else ''} at {term.level}"
    if term.of_one is None:
        return f"{samples} (where not even one fits)"
    return f"{samples} ({shown(term.of_one)} for the backward of one, {shown(term.samples * term.of_one)} for all)"


def _advice(need: StepNeed, setup: Setup, batch: int | None) -> Iterator[str]:
    config, levels = setup.config, setup.hierarchy.levels
    if batch is not None:
        now = config.sampling.options.batch_size
        roomy = max(1, batch // 2)  # allocators leave holes, and a run measures and evaluates too
        yield f"sampling.batch_size={roomy} (now {now:g}, and {batch} have just run without room to spare)"
    if not config.checkpointing and any(isinstance(part, Checkpointed) for part in setup.model.modules()):
        yield "checkpointing=true (a third more time)"
    if all(mode in ("fp32", "tf32") for schedule in setup.precision for mode in schedule.modes):
        yield "precision=amp_bf16"
    if len(levels) > 1:
        size = list(levels[-2].shape) if len(set(levels[-2].shape)) > 1 else levels[-2].shape[0]
        yield f"dataset.finest={str(size).replace(' ', '')} (leaves {levels[-1].name} out)"
    elsewhere = {"cuda": "host", "cpu": "stream"}[setup.device.type]
    data = pyramid_bytes(setup.source, TRAIN, [level.shape for level in levels], setup.neighbourhood)
    if config.dataset.held.residency in ("auto", "device") and data > _MUCH * need.total:
        yield f"+dataset.residency={elsewhere} (the data take {shown(data)})"
    yield "a device with more memory"
