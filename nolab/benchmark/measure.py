"""Seconds and bytes of a training step."""

from collections.abc import Sequence
from statistics import median

import torch

from nolab.benchmark.subject import STEPS, Subject
from nolab.device import synchronize
from nolab.metrics.memory import saved_bytes
from nolab.training.costs import timed

_WARM_UP = 2


def seconds_per_step(
    subjects: Sequence[Subject], repeats: int, device: torch.device
) -> list[tuple[float, ...]]:
    """Seconds of every subject's step in `repeats` rounds, after two rounds that warm up.

    The subjects take turns, so that a drift of the machine meets all of them alike.
    """
    rounds = [[timed(subject, device) / STEPS for subject in subjects] for _ in range(_WARM_UP + repeats)]
    return list(zip(*rounds[_WARM_UP:], strict=True))


def speed_up(base: Sequence[float], seconds: Sequence[float]) -> float:
    """How many times faster than `base`: median over the rounds."""
    return median(b / s for b, s in zip(base, seconds, strict=True))


def memory_bytes(subject: Subject, device: torch.device) -> int:
    """CUDA: peak of a step above what was allocated before it; CPU: what is kept for the backward.

    The subject has run before: constants, optimizer state and workspaces are there.
    """
    subject.clear()
    if device.type != "cuda":
        kept = saved_bytes(subject.gradient)
        subject.clear()
        return kept
    synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    subject()
    synchronize(device)
    peak = torch.cuda.max_memory_allocated(device)
    subject.clear()
    return peak - before
