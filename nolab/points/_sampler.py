"""The points of a run: a scheme, the grids of the levels and N_eval on each of them."""

import math
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from nolab import registry
from nolab.errors import InputError
from nolab.fields import Draw
from nolab.grid import Domain, shape_name
from nolab.points._neval import NEval
from nolab.points._options import parse_axes
from nolab.points._product import Product
from nolab.points._scheme import Scheme, Shape
from nolab.points._streams import mixed
from nolab.saved import whole


def build_points(
    name: str, options: Any, domain: Domain, seed: int, shapes: tuple[Shape, ...], nevals: tuple[NEval, ...]
) -> "PointSampler":
    """The sampler of a run.

    Parameters
    ----------
    name : of the scheme.
    options : the scheme's ``Options``.
    seed : of the run.
    shapes, nevals : grid and N_eval of every level, coarsest first.

    Raises
    ------
    InputError : the options do not fit the scheme or the domain.
    """
    module = registry.load("nolab.points", name, "points.scheme")
    if options.axes is not None:
        scheme, nevals = _by_axes(module, options, domain, seed, shapes, nevals)
    else:
        scheme = module.build(options, domain, seed)
    if scheme.steady and (growing := [str(neval) for neval in nevals if not neval.is_constant]):
        raise InputError(
            f"points.neval: scheme '{name}' can't grow N_eval, got {growing[0]}: a step's place in the pass "
            "over the points would not be defined; give one number, or use points=random"
        )
    return PointSampler(scheme, shapes, nevals)


def _by_axes(
    module: ModuleType,
    options: Any,
    domain: Domain,
    seed: int,
    shapes: tuple[Shape, ...],
    nevals: tuple[NEval, ...],
) -> tuple[Scheme, tuple[NEval, ...]]:
    """The scheme on each axis, and the N_eval of each level that comes of it."""
    if len(options.axes) != domain.ndim:
        raise InputError(f"points.axes: {options.axes} does not fit a domain of {domain.ndim} axes")
    if any(neval != NEval() for neval in nevals):
        raise InputError(
            f"points.axes: {options.axes} sets the number of points at every level; leave neval of the levels null"
        )
    per_axis = parse_axes(options.axes)
    for axis, neval in enumerate(per_axis):
        if all(neval.exceeds(shape[axis]) for shape in shapes):
            raise InputError(
                f"points.axes: {neval} is more than the {shapes[-1][axis]} points of axis {axis}; lower it, or "
                "take the whole axis with null"
            )
    schemes = tuple(
        module.build(options, Domain((axis,)), mixed(seed, number)) for number, axis in enumerate(domain.axes)
    )
    counts = [
        math.prod(neval.count(n, 0.0) or n for neval, n in zip(per_axis, shape, strict=True))
        for shape in shapes
    ]
    return Product(schemes, per_axis), tuple(NEval(count) for count in counts)


class PointSampler:
    """Draws the points of every level.

    Parameters
    ----------
    scheme : which points.
    shapes, nevals : grid and N_eval of every level, coarsest first.
    """

    def __init__(self, scheme: Scheme, shapes: tuple[Shape, ...], nevals: tuple[NEval, ...]) -> None:
        self._scheme = scheme
        self._shapes = tuple(tuple(shape) for shape in shapes)
        self._nevals = nevals
        self._measured: dict[int, int] = {}  # N_eval by level, where it was `auto`

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the levels."""
        return tuple(shape_name(shape) for shape in self._shapes)

    @property
    def observes(self) -> bool:
        """Whether :meth:`observe` learns anything."""
        return self._scheme.observes

    def n_points(self, level: int) -> int:
        """Points of the level's grid, N_out."""
        return math.prod(self._shapes[level])

    def counts(self, share: float) -> tuple[int, ...]:
        """Points per sample in the loss at each level; N_out where all are taken.

        Parameters
        ----------
        share : of the run that is done, in [0, 1].

        Raises
        ------
        RuntimeError : a level's N_eval is `auto` and has not been measured.
        """
        return tuple(self._count(level, share) for level in range(len(self._shapes)))

    def draw(self, step: int, level: int, n_samples: int, share: float, device: torch.device) -> Draw | None:
        """The points of a term at `step`; None for all points.

        Parameters
        ----------
        n_samples : of the term, B.
        share : of the run that is done, in [0, 1].

        Returns
        -------
        Draw : index (P,) or (B, P) int64; factor float32 of that shape, or None.

        Raises
        ------
        RuntimeError : N_eval is `auto` and has not been measured.
        """
        neval = self._neval(level, share)
        draw = (
            None if neval is None else self._scheme.draw(step, self._shapes[level], neval, n_samples, device)
        )
        if draw is None or draw.factor is None:
            return draw
        return Draw(draw.index, draw.factor.float())

    def observe(self, level: int, draw: Draw, error: Tensor) -> None:
        """Let the scheme learn from absolute errors at the points of `draw`.

        Parameters
        ----------
        error : (B, C, P), detached.
        """
        self._scheme.observe(self._shapes[level], draw, error)

    def is_auto(self, level: int) -> bool:
        """Whether the level's N_eval is `auto` and has still to be measured."""
        return self._nevals[level].is_auto and level not in self._measured

    def fix(self, level: int, neval: int | None) -> None:
        """Set the N_eval that was measured for a level where it is `auto`; None: all points."""
        if not self._nevals[level].is_auto:
            raise ValueError(f"neval of level {self.names[level]} is {self._nevals[level]}, not auto")
        self._measured[level] = self.n_points(level) if neval is None else neval

    def state_dict(self) -> dict[str, Any]:
        """What was measured and learnt, in tensors and plain values; empty where there is nothing."""
        parts = {"neval": dict(self._measured), "scheme": self._scheme.state_dict()}
        return {name: part for name, part in parts.items() if part}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state; an empty one forgets everything.

        Raises
        ------
        ValueError : the state is another sampler's.
        """
        measured = state.get("neval", {})
        if unfit := [level for level in measured if not self._takes_measured(level)]:
            raise ValueError(f"points: the state has an N_eval for level {unfit[0]}, which is not auto here")
        known = {
            level: whole(n, f"points: N_eval of level {level}", least=1, most=self.n_points(level))
            for level, n in measured.items()
        }
        self._scheme.load_state_dict(state.get("scheme", {}))
        self._measured = known

    def _takes_measured(self, level: int) -> bool:
        return 0 <= level < len(self._nevals) and self._nevals[level].is_auto

    def _neval(self, level: int, share: float) -> int | None:
        known = self._measured.get(level)
        neval = self._nevals[level] if known is None else NEval(known)
        return neval.count(self.n_points(level), share)

    def _count(self, level: int, share: float) -> int:
        neval = self._neval(level, share)
        return self.n_points(level) if neval is None else self._scheme.count(self._shapes[level], neval)
