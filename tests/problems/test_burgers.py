"""Burgers: the solver against the Cole–Hopf solution, its order, its conservation laws, the law of u₀."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

import nolab
from nolab.errors import InputError, RunFailure
from nolab.problems import burgers
from nolab.problems._burgers_solver import STEPS, _steps, integrate, solve
from nolab.problems._description import stream
from nolab.problems._periodic_field import circle_coefficients, circle_normals, circle_values
from nolab.schema import from_mapping

CPU = torch.device("cpu")


def initial(options: burgers.Options, samples: int) -> torch.Tensor:
    """Coefficients (n, K+1) of the initial fields of the test split."""
    xi = np.stack([circle_normals(stream(0, "test", i), options.modes) for i in range(samples)])
    return circle_coefficients(torch.from_numpy(xi), burgers._amplitudes(options))


def exact(start: torch.Tensor, viscosity: float, time: float, points: int) -> torch.Tensor:
    """Cole–Hopf: u = ∫ (x-y)/t φ(y) G(x-y) dy / ∫ φ(y) G(x-y) dy, by the trapezoid rule on the line.

    φ = exp(-∫u₀/(2ν)) is periodic without the mean, which is put back as a moving frame.
    """
    mean, start = start[:, 0].real, start[:, 1:]
    reach = math.ceil(10 * math.sqrt(2 * viscosity * time))  # periods on each side that the kernel sees
    per_period = 2048
    y = torch.arange(-reach * per_period, (reach + 1) * per_period, dtype=torch.float64) / per_period
    k = torch.arange(1, start.shape[1] + 1, dtype=torch.float64)
    once = torch.exp(2j * math.pi * k[:, None] * y[:per_period])
    integral = 2 * (start / (2j * math.pi * k) @ once).real  # (n, per_period)
    phi = torch.exp(-(integral - integral.amin(dim=1, keepdim=True)) / (2 * viscosity))
    phi = phi.repeat(1, 2 * reach + 1)
    x = (torch.arange(points) / points - mean[:, None] * time) % 1  # (n, points)
    gap = x[..., None] - y
    kernel = torch.exp(-(gap**2) / (4 * viscosity * time)) * phi[:, None]
    return (gap / time * kernel).sum(-1) / kernel.sum(-1) + mean[:, None]


def error(stop: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest relative L2 error of the samples."""
    difference = circle_values(stop, expected.shape[1]) - expected
    return float((difference.norm(dim=1) / expected.norm(dim=1)).max())


@pytest.mark.parametrize(
    ("given", "bound"),
    [
        ({}, 2e-8),
        ({"viscosity": 0.01}, 1e-6),
        ({"viscosity": 0.01, "time": 0.2, "mean": "random"}, 1e-6),
        ({"viscosity": 0.05, "alpha": 1.2, "sigma": 6.0}, 1e-6),
        ({"viscosity": 0.5, "time": 0.01}, 1e-8),
    ],
)
def test_solution_is_that_of_cole_and_hopf(given: dict, bound: float) -> None:
    options = burgers.Options(**given)
    start = initial(options, 4)
    stop = solve(start, options.viscosity, options.time, burgers._frequencies(options))
    assert error(stop, exact(start, options.viscosity, options.time, 32)) < bound


def test_stored_fields_are_those_of_cole_and_hopf() -> None:
    options = burgers.Options(resolution=32, viscosity=0.02, time=0.5)
    before, after = burgers.generate(options, 0, "test", range(3), CPU)
    start = initial(options, 3)
    assert np.abs(before[:, 0] - circle_values(start, 32).numpy()).max() < 1e-6
    expected = exact(start, 0.02, 0.5, 32).numpy()
    assert np.linalg.norm(after[:, 0] - expected) < 1e-6 * np.linalg.norm(expected)


def test_fourth_order_in_time_although_the_initial_field_is_rough() -> None:
    options = burgers.Options(viscosity=0.05)
    start = torch.nn.functional.pad(initial(options, 3), (0, 80))
    expected = exact(start[:, :513], 0.05, 1.0, 32)
    errors = [error(integrate(start, 0.05, 1.0, steps), expected) for steps in (20, 40, 80)]
    orders = [math.log2(coarse / fine) for coarse, fine in pairwise(errors)]
    assert all(3.5 < order < 4.7 for order in orders), (orders, errors)


def test_linear_decay_of_a_tiny_wave() -> None:
    start = torch.zeros(1, 9, dtype=torch.complex128)
    start[0, 3] = 1e-9j
    stop = solve(start, 0.02, 1.0, 16)
    expected = 1e-9j * math.exp(-0.02 * (6 * math.pi) ** 2)
    assert abs(complex(stop[0, 3]) - expected) < 1e-8 * abs(expected)


def test_mean_is_conserved_and_energy_is_lost_to_viscosity_alone() -> None:
    """dE/dt = -ν∫u_x² for E = ½∫u², by a central difference in time."""
    options = burgers.Options(viscosity=0.02, mean="random")
    start = torch.nn.functional.pad(initial(options, 3), (0, 80))
    early, now, late = (integrate(start, 0.02, time, 400) for time in (0.499, 0.5, 0.501))
    assert torch.allclose(now[:, 0], start[:, 0], rtol=1e-14, atol=0)
    wave = 2 * math.pi * torch.arange(now.shape[1], dtype=torch.float64)
    energy = [fields[:, 1:].abs().square().sum(dim=1) for fields in (start, early, late)]
    assert (energy[0] > energy[1]).all()
    lost = -0.02 * 2 * (wave * now.abs()).square().sum(dim=1)
    assert torch.allclose((energy[2] - energy[1]) / 0.002, lost, rtol=1e-4, atol=0)


def test_products_are_not_aliased() -> None:
    """The first instant's change is the convolution of the spectrum, written out, and the viscosity's."""
    rng = np.random.default_rng(0)
    c = rng.standard_normal(8) + 1j * rng.standard_normal(8)
    c[0] = c[0].real
    both = np.concatenate([c[:0:-1].conj(), c])  # frequencies -7 to 7
    wave = 2 * math.pi * np.arange(8)
    expected = -0.5j * wave * np.convolve(both, both)[14:22] - 0.3 * wave**2 * c
    after = integrate(torch.from_numpy(c)[None], 0.3, 1e-8, 1)[0].numpy()
    assert np.abs((after - c) / 1e-8 - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("given", [{"modes": 8}, {"modes": 256, "viscosity": 0.002, "sigma": 10.0}])
def test_a_field_that_has_hardly_moved_is_resolved(given: dict) -> None:
    before, after = burgers.generate(burgers.Options(time=0.001, **given), 0, "test", range(3), CPU)
    assert 0 < np.linalg.norm(after - before) < 0.1 * np.linalg.norm(before)


def test_fewer_frequencies_than_shocks_need_are_a_failure() -> None:
    start = initial(burgers.Options(), 2)[:, :33]
    with pytest.raises(RunFailure, match=r"2 of 2 samples have shocks too thin for 40 frequencies"):
        solve(start, 0.001, 1.0, 40)
    start[1] = float("nan")
    with pytest.raises(RunFailure, match=r"1 of 2 samples"):
        solve(start, 0.1, 1.0, 64)


def test_steps_grow_with_speed_and_shocks() -> None:
    speeds = torch.tensor([0.0, 0.5, 2.0, 20.0])
    assert _steps(speeds, 0.1, 1.0) == [STEPS, STEPS, STEPS, 16 * STEPS]
    assert _steps(speeds, 0.005, 1.0) == [STEPS, STEPS, 8 * STEPS, 256 * STEPS]


def test_samples_of_a_batch_do_not_influence_each_other() -> None:
    """Their steps differ too."""
    options = burgers.Options(viscosity=0.01, modes=64)
    start = initial(options, 5)
    assert len(set(_steps(circle_values(start, 256).abs().amax(dim=1), 0.01, 0.1))) > 1
    together = solve(start, 0.01, 0.1, 160)
    for i in range(5):
        assert torch.allclose(solve(start[i : i + 1], 0.01, 0.1, 160)[0], together[i], rtol=0, atol=1e-13)


def test_initial_field_follows_the_law() -> None:
    """Mean square over 400 samples; by default no sample has a mean."""
    wanted = sum(2 * 625 / ((2 * math.pi * k) ** 2 + 25) ** 2 for k in range(1, 513))
    fields = circle_values(initial(burgers.Options(), 400), 1024)
    assert fields.mean(dim=1).abs().max() < 1e-14
    assert float(fields.square().mean()) == pytest.approx(wanted, rel=0.2)
    drawn = circle_values(initial(burgers.Options(mean="random"), 400), 1024)
    assert float(drawn.mean(dim=1).square().mean()) == pytest.approx(1.0, rel=0.3)
    assert torch.allclose(drawn - drawn.mean(dim=1, keepdim=True), fields, rtol=0, atol=1e-12)


def test_description_and_values() -> None:
    options = burgers.Options(resolution=48, modes=32)
    before, after = burgers.generate(options, 0, "train", range(4), CPU)
    described = burgers.describe(options)
    assert described.shape == (48,)
    assert [axis.placement for axis in described.domain.axes] == ["periodic"]
    assert set(described.units) == {*described.input_names, *described.output_names}
    assert before.shape == after.shape == (4, 1, 48)
    assert before.dtype == after.dtype == np.float32


def test_every_resolution_shows_the_same_functions() -> None:
    fine = burgers.generate(burgers.Options(resolution=1024, modes=100), 7, "test", range(3), CPU)
    for resolution in (16, 128):
        options = burgers.Options(resolution=resolution, modes=100)
        coarse = burgers.generate(options, 7, "test", range(3), CPU)
        for few, many in zip(coarse, fine, strict=True):
            assert np.allclose(few, many[..., :: 1024 // resolution], rtol=1e-6, atol=1e-8)


def test_samples_depend_on_seed_split_and_index_alone() -> None:
    options = burgers.Options(resolution=32, modes=16)
    base = burgers.generate(options, 0, "train", range(4), CPU)
    for indices in (range(4), range(1, 3), range(3, 4)):
        again = burgers.generate(options, 0, "train", indices, CPU)
        assert all(
            np.allclose(x, y[list(indices)], rtol=1e-6, atol=1e-9) for x, y in zip(again, base, strict=True)
        )
    for seed, split in ((1, "train"), (0, "test"), (0, "valid")):
        assert (burgers.generate(options, seed, split, range(4), CPU)[0] != base[0]).any()
    with pytest.raises(InputError, match=r"split: 'trian' is not known\. Did you mean 'train'\?"):
        burgers.generate(options, 0, "trian", range(1), CPU)


def test_a_model_trains_on_it(tiny) -> None:
    sizes = ("dataset.resolution=32", "dataset.finest=16", "budget.steps=2")
    run = nolab.train(nolab.compose(tiny("dataset=burgers", *sizes)))
    assert run.summary["cost/steps"] == 2
    assert {"final/rel_l2/8", "final/rel_l2/16", "final/rel_l2/32"} <= set(run.summary)
    assert run.predict(np.zeros((1, 1, 64), dtype=np.float32)).shape[-1] == 64


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"resolution": 3}, r"dataset\.resolution: must be from 4 to 65536, got 3"),
        (
            {"viscosity": 0},
            r"dataset\.viscosity: must be from 0\.0003, for the speeds .* to 1/time = 1, got 0",
        ),
        ({"viscosity": math.nan}, r"dataset\.viscosity: must be from"),
        ({"viscosity": 0.6, "time": 2}, r"dataset\.viscosity: must be .* to 1/time = 0\.5, got 0\.6"),
        ({"sigma": 1e4}, r"dataset\.viscosity: must be from 0\.12, for the speeds of this initial field"),
        ({"sigma": 0}, r"dataset\.sigma: must be a positive number"),
        ({"time": 0}, r"dataset\.time: must be from 0\.001 to 10"),
        ({"alpha": 1}, r"dataset\.alpha: must be greater than 1"),
        ({"tau": -5}, r"dataset\.tau: must be positive"),
        ({"modes": 1}, r"dataset\.modes: must be from 2"),
        ({"mean": "none"}, r"dataset\.mean: 'none' is not known.* Valid: zero, random"),
        ({"viscocity": 0.1}, r"Did you mean 'viscosity'\?"),
    ],
)
def test_bad_options(given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_mapping(burgers.Options, given, "dataset")
