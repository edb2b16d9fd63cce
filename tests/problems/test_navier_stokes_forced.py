"""Forced Navier–Stokes: the flow against another method, the forcing against its law, stores and runs."""

import math

import numpy as np
import pytest
import torch
import torus_support as plain

import nolab
from nolab.data.generation import ensure_store
from nolab.data.store import Store
from nolab.errors import InputError, RunFailure
from nolab.problems import navier_stokes_forced as forced
from nolab.schema import from_mapping

CPU = torch.device("cpu")
SMALL = {"resolution": 16, "time": 0.5}


def options(**given) -> forced.Options:
    return from_mapping(forced.Options, {**SMALL, **given}, "dataset")


def made(samples: int = 2, **given) -> tuple[np.ndarray, np.ndarray]:
    """Forcing and vorticity (n, r, r) of the first test samples."""
    f, w = forced.generate(options(**given), 0, "test", range(samples), CPU)
    return f[:, 0], w[:, 0]


@pytest.mark.parametrize("n", [16, 17])
def test_flow_is_that_of_a_method_without_integrating_factor(n):
    """The classical Runge–Kutta method for the whole equation, from rest."""
    nu, h = 0.01, 0.0025
    f, w = made(1, resolution=n, reynolds=1 / nu)
    k1, k2 = plain.wave_numbers(n, 2 * np.pi)

    def slope(_, v: np.ndarray) -> np.ndarray:
        diffusion = np.fft.ifft2(-nu * (k1**2 + k2**2) * np.fft.fft2(v)).real
        return plain.rate(v, f[0].astype(np.float64), 2 * np.pi) + diffusion

    expected = np.zeros((n, n))
    for _ in range(200):
        expected = plain.runge_kutta(slope, expected, h)
    assert np.linalg.norm(w[0] - expected) < 1e-5 * np.linalg.norm(expected)
    assert np.linalg.norm(w[0] - 0.5 * f[0]) > 0.01 * np.linalg.norm(w[0])  # more than adding up


def test_flow_starts_from_rest():
    """w = tf + O(t²)."""
    f, w = made(time=0.001)
    assert np.linalg.norm(w - 0.001 * f) < 1e-3 * np.linalg.norm(w)


def test_forcing_has_the_stated_standard_deviation():
    f, _ = made(400, resolution=16, time=0.001)
    assert f.std() == pytest.approx(0.0507 * 27, rel=0.03)
    assert made(1, sigma=13.5)[0] == pytest.approx(made(1)[0] / 2, rel=1e-6)


@pytest.mark.parametrize("given", [{}, {"sigma": 3.67}, {"reynolds": 50}])
def test_chosen_steps_are_accurate(given):
    given = {"resolution": 24, "time": 1, **given}
    (_, chosen), (_, fine) = made(1, **given), made(1, **given, dt=0.002)
    assert np.linalg.norm(chosen - fine) < 1e-4 * np.linalg.norm(fine)


def test_chosen_steps_are_stable_at_late_times():
    """When the flow is fast: on this grid, steps of 0.02 are too long."""
    late = {"resolution": 64, "time": 6}
    made(**late)
    with pytest.raises(RunFailure):
        made(**late, dt=0.02)


def test_description():
    described = forced.describe(forced.Options())
    assert described.shape == (128, 128)
    assert (described.input_names, described.output_names) == (("forcing",), ("vorticity",))
    assert all(axis.placement == "periodic" for axis in described.domain.axes)
    assert [axis.length for axis in described.domain.axes] == pytest.approx([2 * math.pi] * 2)
    f, w = forced.generate(options(), 0, "train", range(3), CPU)
    assert f.shape == w.shape == (3, 1, 16, 16)
    assert f.dtype == w.dtype == np.float32


def test_solver_grid_is_strided():
    for fine, coarse in zip(made(resolution=32), made(resolution=16, solve_resolution=32), strict=True):
        assert (coarse == fine[..., ::2, ::2]).all()


def test_integrators_agree():
    brief = {"time": 0.1}
    for ours, theirs in zip(made(**brief), made(**brief, integrator="crank_nicolson"), strict=True):
        assert np.linalg.norm(ours - theirs) < 1e-3 * np.linalg.norm(ours)


def test_samples_depend_on_seed_split_and_index_alone():
    base = forced.generate(options(), 0, "train", range(4), CPU)
    again = forced.generate(options(), 0, "train", range(4), CPU)
    assert all((x == y).all() for x, y in zip(base, again, strict=True))
    for part, whole in zip(forced.generate(options(), 0, "train", range(2, 4), CPU), base, strict=True):
        assert np.allclose(part, whole[2:], rtol=1e-6, atol=1e-7)
    for seed, split in ((1, "train"), (0, "test"), (0, "valid")):
        assert (forced.generate(options(), seed, split, range(4), CPU)[0] != base[0]).any()


def test_unstable_steps_name_the_way_out():
    with pytest.raises(RunFailure, match=r"unstable .*dataset\.dt=0\.25"):
        made(resolution=32, time=10, reynolds=1e4, dt=0.5)


def test_store_and_run(tmp_path):
    tiny = [
        *(f"dataset.{key}={value}" for key, value in SMALL.items()),
        "dataset=navier_stokes_forced",
        "dataset.n_train=4",
        "dataset.n_test=2",
        "dataset.finest=16",
        "hierarchy=two",
        "model.n_modes=4",
        "model.hidden_channels=4",
        "model.n_layers=1",
        "sampling.batch_size=1",
        "budget.steps=2",
        "tracking=none",
        "device=cpu",
        f"data_dir={tmp_path}",
        f"output_dir={tmp_path / 'runs'}",
    ]
    run = nolab.train(nolab.compose(tiny))
    assert 0 < run.summary["final/rel_l2"] < 2
    before = list(tmp_path.rglob("*.h5"))
    path = ensure_store(
        "navier_stokes_forced",
        SMALL,
        seed=0,
        counts={"train": 4, "test": 2},
        data_dir=tmp_path,
        device=CPU,
        progress=False,
    )
    assert before == [path]
    f, w = Store(path).read("test", (16, 16))
    assert (f[:, 0] == made()[0]).all()
    assert (w[:, 0] == made()[1]).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"reynolds": 0}, r"dataset\.reynolds: must be from 1 to 1000000, got 0"),
        ({"time": 0}, r"dataset\.time: must be from 0\.001 to 1000"),
        ({"time": math.nan}, r"dataset\.time"),
        ({"sigma": -27}, r"dataset\.sigma: must be from 0\.01 to 1000"),
        (
            {"solve_resolution": 24},
            r"dataset\.solve_resolution: must be null or a multiple of resolution = 16",
        ),
        ({"integrator": "euler"}, r"dataset\.integrator: 'euler' is not known"),
        ({"reynold": 500}, r"Did you mean 'reynolds'\?"),
    ],
)
def test_bad_options(given, message):
    with pytest.raises(InputError, match=message):
        options(**given)
