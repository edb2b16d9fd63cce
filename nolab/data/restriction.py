"""Restriction: from a fine grid to a coarse one of the same domain.

Every method is a matrix per axis, so restriction is separable and linear:

* ``subsample``: the fine samples that are also coarse samples (exact subsets);
* ``average``: cell means on cell-centred axes; on the others the hat-weighted mean around each
  coarse node (full weighting), cut off at the ends of a nodal axis;
* ``spectral``: truncation of the axis's own cosine (nodal: DCT-I, cell: DCT-II) or Fourier
  (periodic) series, evaluated at the coarse samples.

Latitudes are subsampled only: a field on the sphere has neither a mean per meridian at the poles nor
one kind of series along all meridians.
"""

from functools import lru_cache
from typing import Literal, get_args

import numpy as np

from nolab.errors import InputError, unknown
from nolab.grid import Axis, Domain

Restriction = Literal["subsample", "average", "spectral"]


def restrict(field: np.ndarray, domain: Domain, shape: tuple[int, ...], method: Restriction) -> np.ndarray:
    """Restrict `field` (n, C, *fine) to (n, C, *shape).

    Raises
    ------
    InputError : the coarse grid is not a restriction of the fine one under this method.
    """
    for position, (axis, coarse) in enumerate(zip(domain.axes, shape, strict=True)):
        fine = field.shape[2 + position]
        if fine == coarse:
            continue
        if method == "subsample":
            first, stride = subsample_stride(axis, fine, coarse)
            field = field[(slice(None),) * (2 + position) + (slice(first, None, stride),)]
        else:
            matrix = restriction_matrix(axis, fine, coarse, method).astype(field.dtype)
            # One product per sample: its bits do not depend on the samples that it is read with.
            last = np.ascontiguousarray(np.moveaxis(field, 2 + position, -1))
            field = np.moveaxis(last @ matrix.T, -1, 2 + position)
    return np.ascontiguousarray(field)


def subsample_stride(axis: Axis, fine: int, coarse: int) -> tuple[int, int]:
    """First index and stride of the coarse samples among the fine ones."""
    stride = _stride(axis, fine, coarse, "subsample")
    if axis.placement == "cell":
        if stride % 2 == 0:
            raise InputError(
                f"hierarchy: cell centres of {coarse} cells are not centres of {fine} (the ratio {stride} is "
                "even); use hierarchy.restriction=average, or odd ratios"
            )
        return stride // 2, stride
    return 0, stride


@lru_cache(maxsize=64)
def restriction_matrix(axis: Axis, fine: int, coarse: int, method: Restriction) -> np.ndarray:
    """Matrix (coarse, fine), float64, of one axis."""
    if method not in get_args(Restriction):
        raise unknown("hierarchy.restriction", method, get_args(Restriction))
    if axis.placement == "latitude" and method != "subsample" and fine != coarse:
        raise InputError(
            f"hierarchy.restriction: {method} is not defined along latitudes; use hierarchy.restriction=subsample"
        )
    if method == "spectral":
        if not 1 < coarse <= fine:
            raise InputError(f"hierarchy: {coarse} points are no restriction of {fine}")
        # The series is orthogonal on the fine samples under the quadrature weights, so the weighted
        # least squares fit is its truncated transform.
        root = np.sqrt(axis.weights(fine).numpy())
        truncated = np.linalg.pinv(root[:, None] * _series(axis, fine, coarse)) * root
        return _series(axis, coarse, coarse) @ truncated
    if method == "subsample":
        first, stride = subsample_stride(axis, fine, coarse)
        return np.eye(fine)[first::stride]
    return _averaging(axis, fine, coarse, _stride(axis, fine, coarse, method))


def _stride(axis: Axis, fine: int, coarse: int, method: str) -> int:
    m_fine, m_coarse = axis.intervals(fine), axis.intervals(coarse)
    if m_coarse < 1 or m_fine % m_coarse:
        both_ends = axis.placement in ("nodal", "latitude")
        rule = "(n-1) of the coarse level must divide (n-1)" if both_ends else "n must divide n"
        way_out = "" if axis.placement == "latitude" else " or hierarchy.restriction=spectral"
        raise InputError(
            f"hierarchy: {coarse} points are no {method} restriction of {fine} on a {axis.placement} axis: "
            f"{rule} of the fine one; use other sizes{way_out}"
        )
    return m_fine // m_coarse


def _averaging(axis: Axis, fine: int, coarse: int, stride: int) -> np.ndarray:
    if axis.placement == "cell":
        return np.kron(np.eye(coarse), np.full((1, stride), 1.0 / stride))
    offset = np.arange(fine)[None, :] - stride * np.arange(coarse)[:, None]
    if axis.placement == "periodic":
        offset = (offset + fine // 2) % fine - fine // 2
    hat = np.clip(1.0 - np.abs(offset) / stride, 0.0, None)
    hat *= axis.weights(fine).numpy()[None, :]
    return hat / hat.sum(axis=1, keepdims=True)


def _series(axis: Axis, n: int, terms: int) -> np.ndarray:
    """The first `terms` functions of the axis's series at its n samples, shape (n, terms)."""
    x = (axis.coordinates(n).numpy() - axis.start) / axis.length
    if axis.placement != "periodic":
        return np.cos(np.pi * np.outer(x, np.arange(terms)))
    columns = [np.ones(n)]
    for k in range(1, terms // 2 + 1):
        columns += [np.cos(2 * np.pi * k * x), np.sin(2 * np.pi * k * x)]
    # Without the Nyquist sine of an even grid, which vanishes at its samples.
    return np.stack(columns[:terms], axis=1)
