"""The whole plan: costs, stages, outlooks, advice."""

from dataclasses import dataclass

import numpy as np

from nolab.planning.advice import Advice, advise
from nolab.planning.options import PlanOptions, check_setup
from nolab.planning.outlook import Outlook, Problem, look_ahead
from nolab.planning.stages import batch_costs, matching_run, stages
from nolab.training.budget import Budget
from nolab.training.setup import TRAIN, Setup

_BATCH_SIZE = 4  # where the config's estimator has none


@dataclass(frozen=True)
class Planned:
    """What was found.

    outlooks : in the order of their steps.
    """

    outlooks: list[Outlook]
    advice: Advice


def plan(setup: Setup, options: PlanOptions) -> Planned:
    """Look at the config's gradients where `options` say, and advise.

    Candidates take `sampling.batch_size` samples or more.

    Raises
    ------
    InputError : the options do not fit the config, before anything is measured.
    RunFailure : a loss or a gradient that is not finite.
    """
    check_setup(options, setup)
    n_samples = setup.source.count(TRAIN)
    wanted = getattr(setup.config.sampling.options, "batch_size", _BATCH_SIZE)
    batch_size = int(np.clip(round(wanted), 1, n_samples))
    run = None if options.run is None else matching_run(options.run, setup)
    data = setup.load()
    try:
        problem = Problem(
            [level.name for level in setup.hierarchy.levels],
            batch_costs(setup, data, batch_size),
            batch_size,
            n_samples,
        )
        found = sorted(stages(setup, data, options, batch_size, run), key=lambda stage: stage.step)
    finally:
        data.batcher.close()
    outlooks: list[Outlook] = []
    for stage in found:
        before = outlooks[-1].chosen if outlooks else None
        outlooks.append(look_ahead(stage, problem, options.resamples, before))
    budget = Budget.of(setup.config.budget, setup.estimator.steps_per_epoch)
    return Planned(outlooks, advise(outlooks, budget))
