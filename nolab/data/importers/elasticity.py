"""Geo-FNO's elasticity benchmark (Li et al., arXiv 2207.05209): stress in a unit cell around a void.

Three files, the samples on their last axis: the stress at the N points of every mesh, their coordinates, and
K radii of the void. The geometry alone determines the stress, so there is no input field in the benchmark; here it
is each point's distance to the void.
"""

from functools import partial
from pathlib import Path

import numpy as np

from nolab.data.importers.array import LazyArray
from nolab.data.importers.contents import UNSPLIT, Arrays, Contents, Points
from nolab.data.importers.numpy_files import map_npy
from nolab.errors import InputError
from nolab.grid import Domain
from nolab.mesh import MeshFields

_SIGMA, _XY, _RR = (f"Random_UnitCell_{name}_10" for name in ("sigma", "XY", "rr"))
_COUNTS = (1000, 200)  # of the 2000 samples, as the paper takes them
_CENTRE = 0.5
_OUTSIDE = 0.01
_CLOSED = 1e-3
_SHARE_OF_RADIUS = 0.9


def is_elasticity(path: Path) -> bool:
    """Whether the path is the benchmark's folder, or its file of stresses."""
    return path.name == f"{_SIGMA}.npy" or (path / f"{_SIGMA}.npy").is_file()


def open_elasticity(path: Path) -> Contents:
    """Stress (n, 1, N) of the points' distance to the void (n, 1, N); quadrature weights 1/N, no cells.

    Equal weights make the loss the benchmark's, a mean over points and not over the area: meshes are finer
    where stresses vary. Training samples are the first 1000, test samples the last 200, unless the user says it.

    Raises
    ------
    InputError : a file is missing, damaged or holds objects, or shapes that do not fit each other.
    """
    folder = path if path.is_dir() else path.parent
    arrays = {name: _open(folder / f"{name}.npy") for name in (_SIGMA, _XY, _RR)}
    _check_shapes(arrays)
    count = arrays[_SIGMA].shape[1]
    counts = _COUNTS if count >= sum(_COUNTS) else None
    box = Domain.cloud((0.0, 1.0), (0.0, 1.0))
    points = Points(count, box, ("void_distance",), ("stress",), partial(_read, arrays), counts)
    return Contents("Geo-FNO elasticity", {UNSPLIT: [arrays]}, points=points)


def void_distance(points: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Distance (N,) of points (N, 2) to the closed polygon through the void's K radii (K,).

    The k-th radius lies at the angle 2πk/(K-1) from the x axis, counterclockwise round (0.5, 0.5), so that the last
    one is the first again. The files do not say so; their last radii are their first ones, and
    :func:`open_elasticity` refuses a file whose points would lie in the void.
    """
    corners = radii * np.exp(1j * _angles(len(radii)))
    start, along = corners[:-1], np.diff(corners)
    offset = _from_centre(points)[:, None] - start
    share = np.clip((offset * along.conj()).real / np.abs(along) ** 2, 0, 1)
    return np.abs(offset - share * along).min(axis=1)


def _open(file: Path) -> LazyArray:
    if not file.is_file():
        raise InputError(
            f"dataset.path: {file} is missing; Geo-FNO's elasticity is read from {_SIGMA}.npy, {_XY}.npy and "
            f"{_RR}.npy in one folder"
        )
    array = map_npy(file)
    if isinstance(array, str):
        raise InputError(f"{file}: {array}")
    return array


def _check_shapes(arrays: Arrays) -> None:
    sigma = arrays[_SIGMA]
    if len(sigma.shape) != 2:
        raise InputError(f"{sigma.where} has shape {sigma.shape}, expected (points, samples)")
    points, count = sigma.shape
    xy, rr = arrays[_XY], arrays[_RR]
    if xy.shape != (points, 2, count):
        raise InputError(f"{xy.where} has shape {xy.shape}, expected {(points, 2, count)} by {sigma.where}")
    if len(rr.shape) != 2 or rr.shape[0] < 4 or rr.shape[1] != count:
        raise InputError(f"{rr.where} has shape {rr.shape}, expected (radii, {count}) by {sigma.where}")


def _read(arrays: Arrays, rows: range) -> MeshFields:
    stress, coords, radii = (_samples(arrays[name], rows) for name in (_SIGMA, _XY, _RR))
    _check_radii(arrays[_RR].where, radii, rows)
    for number, points, own in zip(rows, coords, radii, strict=True):
        _check_points(f"{arrays[_XY].where}: sample {number}", points, own)
    distance = np.stack([void_distance(points, own) for points, own in zip(coords, radii, strict=True)])
    return MeshFields(
        distance[:, None].astype(np.float32),
        stress[:, None].astype(np.float32),
        coords.astype(np.float32),
        np.full(stress.shape, 1 / stress.shape[1], np.float32),
        np.empty((len(rows), 0, 3), np.int32),
    )


def _samples(array: LazyArray, rows: range) -> np.ndarray:
    """The samples, as the first axis, float64."""
    whole = (slice(None),) * (len(array.shape) - 1)
    values = np.moveaxis(array.read((*whole, slice(rows.start, rows.stop))), -1, 0).astype(np.float64)
    with np.errstate(over="ignore"):
        finite = np.isfinite(values.astype(np.float32)).reshape(len(rows), -1).all(axis=1)
    if not finite.all():
        bad = [rows[i] for i in np.flatnonzero(~finite)[:5]]
        raise InputError(f"{array.where} holds values that are not finite, in samples {bad}")
    return values


def _check_radii(where: str, radii: np.ndarray, rows: range) -> None:
    bad = (radii <= 0).any(axis=1) | (np.abs(radii[:, -1] - radii[:, 0]) > _CLOSED)
    if bad.any():
        raise InputError(
            f"{where}: sample {rows[int(bad.argmax())]}: expected positive radii, the last one equal to the first"
        )


def _check_points(where: str, points: np.ndarray, radii: np.ndarray) -> None:
    """Refuse points that lie outside the unit cell, or deep in the void: its radii are not these points'."""
    if points.min() < -_OUTSIDE or points.max() > 1 + _OUTSIDE:
        raise InputError(f"{where}: has points from {points.min():g} to {points.max():g}, expected [0, 1]²")
    ray = _from_centre(points)
    radius = np.interp(np.angle(ray) % (2 * np.pi), _angles(len(radii)), radii)
    if (inside := np.abs(ray) < _SHARE_OF_RADIUS * radius).any():
        raise InputError(f"{where}: {inside.sum()} of its points lie in the void that {_RR}.npy describes")


def _from_centre(points: np.ndarray) -> np.ndarray:
    """Points (N, 2) as complex numbers (N,) whose origin is the void's centre."""
    return (points[:, 0] - _CENTRE) + 1j * (points[:, 1] - _CENTRE)


def _angles(count: int) -> np.ndarray:
    return np.linspace(0, 2 * np.pi, count)
