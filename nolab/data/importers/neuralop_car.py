"""neuraloperator's cars (Umetani and Bickel 2018): pressure at the vertices of car bodies of different shape.

`mini_car.pt`, or `torch.save` of a CarCFDDataset's `train_data.data_list`: a list with a dictionary per car. The layout
is taken from neuraloperator's code (2.0: `MeshDataModule`, `CarCFDDataset`), which scales the vertices to the unit cube
axis by axis over all cars and normalises the pressure, so nothing here is in physical units.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.spatial import cKDTree

from nolab.data.importers.array import check_memory
from nolab.data.importers.contents import UNSPLIT, Contents, Points
from nolab.data.importers.tensors import as_array, readable, unreadable
from nolab.errors import InputError
from nolab.grid import Domain
from nolab.mesh import MeshFields, MeshSize, padded

_VERTICES, _PRESSURE, _NORMALS = "vertices", "press", "vertex_normals"
_SLACK = 0.01


def is_cars(content: object) -> bool:
    """Whether a file's content is a list of dictionaries."""
    return isinstance(content, list) and bool(content) and all(isinstance(car, dict) for car in content)


def open_cars(path: Path, cars: list[dict[str, Any]]) -> Contents:
    """Pressure (n, 1, N) of the vertices' normals (n, 3, N), or of their spacing (n, 1, N) where a car has no normals.

    `vertices` (V, 3), `press` (V,), (1, V) or (V, 1), `vertex_normals` (V, 3). The signed distance that the files
    hold (`distance`) lies on a grid of query points and is no field at the vertices. Triangles are not there, so
    every vertex of a car weighs 1/V. Cars of fewer than N vertices are padded. The box is the extent of all cars, and
    1% of its longest side more on every side.

    Raises
    ------
    InputError : arrays that are missing or of other shapes, coordinates that are not finite.
    """
    wheres = [f"{path}: sample {i}" for i in range(len(cars))]
    has_normals = all(_NORMALS in car for car in cars)
    for where, car in zip(wheres, cars, strict=True):
        _check(where, car, has_normals)
    box = _box(path, [_values(where, car, _VERTICES) for where, car in zip(wheres, cars, strict=True)])
    names = ("normal_x", "normal_y", "normal_z") if has_normals else ("spacing",)
    read = partial(_read, cars, wheres, has_normals)
    points = Points(len(cars), box, names, ("pressure",), read)
    arrays, refused = readable(path, cars[0])
    return Contents(
        "neuraloperator's cars; arrays of the first", {UNSPLIT: [arrays]}, refused=refused, points=points
    )


def spacing(vertices: np.ndarray) -> np.ndarray:
    """Distance (V,) of each of the vertices (V, 3) to the nearest other one."""
    return cKDTree(vertices).query(vertices, k=2)[0][:, 1]


def _check(where: str, car: dict[str, Any], has_normals: bool) -> None:
    for name in (_VERTICES, _PRESSURE) + (_NORMALS,) * has_normals:
        if not torch.is_tensor(car.get(name)):
            raise InputError(f"{where}: has no tensor '{name}', but: {', '.join(map(str, car)) or 'nothing'}")
        if (reason := unreadable(car[name])) is not None:
            raise InputError(f"{where}: {name} {reason}")
    shape, found = tuple(car[_VERTICES].shape), tuple(car[_PRESSURE].shape)
    if len(shape) != 2 or shape[0] < 2 or shape[1] != 3:
        raise InputError(f"{where}: {_VERTICES} has shape {shape}, expected (vertices, 3)")
    if found not in ((shape[0],), (1, shape[0]), (shape[0], 1)):
        raise InputError(
            f"{where}: {_PRESSURE} has shape {found}, expected {(1, shape[0])}: a value per vertex, as CarCFDDataset "
            "leaves it"
        )
    if has_normals and tuple(car[_NORMALS].shape) != shape:
        raise InputError(f"{where}: {_NORMALS} has shape {tuple(car[_NORMALS].shape)}, expected {shape}")


def _box(path: Path, cars: list[np.ndarray]) -> Domain:
    low = np.min([vertices.min(axis=0) for vertices in cars], axis=0)
    high = np.max([vertices.max(axis=0) for vertices in cars], axis=0)
    slack = _SLACK * (high - low).max()
    if slack == 0:
        raise InputError(f"{path}: all vertices are one point")
    return Domain.cloud(*zip((low - slack).tolist(), (high + slack).tolist(), strict=True))


def _read(cars: list[dict[str, Any]], wheres: list[str], has_normals: bool, rows: range) -> MeshFields:
    most = max(len(car[_VERTICES]) for car in cars)
    check_memory(len(rows) * most * 8 * 4, wheres[rows[0]])  # at most 8 numbers a vertex
    return padded([_sample(wheres[i], cars[i], has_normals) for i in rows], MeshSize(most))


def _sample(where: str, car: dict[str, Any], has_normals: bool) -> MeshFields:
    vertices = _values(where, car, _VERTICES)
    inputs = _values(where, car, _NORMALS).T if has_normals else spacing(vertices)[None]
    pressure = _values(where, car, _PRESSURE).reshape(1, -1)
    weights = np.full(len(vertices), 1 / len(vertices))
    return MeshFields(inputs, pressure, vertices, weights, np.empty((0, 3), np.int32))


def _values(where: str, car: dict[str, Any], name: str) -> np.ndarray:
    values = as_array(f"{where}: {name}", car[name]).all()
    if not np.isfinite(values).all():
        raise InputError(f"{where}: {name} holds values that are not finite")
    return values
