"""Poisson: the series against finite differences, single modes and the law of the source."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from elliptic_support import direct_solution

import nolab
from nolab.errors import InputError
from nolab.problems import poisson
from nolab.problems._description import stream
from nolab.problems._random_fields import neumann_coefficients
from nolab.problems.poisson import sine_series
from nolab.schema import from_mapping

CPU = torch.device("cpu")


def test_finite_differences_converge_to_the_potential_with_second_order() -> None:
    errors = []
    for r in (17, 33, 65):
        f, u = poisson.generate(poisson.Options(resolution=r, modes=4), 0, "test", range(2), CPU)
        solved = np.stack([direct_solution(np.ones((r, r)), field.astype(np.float64)) for field in f[:, 0]])
        errors.append(np.abs(solved - u[:, 0]).max() / np.abs(u).max())
    orders = [math.log2(coarse / fine) for coarse, fine in pairwise(errors)]
    assert all(1.9 < order < 2.1 for order in orders), (orders, errors)


def test_fields_are_the_sums_written_out() -> None:
    options = poisson.Options(resolution=12, modes=3, alpha=1.5, tau=2.0)
    f, u = poisson.generate(options, 5, "test", range(1), CPU)
    xi = neumann_coefficients(stream(5, "test", 0), 3)
    x = np.linspace(0, 1, 12)
    source, potential = np.zeros((12, 12)), np.zeros((12, 12))
    for i in range(1, 4):
        for j in range(1, 4):
            eigenvalue = math.pi**2 * (i * i + j * j)
            wave = 2 * np.outer(np.sin(math.pi * i * x), np.sin(math.pi * j * x))
            wave *= xi[i - 1, j - 1] * 2.0**0.5 * (eigenvalue + 4.0) ** -0.75
            source += wave
            potential += wave / eigenvalue
    assert np.abs(f[0, 0] - source).max() < 1e-6
    assert np.abs(u[0, 0] - potential).max() < 1e-8


def test_source_follows_the_law() -> None:
    """Projections on the orthonormal sines have the law's variances and do not correlate."""
    n, r = 4000, 17
    f, _ = poisson.generate(poisson.Options(resolution=r, modes=6), 0, "train", range(n), CPU)
    x = np.linspace(0, 1, r)
    chosen = [(1, 1), (1, 2), (2, 1), (4, 3)]
    law = np.array([3 / (math.pi**2 * (i * i + j * j) + 9) for i, j in chosen])
    waves = [2 * np.outer(np.sin(math.pi * i * x), np.sin(math.pi * j * x)) / 16**2 for i, j in chosen]
    projections = np.einsum("nxy,kxy->kn", f[:, 0], np.stack(waves)) / law[:, None]
    assert np.abs(np.cov(projections) - np.eye(4)).max() < 4.5 * math.sqrt(2 / n)


def test_series_is_zero_on_the_boundary_and_linear() -> None:
    c = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 5, 5)))
    fields = sine_series(c, 9)
    for edge in (fields[:, 0], fields[:, -1], fields[:, :, 0], fields[:, :, -1]):
        assert (edge == 0).all()
    assert torch.allclose(sine_series(c.mT, 9), fields.mT, rtol=0, atol=1e-13)
    assert torch.allclose(sine_series(c[:1] - 2 * c[1:], 9), fields[:1] - 2 * fields[1:], rtol=0, atol=1e-13)


def test_description_and_values() -> None:
    options = poisson.Options(resolution=21)
    f, u = poisson.generate(options, 0, "train", range(4), CPU)
    described = poisson.describe(options)
    assert described.shape == (21, 21)
    assert [axis.placement for axis in described.domain.axes] == ["nodal", "nodal"]
    assert set(described.units) == {*described.input_names, *described.output_names}
    assert f.shape == u.shape == (4, 1, 21, 21)
    assert f.dtype == u.dtype == np.float32


def test_every_resolution_shows_the_same_functions() -> None:
    fine = poisson.generate(poisson.Options(resolution=65), 7, "test", range(3), CPU)
    coarse = poisson.generate(poisson.Options(resolution=17), 7, "test", range(3), CPU)
    for few, many in zip(coarse, fine, strict=True):
        assert np.allclose(few, many[..., ::4, ::4], rtol=0, atol=1e-6 * np.abs(many).max())


def test_samples_depend_on_seed_split_and_index_alone() -> None:
    options = poisson.Options(resolution=9, modes=8)
    base = poisson.generate(options, 0, "train", range(4), CPU)
    for indices in (range(4), range(1, 3), range(3, 4)):
        again = poisson.generate(options, 0, "train", indices, CPU)
        assert all(
            np.allclose(x, y[list(indices)], rtol=1e-6, atol=1e-9) for x, y in zip(again, base, strict=True)
        )
    for seed, split in ((1, "train"), (0, "test"), (0, "valid")):
        assert (poisson.generate(options, seed, split, range(4), CPU)[0] != base[0]).any()
    with pytest.raises(InputError, match=r"split: 'trian' is not known\. Did you mean 'train'\?"):
        poisson.generate(options, 0, "trian", range(1), CPU)


def test_a_model_trains_on_it(tiny) -> None:
    run = nolab.train(nolab.compose(tiny("dataset=poisson", "dataset.finest=9", "budget.steps=2")))
    assert run.summary["cost/steps"] == 2
    assert {"final/rel_l2/5x5", "final/rel_l2/9x9", "final/rel_l2/17x17"} <= set(run.summary)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"resolution": 2}, r"dataset\.resolution: must be from 3 to 8193, got 2"),
        ({"alpha": 1.0}, r"dataset\.alpha: must be greater than 1"),
        ({"alpha": math.nan}, r"dataset\.alpha: must be greater than 1"),
        ({"tau": 0}, r"dataset\.tau: must be positive"),
        ({"modes": 1}, r"dataset\.modes: must be from 2 to 4096"),
        ({"mode": 9}, r"Did you mean 'modes'\?"),
    ],
)
def test_bad_options(given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_mapping(poisson.Options, given, "dataset")
