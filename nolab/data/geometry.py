"""Scattered points that a user hands to a finished run, checked and with the tables that its model asks for."""

import numpy as np
import torch
from torch import Tensor

from nolab.data.neighbours import far_places, find_neighbours, trimmed
from nolab.errors import InputError
from nolab.grid import Domain
from nolab.mesh import padded_at_end
from nolab.neighbourhood import Neighbourhood


def geometry_tensors(
    coords: np.ndarray | None,
    weights: np.ndarray | None,
    size: tuple[int, int],
    domain: Domain,
    wanted: Neighbourhood | None,
) -> dict[str, Tensor]:
    """The parts of a :class:`nolab.fields.FieldBatch` that say where the points lie.

    Parameters
    ----------
    coords : (N, ndim) shared by the samples or (n, N, ndim), in units of the domain.
    weights : quadrature weights (N,) or (n, N), in any scale; 0 on padding, which stands at a sample's end.
        None: equal.
    size : samples n and points N.
    wanted : the neighbours that the model asks for.

    Raises
    ------
    InputError : shapes, coordinates or weights that can't be used.
    """
    n_samples, n_points = size
    if coords is None:
        raise InputError(
            "coords: missing; this run's points are scattered, so every prediction needs their coordinates"
        )
    full = (n_samples, n_points, domain.ndim)
    if coords.shape not in (full, full[1:]):
        raise InputError(f"coords: shape {coords.shape}, expected {full[1:]} or {full}")
    if weights is None:
        weights = np.ones(n_points)
    if weights.shape not in (full[:2], full[1:2]):
        raise InputError(f"weights: shape {weights.shape}, expected {full[1:2]} or {full[:2]}")
    coords = np.broadcast_to(coords, full).astype(np.float32)
    weights = _scaled(np.broadcast_to(weights, full[:2]).astype(np.float64))
    check_box(coords[weights > 0], domain, "coords")
    geometry = {"coords": coords, "weights": weights.astype(np.float32)}
    if wanted is not None:
        centres = None
        if wanted.centres is not None:
            geometry["centres"] = centres = far_places(coords, weights, wanted.centres)
        neighbours = find_neighbours(coords, weights, wanted, np.arange(n_samples), centres)
        geometry["neighbours"] = trimmed(neighbours).astype(np.int64)
    return {name: torch.from_numpy(values) for name, values in geometry.items()}


def check_box(coords: np.ndarray, domain: Domain, key: str) -> None:
    """Refuse coordinates (..., ndim) that are not in the domain's box.

    Raises
    ------
    InputError : naming `key` and the axis.
    """
    for axis, side in enumerate(domain.axes):
        values, slack = coords[..., axis], 1e-6 * side.length
        if not (np.isfinite(values).all() and values.min() >= side.start - slack) or (
            values.max() > side.stop + slack
        ):
            raise InputError(f"{key}: axis {axis} must lie in [{side.start:g}, {side.stop:g}]")


def _scaled(weights: np.ndarray) -> np.ndarray:
    """Weights (n, N) that sum to 1."""
    if not np.isfinite(weights).all() or (weights < 0).any() or (weights[:, 0] == 0).any():
        raise InputError("weights: must be finite and not negative, and positive on a sample's first point")
    if not padded_at_end(weights):
        raise InputError("weights: points of weight 0 are padding and stand at the end of a sample")
    return weights / weights.sum(axis=1, keepdims=True)
