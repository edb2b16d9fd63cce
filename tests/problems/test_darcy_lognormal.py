"""Log-normal Darcy: the solver against an independent one, its order, the law of the medium."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from elliptic_support import direct_solution

import nolab
from nolab.errors import InputError, RunFailure
from nolab.problems import darcy_lognormal as lognormal
from nolab.problems._description import stream
from nolab.problems._elliptic import TOLERANCE, _apply, _faces, solve_dirichlet
from nolab.problems._random_fields import neumann_coefficients
from nolab.schema import from_mapping

CPU = torch.device("cpu")


def media(samples: int, **given) -> torch.Tensor:
    """Permeabilities (n, r, r) in float64."""
    options = lognormal.Options(**given)
    xi = np.stack([neumann_coefficients(stream(0, "test", i), options.modes) for i in range(samples)])
    return lognormal.permeability(torch.from_numpy(xi), options)


@pytest.mark.parametrize("resolution", [3, 4, 24, 33])
@pytest.mark.parametrize("sigma", [0.3, 2.0])
def test_agrees_with_direct_solver(resolution: int, sigma: float) -> None:
    options = lognormal.Options(resolution=resolution, sigma=sigma, forcing=-3.0)
    _, u = lognormal.generate(options, 0, "test", range(2), CPU)
    a = media(2, resolution=resolution, sigma=sigma).numpy()
    for medium, pressure in zip(a, u[:, 0], strict=True):
        expected = direct_solution(medium, np.full_like(medium, -3.0))
        assert np.linalg.norm(pressure - expected) <= 1e-6 * np.linalg.norm(expected)


def test_second_order_convergence_to_the_finest_grid() -> None:
    fine = lognormal.generate(lognormal.Options(resolution=257, modes=6), 0, "test", range(2), CPU)[1]
    errors = []
    for r in (9, 17, 33):
        u = lognormal.generate(lognormal.Options(resolution=r, modes=6), 0, "test", range(2), CPU)[1]
        stride = 256 // (r - 1)
        errors.append(np.linalg.norm(u - fine[..., ::stride, ::stride]) / np.linalg.norm(u))
    orders = [math.log2(coarse / finer) for coarse, finer in pairwise(errors)]
    assert all(1.8 < order < 2.2 for order in orders), (orders, errors)


def test_tolerance_holds_at_the_highest_contrast() -> None:
    a = media(4, resolution=33, sigma=2.0, tau=10.0)
    assert (a.amax(dim=(1, 2)) / a.amin(dim=(1, 2))).max() > 1e5
    f = torch.ones_like(a)
    u = solve_dirichlet(a, f, smooth=True)
    right = f[:, 1:-1, 1:-1] / 32**2
    residual = right - _apply(u[:, 1:-1, 1:-1], _faces(a))
    assert (residual.norm(dim=(1, 2)) <= 1.01 * TOLERANCE * right.norm(dim=(1, 2))).all()


def test_contrast_costs_a_smooth_medium_few_iterations() -> None:
    """Where the Laplacian alone needs hundreds; both find the same pressure."""
    a = media(8, resolution=33)
    f = torch.ones_like(a)
    quick = solve_dirichlet(a, f, max_iterations=30, smooth=True)
    with pytest.raises(RunFailure):
        solve_dirichlet(a, f, max_iterations=60)
    slow = solve_dirichlet(a, f)
    assert ((quick - slow).norm(dim=(1, 2)) <= 1e-6 * slow.norm(dim=(1, 2))).all()


def test_media_too_rough_for_their_contrast_are_a_failure() -> None:
    options = lognormal.Options(resolution=17, sigma=2.0, alpha=1.01, tau=1000.0)
    with pytest.raises(RunFailure, match=r"have not converged after 1000 iterations.* lower contrast"):
        lognormal.generate(options, 0, "test", range(1), CPU)


@pytest.mark.parametrize(("sigma", "alpha", "tau"), [(1.0, 2.0, 3.0), (0.5, 3.0, 8.0)])
def test_logarithm_has_mean_zero_and_the_asked_for_deviation(sigma: float, alpha: float, tau: float) -> None:
    g = media(600, resolution=17, sigma=sigma, alpha=alpha, tau=tau, modes=8).log()
    weights = torch.full((17,), 1 / 16, dtype=torch.float64)
    weights[[0, -1]] /= 2
    assert torch.einsum("nxy,x,y->n", g, weights, weights).abs().max() < 1e-13
    square = torch.einsum("nxy,x,y->n", g**2, weights, weights)
    assert float(square.mean()) == pytest.approx(sigma**2, abs=4.5 * float(square.std()) / math.sqrt(600))
    assert float(square.std()) < sigma**2 * 1.5


def test_description_and_values() -> None:
    options = lognormal.Options(resolution=21)
    a, u = lognormal.generate(options, 0, "train", range(4), CPU)
    described = lognormal.describe(options)
    assert described.shape == (21, 21)
    assert [axis.placement for axis in described.domain.axes] == ["nodal", "nodal"]
    assert set(described.units) == {*described.input_names, *described.output_names}
    assert a.shape == u.shape == (4, 1, 21, 21)
    assert a.dtype == u.dtype == np.float32
    assert (a > 0).all()
    assert (u[..., 1:-1, 1:-1] > 0).all()
    assert (np.concatenate([u[..., 0], u[..., -1], u[..., 0, :], u[..., -1, :]]) == 0).all()


def test_every_resolution_shows_the_same_media() -> None:
    fine, fine_u = lognormal.generate(lognormal.Options(resolution=65), 7, "test", range(3), CPU)
    coarse, coarse_u = lognormal.generate(lognormal.Options(resolution=17), 7, "test", range(3), CPU)
    assert np.allclose(coarse, fine[..., ::4, ::4], rtol=1e-6, atol=0)
    difference = np.linalg.norm(coarse_u - fine_u[..., ::4, ::4]) / np.linalg.norm(coarse_u)
    assert 0 < difference < 0.05


def test_samples_depend_on_seed_split_and_index_alone() -> None:
    options = lognormal.Options(resolution=9, modes=16)
    base = lognormal.generate(options, 0, "train", range(4), CPU)
    for indices in (range(4), range(1, 3), range(3, 4)):
        again = lognormal.generate(options, 0, "train", indices, CPU)
        assert all(
            np.allclose(x, y[list(indices)], rtol=1e-6, atol=0) for x, y in zip(again, base, strict=True)
        )
    for seed, split in ((1, "train"), (0, "test"), (0, "valid")):
        assert (lognormal.generate(options, seed, split, range(4), CPU)[0] != base[0]).any()
    with pytest.raises(InputError, match=r"split: 'trian' is not known\. Did you mean 'train'\?"):
        lognormal.generate(options, 0, "trian", range(1), CPU)


def test_a_model_trains_on_it(tiny) -> None:
    run = nolab.train(nolab.compose(tiny("dataset=darcy_lognormal", "dataset.finest=9", "budget.steps=2")))
    assert run.summary["cost/steps"] == 2
    assert {"final/rel_l2/5x5", "final/rel_l2/9x9", "final/rel_l2/17x17"} <= set(run.summary)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"resolution": 2}, r"dataset\.resolution: must be from 3 to 8193, got 2"),
        ({"sigma": 0}, r"dataset\.sigma: must be positive and at most 2, got 0"),
        ({"sigma": 2.5}, r"dataset\.sigma: must be positive and at most 2, got 2\.5"),
        ({"sigma": math.nan}, r"dataset\.sigma: must be positive"),
        ({"alpha": 1.0}, r"dataset\.alpha: must be greater than 1"),
        ({"tau": -3.0}, r"dataset\.tau: must be positive"),
        ({"modes": 1}, r"dataset\.modes: must be from 2"),
        ({"forcing": 0}, r"dataset\.forcing: must be a finite number other than 0"),
        ({"sgima": 1}, r"Did you mean 'sigma'\?"),
    ],
)
def test_bad_options(given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_mapping(lognormal.Options, given, "dataset")
