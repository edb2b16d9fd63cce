"""Tiny files of scattered points in the layouts that others' data come in, and a model to train on them."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from nolab.fields import FieldBatch

NAMES = ("sigma", "XY", "rr")


def elasticity(count: int, points: int = 12, radii: int = 9, seed: int = 0) -> dict[str, np.ndarray]:
    """Arrays of Geo-FNO's elasticity: smooth voids round the centre, points between them and the cell's boundary."""
    rng = np.random.default_rng(seed)
    angles = np.linspace(0, 2 * np.pi, radii)[:, None]
    phase = rng.uniform(0, 2 * np.pi, count)
    rr = 0.25 + 0.05 * np.cos(angles + phase)
    where = rng.uniform(0, 2 * np.pi, (points, count))
    radius = rng.uniform(0.31, 0.49, (points, count))
    xy = 0.5 + np.stack([radius * np.cos(where), radius * np.sin(where)], axis=1)
    return {"sigma": rng.uniform(10, 300, (points, count)), "XY": xy, "rr": rr}


def write_elasticity(folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, values in arrays.items():
        np.save(folder / f"Random_UnitCell_{name}_10.npy", values)
    return folder


def car(vertices: int, seed: int = 0, *, normals: bool = True) -> dict[str, torch.Tensor]:
    """A car as neuraloperator 2.0's MeshDataModule makes it, of `vertices` vertices and twice as many triangles."""
    generator = torch.Generator().manual_seed(seed)

    def some(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator)

    triangles, grid = 2 * vertices, (4, 4, 4)
    made = {
        "vertices": some(vertices, 3),
        "vertex_normals": nn.functional.normalize(some(vertices, 3) - 0.5, dim=1),
        "triangle_normals": nn.functional.normalize(some(triangles, 3) - 0.5, dim=1),
        "centroids": some(triangles, 3),
        "triangle_areas": some(triangles),
        "distance": some(*grid, 1),
        "closest_points": some(*grid, 3),
        "normalized_triangle_areas": some(triangles),
        "press": torch.randn(1, vertices, generator=generator),
        "query_points": some(*grid, 3),
    }
    if not normals:
        del made["vertex_normals"]
    return made


def write_cars(path: Path, cars: object) -> Path:
    torch.save(cars, path)
    return path


class Pointwise(nn.Module):
    """Each point's output from its own input and place."""

    def __init__(self, spec, **_: object) -> None:
        super().__init__()
        self.linear = nn.Linear(spec.in_channels + spec.domain.ndim, spec.out_channels)

    def forward(self, batch: FieldBatch) -> torch.Tensor:
        known = torch.cat([batch.input.transpose(1, 2), batch.coords], dim=-1)
        return batch.select(self.linear(known).transpose(1, 2))
