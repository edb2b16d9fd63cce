"""Helmholtz: the discretisation against exact solutions and laws, the solvers against each other."""

import math
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import spsolve
from scipy.special import hankel1

from nolab.errors import InputError
from nolab.problems import helmholtz
from nolab.problems._helmholtz import assemble, homogeneous_inverse, integrate
from nolab.problems.helmholtz import solve
from nolab.schema import from_mapping

CPU = torch.device("cpu")
SOLVERS = ["direct", "gmres", "recycling"]


def nodes(r: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.linspace(0, 1, r)
    return np.meshgrid(x, x, indexing="ij")


def bump(r: int) -> np.ndarray:
    x, y = nodes(r)
    return np.exp(-((x - 0.4) ** 2 + (y - 0.6) ** 2) / 0.02)


def media(r: int, samples: int, **options) -> np.ndarray:
    """Speeds (samples, r, r) of the default law, float64."""
    c, _ = helmholtz.generate(helmholtz.Options(resolution=r, **options), 0, "test", range(samples), CPU)
    return c[:, 0].astype(np.float64)


def manufactured_error(r: int, k: float) -> float:
    """Largest error for u = p(x) p(y), p a quartic with p'(0) = -ikp(0), p'(1) = ikp(1), where c = 1 on the sides.

    So the absorbing condition is put to the test with a field that does not vanish there.
    """
    x, y = nodes(r)
    a = (2j * k + k**2) / (2 - 1j * k)
    p, q = (1 - 1j * k * z + a * z**2 + 30 * z**2 * (1 - z) ** 2 for z in (x, y))
    p_xx, q_yy = (2 * a + 30 * (2 - 12 * z + 12 * z**2) for z in (x, y))
    c = 1 + 0.3 * np.sin(math.pi * x) * np.sin(2 * math.pi * y)
    f = -p_xx * q - p * q_yy - (k / c) ** 2 * p * q
    return float(np.abs(solve(c[None], k, f, "direct")[0] - p * q).max() / np.abs(p * q).max())


@pytest.mark.parametrize("k", [2.0, 6.0])
def test_second_order_convergence(k: float) -> None:
    orders = [
        math.log2(coarse / fine) for coarse, fine in pairwise(manufactured_error(r, k) for r in (17, 33, 65))
    ]
    assert all(1.9 < order < 2.1 for order in orders), orders


def reference(c: np.ndarray, k: float, f: np.ndarray) -> np.ndarray:
    """The textbook scheme, written node by node: ghost nodes beyond the sides, eliminated."""
    r = len(c)
    h = 1 / (r - 1)
    rows, columns, values = [], [], []
    for i in range(r):
        for j in range(r):
            row = i * r + j
            diagonal = 4 / h**2 - (k / c[i, j]) ** 2
            for di, dj in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                inside = 0 <= i + di < r and 0 <= j + dj < r
                if not inside:  # u_ghost = u_mirror + 2h·i(k/c)·u
                    diagonal -= 2j * k / c[i, j] / h
                    di, dj = -di, -dj
                rows.append(row)
                columns.append((i + di) * r + j + dj)
                values.append(-1 / h**2)
            rows.append(row)
            columns.append(row)
            values.append(diagonal)
    matrix = sp.csc_matrix((values, (rows, columns)), shape=(r * r, r * r))
    return spsolve(matrix, f.ravel()).reshape(r, r)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("r", [4, 17, 24])
def test_agrees_with_the_ghost_node_scheme(solver: str, r: int) -> None:
    k = 8.0 if r > 4 else 2.0
    c = media(r, 3, wavenumber=k)
    for speed, u in zip(c, solve(c, k, bump(r), solver), strict=True):
        expected = reference(speed, k, bump(r))
        assert np.linalg.norm(u - expected) <= 1e-6 * np.linalg.norm(expected)


@pytest.mark.parametrize("k", [15.0, 25.0])
def test_waves_leave_a_homogeneous_medium_nearly_as_in_free_space(k: float) -> None:
    """Outgoing, not incoming: the field of a small bump is i/4 H₀⁽¹⁾; the sides reflect some 7 %."""
    r, width = 129, 0.04
    x, y = nodes(r)
    distance = np.hypot(x - 0.5, y - 0.5)
    f = np.exp(-(distance**2) / (2 * width**2)) / (2 * math.pi * width**2)
    u = solve(np.ones((1, r, r)), k, f, "direct")[0]
    far = distance > 6 * width
    free = 0.25j * hankel1(0, k * distance[far]) * math.exp(-((k * width) ** 2) / 2)
    assert np.linalg.norm(u[far] - free) < 0.12 * np.linalg.norm(free)


def test_energy_that_enters_leaves_through_the_sides() -> None:
    """The imaginary part of the equation times ū: the sides lose what the source does."""
    r, k = 33, 12.0
    c = media(r, 1, wavenumber=k)[0]
    f = bump(r)
    u = solve(c[None], k, f, "direct")[0]
    width = np.full(r, 1 / (r - 1))
    width[[0, -1]] /= 2
    given = -(np.outer(width, width) * f * u.conj()).sum().imag
    lost = sum(
        (width * (k / speed) * np.abs(side) ** 2).sum()
        for speed, side in ((c[0], u[0]), (c[-1], u[-1]), (c[:, 0], u[:, 0]), (c[:, -1], u[:, -1]))
    )
    assert lost > 0
    assert math.isclose(given, lost, rel_tol=1e-10)


def test_source_and_receiver_may_be_exchanged() -> None:
    r, k = 25, 9.0
    c = media(r, 1, wavenumber=k)
    f, g = bump(r), bump(r)[::-1] * nodes(r)[0]
    heard = [
        (integrate(there) * solve(c, k, here, "direct").ravel()).sum() for here, there in ((f, g), (g, f))
    ]
    assert np.isclose(*heard, rtol=1e-10)


@pytest.mark.parametrize(
    "turn", [lambda t: t[..., ::-1], lambda t: t[..., ::-1, :], lambda t: t.swapaxes(-1, -2)]
)
def test_field_turns_with_medium_and_source(turn) -> None:
    c, f = media(21, 1, wavenumber=7.0), bump(21)
    turned = solve(turn(c).copy(), 7.0, turn(f).copy(), "direct")
    assert np.allclose(turned, turn(solve(c, 7.0, f, "direct")), rtol=0, atol=1e-13)


@pytest.mark.parametrize("k", [3.0, 20.0])
def test_homogeneous_inverse_is_the_inverse(k: float) -> None:
    matrix = assemble(np.full((19, 19), k))
    vector = np.random.default_rng(0).standard_normal(19 * 19) + 0j
    assert np.allclose(homogeneous_inverse(19, k)(matrix @ vector), vector, rtol=0, atol=1e-4)


@pytest.mark.parametrize("solver", ["gmres", "recycling"])
def test_iterative_solvers_agree_with_the_direct_one(solver: str) -> None:
    """At the options' own contrast and wavenumber, where the equations are indefinite."""
    fields = {
        name: helmholtz.generate(helmholtz.Options(resolution=49, solver=name), 0, "train", range(5), CPU)
        for name in ("direct", solver)
    }
    assert (fields[solver][0] == fields["direct"][0]).all()
    for u, expected in zip(fields[solver][1], fields["direct"][1], strict=True):
        assert 0 < np.linalg.norm(u - expected) <= 1e-6 * np.linalg.norm(expected)


def test_speed_follows_its_law() -> None:
    """arctanh((c-1)/contrast) is Gaussian: mean 0, variance 1, the kernel's correlation."""
    samples, r = 800, 6
    c = media(r, samples, contrast=0.4, wavenumber=1.0)
    assert (np.abs(c - 1) < 0.4).all()
    g = np.arctanh((c - 1) / 0.4)
    noise = 4.5 * math.sqrt(2 / samples)
    assert np.abs(g.mean(axis=0)).max() < noise
    assert np.abs((g**2).mean(axis=0) - 1).max() < noise
    for shift in (g[:, 1:] * g[:, :-1], g[:, :, 1:] * g[:, :, :-1]):
        assert np.abs(shift.mean(axis=0) - math.exp(-0.5)).max() < noise  # 0.2 apart, length 0.2


def test_description_and_values() -> None:
    options = helmholtz.Options(resolution=33, source=(0.5, 0.5))
    c, u = helmholtz.generate(options, 0, "train", range(4), CPU)
    described = helmholtz.describe(options)
    assert described.shape == (33, 33)
    assert described.domain.axes[0].placement == "nodal"
    assert (c.shape, u.shape) == ((4, 1, 33, 33), (4, 2, 33, 33))
    assert c.dtype == u.dtype == np.float32
    assert ((c > 0.8) & (c < 1.2)).all()
    x, y = nodes(33)
    f = np.exp(-((x - 0.5) ** 2 + (y - 0.5) ** 2) / (2 * 0.05**2)) / (2 * math.pi * 0.05**2)
    expected = solve(c[:1, 0].astype(np.float64), 20.0, f, "direct")[0]
    assert np.allclose(u[0, 0] + 1j * u[0, 1], expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_the_source_stands_where_it_is_said() -> None:
    _, u = helmholtz.generate(
        helmholtz.Options(resolution=41, contrast=0.0, wavenumber=1.0, source=(0.75, 0.2)),
        0,
        "train",
        range(1),
        CPU,
    )
    assert np.unravel_index(u[0, 0].argmax(), (41, 41)) == (30, 8)


def test_every_resolution_shows_the_same_media() -> None:
    coarse, coarse_u = helmholtz.generate(helmholtz.Options(resolution=33), 7, "test", range(3), CPU)
    fine, fine_u = helmholtz.generate(helmholtz.Options(resolution=65), 7, "test", range(3), CPU)
    assert np.allclose(coarse, fine[..., ::2, ::2], rtol=2e-7, atol=0)
    # The coarse field is solved on its own grid: near the fine one, not equal to it.
    assert (
        1e-3 < np.linalg.norm(coarse_u - fine_u[..., ::2, ::2]) / np.linalg.norm(fine_u[..., ::2, ::2]) < 0.6
    )


@pytest.mark.parametrize("solver", SOLVERS)
def test_samples_depend_on_seed_split_and_index_alone(solver: str) -> None:
    options = helmholtz.Options(resolution=17, wavenumber=8.0, solver=solver)
    base = helmholtz.generate(options, 0, "train", range(8), CPU)
    again = helmholtz.generate(options, 0, "train", range(8), CPU)
    assert all((x == y).all() for x, y in zip(base, again, strict=True))
    for indices in (range(2, 5), range(7, 8)):
        c, u = helmholtz.generate(options, 0, "train", indices, CPU)
        assert (c == base[0][list(indices)]).all()
        if solver == "recycling":  # the same to the solver's tolerance
            assert np.allclose(u, base[1][list(indices)], rtol=0, atol=1e-6 * np.abs(u).max())
        else:
            assert (u == base[1][list(indices)]).all()
    for seed, split in ((1, "train"), (0, "test"), (0, "valid")):
        assert (helmholtz.generate(options, seed, split, range(8), CPU)[0] != base[0]).any()
    with pytest.raises(InputError, match=r"split: 'trian' is not known\. Did you mean 'train'\?"):
        helmholtz.generate(options, 0, "trian", range(1), CPU)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"resolution": 2}, r"dataset\.resolution: must be from 3 to 1025, got 2"),
        (
            {"resolution": 16},
            r"dataset\.resolution: must be at least 17, 4 steps in the shortest wave, got 16",
        ),
        ({"wavenumber": 0}, r"dataset\.wavenumber: must be positive and at most 500, got 0"),
        ({"contrast": 0.9}, r"dataset\.contrast: must be from 0 to 0\.8, got 0\.9"),
        ({"source": [0.5, 1.5]}, r"dataset\.source: must be from 0 to 1, got 1\.5"),
        ({"source": [0.5]}, r"dataset\.source: expected 2 values, got 1"),
        ({"width": 0}, r"dataset\.width: must be from 0\.01 to 1"),
        ({"solver": "cg"}, r"dataset\.solver: 'cg' is not known\..*Valid: direct, gmres, recycling"),
        ({"wavenumbr": 9}, r"Did you mean 'wavenumber'\?"),
    ],
)
def test_bad_options(given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_mapping(helmholtz.Options, given, "dataset")
