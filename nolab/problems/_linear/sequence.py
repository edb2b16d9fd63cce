"""Solve a sequence of related systems with the solver of one's choice."""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np

from nolab.errors import unknown
from nolab.problems._linear.conjugate_gradients import conjugate_gradients
from nolab.problems._linear.direct import direct
from nolab.problems._linear.gmres import gmres
from nolab.problems._linear.ordering import similarity_order
from nolab.problems._linear.recycling import Recycler
from nolab.problems._linear.system import Solution, System

Solver = Literal["direct", "cg", "gmres", "recycling"]


def solve_sequence(build: Callable[[int], System], parameters: np.ndarray, solver: Solver) -> list[Solution]:
    """Solutions of the systems ``build(0)`` … ``build(n-1)``, in this order.

    All solvers but recycling take each system alone. Recycling takes them in the order of
    :func:`similarity_order`, so that a solution depends on the others, within the tolerance.

    Parameters
    ----------
    build : makes a system when its turn comes, so that only one is in memory.
    parameters : (n, ...), what tells the systems apart.
    solver : ``cg`` takes Hermitian positive definite systems only.

    Raises
    ------
    InputError : unknown solver.
    RunFailure : a system has not converged.
    """
    solvers = {"direct": direct, "cg": conjugate_gradients, "gmres": gmres, "recycling": Recycler()}
    if solver not in solvers:
        raise unknown("solver", solver, get_args(Solver))
    order = similarity_order(parameters) if solver == "recycling" else range(len(parameters))
    solutions = {int(i): solvers[solver](build(int(i))) for i in order}
    return [solutions[i] for i in range(len(parameters))]
