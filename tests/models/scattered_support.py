"""Batches on scattered points, and what models on them have to fulfil."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy.spatial import Delaunay
from torch import Tensor

from nolab.data.neighbours import far_places, find_neighbours
from nolab.fields import FieldBatch, tensors_of
from nolab.grid import Domain
from nolab.mesh import vertex_weights
from nolab.neighbourhood import Neighbourhood

BOX = Domain.cloud((0.0, 2.0), (-1.0, 0.5))
Field = Callable[[np.ndarray], np.ndarray]
"""Coordinates (N, ndim) to the values (C, N) of an input field."""


def waves(coords: np.ndarray) -> np.ndarray:
    """A smooth field of two channels in the plane."""
    x, y = coords.T
    return np.stack([np.sin(2 * x + y), np.cos(3 * y) * x])


def random_clouds(sizes: Sequence[int], domain: Domain = BOX, seed: int = 0) -> list[np.ndarray]:
    """Uniformly distributed points, (size, ndim) each, float64."""
    random = np.random.default_rng(seed)
    low, high = np.array([(axis.start, axis.stop) for axis in domain.axes]).T
    return [random.uniform(low, high, (size, domain.ndim)) for size in sizes]


def batch_of(
    clouds: Sequence[np.ndarray],
    wanted: Neighbourhood,
    *,
    room: int | None = None,
    field: Field = waves,
    weights: Sequence[np.ndarray] | None = None,
    domain: Domain = BOX,
) -> FieldBatch:
    """Samples in float64 whose points are these, with the tables that a model wants.

    Parameters
    ----------
    room : N, if it is more than the largest sample has; what stands at padding is not a number.
    weights : quadrature weights of each sample; None: random ones.
    """
    n = room or max(len(cloud) for cloud in clouds)
    random = np.random.default_rng(1)
    coords, values, quadrature = [], [], []
    for i, cloud in enumerate(clouds):
        w = random.uniform(0.5, 2, len(cloud)) if weights is None else weights[i]
        missing = n - len(cloud)
        coords.append(np.pad(cloud, ((0, missing), (0, 0)), constant_values=np.nan))
        values.append(np.pad(field(cloud), ((0, 0), (0, missing)), constant_values=np.nan))
        quadrature.append(np.pad(w / w.sum(), (0, missing)))
    places, counted = np.stack(coords), np.stack(quadrature)
    centres = None if wanted.centres is None else far_places(places, counted, wanted.centres)
    table = find_neighbours(places, counted, wanted, np.arange(len(clouds)), centres)
    neighbours = torch.from_numpy(table).long()
    centres = None if centres is None else torch.from_numpy(centres).double()
    tensors = (torch.from_numpy(np.stack(part)) for part in (values, coords, quadrature))
    values, coords, quadrature = tensors
    return FieldBatch(
        values, domain, coords=coords, weights=quadrature, neighbours=neighbours, centres=centres
    )


def in_float32(batch: FieldBatch) -> FieldBatch:
    """The batch as training has it."""
    wide = {name: value.float() for name, value in tensors_of(batch).items() if value.is_floating_point()}
    return replace(batch, **wide)


def permuted(batch: FieldBatch, order: Tensor) -> FieldBatch:
    """The same samples with their points in another order: new point p is the old order[p]."""
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    table = batch.neighbours
    table = torch.where(table >= 0, place[table], -1)
    return replace(
        batch,
        input=batch.input[..., order],
        coords=batch.coords[:, order],
        weights=batch.weights[:, order],
        neighbours=table[:, order] if batch.centres is None else table,
    )


def one_sample(batch: FieldBatch, i: int, size: int) -> FieldBatch:
    """Sample i alone, with room for its own points and no more."""
    table = batch.neighbours[i : i + 1]
    return replace(
        batch,
        input=batch.input[i : i + 1, :, :size],
        coords=batch.coords[i : i + 1, :size],
        weights=batch.weights[i : i + 1, :size],
        neighbours=table[:, :size] if batch.centres is None else table,
        centres=None if batch.centres is None else batch.centres[i : i + 1],
    )


def two_meshes(n: int, domain: Domain = BOX, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Points and their quadrature weights at two levels of one domain: an even mesh of n² points, and the same points
    with 3·n² more, most of them crowded towards a corner."""
    random = np.random.default_rng(seed)
    low, high = np.array([(axis.start, axis.stop) for axis in domain.axes]).T
    line = np.linspace(0, 1, n)
    even = np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)
    inside = ((even > 0) & (even < 1)).all(axis=1)
    even[inside] += random.uniform(-0.3, 0.3, (inside.sum(), 2)) / n
    crowded = random.uniform(0, 1, (3 * n * n, 2)) ** 2.0
    levels = []
    for unit in (even, np.concatenate([even, crowded])):
        coords = low + unit * (high - low)
        levels.append((coords, vertex_weights(coords, Delaunay(coords).simplices)))
    return levels


def outcome(model: torch.nn.Module, batch: FieldBatch) -> list[Tensor]:
    """The prediction, and the parameters' gradients of the mean of its square over the samples."""
    prediction = model(batch)
    there = torch.where(batch.mask[:, None], prediction, 0) if batch.points is None else prediction
    gradients = torch.autograd.grad(there.square().sum(), list(model.parameters()))
    return [prediction.detach(), *gradients]


def assert_same(found: Sequence[Tensor], expected: Sequence[Tensor], tolerance: float = 1e-11) -> None:
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert (a - b).abs().max() <= tolerance * b.abs().max().clamp_min(1e-3)


def joined(parts: Sequence[Tensor]) -> Tensor:
    """All numbers in a row."""
    return torch.cat([part.flatten() for part in parts])


def relative(found: Tensor, exact: Tensor) -> float:
    """Relative L2 error."""
    return ((found.double() - exact).norm() / exact.norm()).item()
