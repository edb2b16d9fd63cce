"""One recommendation from all stages: an estimator, or a curriculum where the best one changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from nolab.estimators._candidates import Candidate
from nolab.planning.outlook import Outlook
from nolab.planning.reasons import reason
from nolab.training.budget import Budget

_LEAST_SHARE = 0.01
"""Of the budget; a phase below it is left out."""


@dataclass(frozen=True)
class Advice:
    """What to type, and why.

    overrides : of `nolab train`.
    reasons : a text per stage or per change.
    """

    overrides: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class _Phase:
    """An estimator up to a step; None: to the end."""

    candidate: Candidate
    seconds: float
    end: int | None


def advise(outlooks: Sequence[Outlook], budget: Budget) -> Advice:
    """From the outlooks in the order of their steps.

    A change of kind from one stage to the next becomes a phase that ends at the later one's step.
    """
    groups = [list(group) for _, group in groupby(outlooks, key=lambda outlook: outlook.chosen.kind)]
    ends = [group[0].step for group in groups[1:]] + [None]
    phases = [
        _Phase(group[-1].chosen.candidate, group[-1].chosen.seconds, end)
        for group, end in zip(groups, ends, strict=True)
    ]
    reasons = tuple(f"{group[-1].name}: {reason(group[-1])}." for group in groups)
    return Advice(_overrides(_shares(phases, budget)), reasons)


def _shares(phases: Sequence[_Phase], budget: Budget) -> list[tuple[Candidate, float | None]]:
    """Each phase with its share of the budget, up to the one that reaches its end (None)."""
    found: list[tuple[Candidate, float | None]] = []
    step, seconds, used = 0, 0.0, 0.0
    for phase in phases:
        if phase.end is None:
            break
        seconds += (phase.end - step) * phase.seconds
        step = phase.end
        progress = budget.progress(step, seconds)
        if progress > 1 - _LEAST_SHARE:
            break
        if progress - used >= _LEAST_SHARE:
            found.append((phase.candidate, progress - used))
            used = progress
    return [*found, (phase.candidate, None)]


def _overrides(shares: Sequence[tuple[Candidate, float | None]]) -> tuple[str, ...]:
    if len(shares) == 1:
        return shares[0][0].overrides
    phases = ",".join(_phase(candidate, share) for candidate, share in shares)
    return ("sampling=curriculum", f"sampling.phases=[{phases}]")


def _phase(candidate: Candidate, share: float | None) -> str:
    """The candidate's overrides as an entry of `sampling.phases`."""
    pairs = [override.split("=", 1) for override in candidate.overrides]
    keys = {key.removeprefix("sampling."): value for key, value in pairs}
    entry = {"estimator": keys.pop("sampling"), **keys}
    if share is not None:
        entry["share"] = f"{share:.3g}"
    return "{" + ",".join(f"{key}:{value}" for key, value in entry.items()) + "}"
