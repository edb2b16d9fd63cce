"""All that is known at one stage, and what to do there."""

from collections.abc import Sequence
from dataclasses import dataclass

from nolab.costs import BatchCosts
from nolab.errors import RunFailure
from nolab.planning.choices import Choice, choices, choose
from nolab.planning.consistency import consistency
from nolab.planning.figures import Gains, LevelFigures, Rates, gains, level_figures, noise_scale, rates
from nolab.planning.resampling import Estimate, Sampled
from nolab.planning.stages import Stage


@dataclass(frozen=True)
class Outlook:
    """The figures of a stage.

    ratios : of the consistency check, levels ℓ >= 1.
    ranking : the fastest progress per second first.
    chosen : of the ranking.
    """

    name: str
    step: int
    error: float
    batch_size: int
    levels: list[LevelFigures]
    noise_scale: Estimate
    rates: Rates
    gains: Gains
    ratios: list[float]
    ranking: list[Choice]
    chosen: Choice


@dataclass(frozen=True)
class Problem:
    """What all stages share.

    names : of the levels, coarsest first.
    batch_size : samples of a candidate's step, at least.
    n_samples : of the training set.
    """

    names: Sequence[str]
    costs: BatchCosts
    batch_size: int
    n_samples: int


def look_ahead(stage: Stage, problem: Problem, n_resamples: int, before: Choice | None) -> Outlook:
    """The outlook from `stage`.

    Parameters
    ----------
    before : what the stage before chose.

    Raises
    ------
    RunFailure : the gradients of all samples are the same.
    """
    sampled = Sampled.of_gram(stage.gram, n_resamples)
    if sampled.moments.fine_variance <= 0:
        raise RunFailure(
            f"{stage.name}: the samples' gradients do not differ, so there is no noise to reduce"
        )
    costs, batch_size = problem.costs, problem.batch_size
    ranking = choices(sampled, costs, batch_size, problem.n_samples)
    return Outlook(
        stage.name,
        stage.step,
        stage.error,
        batch_size,
        level_figures(sampled, costs, batch_size, problem.names),
        noise_scale(sampled),
        rates(sampled, costs.per_sample(batch_size)),
        gains(sampled, costs, batch_size),
        consistency(stage.gram),
        ranking,
        choose(ranking, before),
    )
