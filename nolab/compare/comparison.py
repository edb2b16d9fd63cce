"""Finished runs compared: groups, their front, what an error costs, and what a reader should know of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan, prod
from pathlib import Path

import numpy as np

from nolab.compare import targets
from nolab.compare.axes import check_axis
from nolab.compare.baseline import only_fine, selected
from nolab.compare.front import hypervolume, pareto_mask
from nolab.compare.groups import Group, group_runs, labels
from nolab.compare.groups import remarks as remarks_on
from nolab.compare.keys import check_key, matching, text, varying
from nolab.compare.records import Reading, RunRecord, Skipped, read_runs
from nolab.errors import InputError, unknown

MARGIN = 1.1
"""The default reference lies this far beyond the largest medians: at them, the costliest group and the one
with the largest error would count for nothing."""


@dataclass(frozen=True)
class Options:
    """What to compare, and how."""

    x: str = "cost/train_s"
    y: str = "final/rel_l2"
    by: tuple[str, ...] | None = None
    """Keys that make groups; None: those that vary."""
    where: tuple[str, ...] = ()
    """``KEY=VALUE`` conditions on the runs."""
    baseline: tuple[str, ...] = ()
    """``KEY=VALUE`` conditions that select one group; empty: the one group with ``sampling=fine``."""
    targets: tuple[float, ...] = ()
    reference: tuple[float, float] | None = None
    along: str | None = None
    """Of the keys that make groups, the one along which they are joined into curves."""

    def __post_init__(self) -> None:
        _check_positive("target", self.targets)
        _check_positive("reference", self.reference or ())


@dataclass(frozen=True, eq=False)
class Comparison:
    """Groups of runs by cost and error."""

    options: Options
    keys: tuple[str, ...]
    """The keys that make the groups."""
    groups: list[Group]
    """The cheapest first."""
    front: list[bool]
    """Of each group, whether its medians are on the front."""
    baseline: Group | None
    reference: tuple[float, float]
    hypervolume: float
    """Share of the rectangle from zero to the reference that the groups' medians dominate."""
    baseline_hypervolume: float
    """The same for the baseline alone, NaN without one."""
    targets: targets.Targets | None
    skipped: list[Skipped]
    remarks: list[str]

    @property
    def runs(self) -> list[RunRecord]:
        """The compared runs, group by group."""
        return [run for group in self.groups for run in group.runs]

    @property
    def front_groups(self) -> list[Group]:
        """The groups on the front, the cheapest first."""
        return [group for group, on_front in zip(self.groups, self.front, strict=True) if on_front]

    @property
    def curves(self) -> list[str]:
        """Of each group, the label of its curve: that of the keys other than ``along``."""
        rest = [key for key in self.keys if key != self.options.along]
        return labels([[text(group.settings[key]) for key in rest] for group in self.groups], rest)

    def name(self, group: Group) -> str:
        """A group's label, and whether it is the baseline."""
        return f"{group.label} (baseline)" if group is self.baseline else group.label


def compare(sources: Sequence[str | Path | RunRecord], options: Options) -> Comparison:
    """Compare the finished runs in some folders, or runs that were read already.

    Raises
    ------
    InputError : no finished run; a figure, key or condition that the runs do not know; a baseline that is
        not exactly one group.
    """
    reading = _read(sources)
    runs = _chosen(reading, options.where)
    for axis in (options.x, options.y):
        check_axis(runs, axis)
    for key in options.by or ():
        check_key(runs, key)
    keys = tuple(varying(runs) if options.by is None else options.by)
    if options.along is not None and options.along not in keys:
        raise unknown("along", options.along, keys)
    groups = group_runs(runs, keys, options.x, options.y)
    remarks = remarks_on(groups)
    baseline = selected(groups, options.baseline) if options.baseline else only_fine(groups)
    if baseline is None and len(groups) > 1:
        remarks.append(
            "no baseline, as not exactly one group has sampling=fine: --baseline KEY=VALUE names one"
        )
    measured, why_not = _targets(groups, baseline, options)
    remarks += why_not
    reference = options.reference or _default_reference(groups)
    return Comparison(
        options,
        keys,
        groups,
        pareto_mask(_medians(groups)).tolist(),
        baseline,
        reference,
        _share(groups, reference),
        nan if baseline is None else _share([baseline], reference),
        measured,
        reading.skipped,
        remarks,
    )


def _read(sources: Sequence[str | Path | RunRecord]) -> Reading:
    paths = [source for source in sources if not isinstance(source, RunRecord)]
    reading = read_runs(paths) if paths else Reading([], [])
    return Reading([s for s in sources if isinstance(s, RunRecord)] + reading.runs, reading.skipped)


def _chosen(reading: Reading, conditions: Sequence[str]) -> list[RunRecord]:
    skipped = f", {len(reading.skipped)} skipped" if reading.skipped else ""
    if not reading.runs:
        reason = f" ({reading.skipped[0].path.name}: {reading.skipped[0].reason})" if skipped else ""
        raise InputError(f"no finished run{skipped}{reason}")
    runs = matching(reading.runs, conditions)
    if not runs:
        raise InputError(f"no run has {' '.join(conditions)} (of {len(reading.runs)} finished{skipped})")
    return runs


def _targets(
    groups: Sequence[Group], baseline: Group | None, options: Options
) -> tuple[targets.Targets | None, list[str]]:
    """Costs to targets, and what is to be said of them or of why there are none."""
    remarks = []
    if baseline is not None and not baseline.drawable:
        remarks.append(f"nothing is compared with the baseline {baseline.label}: its median is not finite")
        baseline = None
    if baseline is None and not options.targets:
        return None, remarks
    reason = targets.no_curves(options.x, options.y)
    if reason is not None:
        return None, [*remarks, f"no costs to targets: {reason}"]
    curves = [[targets.curve(run, options.x, options.y) for run in group.runs] for group in groups]
    bare = sum(len(curve) < 2 for several in curves for curve in several)
    if bare == sum(map(len, curves)):
        return None, [*remarks, f"no costs to targets: no run recorded {options.y} while training"]
    if bare:
        remarks.append(
            f"runs that recorded no errors while training: {bare}; for targets their end alone counts"
        )
    return targets.measure(groups, curves, baseline, options.targets), remarks


def _medians(groups: Sequence[Group]) -> np.ndarray:
    return np.array([(group.x.median, group.y.median) for group in groups])


def _default_reference(groups: Sequence[Group]) -> tuple[float, float]:
    finite = _medians([group for group in groups if group.drawable])
    x, y = MARGIN * finite.max(axis=0) if len(finite) else (nan, nan)
    return float(x), float(y)


def _share(groups: Sequence[Group], reference: tuple[float, float]) -> float:
    rectangle = prod(reference)
    points = np.maximum(_medians(groups), 0)
    return hypervolume(points, reference) / rectangle if rectangle > 0 else nan


def _check_positive(name: str, values: Sequence[float]) -> None:
    for given in values:
        if not (isfinite(given) and given > 0):
            raise InputError(f"{name}: {given:g} given, needs a number > 0")
