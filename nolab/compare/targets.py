"""What an error costs: cost to a target, speed-up at equal error and error at equal cost, from learning curves.

A run's curve is its evaluations and its end. Costs are therefore as coarse as the evaluations are: a run
that would have passed a target between two of them is counted at the later one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite, nan

from nolab.compare.axes import title, value
from nolab.compare.groups import Group
from nolab.compare.records import RunRecord
from nolab.compare.spread import Spread

Curve = list[tuple[float, float]]
"""Points (cost, error) of a run."""

SHARES = (1.0, 1.5, 2.0)
"""Targets, where none are asked for, in units of the baseline's final error."""

SLACK = 0.02
"""Runs with equal budgets end some steps apart: an evaluation this share later counts as at equal cost."""


@dataclass(frozen=True)
class Reached:
    """Cost at which the runs of a group reached a target."""

    cost: Spread
    count: int


@dataclass(frozen=True)
class Against:
    """A group against the baseline.

    speed_up : speed-up at equal error: the baseline's median cost to reach its own final error (of its runs'
        the median, the higher one of two), divided by the group's median cost to reach that same error. NaN
        where half of the group's runs never did.
    error : the group's median error at the baseline's median final cost: of each run the last evaluation
        there (up to 2 % later), its final error where it ended earlier, infinity where it had none yet.
    ratio : `error` divided by the baseline's.
    """

    speed_up: float
    error: float
    ratio: float


@dataclass(frozen=True)
class Targets:
    """Rows of `reached` and `against` are groups; columns of `reached` are the `errors` to be reached."""

    errors: tuple[float, ...]
    reached: tuple[tuple[Reached, ...], ...]
    equal_error: float
    """The baseline's final error, NaN without a baseline."""
    equal_cost: float
    """The baseline's median final cost, NaN without a baseline."""
    against: tuple[Against, ...]
    """Empty without a baseline."""


def no_curves(x: str, y: str) -> str | None:
    """Why learning curves of y over x would not tell a cost, None if they do."""
    if not x.startswith("cost/") or x.endswith("_gib"):
        return f"{title(x)} is no cost that adds up while training"
    if not y.startswith("final/"):
        return f"only final/<measure> has learning curves, not {y}"
    return None


def curve(run: RunRecord, x: str, y: str) -> Curve:
    """The run's evaluations and its end, as far as they are finite in x; y may be NaN."""
    name = _evaluated(y)
    points = [(value(record, x), value(record, name)) for record in run.records(name)]
    points.append((value(run.summary, x), value(run.summary, y)))
    return [point for point in points if isfinite(point[0])]


def first_cost(points: Curve, target: float) -> float:
    """The least cost at which the error is <= target; infinity where it never is."""
    return min((cost for cost, error in points if error <= target), default=inf)


def error_at(points: Curve, cost: float) -> float:
    """The error of the last point at or before a cost; infinity if there is none or it is not finite."""
    before = [point for point in points if point[0] <= cost]
    if not before:
        return inf
    _, error = sorted(before, key=lambda point: point[0])[-1]
    return error if isfinite(error) else inf


def measure(
    groups: Sequence[Group],
    curves: Sequence[Sequence[Curve]],
    baseline: Group | None,
    errors: Sequence[float],
) -> Targets:
    """Costs to targets of every group, and each against the baseline.

    Parameters
    ----------
    curves : of each group's runs.
    baseline : one of the groups, with finite medians, or None.
    errors : the targets; empty (with a baseline only): the baseline's final error, 1.5 and 2 times that.
    """
    own = nan if baseline is None else _higher_median([point[1] for point in baseline.points])
    wanted = tuple(errors) or tuple(share * own for share in SHARES)
    reached = tuple(tuple(_reached(several, error) for error in wanted) for several in curves)
    if baseline is None:
        return Targets(wanted, reached, nan, nan, ())
    at, cost = groups.index(baseline), baseline.x.median
    needed = [_reached(several, own).cost.median for several in curves]
    found = [
        Spread.of([error_at(points, cost * (1 + SLACK)) for points in several]).median for several in curves
    ]
    against = tuple(
        Against(_ratio(needed[at], mine), error, _ratio(error, found[at]))
        for mine, error in zip(needed, found, strict=True)
    )
    return Targets(wanted, reached, own, cost, against)


def _evaluated(y: str) -> str:
    return f"eval/{y.removeprefix('final/')}"


def _reached(curves: Sequence[Curve], target: float) -> Reached:
    costs = [first_cost(points, target) for points in curves]
    return Reached(Spread.of(costs), sum(map(isfinite, costs)))


def _higher_median(values: Sequence[float]) -> float:
    # With the lower one of two, or their mean, half of the baseline would miss its own error.
    return sorted(values)[len(values) // 2]


def _ratio(over: float, under: float) -> float:
    return over / under if isfinite(over) and isfinite(under) and under > 0 else nan
