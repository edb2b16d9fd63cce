"""Linear solvers: each against NumPy's dense solution, and what they say where there is none."""

from collections.abc import Callable

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from nolab.errors import RunFailure
from nolab.problems._linear import TOLERANCE, Solution, System
from nolab.problems._linear.conjugate_gradients import conjugate_gradients
from nolab.problems._linear.cycle import run_cycle
from nolab.problems._linear.direct import direct
from nolab.problems._linear.gmres import gmres
from nolab.problems._linear.recycling import Recycler

GENERAL = {"direct": direct, "gmres": gmres, "recycling": lambda system: Recycler()(system)}
ALL = GENERAL | {"cg": conjugate_gradients}


def convection(n: int) -> np.ndarray:
    """-u'' + 20u' by central differences: not symmetric."""
    return (
        np.diag(np.full(n, 2.0)) + np.diag(np.full(n - 1, -0.4), 1) + np.diag(np.full(n - 1, -1.6), -1)
    ) * n


def random_matrix(kind: str, n: int, seed: int) -> np.ndarray:
    """A well-conditioned dense (n, n) matrix of the kind."""
    rng = np.random.default_rng(seed)
    if kind == "not symmetric":
        return convection(n) + rng.standard_normal((n, n)) / n
    turn = np.linalg.qr(rng.standard_normal((n, n)))[0]
    if kind == "complex symmetric":
        return turn @ np.diag(rng.uniform(1, 9, n) + 1j * rng.uniform(-4, 4, n)) @ turn.T
    if kind == "Hermitian definite":
        turn = np.linalg.qr(rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n)))[0]
    signs = rng.choice([-1.0, 1.0], n) if kind == "indefinite" else np.ones(n)
    return turn @ np.diag(signs * rng.uniform(1, 30, n)) @ turn.conj().T


def checked(solve: Callable[[System], Solution], system: System) -> Solution:
    """The solution, found to have a small residual and to be the dense one."""
    dense = system.matrix.toarray()
    solution = solve(system)
    residual = system.right - dense @ solution.u
    assert np.linalg.norm(residual) <= 1.0001 * TOLERANCE * np.linalg.norm(system.right)
    expected = np.linalg.solve(dense, system.right)
    assert solution.u.dtype == expected.dtype
    bound = TOLERANCE * np.linalg.cond(dense) * 1.01 + 1e-12
    assert np.linalg.norm(solution.u - expected) <= bound * np.linalg.norm(expected)
    return solution


@pytest.mark.parametrize("solver", GENERAL)
@pytest.mark.parametrize("kind", ["definite", "indefinite", "not symmetric", "complex symmetric"])
@given(n=st.integers(1, 70), seed=st.integers(0, 99))
def test_general_solvers_agree_with_the_dense_solution(solver: str, kind: str, n: int, seed: int) -> None:
    matrix = sp.csr_array(random_matrix(kind, n, seed))
    right = np.random.default_rng(seed + 1).standard_normal(n)
    checked(GENERAL[solver], System(matrix, right))


@pytest.mark.parametrize("kind", ["definite", "Hermitian definite"])
@given(n=st.integers(1, 70), seed=st.integers(0, 99))
def test_conjugate_gradients_agree_with_the_dense_solution(kind: str, n: int, seed: int) -> None:
    matrix = sp.csr_array(random_matrix(kind, n, seed))
    right = np.random.default_rng(seed + 1).standard_normal(n)
    checked(conjugate_gradients, System(matrix, right))


@pytest.mark.parametrize("solver", [name for name in ALL if name != "direct"])
def test_a_better_preconditioner_takes_fewer_iterations(solver: str) -> None:
    dense = random_matrix("definite", 120, 0) + np.diag(np.geomspace(1, 1e4, 120))
    right = np.ones(120)
    plain = checked(ALL[solver], System(sp.csr_array(dense), right))
    scaled = checked(ALL[solver], System(sp.csr_array(dense), right, lambda r: r / np.diag(dense)))
    inverse = np.linalg.inv(dense)
    exact = checked(ALL[solver], System(sp.csr_array(dense), right, lambda r: inverse @ r))
    assert plain.iterations > 2 * scaled.iterations > 2 * exact.iterations
    assert exact.iterations <= 2


@pytest.mark.parametrize("solver", [name for name in ALL if name != "direct"])
def test_iterations_count_the_preconditioners_calls(solver: str) -> None:
    calls = []
    system = System(
        sp.csr_array(random_matrix("definite", 90, 3)), np.ones(90), lambda r: (calls.append(1), r)[1]
    )
    taken = ALL[solver](system).iterations
    assert 10 < taken <= len(calls) <= taken + 1


def test_conjugate_gradients_need_as_many_iterations_as_distinct_eigenvalues() -> None:
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((40, 40)))[0]
    dense = turn @ np.diag(np.repeat([1.0, 2.0, 5.0, 7.0], 10)) @ turn.T
    for solver in (conjugate_gradients, gmres, Recycler()):
        assert checked(solver, System(sp.csr_array(dense), np.ones(40))).iterations == 4


@pytest.mark.parametrize("kind", ["indefinite", "complex symmetric"])
def test_gmres_stops_at_the_first_krylov_space_that_suffices(kind: str) -> None:
    dense, right = random_matrix(kind, 80, 5), np.random.default_rng(6).standard_normal(80)
    space = np.empty((80, 0))  # orthonormal columns
    column, residual = right, right
    while np.linalg.norm(residual) > TOLERANCE * np.linalg.norm(right):
        space = np.linalg.qr(np.column_stack([space, column]))[0]
        column = dense @ space[:, -1]
        residual = right - dense @ space @ np.linalg.lstsq(dense @ space, right, rcond=None)[0]
    needed = space.shape[1]
    assert 20 < needed < 80
    system = System(sp.csr_array(dense), right)
    for solve in (lambda s: gmres(s, steps=80), Recycler(keep=5, steps=80)):
        assert solve(system).iterations == needed


def test_a_cycle_keeps_arnoldis_relation() -> None:
    """Even where each image is nearly parallel to the vector that it comes from."""
    rng = np.random.default_rng(0)
    dense = np.eye(60) + 1e-6 * rng.standard_normal((60, 60))
    known = np.linalg.qr(rng.standard_normal((60, 3)))[0].T
    start = rng.standard_normal(60)
    system = System(sp.csr_array(dense), np.zeros(60), lambda r: 2 * r)  # whose target is never met
    cycle = run_cycle(system, start - known.T @ (known @ start), known, 10)
    together = np.vstack([known, cycle.basis])
    assert np.abs(together @ together.T - np.eye(14)).max() < 1e-13
    assert (cycle.directions == 2 * cycle.basis[:-1]).all()
    table = np.vstack([cycle.coupling, cycle.hessenberg])
    assert np.allclose(dense @ cycle.directions.T, together.T @ table, rtol=0, atol=1e-14)


def test_restarts_are_no_obstacle() -> None:
    system = System(sp.csr_array(convection(200)), np.ones(200))
    whole = checked(lambda s: gmres(s, steps=200), system)
    restarted = checked(lambda s: gmres(s, steps=20), system)
    assert restarted.iterations >= whole.iterations > 20


@pytest.mark.parametrize("solver", ALL)
def test_no_right_hand_side_no_solution(solver: str) -> None:
    solution = ALL[solver](System(sp.csr_array(np.diag([1.0, 2.0, 3.0])), np.zeros(3)))
    assert (solution.u == 0).all()
    assert solution.iterations == 0


@pytest.mark.parametrize(
    ("solve", "message"),
    [
        (
            lambda s: gmres(s, steps=7, max_iterations=20),
            r"GMRES: a linear system has not converged after 20 iterations \(.*\)\. The direct solver needs",
        ),
        (Recycler(5, 7, max_iterations=20), "Krylov recycling: a linear system has not converged after 20"),
        (
            lambda s: conjugate_gradients(s, max_iterations=20),
            "conjugate gradients: .* not converged after 20",
        ),
    ],
)
def test_no_convergence_is_a_failure(solve: Callable, message: str) -> None:
    dense = random_matrix("definite", 100, 0) + np.diag(np.geomspace(1, 1e5, 100))
    with pytest.raises(RunFailure, match=message):
        solve(System(sp.csr_array(dense), np.ones(100)))


def test_a_matrix_without_inverse_is_a_failure() -> None:
    singular = sp.csr_array(np.diag([1.0, 2.0, 0.0]))
    with pytest.raises(RunFailure, match="the matrix has no inverse"):
        direct(System(singular, np.ones(3)))
    for solve in (lambda s: gmres(s, max_iterations=9), Recycler(max_iterations=9)):
        with pytest.raises(RunFailure, match="not converged after 9"):
            solve(System(singular, np.ones(3)))


def test_conjugate_gradients_refuse_what_is_indefinite() -> None:
    with pytest.raises(RunFailure, match=r"not positive definite. GMRES and the direct solver take it"):
        conjugate_gradients(System(sp.csr_array(np.diag([1.0, -2.0, 3.0])), np.ones(3)))
    with pytest.raises(RunFailure, match="not positive definite"):
        conjugate_gradients(System(sp.csr_array(np.eye(3)), np.ones(3), lambda r: -r))


@pytest.mark.parametrize("solver", ALL)
def test_the_system_is_left_alone(solver: str) -> None:
    dense = random_matrix("definite", 20, 0)
    system = System(sp.csr_array(dense), np.ones(20))
    ALL[solver](system)
    assert (system.matrix.toarray() == dense).all()
    assert (system.right == 1).all()
