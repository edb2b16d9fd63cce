"""Sparse LU factorisation."""

from scipy.sparse.linalg import splu

from nolab.errors import RunFailure
from nolab.problems._linear.system import Solution, System, accept


def direct(system: System) -> Solution:
    """Factorise and solve; the preconditioner is not used.

    The ordering is that of least degree in A + Aᵀ, and pivots come from the diagonal unless they are
    small: the pattern of a discretised equation is symmetric, and this has about half the fill of
    SuperLU's default.

    Raises
    ------
    RunFailure : the matrix is singular, or so nearly that the residual is too large.
    """
    try:
        factors = splu(
            system.matrix.astype(system.dtype).tocsc(),
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.1,
            options={"SymmetricMode": True},
        )
    except RuntimeError as error:
        raise RunFailure(f"direct solver: the matrix has no inverse ({error}).") from error
    return accept(system, factors.solve(system.right.astype(system.dtype)), 0, "direct solver")
