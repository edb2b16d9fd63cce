"""Sequences of systems: what recycling saves, the order in which they are solved and come back."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nolab.errors import InputError, RunFailure
from nolab.problems._linear import TOLERANCE, System, sequence, solve_sequence
from nolab.problems._linear.gmres import gmres
from nolab.problems._linear.ordering import similarity_order
from nolab.problems._linear.recycling import Recycler

SIZE = 200


def drifting(parameter: float, complex_: bool = False) -> System:
    """Few eigenvalues near 0, which restarted GMRES finds hard; matrix and right-hand side drift a little."""
    x = np.linspace(0, 1, SIZE)
    diagonal = np.linspace(1, 4, SIZE)
    diagonal[:12] = np.geomspace(1e-3, 1, 12) * np.where(np.arange(12) % 2, -1, 1)
    diagonal = diagonal * (1 + 0.02 * np.sin(parameter + 6 * x))
    beside = 0.05 * np.cos(parameter * x[1:])
    matrix = sp.diags_array([diagonal + (0.3j if complex_ else 0.0), beside], offsets=[0, 1]).tocsr()
    return System(matrix, np.sin(3 * x + parameter))


def convergent(solve, systems: list[System]) -> list[int]:
    """Iterations of each system, once its residual has been found small enough."""
    solutions = [solve(system) for system in systems]
    for system, solution in zip(systems, solutions, strict=True):
        residual = np.linalg.norm(system.matrix @ solution.u - system.right)
        assert residual <= 1.0001 * TOLERANCE * np.linalg.norm(system.right)
    return [solution.iterations for solution in solutions]


@pytest.mark.parametrize("complex_", [False, True])
def test_recycling_takes_fewer_iterations_on_a_slowly_varying_sequence(complex_: bool) -> None:
    systems = [drifting(0.05 * i, complex_) for i in range(8)]
    plain = convergent(lambda s: gmres(s, steps=60), systems)
    recycled = convergent(Recycler(keep=30, steps=30), systems)
    assert max(recycled[1:]) < min(plain[1:])
    assert sum(recycled[1:]) < 0.6 * sum(plain[1:])
    assert sum(recycled[1:]) < 0.6 * 7 * recycled[0]  # the first has nothing to recycle


def test_the_same_system_again_takes_hardly_any_iterations() -> None:
    solve = Recycler(keep=200, steps=200)
    first = solve(drifting(0.0))
    assert first.iterations > 20
    assert solve(drifting(0.0)).iterations <= 1


def test_recycling_solves_whatever_comes_next() -> None:
    """Neighbours that have nothing in common cost iterations, not accuracy."""
    rng = np.random.default_rng(0)
    dense = [np.eye(SIZE) * 3 + rng.standard_normal((SIZE, SIZE)) / 10 for _ in range(5)]
    systems = [System(sp.csr_array(a), rng.standard_normal(SIZE)) for a in dense]
    convergent(Recycler(keep=10, steps=15), [*systems, drifting(0.0), systems[0]])


def test_recycling_is_deterministic() -> None:
    results = []
    for _ in range(2):
        solve = Recycler(keep=10, steps=20)
        results.append([solve(drifting(0.1 * i)).u for i in range(4)])
    assert (np.array(results[0]) == np.array(results[1])).all()


@given(arrays(np.float64, st.tuples(st.integers(1, 20), st.integers(1, 3)), elements=st.floats(-9, 9)))
def test_similarity_order_goes_to_the_nearest_that_is_left(points: np.ndarray) -> None:
    order = similarity_order(points)
    assert sorted(order) == list(range(len(points)))
    assert order[0] == 0
    for place, (here, there) in enumerate(pairwise(order)):
        distances = {int(j): np.linalg.norm(points[j] - points[here]) for j in order[place + 1 :]}
        assert distances[int(there)] == min(distances.values())


def test_similarity_order_sorts_what_lies_on_a_line() -> None:
    places = np.array([0.0, 5.0, 1.0, 4.0, 2.0, 3.0])
    assert similarity_order(places[:, None, None]).tolist() == [0, 2, 4, 5, 3, 1]
    assert similarity_order(np.zeros((4, 2))).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("solver", ["direct", "gmres", "recycling"])
def test_solutions_come_back_in_the_order_that_they_were_given(solver: str) -> None:
    parameters = np.array([0.0, 0.9, 0.2, 0.7, 0.4])
    built = []
    solutions = solve_sequence(
        lambda i: (built.append(i), drifting(parameters[i]))[1], parameters[:, None], solver
    )
    assert built == ([0, 2, 4, 3, 1] if solver == "recycling" else [0, 1, 2, 3, 4])
    for parameter, solution in zip(parameters, solutions, strict=True):
        system = drifting(parameter)
        assert np.linalg.norm(system.residual(solution.u)) <= 1.0001 * system.target


def test_every_sequence_begins_afresh() -> None:
    """What one sequence leaves behind must not reach the next."""
    alone = solve_sequence(drifting, np.zeros((1, 1)), "recycling")[0]
    solve_sequence(lambda i: drifting(1.0 + i), np.ones((2, 1)), "recycling")
    assert (solve_sequence(drifting, np.zeros((1, 1)), "recycling")[0].u == alone.u).all()


def test_conjugate_gradients_are_a_choice_too() -> None:
    matrix = sp.diags_array(np.linspace(1, 4, SIZE)).tocsr()
    solution = solve_sequence(lambda _: System(matrix, np.ones(SIZE)), np.zeros((1, 1)), "cg")[0]
    assert np.allclose(solution.u, 1 / np.linspace(1, 4, SIZE), rtol=1e-6)
    assert solution.iterations > 0
    with pytest.raises(RunFailure, match="not positive definite"):
        solve_sequence(drifting, np.zeros((1, 1)), "cg")


def test_unknown_solver() -> None:
    with pytest.raises(InputError, match=r"solver: 'gmers' is not known\. Did you mean 'gmres'\?"):
        solve_sequence(drifting, np.zeros((1, 1)), "gmers")
    assert set(sequence.Solver.__args__) == {"direct", "cg", "gmres", "recycling"}
