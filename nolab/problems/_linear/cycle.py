"""One cycle of GMRES beside a space whose image is known already."""

from dataclasses import dataclass

import numpy as np

from nolab.problems._linear.system import System


@dataclass(frozen=True)
class Cycle:
    """Arnoldi's relation: A times the j directions is C·B + V₊·H, with [C V₊] orthonormal.

    Vectors are stored as rows.

    Parameters
    ----------
    basis : (j+1, N), V₊; its first j rows are what the directions were preconditioned from.
    directions : (j, N), the first j rows of the basis after the preconditioner.
    coupling : (k, j), B.
    hessenberg : (j+1, j), H.
    y : (j,), the combination of the directions that makes the residual smallest.
    """

    basis: np.ndarray
    directions: np.ndarray
    coupling: np.ndarray
    hessenberg: np.ndarray
    y: np.ndarray


def run_cycle(system: System, residual: np.ndarray, known: np.ndarray, steps: int) -> Cycle:
    """Up to `steps` of Arnoldi's method on the complement of C, begun at `residual`.

    It ends early where the residual has become small enough or the Krylov space is exhausted.

    Parameters
    ----------
    residual : (N,), orthogonal to C and not zero.
    known : (k, N), orthonormal rows, C; with k = 0 this is GMRES.
    """
    k, size = known.shape
    rows = np.empty((k + steps + 1, size), system.dtype)  # C, then V₊
    directions = np.empty((steps, size), system.dtype)
    table = np.zeros((k + steps + 1, steps), system.dtype)  # B above H
    beta = float(np.linalg.norm(residual))
    rows[:k], rows[k] = known, residual / beta
    # The vector that is orthogonal to H's columns, first entry 1. The residual's least norm is β over its norm.
    null = np.zeros(steps + 1, system.dtype)
    null[0] = 1.0
    for j in range(steps):
        last = k + j + 1
        directions[j] = system.preconditioned(rows[last - 1])
        image = system.matrix @ directions[j]
        table[:last, j], rest = _orthogonalise(image, rows[:last])
        height = float(np.linalg.norm(rest))
        if height <= 1e-14 * np.linalg.norm(image):  # rounding: the space holds the solution
            rows[last] = 0.0
            break
        table[last, j], rows[last] = height, rest / height
        null[j + 1] = -np.vdot(table[k:last, j], null[: j + 1]) / height
        if beta <= system.target * np.linalg.norm(null):
            break
    used = j + 1
    hessenberg = table[k : k + used + 1, :used]
    y = np.linalg.lstsq(hessenberg, beta * np.eye(used + 1, 1)[:, 0], rcond=None)[0]
    return Cycle(rows[k : k + used + 1], directions[:used], table[:k, :used], hessenberg, y)


def _orthogonalise(vector: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of `vector` along orthonormal `rows`, and what is left of it."""
    along = (rows @ vector.conj()).conj()
    rest = vector - along @ rows
    # What is left of a difference that cancels is rounding too; a second pass removes it.
    if np.linalg.norm(rest) < 0.1 * np.linalg.norm(vector):
        more = (rows @ rest.conj()).conj()
        return along + more, rest - more @ rows
    return along, rest
