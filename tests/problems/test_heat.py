"""Heat conduction: the solver against exact and independent solutions, the conductivity against its law."""

import math
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import spsolve

from nolab.errors import InputError
from nolab.problems import heat
from nolab.problems.heat import solve
from nolab.schema import from_mapping

CPU = torch.device("cpu")


def centres(n: int) -> np.ndarray:
    return (np.arange(n) + 0.5) / n


def media(n: int, samples: int, **options: float) -> np.ndarray:
    """Conductivities (samples, n, n) of the default law, float64."""
    a, _ = heat.generate(heat.Options(resolution=n, **options), 0, "test", range(samples), CPU)
    return a[:, 0].astype(np.float64)


def smooth(n: int) -> np.ndarray:
    x, y = np.meshgrid(centres(n), centres(n), indexing="ij")
    return np.exp(np.sin(2 * x + 3 * y) + np.cos(4 * x * y))


def network_solution(a: np.ndarray) -> np.ndarray:
    """The same discretisation as a network of resistors, each half cell being one: GᵀCG T = GᵀC T_side."""
    n = len(a)
    resistance = 1 / (2 * a)  # of half a cell
    step = sp.diags_array([-np.ones(n), np.ones(n)], offsets=[0, -1], shape=(n + 1, n))  # sides included
    inner = sp.diags_array([-np.ones(n - 1), np.ones(n - 1)], offsets=[0, 1], shape=(n - 1, n))
    differences = sp.vstack([sp.kron(-step, sp.eye_array(n)), sp.kron(sp.eye_array(n), inner)])
    padded = np.pad(resistance, ((1, 1), (0, 0)))
    faces = [padded[1:] + padded[:-1], resistance[:, 1:] + resistance[:, :-1]]
    conductance = sp.diags_array(1 / np.concatenate([face.ravel() for face in faces]))
    side = np.zeros(differences.shape[0])
    side[:n] = 1.0
    matrix = (differences.T @ conductance @ differences).tocsc()
    return spsolve(matrix, differences.T @ conductance @ side).reshape(n, n)


def flux_along_x(a: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Heat through each of the n+1 sections x = i/n, from the side at T = 1 to the one at T = 0."""
    between = 2 * a[1:] * a[:-1] / (a[1:] + a[:-1]) * (u[:-1] - u[1:])
    return np.concatenate([2 * a[:1] * (1 - u[:1]), between, 2 * a[-1:] * u[-1:]]).sum(axis=1)


@pytest.mark.parametrize("n", [2, 3, 16])
def test_constant_conductivity_gives_the_linear_profile(n: int) -> None:
    assert np.allclose(solve(np.full((n, n), 7.0)), 1 - centres(n)[:, None], rtol=0, atol=1e-14)


def test_layers_along_x_are_resistors_in_series() -> None:
    a = np.random.default_rng(0).uniform(0.1, 10, 12)
    through = (np.cumsum(1 / a) - 0.5 / a) / np.sum(1 / a)  # up to each layer's centre
    u = solve(np.repeat(a[:, None], 12, axis=1))
    assert np.allclose(u, 1 - through[:, None], rtol=0, atol=1e-13)


def test_layers_along_y_are_resistors_in_parallel() -> None:
    a = np.random.default_rng(0).uniform(0.1, 10, 12)
    u = solve(np.repeat(a[None], 12, axis=0))
    assert np.allclose(u, 1 - centres(12)[:, None], rtol=0, atol=1e-13)


@pytest.mark.parametrize("n", [2, 3, 8, 32])
def test_agrees_with_the_network(n: int) -> None:
    for a in media(n, 2):
        assert np.allclose(solve(a), network_solution(a), rtol=0, atol=1e-12)


def test_agrees_with_the_network_at_high_contrast() -> None:
    a = media(24, 1, variance=10.0)[0]
    assert a.max() / a.min() > 1e5
    assert np.allclose(solve(a), network_solution(a), rtol=0, atol=1e-10)


def test_heat_is_conserved() -> None:
    """What enters at x = 0 passes every section; no cell keeps any."""
    a = media(32, 1)[0]
    flux = flux_along_x(a, solve(a))
    assert np.allclose(flux, flux[0], rtol=1e-12, atol=0)


def test_second_order_where_only_x_matters() -> None:
    """T(x) = ∫ₓ¹ 1/a over ∫₀¹ 1/a with 1/a = 2 + cos(3x)."""

    def error(n: int) -> float:
        x = centres(n)
        exact = 1 - (2 * x + np.sin(3 * x) / 3) / (2 + math.sin(3) / 3)
        u = solve(np.repeat(1 / (2 + np.cos(3 * x))[:, None], n, axis=1))
        return float(np.abs(u - exact[:, None]).max())

    orders = [math.log2(coarse / fine) for coarse, fine in pairwise(map(error, (8, 16, 32, 64)))]
    assert all(1.9 < order < 2.1 for order in orders), orders


def test_second_order_in_two_dimensions() -> None:
    """Each grid's cells have a third of the size: the centres stay, and differences fall by nine."""
    solutions = [solve(smooth(n)) for n in (5, 15, 45, 135)]
    differences = [
        np.linalg.norm(coarse - fine[1::3, 1::3]) / len(coarse) for coarse, fine in pairwise(solutions)
    ]
    orders = [math.log(coarse / fine, 3) for coarse, fine in pairwise(differences)]
    assert all(1.85 < order < 2.15 for order in orders), orders


def test_temperature_lies_between_the_sides() -> None:
    for variance in (0.75, 10.0):
        for a in media(16, 8, variance=variance):
            u = solve(a)
            assert 0 < u.min() < u.max() < 1


def test_symmetries() -> None:
    a = media(16, 1)[0]
    u = solve(a)
    assert np.allclose(solve(5 * a), u, rtol=0, atol=1e-13)
    assert np.allclose(solve(a[:, ::-1]), u[:, ::-1], rtol=0, atol=1e-13)
    assert np.allclose(solve(a[::-1]), 1 - u[::-1], rtol=0, atol=1e-13)


def test_solving_leaves_the_conductivity_alone() -> None:
    a = media(8, 1)[0]
    before = a.copy()
    solve(a)
    assert (a == before).all()


def test_logarithm_follows_the_law() -> None:
    """Mean, variance, and the correlation at a distance, which differs between the axes."""
    n, samples = 10, 2000
    g = np.log(media(n, samples, variance=0.75)) / math.sqrt(0.75)
    noise = 4.5 * math.sqrt(2 / samples)
    assert np.abs(g.mean(axis=0)).max() < noise
    assert np.abs((g**2).mean(axis=0) - 1).max() < noise
    along_x = (g[:, 1:] * g[:, :-1]).mean(axis=0)
    along_y = (g[:, :, 1:] * g[:, :, :-1]).mean(axis=0)
    assert np.abs(along_x - math.exp(-((0.1 / 0.1) ** 2) / 2)).max() < noise
    assert np.abs(along_y - math.exp(-((0.1 / 0.15) ** 2) / 2)).max() < noise


def test_description_and_values() -> None:
    options = heat.Options()
    a, u = heat.generate(options, 0, "train", range(8), CPU)
    described = heat.describe(options)
    assert described.shape == (32, 32)
    assert [axis.placement for axis in described.domain.axes] == ["cell", "cell"]
    assert described.input_axes is None
    assert a.shape == u.shape == (8, 1, 32, 32)
    assert a.dtype == u.dtype == np.float32
    assert (a > 0).all()
    assert np.allclose(u[0, 0], solve(a[0, 0].astype(np.float64)), rtol=0, atol=1e-6)


def test_every_resolution_shows_the_same_media() -> None:
    coarse, coarse_u = heat.generate(heat.Options(resolution=16), 7, "test", range(3), CPU)
    fine, fine_u = heat.generate(heat.Options(resolution=48), 7, "test", range(3), CPU)
    assert np.allclose(coarse, fine[..., 1::3, 1::3], rtol=5e-7, atol=0)
    # The coarse temperature is solved on its own grid: near the fine one, not equal to it.
    assert 0 < np.abs(coarse_u - fine_u[..., 1::3, 1::3]).max() < 0.1


def test_samples_depend_on_seed_split_and_index_alone() -> None:
    options = heat.Options(resolution=8)
    base = heat.generate(options, 0, "train", range(16), CPU)
    for indices in (range(16), range(3, 8), range(15, 16)):
        again = heat.generate(options, 0, "train", indices, CPU)
        assert all((x == y[list(indices)]).all() for x, y in zip(again, base, strict=True))
    for seed, split in ((1, "train"), (0, "test"), (0, "valid")):
        assert (heat.generate(options, seed, split, range(16), CPU)[0] != base[0]).any()
    with pytest.raises(InputError, match=r"split: 'trian' is not known\. Did you mean 'train'\?"):
        heat.generate(options, 0, "trian", range(1), CPU)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"resolution": 1}, r"dataset\.resolution: must be from 2 to 256, got 1"),
        ({"lengths": [0.1, 0.001]}, r"dataset\.lengths: must be from 0\.01 to 10, got 0\.001"),
        ({"lengths": [0.1]}, r"dataset\.lengths: expected 2 values, got 1"),
        ({"variance": 0}, r"dataset\.variance: must be positive and at most 10, got 0"),
        ({"variance": 11}, r"dataset\.variance: must be positive and at most 10"),
        ({"varianec": 1}, r"Did you mean 'variance'\?"),
    ],
)
def test_bad_options(given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_mapping(heat.Options, given, "dataset")
