"""Groups: runs that differ in their seed alone, and how they spread."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

from nolab.compare.axes import value as figure_of
from nolab.compare.keys import SEED, text, value
from nolab.compare.records import RunRecord
from nolab.compare.spread import Spread


@dataclass(frozen=True, eq=False)
class Group:
    """Runs that are equal in the keys by which runs are grouped."""

    label: str
    settings: dict[str, Any]
    """Those keys and their values."""
    runs: tuple[RunRecord, ...]
    points: tuple[tuple[float, float], ...]
    """(x, y) of each run; infinity where the run's figure is not finite."""
    x: Spread
    y: Spread
    missing_seeds: tuple[int, ...]
    """Seeds that runs of other groups have."""

    @property
    def failed(self) -> int:
        """How many runs have an x or y that is not finite, as a run that diverged."""
        return sum(not (isfinite(x) and isfinite(y)) for x, y in self.points)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each run, sorted; runs without one left out."""
        return _seeds(self.runs)

    @property
    def drawable(self) -> bool:
        """Whether both medians are finite."""
        return isfinite(self.x.median) and isfinite(self.y.median)


def group_runs(runs: Sequence[RunRecord], keys: Sequence[str], x: str, y: str) -> list[Group]:
    """Runs grouped by the texts of their values of `keys`, the cheapest group (by median) first.

    A figure that is not finite counts as infinity: a run that diverged is a miss, and where half of a
    group missed so does its median.
    """
    members: dict[tuple[str, ...], list[RunRecord]] = {}
    for run in runs:
        members.setdefault(tuple(text(value(run, key)) for key in keys), []).append(run)
    named = labels(list(members), keys)
    seeds = _seeds(runs)
    groups = []
    for label, several in zip(named, members.values(), strict=True):
        points = tuple((_or_infinity(run, x), _or_infinity(run, y)) for run in several)
        own = _seeds(several)
        groups.append(
            Group(
                label,
                {key: value(several[0], key) for key in keys},
                tuple(several),
                points,
                Spread.of([point[0] for point in points]),
                Spread.of([point[1] for point in points]),
                tuple(dict.fromkeys(seed for seed in seeds if seed not in own)),
            )
        )
    return sorted(groups, key=lambda group: (group.x.median, group.y.median, group.label))


def remarks(groups: Sequence[Group]) -> list[str]:
    """What a reader should know of the groups' runs: seeds missing or twice, runs that failed."""
    found = []
    for group in groups:
        seeds = group.seeds
        if group.missing_seeds:
            found.append(f"{group.label}: no run with seed {_listed(group.missing_seeds)}, others have it")
        twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
        if twice:
            found.append(f"{group.label}: several runs with seed {_listed(twice)}, all of them count")
        if group.failed:
            found.append(f"{group.label}: {group.failed} of {len(group.runs)} runs without a finite result")
    return found


def labels(identities: Sequence[Sequence[str]], keys: Sequence[str]) -> list[str]:
    """``sampling=mlmc delta=2``; for a single key with words as values those alone: ``mlmc``."""
    if not keys:
        return ["all runs"] * len(identities)
    if len(keys) == 1 and all(identity[0][:1].isalpha() and identity[0] != "null" for identity in identities):
        return [identity[0] for identity in identities]
    ends = [key.rpartition(".")[2] for key in keys]
    names = [end if ends.count(end) == 1 else key for key, end in zip(keys, ends, strict=True)]
    return [
        " ".join(f"{name}={given}" for name, given in zip(names, identity, strict=True))
        for identity in identities
    ]


def _seeds(runs: Sequence[RunRecord]) -> tuple[int, ...]:
    present = [value(run, SEED) for run in runs]
    return tuple(sorted(seed for seed in present if isinstance(seed, int)))


def _or_infinity(run: RunRecord, name: str) -> float:
    figure = figure_of(run.summary, name)
    return figure if isfinite(figure) else inf


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))
