"""The domain of imported fields: from the file's coordinates, or the unit box."""

import numpy as np

from nolab.data.importers.contents import Hints
from nolab.data.importers.options import FileOptions
from nolab.errors import InputError
from nolab.grid import Axis, Domain, Placement


def build_domain(hints: Hints, options: FileOptions, space: str, sizes: tuple[int, ...]) -> Domain:
    """The domain with an axis per letter of `space`; `sizes` are those of the finest grid.

    Raises
    ------
    InputError : as many placements as axes are not given, or coordinates that are not evenly spaced.
    """
    placements = _placements(hints, options, space)
    axes = []
    for letter, size, placement in zip(space, sizes, placements, strict=True):
        given = hints.coordinates.get(letter)
        axes.append(Axis(placement) if given is None else _axis(letter, given, size, placement))
    return Domain(tuple(axes))


def _placements(hints: Hints, options: FileOptions, space: str) -> list[Placement]:
    given = options.placement
    if isinstance(given, list):
        if len(given) != len(space):
            raise InputError(
                f"dataset.placement: {len(given)} placements for the {len(space)} axes {', '.join(space)}"
            )
        return given
    known = {"t": "nodal", **hints.placement}
    return [known[letter] if given is None or letter == "t" else given for letter in space]


def _axis(letter: str, coordinates: np.ndarray, size: int, placement: Placement) -> Axis:
    # PDEBench gives one time more than there are frames.
    values = np.asarray(coordinates, np.float64)[:size]
    steps = np.diff(values)
    if len(values) < max(size, 2) or not (steps > 0).all() or np.ptp(steps) > 0.01 * steps.mean():
        raise InputError(
            f"dataset.path: its {len(coordinates)} coordinates along {letter} are not {size} evenly spaced ascending "
            "ones; nolab reads regular grids: interpolate the data to one"
        )
    step = (values[-1] - values[0]) / (size - 1)
    before, after = {"nodal": (0.0, 0.0), "cell": (0.5, 0.5), "periodic": (0.0, 1.0)}[placement]
    # Without the noise of float32 coordinates.
    length = _rounded((size - 1 + before + after) * step)
    start = values[0] - before * step
    start = 0.0 if abs(start) < 1e-5 * length else _rounded(start)
    return Axis(placement, start, float(f"{start + length:.9g}"))


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
