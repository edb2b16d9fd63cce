"""Shallow water on the rotating sphere: conservation, a steady flow, gravity waves, determinism."""

import importlib
import math

import numpy as np
import pytest
import torch

from nolab.errors import InputError
from nolab.grid import Domain
from nolab.problems import shallow_water
from nolab.problems.shallow_water import FIELDS, _inverse_transform, _solver, evolve, initial_coefficients
from nolab.schema import from_mapping

CPU = torch.device("cpu")
SMALL = {"resolution": 17, "degrees": 8}


def options(**given):
    return shallow_water.Options(**{**SMALL, **given})


def zonal_flow(speed, degrees):
    """Geopotential and vorticity of solid-body rotation in balance (Williamson et al. 1992, test 2), SI units.

    φ = gH - (RΩu + u²/2) sin²(latitude) and ζ = 2u/R sin(latitude), as coefficients.
    """
    solver, _ = _solver(degrees, 1.0, CPU)
    radius, omega = float(solver.radius), float(solver.omega)
    state = torch.zeros(3, degrees, degrees, dtype=torch.complex128)
    state[1, 1, 0] = 2 * speed / radius * math.sqrt(4 * math.pi / 3)
    square = (radius * omega * speed + speed**2 / 2) * math.sqrt(4 * math.pi)
    state[0, 2, 0] = -square * 2 / 3 / math.sqrt(5)  # x² = 1/3 + 2/3 P₂(x); its mean is part of gH
    return state


def test_mass_is_conserved_and_no_mean_arises():
    _, after = shallow_water.generate(options(hours=6), 0, "test", range(2), CPU)
    weights = Domain.sphere().weights(after.shape[2:]).numpy()
    assert np.abs((after * weights).sum(axis=(2, 3))).max() < 1e-6


def test_a_balanced_flow_is_steady():
    state = zonal_flow(20.0, 8)
    after = evolve(state, options(hours=12))
    for field, bound in ((0, 1e-4), (1, 1e-4)):
        assert (after[field] - state[field]).abs().max() < bound * state[field].abs().max()
    assert after[2].abs().max() < 1e-4 * state[1].abs().max()


def test_small_waves_have_their_frequency_on_a_sphere_at_rest():
    """Without rotation φ_l oscillates as cos(t √(gH l(l+1))/R)."""
    solver, steps = _solver(8, 1.5, CPU)
    rotation = solver.coriolis.clone()
    state = torch.zeros(3, 8, 8, dtype=torch.complex128)
    state[0, 3, 2] = 1.0
    solver.coriolis.zero_()
    try:
        after = evolve(state, options(hours=1.5))
    finally:
        solver.coriolis.copy_(rotation)
    frequency = math.sqrt(float(solver.gravity * solver.havg) * 12) / float(solver.radius)
    assert steps == math.ceil(1.5 * 3600 * 8 / 1500)
    assert after[0, 3, 2].real.item() == pytest.approx(math.cos(frequency * 5400), abs=0.01)


def test_initial_fields_have_mean_zero_and_variance_one():
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal((400, 63, 3, 2)))
    fields = torch.stack([_inverse_transform(9, 8, CPU)(initial_coefficients(one, 8)) for one in noise])
    weights = Domain.sphere().weights((9, 16))
    assert (fields * weights).sum((-2, -1)).abs().max() < 1e-12
    variance = fields.square().mean(0)  # the same at every point of the sphere
    assert variance.mean((-2, -1)).allclose(torch.ones(3, dtype=torch.float64), atol=0.05)
    assert variance.min() > 0.7
    assert variance.max() < 1.35


def test_description_and_values():
    described = shallow_water.describe(options())
    before, after = shallow_water.generate(options(), 0, "train", range(3), CPU)
    assert described.domain == Domain.sphere()
    assert described.shape == (17, 32)
    assert described.input_names == described.output_names == FIELDS
    assert before.shape == after.shape == (3, 3, 17, 32)
    assert before.dtype == after.dtype == np.float32
    assert np.isfinite(after).all()
    assert 0.5 < before.std() < 1.5
    assert 0.1 < np.abs(after - before).mean() < 3
    for pole in (0, -1):
        assert np.abs(after[:, :, pole] - after[:, :, pole, :1]).max() < 1e-5


def test_every_resolution_shows_the_same_states():
    coarse, fine = (shallow_water.generate(options(resolution=r), 7, "test", range(2), CPU) for r in (17, 33))
    for few, many in zip(coarse, fine, strict=True):
        assert np.abs(few - many[..., ::2, ::2]).max() < 1e-5


def test_fast_winds_stay_finite():
    _, after = shallow_water.generate(options(mach=0.5, hours=12), 0, "train", range(2), CPU)
    assert np.isfinite(after).all()
    assert np.abs(after).max() < 20


def test_samples_depend_on_seed_split_and_index_alone():
    brief = options(hours=0.2)
    base = shallow_water.generate(brief, 0, "train", range(6), CPU)
    torch.manual_seed(123)  # of no effect: every sample has a stream of its own
    for indices in (range(6), range(2, 5), range(5, 6)):
        again = shallow_water.generate(brief, 0, "train", indices, CPU)
        assert all((x == y[list(indices)]).all() for x, y in zip(again, base, strict=True))
    for seed, split in ((1, "train"), (0, "test"), (0, "valid")):
        assert (shallow_water.generate(brief, seed, split, range(6), CPU)[0] != base[0]).any()
    with pytest.raises(InputError, match=r"split: 'trian' is not known\. Did you mean 'train'\?"):
        shallow_water.generate(brief, 0, "trian", range(1), CPU)


def test_store_is_the_same_for_any_number_of_workers(tmp_path):
    from nolab.data.generation import ensure_store

    stores = [
        ensure_store(
            "shallow_water",
            {"resolution": 9, "degrees": 6, "hours": 0.2},
            seed=0,
            counts={"train": 20, "test": 2},
            data_dir=tmp_path / str(workers),
            device=CPU,
            workers=workers,
            progress=False,
        )
        for workers in (1, 2)
    ]
    assert stores[0].read_bytes() == stores[1].read_bytes()


def test_without_torch_harmonics_the_way_out_is_named(monkeypatch):
    monkeypatch.setitem(importlib.sys.modules, "torch_harmonics", None)
    _solver.cache_clear()
    _inverse_transform.cache_clear()
    with pytest.raises(InputError, match=r"pip install 'nolab\[sphere\]'"):
        shallow_water.generate(options(), 0, "train", range(1), CPU)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"resolution": 4}, r"dataset\.resolution: must be from 5 to 1025, got 4"),
        ({"hours": 0}, r"dataset\.hours: must be positive and at most 240, got 0"),
        ({"hours": math.nan}, r"dataset\.hours"),
        ({"degrees": 1}, r"dataset\.degrees: must be from 2"),
        ({"resolution": 9, "degrees": 9}, r"dataset\.degrees: must be from 2 to resolution - 1 = 8"),
        ({"mach": 0.6}, r"dataset\.mach: must be positive and at most 0\.5, got 0\.6"),
        ({"hour": 2}, r"Did you mean 'hours'\?"),
    ],
)
def test_bad_options(given, message):
    with pytest.raises(InputError, match=message):
        from_mapping(shallow_water.Options, given, "dataset")
