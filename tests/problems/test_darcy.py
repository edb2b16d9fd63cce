"""Darcy: the solver against exact and independent solutions, the random field against its law."""

import math
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import spsolve

from nolab.errors import InputError, RunFailure
from nolab.problems import darcy
from nolab.problems._description import stream
from nolab.problems._elliptic import TOLERANCE, _apply, _faces, _precondition, solve_dirichlet
from nolab.problems._elliptic import _laplacian_spectrum as spectrum
from nolab.problems._random_fields import neumann_coefficients, neumann_field
from nolab.schema import from_mapping

CPU = torch.device("cpu")


def direct_solution(a: np.ndarray, f: float = 1.0) -> np.ndarray:
    """The same discretisation, assembled entry by entry and solved by a direct method."""
    r = len(a)
    m, h = r - 2, 1 / (r - 1)
    rows, columns, values = [], [], []
    for i in range(1, r - 1):
        for j in range(1, r - 1):
            row = (i - 1) * m + j - 1
            for di, dj in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                face = (a[i, j] + a[i + di, j + dj]) / 2 / h**2
                rows.append(row)
                columns.append(row)
                values.append(face)
                if 1 <= i + di <= m and 1 <= j + dj <= m:
                    rows.append(row)
                    columns.append(row + di * m + dj)
                    values.append(-face)
    matrix = sp.csc_matrix((values, (rows, columns)), shape=(m * m, m * m))
    u = np.zeros((r, r))
    u[1:-1, 1:-1] = spsolve(matrix, np.full(m * m, f)).reshape(m, m)
    return u


def nodes(r: int) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.linspace(0, 1, r, dtype=torch.float64)
    return torch.meshgrid(x, x, indexing="ij")


def manufactured_error(r: int) -> float:
    """Largest error for u = sin(πx) sin(2πy) and a = 2 + sin(x + 2y)."""
    x, y = nodes(r)
    sx, sy, cx, cy = (
        (math.pi * x).sin(),
        (2 * math.pi * y).sin(),
        (math.pi * x).cos(),
        (2 * math.pi * y).cos(),
    )
    a, slope = 2 + torch.sin(x + 2 * y), torch.cos(x + 2 * y)  # ∇a = (slope, 2·slope)
    f = a * 5 * math.pi**2 * sx * sy - slope * math.pi * cx * sy - 2 * slope * 2 * math.pi * sx * cy
    return float((solve_dirichlet(a[None], f[None])[0] - sx * sy).abs().max())


def test_second_order_convergence() -> None:
    errors = [manufactured_error(r) for r in (17, 33, 65, 129)]
    orders = [math.log2(coarse / fine) for coarse, fine in pairwise(errors)]
    assert all(1.9 < order < 2.1 for order in orders), orders


@pytest.mark.parametrize("resolution", [3, 4, 5, 24, 33, 48])
def test_agrees_with_direct_solver(resolution: int) -> None:
    a, u = darcy.generate(darcy.Options(resolution=resolution), 3, "test", range(2), CPU)
    for permeability, pressure in zip(a[:, 0], u[:, 0], strict=True):
        expected = direct_solution(permeability.astype(np.float64))
        assert np.linalg.norm(pressure - expected) <= 1e-6 * np.linalg.norm(expected)


def test_residual_is_below_the_tolerance_at_high_contrast() -> None:
    options = darcy.Options(resolution=33, a_high=3000.0)
    a = torch.from_numpy(darcy.generate(options, 0, "train", range(3), CPU)[0][:, 0]).double()
    f = torch.ones_like(a)
    u = solve_dirichlet(a, f)
    right = f[:, 1:-1, 1:-1] / 32**2
    residual = right - _apply(u[:, 1:-1, 1:-1], _faces(a))
    assert (residual.norm(dim=(1, 2)) <= 1.01 * TOLERANCE * right.norm(dim=(1, 2))).all()


def test_operator_is_symmetric_and_positive() -> None:
    rng = torch.Generator().manual_seed(0)
    a = 1 + torch.rand(1, 9, 9, generator=rng, dtype=torch.float64)
    u, v = torch.randn(2, 1, 7, 7, generator=rng, dtype=torch.float64)
    image_u, image_v = _apply(u, _faces(a)), _apply(v, _faces(a))
    assert torch.isclose((v * image_u).sum(), (u * image_v).sum(), rtol=1e-12)
    assert (u * image_u).sum() > 0


@pytest.mark.parametrize("m", [1, 2, 7, 12])
def test_preconditioner_inverts_the_laplacian(m: int) -> None:
    u = torch.randn(2, m, m, generator=torch.Generator().manual_seed(m), dtype=torch.float64)
    image = _apply(u, _faces(torch.ones(2, m + 2, m + 2, dtype=torch.float64)))
    assert torch.allclose(_precondition(image, spectrum(m, CPU)), u, atol=2e-5)


@pytest.mark.parametrize("turn", [lambda t: t.flip(-1), lambda t: t.flip(-2), lambda t: t.mT])
def test_solution_turns_with_the_coefficient(turn) -> None:
    a = torch.from_numpy(
        darcy.generate(darcy.Options(resolution=20), 1, "train", range(1), CPU)[0][0]
    ).double()
    f = torch.ones_like(a)
    u = solve_dirichlet(a, f)
    assert torch.allclose(solve_dirichlet(turn(a).contiguous(), f), turn(u), rtol=0, atol=1e-8)


def test_solution_scales_with_the_forcing_and_vanishes_without() -> None:
    a = torch.ones(1, 9, 9, dtype=torch.float64)
    unit = solve_dirichlet(a, torch.ones_like(a))
    assert torch.allclose(solve_dirichlet(a, 1e-30 * torch.ones_like(a)), 1e-30 * unit, rtol=1e-12, atol=0)
    assert (solve_dirichlet(a, torch.zeros_like(a)) == 0).all()


def test_samples_of_a_batch_do_not_influence_each_other() -> None:
    a = torch.ones(2, 17, 17, dtype=torch.float64)
    a[1, :, 8:] = 100.0  # needs many more iterations than its neighbour
    f = torch.ones_like(a)
    assert torch.allclose(solve_dirichlet(a, f)[:1], solve_dirichlet(a[:1], f[:1]), rtol=1e-13, atol=0)


@pytest.mark.parametrize("bad", [False, True])
def test_no_convergence_is_a_failure(bad: bool) -> None:
    a, _ = darcy.generate(darcy.Options(resolution=33), 0, "train", range(2), CPU)
    f = torch.ones(2, 33, 33, dtype=torch.float64)
    f[1, 5, 5] = float("nan") if bad else 1.0
    with pytest.raises(RunFailure, match=r"of 2 samples have not converged after 3 iterations"):
        solve_dirichlet(torch.from_numpy(a[:, 0]).double(), f, max_iterations=3)


def test_field_is_the_cosine_series() -> None:
    """Against the sum written out, odd and even resolutions."""
    xi = torch.from_numpy(neumann_coefficients(np.random.default_rng(5), 4))
    for points in (7, 8):
        x, y = nodes(points)
        expected = torch.zeros(points, points, dtype=torch.float64)
        for k in range(4):
            for m in range(4):
                if k + m:
                    size = 3.0 / (math.pi**2 * (k * k + m * m) + 9.0)
                    scale = (math.sqrt(2) if k else 1) * (math.sqrt(2) if m else 1)
                    wave = torch.cos(math.pi * k * x) * torch.cos(math.pi * m * y)
                    expected += size * scale * xi[k, m] * wave
        assert torch.allclose(neumann_field(xi[None], points, 2.0, 3.0)[0], expected, rtol=0, atol=1e-13)


def test_field_covariance_follows_the_law() -> None:
    """Projections on the orthonormal basis have the law's variances and do not correlate."""
    samples, points, modes = 4000, 17, 6
    rng = stream(0, "train", 0)
    xi = torch.from_numpy(np.stack([neumann_coefficients(rng, modes) for _ in range(samples)]))
    field = neumann_field(xi, points, 2.0, 3.0)  # (n, r, r)
    x = torch.linspace(0, 1, points, dtype=torch.float64)
    weights = torch.full((points,), 1 / (points - 1), dtype=torch.float64)
    weights[[0, -1]] /= 2
    chosen = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 3)]
    projections = []
    for k, m in chosen:
        along_x = weights * torch.cos(math.pi * k * x) * (math.sqrt(2) if k else 1)
        along_y = weights * torch.cos(math.pi * m * x) * (math.sqrt(2) if m else 1)
        projections.append(torch.einsum("nij,i,j->n", field, along_x, along_y))
    covariance = torch.cov(torch.stack(projections))
    law = torch.tensor([9.0 / (math.pi**2 * (k**2 + m**2) + 9.0) ** 2 for k, m in chosen]).double()
    law[0] = 0.0  # no mean
    scale = (law.sqrt()[1:, None] * law.sqrt()[1:]).clamp(min=1e-12)
    noise = 4.5 / math.sqrt(samples)
    assert ((covariance[1:, 1:] - law[1:].diag()).abs() / scale < noise * math.sqrt(2)).all()
    assert covariance[0, 0] < 1e-25


def test_more_modes_refine_the_same_field() -> None:
    few, many = (neumann_coefficients(np.random.default_rng(1), modes) for modes in (5, 9))
    assert (many[:5, :5] == few).all()


def test_description_and_values() -> None:
    options = darcy.Options(resolution=21)
    a, u = darcy.generate(options, 0, "train", range(8), CPU)
    described = darcy.describe(options)
    assert described.shape == (21, 21)
    assert described.domain.axes[0].placement == "nodal"
    assert a.shape == u.shape == (8, 1, 21, 21)
    assert a.dtype == u.dtype == np.float32
    assert set(np.unique(a)) == {3.0, 12.0}
    assert 0.3 < (a == 12).mean() < 0.7
    edges = np.concatenate([u[..., 0], u[..., -1], u[..., 0, :], u[..., -1, :]])
    assert (edges == 0).all()
    assert (u[..., 1:-1, 1:-1] > 0).all()


def test_every_resolution_shows_the_same_media() -> None:
    fine, fine_u = darcy.generate(darcy.Options(resolution=65), 7, "test", range(4), CPU)
    coarse, coarse_u = darcy.generate(darcy.Options(resolution=17), 7, "test", range(4), CPU)
    assert (coarse == fine[..., ::4, ::4]).all()
    # The coarse pressure is solved on its own grid: near the fine one, not equal to it.
    difference = np.linalg.norm(coarse_u - fine_u[..., ::4, ::4]) / np.linalg.norm(coarse_u)
    assert 0 < difference < 0.2


def test_samples_depend_on_seed_split_and_index_alone() -> None:
    options = darcy.Options(resolution=9, modes=16)
    base = darcy.generate(options, 0, "train", range(4), CPU)
    again = darcy.generate(options, 0, "train", range(4), CPU)
    assert all((x == y).all() for x, y in zip(base, again, strict=True))
    part = darcy.generate(options, 0, "train", range(2, 4), CPU)
    assert (part[0] == base[0][2:]).all()
    assert np.allclose(part[1], base[1][2:], rtol=1e-6, atol=0)
    for seed, split in ((1, "train"), (0, "test"), (0, "valid")):
        assert (darcy.generate(options, seed, split, range(4), CPU)[0] != base[0]).any()
    with pytest.raises(InputError, match=r"split: 'trian' is not known\. Did you mean 'train'\?"):
        darcy.generate(options, 0, "trian", range(1), CPU)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"resolution": 2}, r"dataset\.resolution: must be from 3 to 8193, got 2"),
        ({"a_low": 0}, r"dataset\.a_low: must be a positive number, got 0"),
        ({"a_high": 1.0}, r"dataset\.a_high: must be from a_low = 3"),
        ({"alpha": 1.0}, r"dataset\.alpha: must be greater than 1"),
        ({"tau": -3.0}, r"dataset\.tau: must be positive"),
        ({"modes": 1}, r"dataset\.modes: must be from 2"),
        ({"forcing": 0}, r"dataset\.forcing: must be a finite number other than 0"),
        ({"forcing": math.nan}, r"dataset\.forcing: must be a finite number"),
        ({"resolutoin": 9}, r"Did you mean 'resolution'\?"),
    ],
)
def test_bad_options(given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_mapping(darcy.Options, given, "dataset")
