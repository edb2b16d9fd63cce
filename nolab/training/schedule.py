"""Learning rate as a function of the run's progress."""

import math

from nolab.config import SchedulerOptions


def learning_rate_factor(options: SchedulerOptions, progress: float) -> float:
    """Factor of the peak rate at `progress` in [0, 1], the share of the budget that is used.

    A pure function: resuming needs no scheduler state, and budgets in seconds work as steps do.
    """
    if progress < options.warmup:
        return progress / options.warmup
    if options.name == "constant":
        return 1.0
    share = min((progress - options.warmup) / (1 - options.warmup), 1.0)
    if options.name == "step":
        return options.gamma ** math.floor(share * (options.drops + 1))
    return options.final + (1 - options.final) * 0.5 * (1 + math.cos(math.pi * share))
