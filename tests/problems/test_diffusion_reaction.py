"""Diffusion and reaction: the solver against exact and independent solutions."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from nolab.errors import InputError, RunFailure
from nolab.problems import diffusion_reaction
from nolab.problems._gaussian_process import expansion, normals, realisations
from nolab.problems.diffusion_reaction import _degree, _phi, line, solve
from nolab.schema import from_mapping

CPU = torch.device("cpu")


def smooth_source(x: torch.Tensor) -> torch.Tensor:
    """One that vanishes at both ends, and so leaves no layers there."""
    return 2 * torch.sin(math.pi * x) + torch.sin(3 * math.pi * x)


def drawn_sources(samples: int, x: torch.Tensor) -> torch.Tensor:
    process = expansion(0.2)
    return realisations(normals(0, "test", range(samples), (process.terms,)), process.values(x))


def finite_differences(
    source: Callable[[torch.Tensor], torch.Tensor], intervals: int, diffusion: float, reaction: float
) -> np.ndarray:
    """u at t = 0.25, 0.5, 0.75, 1 and 17 nodes: three-point differences and an adaptive solver."""
    x = torch.linspace(0, 1, intervals + 1, dtype=torch.float64)
    s = source(x).numpy()[1:-1]

    def rate(_: float, u: np.ndarray) -> np.ndarray:
        padded = np.pad(u, 1)
        return diffusion * intervals**2 * np.diff(padded, 2) + reaction * u**2 + s

    times = [0.25, 0.5, 0.75, 1.0]
    u = solve_ivp(rate, (0, 1), np.zeros_like(s), "DOP853", times, rtol=1e-9, atol=1e-10).y.T  # (4, N-1)
    return np.pad(u, ((0, 0), (1, 1)))[:, :: intervals // 16]


@pytest.mark.parametrize("h", [1e-9, 1e-3, 0.999, 1.0, 1.001, 7.0, 1e3])
def test_phi_functions(h: float) -> None:
    """Against their integrals φ_j(z) = ∫ exp((1-s)z) s^(j-1)/(j-1)! ds over [0, 1]."""
    points, weights = np.polynomial.legendre.leggauss(300)
    s, weights = (points + 1) / 2, weights / 2
    exponential, *phi = _phi(torch.tensor([-h], dtype=torch.float64))
    assert float(exponential) == math.exp(-h)
    for j, value in enumerate(phi, start=1):
        expected = float(np.sum(weights * np.exp(-(1 - s) * h) * s ** (j - 1)) / math.factorial(j - 1))
        assert float(value) == pytest.approx(expected, rel=1e-13)


def test_modes_are_the_eigenfunctions() -> None:
    space = line(48)
    k = torch.arange(1, 13, dtype=torch.float64)
    assert torch.allclose(space.eigenvalues[:12], (math.pi * k) ** 2, rtol=1e-10, atol=0)
    assert (space.eigenvalues > 0).all()
    identity = torch.eye(47, dtype=torch.float64)
    assert torch.allclose(space.to_modes @ space.to_nodes, identity, rtol=0, atol=1e-12)
    sines = math.sqrt(2) * torch.sin(math.pi * k * space.nodes[:, None])  # (M, 12)
    assert torch.allclose((space.to_modes @ sines).abs()[:12], identity[:12, :12], rtol=0, atol=1e-9)


def test_interpolation_is_exact_for_polynomials() -> None:
    space, x = line(9), torch.linspace(0, 1, 31, dtype=torch.float64)

    def polynomial(x: torch.Tensor) -> torch.Tensor:
        return x * (1 - x) * (1 + 3 * x**4 - 2 * x**7)

    values = space.interpolation(x) @ polynomial(space.nodes)
    assert torch.allclose(values, polynomial(x), rtol=0, atol=1e-14)


@pytest.mark.parametrize("diffusion", [1e-4, 0.01, 1.0, 100.0])
def test_one_mode_without_reaction(diffusion: float) -> None:
    space = line(48)
    u = solve(torch.sin(math.pi * space.nodes)[None], space, 11, diffusion, 0.0)[0]
    decay = diffusion * math.pi**2
    t = torch.linspace(0, 1, 11, dtype=torch.float64)
    expected = -torch.expm1(-decay * t)[:, None] / decay * torch.sin(math.pi * space.nodes)
    assert torch.allclose(u, expected, rtol=0, atol=1e-11)


def test_layers_at_the_ends() -> None:
    """s = 1 does not vanish at the ends: the steady state minus its decaying sine series."""
    options = diffusion_reaction.Options()
    space, x = line(_degree(options)), torch.linspace(0, 1, 100, dtype=torch.float64)
    u = solve(torch.ones(1, len(space.nodes), dtype=torch.float64), space, 101, 0.01, 0.0)[0, 1:]
    t = torch.linspace(0.01, 1, 100, dtype=torch.float64)
    n = torch.arange(1, 600, 2, dtype=torch.float64)
    amplitude = 4 / (0.01 * (math.pi * n) ** 3) * torch.exp(-0.01 * (math.pi * n) ** 2 * t[:, None])
    expected = x * (1 - x) / 0.02 - amplitude @ torch.sin(math.pi * n[:, None] * x)
    assert (u @ space.interpolation(x).mT - expected).abs().max() < 1e-9


@pytest.mark.parametrize(
    ("source", "diffusion", "reaction", "tolerance"),
    [
        (smooth_source, 0.05, 0.5, 1e-6),
        (lambda x: drawn_sources(1, x)[0], 0.01, 0.01, 3e-6),
    ],
)
def test_agrees_with_finite_differences(source, diffusion, reaction, tolerance) -> None:
    coarse, fine = (finite_differences(source, n, diffusion, reaction) for n in (64, 128))
    expected = (4 * fine - coarse) / 3  # their error of second order cancels
    space = line(80)
    u = solve(source(space.nodes)[None], space, 5, diffusion, reaction)[0, 1:]
    shown = space.interpolation(torch.linspace(0, 1, 17, dtype=torch.float64))
    assert np.abs((u @ shown.mT).numpy() - expected).max() < tolerance


def test_fourth_order_in_time() -> None:
    space = line(48)
    source = smooth_source(space.nodes)[None]
    reference = solve(source, space, 2, 0.01, 0.5, steps=1600)
    errors = [
        float((solve(source, space, 2, 0.01, 0.5, steps) - reference).abs().max())
        for steps in (20, 40, 80, 160)
    ]
    orders = [math.log2(coarse / fine) for coarse, fine in pairwise(errors)]
    assert all(3.75 < order < 4.25 for order in orders), orders


@pytest.mark.parametrize(
    "change",
    [{}, {"length": 0.05}, {"diffusion": 1e-3}, {"diffusion": 1.0, "times": 26}, {"reaction": 0.4}],
)
def test_refinement_changes_nothing(change: dict) -> None:
    """Neither twice the degree nor four times the steps, by more than 1e-8."""
    options = replace(diffusion_reaction.Options(times=26), **change)
    process = expansion(options.length)
    xi = normals(0, "test", range(4), (process.terms,))
    x = torch.linspace(0, 1, 41, dtype=torch.float64)

    def solution(degree: int, steps: int) -> torch.Tensor:
        space = line(degree)
        source = realisations(xi, process.values(space.nodes))
        u = solve(source, space, options.times, options.diffusion, options.reaction, steps)
        return u @ space.interpolation(x).mT

    degree = _degree(options)
    u = solution(degree, 100)
    assert (u - solution(2 * degree, 100)).abs().max() < 1e-8
    assert (u - solution(degree, 400)).abs().max() < 1e-8


def test_solution_turns_with_the_source() -> None:
    space = line(48)
    source = drawn_sources(3, space.nodes)
    u = solve(source, space, 11, 0.01, 0.1)
    turned = solve(source.flip(-1), space, 11, 0.01, 0.1)
    assert torch.allclose(turned, u.flip(-1), rtol=0, atol=1e-9)


def test_samples_of_a_batch_do_not_influence_each_other() -> None:
    space = line(48)
    source = drawn_sources(5, space.nodes)
    u = solve(source, space, 11, 0.01, 0.1)
    assert torch.allclose(solve(source[2:3], space, 11, 0.01, 0.1), u[2:3], rtol=0, atol=1e-13)


@pytest.mark.parametrize("bad", [1e3, 1e9, math.nan])
def test_running_away_is_a_failure(bad: float) -> None:
    space = line(48)
    source = drawn_sources(3, space.nodes)
    source[1] = bad
    with pytest.raises(RunFailure, match=r"1 of 3 samples run away \(reaction times concentration above 5"):
        solve(source, space, 2, 0.01, 0.01)


def test_description_and_values() -> None:
    options = diffusion_reaction.Options()
    s, u = diffusion_reaction.generate(options, 0, "train", range(4), CPU)
    described = diffusion_reaction.describe(options)
    assert described.shape == (101, 100)
    assert [axis.placement for axis in described.domain.axes] == ["nodal", "nodal"]
    assert described.input_axes == (1,)
    assert s.shape == (4, 1, 1, 100)
    assert u.shape == (4, 1, 101, 100)
    assert s.dtype == u.dtype == np.float32
    assert (u[:, :, 0] == 0).all()
    assert (u[..., [0, -1]] == 0).all()
    # At first nothing but the source moves the concentration; at the ends it cannot.
    assert np.allclose(u[:, :, 1, 20:80], 0.01 * s[:, :, 0, 20:80], rtol=0, atol=2e-4)


def test_every_grid_shows_the_same_functions() -> None:
    coarse, fine = (
        diffusion_reaction.generate(
            diffusion_reaction.Options(resolution=r, times=t), 7, "test", range(2), CPU
        )
        for r, t in ((34, 26), (100, 101))
    )
    assert np.allclose(coarse[0], fine[0][..., ::3], rtol=2e-7, atol=1e-9)
    assert np.allclose(coarse[1], fine[1][..., ::4, ::3], rtol=5e-7, atol=1e-8)


def test_samples_depend_on_seed_split_and_index_alone() -> None:
    options = diffusion_reaction.Options(resolution=20, times=11)
    base = diffusion_reaction.generate(options, 0, "train", range(8), CPU)
    again = diffusion_reaction.generate(options, 0, "train", range(8), CPU)
    assert all((x == y).all() for x, y in zip(base, again, strict=True))
    for indices in (range(3, 8), range(7, 8)):
        part = diffusion_reaction.generate(options, 0, "train", indices, CPU)
        assert (part[0] == base[0][list(indices)]).all()
        assert np.allclose(part[1], base[1][list(indices)], rtol=2e-7, atol=1e-12)
    for seed, split in ((1, "train"), (0, "test"), (0, "valid")):
        assert (diffusion_reaction.generate(options, seed, split, range(8), CPU)[0] != base[0]).any()
    with pytest.raises(InputError, match=r"split: 'trian' is not known\. Did you mean 'train'\?"):
        diffusion_reaction.generate(options, 0, "trian", range(1), CPU)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"resolution": 2}, r"dataset\.resolution: must be from 3 to 4097, got 2"),
        ({"times": 1}, r"dataset\.times: must be from 2 to 4097, got 1"),
        ({"length": 11}, r"dataset\.length: must be from 0\.01 to 10, got 11"),
        ({"variance": -1}, r"dataset\.variance: must be positive"),
        ({"diffusion": 0}, r"dataset\.diffusion: must be from 0\.0001 to 100, got 0"),
        ({"reaction": -0.01}, r"dataset\.reaction: must be from 0 to 100, got -0\.01"),
        ({"reaction": math.nan}, r"dataset\.reaction: must be from 0"),
        ({"diffusoin": 0.1}, r"Did you mean 'diffusion'\?"),
    ],
)
def test_bad_options(given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_mapping(diffusion_reaction.Options, given, "dataset")
