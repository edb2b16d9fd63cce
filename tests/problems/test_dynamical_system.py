"""The dynamical system: the state is the integral of the forcing."""

import math

import numpy as np
import pytest
import scipy.integrate
import torch

from nolab.errors import InputError
from nolab.problems import dynamical_system
from nolab.problems._gaussian_process import expansion, normals, realisations
from nolab.schema import from_mapping

CPU = torch.device("cpu")


def test_derivative_of_the_state_is_the_forcing() -> None:
    """In float64, by central differences of sixth order about each node."""
    process, h = expansion(0.2), 0.01
    xi = normals(0, "test", range(4), (process.terms,))
    x = torch.linspace(0.1, 0.9, 33, dtype=torch.float64)
    stencil = {1: 3 / 4, 2: -3 / 20, 3: 1 / 60}
    derivative = sum(
        weight * (process.integrals(x + k * h) - process.integrals(x - k * h)) / h
        for k, weight in stencil.items()
    )
    difference = realisations(xi, derivative) - realisations(xi, process.values(x))
    assert difference.abs().max() < 1e-6


def test_state_against_an_ode_solver() -> None:
    options = dynamical_system.Options(resolution=21)
    process = expansion(options.length)
    _, s = dynamical_system.generate(options, 0, "test", range(3), CPU)
    xi = normals(0, "test", range(3), (process.terms,))
    x = np.linspace(0, 1, 21)

    def forcing(at: float, _: np.ndarray) -> np.ndarray:
        return realisations(xi, process.values(torch.tensor([at], dtype=torch.float64)))[:, 0].numpy()

    solution = scipy.integrate.solve_ivp(forcing, (0, 1), np.zeros(3), "DOP853", x, rtol=1e-10, atol=1e-10)
    assert np.allclose(s[:, 0], solution.y, rtol=0, atol=2e-7)


def test_state_against_quadrature_of_the_stored_forcing() -> None:
    u, s = dynamical_system.generate(dynamical_system.Options(), 0, "train", range(8), CPU)
    x = np.linspace(0, 1, 100)
    expected = scipy.integrate.cumulative_simpson(u.astype(np.float64), x=x, initial=0)
    assert np.abs(s - expected).max() < 1e-5


def test_description_and_values() -> None:
    options = dynamical_system.Options()
    u, s = dynamical_system.generate(options, 0, "train", range(16), CPU)
    described = dynamical_system.describe(options)
    assert described.shape == (100,)
    assert [axis.placement for axis in described.domain.axes] == ["nodal"]
    assert described.input_axes is None
    assert u.shape == s.shape == (16, 1, 100)
    assert u.dtype == s.dtype == np.float32
    assert (s[..., 0] == 0).all()
    assert 0.5 < u.std() < 1.5


def test_every_resolution_shows_the_same_functions() -> None:
    coarse, fine = (
        dynamical_system.generate(dynamical_system.Options(resolution=r), 7, "test", range(4), CPU)
        for r in (100, 199)
    )
    for few, many in zip(coarse, fine, strict=True):
        assert np.allclose(few, many[..., ::2], rtol=2e-7, atol=1e-9)


def test_fields_scale_with_the_standard_deviation() -> None:
    one, four = (
        dynamical_system.generate(dynamical_system.Options(variance=v), 0, "test", range(3), CPU)
        for v in (1.0, 4.0)
    )
    for single, double in zip(one, four, strict=True):
        assert (double == 2 * single).all()


def test_samples_depend_on_seed_split_and_index_alone() -> None:
    options = dynamical_system.Options()
    base = dynamical_system.generate(options, 0, "train", range(16), CPU)
    for indices in (range(16), range(3, 8), range(15, 16)):
        again = dynamical_system.generate(options, 0, "train", indices, CPU)
        assert all((x == y[list(indices)]).all() for x, y in zip(again, base, strict=True))
    for seed, split in ((1, "train"), (0, "test"), (0, "valid")):
        assert (dynamical_system.generate(options, seed, split, range(16), CPU)[0] != base[0]).any()
    with pytest.raises(InputError, match=r"split: 'trian' is not known\. Did you mean 'train'\?"):
        dynamical_system.generate(options, 0, "trian", range(1), CPU)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"resolution": 2}, r"dataset\.resolution: must be from 3 to 8193, got 2"),
        ({"length": 0.001}, r"dataset\.length: must be from 0\.01 to 10, got 0\.001"),
        ({"length": math.nan}, r"dataset\.length: must be from 0\.01 to 10"),
        ({"variance": 0}, r"dataset\.variance: must be positive and at most 1e\+06, got 0"),
        ({"lenght": 0.2}, r"Did you mean 'length'\?"),
    ],
)
def test_bad_options(given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_mapping(dynamical_system.Options, given, "dataset")
