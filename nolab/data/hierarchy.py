"""The resolution hierarchy: an ordered list of levels, coarsest first."""

from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any, Literal, get_args

from nolab.data.restriction import Restriction, restriction_matrix
from nolab.data.source import Shape
from nolab.data.thinning import Thinning
from nolab.errors import InputError
from nolab.grid import Domain, full_shape, shape_name
from nolab.points import NEval, parse_neval
from nolab.schema import check, from_mapping

Kind = Literal[Restriction, Thinning, "solve"]
"""How levels come about: a restriction of the finest stored grid, a thinning of scattered points, or solver runs of
their own. On scattered points ``subsample`` takes the levels that are stored."""


@dataclass(frozen=True)
class HierarchyOptions:
    """Config group `hierarchy`."""

    levels: list[Any] | None = None
    """Levels in any order, each a size (33), a shape ([33, 65]) or a mapping of
    {size | stride, precision, neval}; null derives `count` levels from the finest one."""
    count: int | None = 3
    """Number of levels when `levels` is null: each has half the intervals of the next."""
    restriction: Kind = "subsample"
    """How fields reach a coarser level: subsample, average or spectral; solve: by the problem's solver. On scattered
    points: subsample (the levels that the data hold), farthest or random."""

    def __post_init__(self) -> None:
        check(self.levels is not None or self.count is not None, "levels", None, "given where count is null")
        check(self.count is None or 1 <= self.count <= 12, "count", self.count, "between 1 and 12")
        check(
            self.levels is None or len(self.levels) > 0, "levels", self.levels, "a list of at least one level"
        )


@dataclass(frozen=True)
class LevelOptions:
    """One entry of ``hierarchy.levels``."""

    size: int | list[int] | None = None
    """Points per axis: one number for all axes, or one per axis."""
    stride: int | None = None
    """Instead of a size: the finest grid's intervals divided by this."""
    precision: str | None = None
    """Precision mode of this level; null takes the run's."""
    neval: Any = None
    """N_eval of this level, as `points.neval` takes it; null takes the run's."""

    def __post_init__(self) -> None:
        check((self.size is None) != (self.stride is None), "size", self.size, "given, or stride, not both")
        check(self.stride is None or self.stride >= 1, "stride", self.stride, ">= 1")
        parse_neval(self.neval, "neval")


@dataclass(frozen=True)
class Level:
    """One fidelity of the problem."""

    shape: Shape
    precision: str | None = None
    neval: NEval | None = None

    @property
    def name(self) -> str:
        return shape_name(self.shape)

    @property
    def points(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True)
class Hierarchy:
    """Levels ordered by their measured size, coarsest first, on one domain."""

    levels: tuple[Level, ...]
    domain: Domain
    restriction: Kind

    @property
    def finest(self) -> Level:
        return self.levels[-1]

    def __len__(self) -> int:
        return len(self.levels)


def build_hierarchy(
    options: HierarchyOptions, domain: Domain, finest: Shape, stored: list[Shape]
) -> Hierarchy:
    """Levels of the config on the grids that the data hold.

    Parameters
    ----------
    finest : the grid on which `count` and `stride` are based.
    stored : grids that the training split holds; every level is one of them or a restriction of
        the finest of them.

    Raises
    ------
    InputError : a level that the data can't give, or two levels of one size.
    """
    entries = options.levels
    if entries is None:
        entries = _derived(options.count, domain, finest, stored, options.restriction)
    levels = sorted(
        (_level(entry, i, domain, finest) for i, entry in enumerate(entries)), key=lambda v: v.points
    )
    for a, b in pairwise(levels):
        if a.points == b.points:
            raise InputError(f"hierarchy.levels: {a.name} and {b.name} have the same number of points")
    for level in levels:
        check_restriction(domain, stored, level.shape, options.restriction)
    return Hierarchy(tuple(levels), domain, options.restriction)


def check_restriction(domain: Domain, stored: list[Shape], shape: Shape, method: Kind) -> None:
    """Refuse a level that is neither stored nor a restriction of the finest stored one; any grid may be solved."""
    _check_kind(method, domain)
    if method == "solve" or shape in stored:
        return
    finest = stored[-1]
    if domain.is_scattered and method == "subsample":
        raise InputError(
            f"hierarchy: {shape_name(shape)} points are no level of the data, which hold {_names(stored)}; name some "
            "of these, or take hierarchy.restriction=farthest or random"
        )
    if any(n > m for n, m in zip(shape, finest, strict=True)):
        raise InputError(
            f"hierarchy: level {shape_name(shape)} is finer than the data, which go up to {shape_name(finest)}; "
            "lower the level, or make finer data (e.g. dataset.resolution)"
        )
    if domain.is_scattered:
        return
    for axis, fine, coarse in zip(domain.axes, finest, shape, strict=True):
        restriction_matrix(axis, fine, coarse, method)


def _check_kind(method: Kind, domain: Domain) -> None:
    allowed = ("subsample", *get_args(Thinning)) if domain.is_scattered else (*get_args(Restriction), "solve")
    if method not in allowed:
        on = "scattered points" if domain.is_scattered else "grids"
        raise InputError(f"hierarchy.restriction: {method} is not for {on}; use {', '.join(allowed)}")


def _derived(count: int, domain: Domain, finest: Shape, stored: list[Shape], method: Kind) -> list[list[int]]:
    """`count` levels up to `finest`."""
    if not domain.is_scattered:
        return _halvings(count, domain, finest)
    if method != "subsample":
        return [[max(3, finest[0] >> k)] for k in range(count)]
    levels = [list(shape) for shape in stored if shape[0] <= finest[0]]
    if len(levels) < count:
        raise InputError(
            f"hierarchy.count: {count} levels, the data hold {_names(stored)}; lower it, or take "
            "hierarchy.restriction=farthest or random"
        )
    return levels[-count:]


def _names(shapes: list[Shape]) -> str:
    return ", ".join(map(shape_name, shapes))


def _halvings(count: int, domain: Domain, finest: Shape) -> list[list[int]]:
    shapes = [list(finest)]
    for _ in range(count - 1):
        intervals = [axis.intervals(n) for axis, n in zip(domain.axes, shapes[0], strict=True)]
        if any(m % 2 or n - m // 2 < 3 for n, m in zip(shapes[0], intervals, strict=True)):
            raise InputError(
                f"hierarchy.count: {count} levels below {shape_name(finest)} need grids that can be halved "
                f"{count - 1} times, {shape_name(tuple(shapes[0]))} can't; name the levels: hierarchy.levels=[…]"
            )
        shapes.insert(0, [n - m // 2 for n, m in zip(shapes[0], intervals, strict=True)])
    return shapes


def _level(entry: Any, position: int, domain: Domain, finest: Shape) -> Level:
    where = f"hierarchy.levels[{position}]"
    mapping = entry if hasattr(entry, "keys") else {"size": entry}
    options = from_mapping(LevelOptions, mapping, where)
    if options.stride is not None:
        intervals = [axis.intervals(n) for axis, n in zip(domain.grid_axes, finest, strict=True)]
        if any(m % options.stride for m in intervals):
            raise InputError(
                f"{where}.stride: {options.stride} does not divide the {shape_name(tuple(intervals))} intervals of "
                f"the finest grid {shape_name(finest)}; give the size instead"
            )
        shape = tuple(m // options.stride + (n - m) for n, m in zip(finest, intervals, strict=True))
    else:
        shape = full_shape(options.size, domain, where)
    if min(shape) < 3:
        raise InputError(f"{where}: a level needs at least 3 points per axis, got {shape_name(shape)}")
    neval = None if options.neval is None else parse_neval(options.neval, f"{where}.neval")
    return Level(shape, options.precision, neval)
