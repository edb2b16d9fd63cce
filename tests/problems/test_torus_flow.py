"""Flow on the torus: exact solutions, conservation laws, orders of convergence, an independent implementation."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
import torus_support as plain
from hypothesis import given
from hypothesis import strategies as st
from torus_support import points, relative

from nolab.errors import RunFailure
from nolab.problems._torus_fields import torus_field, torus_normals
from nolab.problems._torus_flow import _STEPPERS, batches, chosen_step, evolve, steps_between
from nolab.problems._torus_grid import Torus

CPU = torch.device("cpu")
INTEGRATORS = list(_STEPPERS)


def random_field(n: int, samples: int = 1, sigma: float = 18.5) -> torch.Tensor:
    return torus_field(torus_normals(0, "train", range(samples), n), n, sigma, 2.5, 7.0)


def wave_forcing(n: int) -> torch.Tensor:
    x, y = points(n)
    return torch.sin(2 * math.pi * (x + y)) + torch.cos(2 * math.pi * (x - 2 * y))


def last(*args, **options) -> torch.Tensor:
    *_, w = evolve(*args, **options)
    return w


def smooth(n: int) -> torch.Tensor:
    """Two vortices of opposite sign and a wave; analytic, so its modes fall exponentially."""
    x, y = (2 * math.pi * axis for axis in points(n))
    w = torch.exp(torch.sin(x) + torch.cos(y)) - torch.exp(torch.cos(x + 1) + torch.sin(2 * y))
    return (w - w.mean())[None]


@pytest.mark.parametrize("n", [12, 15])
@pytest.mark.parametrize("length", [1.0, 2 * math.pi])
def test_taylor_green_decays_exactly(n, length):
    """Waves of one |k| carry each other nowhere: w = exp(-ν|k|²t) w(0), whatever the step."""
    x, y = (2 * math.pi / length * axis for axis in points(n, length))
    start = (torch.cos(2 * x) * torch.cos(y) + 3 * torch.sin(x + 2 * y) - torch.sin(y - 2 * x))[None]
    nu, rate = 0.01, 5 * (2 * math.pi / length) ** 2
    frames = evolve(start, torch.zeros(n, n).double(), [0, 0.3, 1], viscosity=nu, dt=0.1, length=length)
    for time, w in zip([0, 0.3, 1], frames, strict=True):
        assert relative(w, math.exp(-nu * rate * time) * start) < 1e-13
    by_halves = ((1 - 0.05 * nu * rate) / (1 + 0.05 * nu * rate)) ** 10
    w = last(
        start,
        torch.zeros(n, n).double(),
        [1],
        viscosity=nu,
        dt=0.1,
        length=length,
        integrator="crank_nicolson",
    )
    assert relative(w, by_halves * start) < 1e-13


def test_velocity_of_a_taylor_green_vortex():
    """ψ = cos x sin 2y has w = 5ψ and u = (ψ_y, -ψ_x) = (2 cos x cos 2y, sin x sin 2y)."""
    x, y = points(9, 2 * math.pi)
    torus = Torus.build(9, 2 * math.pi, torch.float64, CPU)
    u1, u2, w_x, w_y = torus.values(torus.gradients * torus.coefficients(5 * torch.cos(x) * torch.sin(2 * y)))
    expected = [2 * torch.cos(x) * torch.cos(2 * y), torch.sin(x) * torch.sin(2 * y)]
    expected += [-5 * torch.sin(x) * torch.sin(2 * y), 10 * torch.cos(x) * torch.cos(2 * y)]
    for ours, exact in zip((u1, u2, w_x, w_y), expected, strict=True):
        assert torch.allclose(ours, exact, rtol=0, atol=1e-13)


@pytest.mark.parametrize("n", [12, 13, 16, 21])
@pytest.mark.parametrize("length", [1.0, 3.0])
@pytest.mark.parametrize("integrator", INTEGRATORS)
def test_agrees_with_plain_numpy(n, length, integrator):
    """All modes of the grid are there, the shortest too: no grid and no mode is treated differently."""
    rng = np.random.default_rng(n)
    start, f = rng.standard_normal((2, n, n))
    expected = getattr(plain, integrator)(start, f, 0.003, 0.005, 20, length)
    ours = last(
        torch.from_numpy(start)[None],
        torch.from_numpy(f),
        [0.1],
        viscosity=0.003,
        dt=0.005,
        length=length,
        integrator=integrator,
    )
    assert relative(ours[0], torch.from_numpy(expected)) < 1e-11
    assert relative(ours[0], torch.from_numpy(start)) > 0.05  # there is something to agree on


def test_transport_conserves_energy_enstrophy_and_mean():
    """Exactly, where products are not aliased: no mode beyond 2/3, and no multiple of 3 points."""
    n = 32
    torus = Torus.build(n, 1.0, torch.float64, CPU)
    w = torus.kept * torus.coefficients(random_field(n, 2))
    transport, w = torus.values(torus.transport(w)), torus.values(w)
    psi = torus.values(torch.where(torus.squares > 0, torus.coefficients(w) / torus.squares, 0))
    for field in (w, psi, torch.ones_like(w)):
        product = (field * transport).mean((-2, -1)).abs()
        assert (product < 1e-14 * field.abs().max() * transport.abs().max()).all()


def test_budgets_of_energy_and_enstrophy():
    """dE/dt = -2νZ + <ψf> and dZ/dt = -ν<|∇w|²> + <wf>, integrated by Simpson's rule along the flow."""
    n, nu, h = 32, 2e-3, 0.02
    f = wave_forcing(n)
    times = [i * h for i in range(51)]
    k1, k2 = plain.wave_numbers(n)
    squares = k1**2 + k2**2
    energy, enstrophy, energy_rate, enstrophy_rate = [], [], [], []
    for w in evolve(smooth(n), f, times, viscosity=nu, dt=0.01):
        c, g = (np.fft.fft2(field.numpy()) / n**2 for field in (w[0], f))
        psi = np.where(squares > 0, c / np.where(squares > 0, squares, 1), 0)
        energy.append((abs(psi) ** 2 * squares).sum() / 2)
        enstrophy.append((abs(c) ** 2).sum() / 2)
        energy_rate.append(-2 * nu * enstrophy[-1] + (psi * g.conj()).sum().real)
        enstrophy_rate.append(-nu * (squares * abs(c) ** 2).sum() + (c * g.conj()).sum().real)
    simpson = h / 3 * np.array([1, *[4, 2] * 24, 4, 1])
    assert energy[-1] - energy[0] == pytest.approx(simpson @ energy_rate, rel=1e-6)
    assert enstrophy[-1] - enstrophy[0] == pytest.approx(simpson @ enstrophy_rate, rel=1e-5)
    assert abs(enstrophy[-1] / enstrophy[0] - 1) > 0.05


@pytest.mark.parametrize(("integrator", "order", "dt"), [("ifrk4", 4, 0.05), ("crank_nicolson", 1, 2e-3)])
def test_order_of_convergence_in_time(integrator, order, dt):
    start, f = smooth(24), wave_forcing(24)
    exact = last(start, f, [0.4], viscosity=1e-3, dt=0.002)
    errors = [
        relative(last(start, f, [0.4], viscosity=1e-3, dt=dt / 2**i, integrator=integrator), exact)
        for i in range(3)
    ]
    orders = [math.log2(coarse / fine) for coarse, fine in pairwise(errors)]
    assert all(abs(found - order) < 0.15 * math.sqrt(order) for found in orders), (orders, errors)


def test_both_integrators_find_the_same_flow():
    start, f = smooth(16), wave_forcing(16)
    rk, cn = (
        last(start, f, [0.1], viscosity=1e-3, dt=dt, integrator=name)
        for name, dt in zip(INTEGRATORS, (0.01, 1e-4), strict=True)
    )
    assert 1e-8 < relative(rk, cn) < 1e-3


def test_spectral_convergence_in_space():
    """Errors of an analytic flow fall faster than any power: by more for each doubling of the grid."""
    exact = last(smooth(96), wave_forcing(96), [0.2], viscosity=5e-3, dt=0.01)
    errors = []
    for n in (12, 24, 48):
        w = last(smooth(n), wave_forcing(n), [0.2], viscosity=5e-3, dt=0.01)
        errors.append(relative(w, exact[:, :: 96 // n, :: 96 // n]))
    assert errors[1] < errors[0] / 20
    assert errors[2] < errors[1] / 1000, errors


def test_lengths_are_units():
    """x → Lx with ν → L²ν leaves w as it is."""
    start, f = random_field(16), wave_forcing(16)
    one = last(start, f, [0.5], viscosity=1e-3, dt=0.02)
    two = last(start, f, [0.5], viscosity=1e-3 * 9, dt=0.02, length=3.0)
    assert relative(two, one) < 1e-12


@pytest.mark.parametrize("integrator", INTEGRATORS)
def test_samples_of_a_batch_do_not_influence_each_other(integrator):
    start, forcings = random_field(16, 3), random_field(16, 3, sigma=50)
    options = {"viscosity": 1e-3, "dt": 0.01, "integrator": integrator}
    together = last(start, forcings, [0.3], **options)
    for i in range(3):
        alone = last(start[i : i + 1], forcings[i], [0.3], **options)
        assert relative(together[i], alone[0]) < 1e-12


def test_times_are_met_exactly():
    """On the way to a frame, and from it: frames between change nothing beyond the steps' own error."""
    start, f = smooth(16), wave_forcing(16)
    direct = last(start, f, [1], viscosity=1e-3, dt=0.01)
    frames = list(evolve(start, f, [0, 0.123, 0.5, 1], viscosity=1e-3, dt=0.01))
    assert len(frames) == 4
    assert frames[0] is start
    assert relative(frames[-1], direct) < 1e-7
    assert relative(frames[1], last(start, f, [0.123], viscosity=1e-3, dt=0.002)) < 1e-6


@given(st.floats(0, 100), st.floats(1e-3, 10), st.floats(1e-4, 1))
def test_fewest_steps_of_at_most_dt(before, duration, dt):
    steps = steps_between(before, before + duration, dt)
    assert duration / steps <= dt * (1 + 1e-6)
    assert steps == 1 or duration / (steps - 1) >= dt * (1 - 1e-6)
    assert steps_between(0.3, 0.1 + 0.3, 0.01) == 10  # in spite of rounding


def test_single_precision_is_near_double():
    start, f = random_field(16), wave_forcing(16)
    double = last(start, f, [0.5], viscosity=1e-3, dt=0.02)
    single = last(start.float(), f.float(), [0.5], viscosity=1e-3, dt=0.02)
    assert single.dtype == torch.float32
    assert 1e-9 < relative(single.double(), double) < 1e-5


@pytest.mark.parametrize("integrator", INTEGRATORS)
def test_too_large_steps_are_a_failure_with_a_way_out(integrator):
    start = 100 * random_field(32)
    with pytest.raises(RunFailure, match=r"unstable before t = 1 in time steps of 0\.5; .*dataset\.dt=0\.25"):
        last(start, wave_forcing(32), [0, 1, 2], viscosity=1e-4, dt=0.5, integrator=integrator)


def test_a_sample_that_is_not_finite_is_a_failure():
    start = random_field(8, 2)
    start[1, 0, 0] = math.nan
    with pytest.raises(RunFailure, match="unstable"):
        last(start, wave_forcing(8), [0.1], viscosity=1e-3, dt=0.1)


def test_the_chosen_step_is_stable_at_its_speed_and_not_by_far():
    """A flow of speed 1, a little disturbed, almost without viscosity."""
    n = 48
    x, y = points(n)
    start = math.sqrt(2) * math.pi * (torch.cos(2 * math.pi * x) + torch.cos(2 * math.pi * y))
    start = (start + 1e-6 * random_field(n)[0])[None]
    dt, still = chosen_step("ifrk4", 1 / n, 1.0), torch.zeros(n, n).double()
    last(start, still, [6], viscosity=1e-6, dt=dt)
    with pytest.raises(RunFailure):
        last(start, still, [6], viscosity=1e-6, dt=2.2 * dt)


def test_chosen_steps():
    assert chosen_step("ifrk4", 0.01, 1) == pytest.approx(0.009)
    assert chosen_step("ifrk4", 0.1, 1) == 0.02
    assert chosen_step("crank_nicolson", 0.1, 1) == 1e-4


@given(st.integers(0, 50), st.integers(1, 20), st.sampled_from([8, 64, 100, 300]))
def test_batches_cover_every_sample_once(first, count, n):
    found = batches(range(first, first + count), n, CPU)
    assert [i for batch in found for i in batch] == list(range(first, first + count))
    assert all(len(batch) * n**2 <= 2**14 or len(batch) == 1 for batch in found)
    assert len(batches(range(first, first + count), n, torch.device("cuda"))) == 1
