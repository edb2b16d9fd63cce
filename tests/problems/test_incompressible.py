"""Steps of incompressible flow: exact solutions, orders in space and time, divergence."""

from math import pi, sqrt

import numpy as np
import pytest
from flow_support import rectangle

from nolab.problems._incompressible import Stepper
from nolab.problems._taylor_hood import TaylorHood


def box(nx: int, ny: int, width: float, height: float) -> TaylorHood:
    """On [0, width] × [0, height], of nx × ny rectangles."""
    return TaylorHood(*rectangle(np.linspace(0, width, nx + 1), np.linspace(0, height, ny + 1)))


def free_slip(space: TaylorHood, size: float) -> np.ndarray:
    """Fixed components on the square's sides: those across them."""
    return np.isclose(space.nodes.T, 0) | np.isclose(space.nodes.T, size)


def norm(space: TaylorHood, u: np.ndarray) -> float:
    return sqrt(sum(c @ space.mass @ c for c in u))


def divergence(space: TaylorHood, u: np.ndarray) -> float:
    """Largest ∫ q ∇·u over the pressure's basis functions."""
    return float(np.abs(space.gradient[0].T @ u[0] + space.gradient[1].T @ u[1]).max())


def run(stepper: Stepper, past: list[np.ndarray], steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Velocity and pressure at the end; `past` is newest first."""
    for _ in range(steps):
        velocity, pressure = stepper.step(past)
        past = [velocity, *past[:2]]
    return velocity, pressure


def vortices(space: TaylorHood) -> np.ndarray:
    """Taylor and Green's on [0, π]²."""
    x, y = space.nodes.T
    return np.stack([np.sin(x) * np.cos(y), -np.cos(x) * np.sin(y)])


def test_poiseuille_flow_stays_with_its_pressure():
    space = box(6, 4, 1.5, 0.4)
    x, y = space.nodes.T
    u = np.stack([y * (0.4 - y), 0 * y])
    closed = space.boundary & ~((x == 1.5) & (y > 0) & (y < 0.4))
    stepper = Stepper(space, 0.05, 0.01, np.stack([closed, closed]))
    now, pressure = run(stepper, [u, u, u], 50)
    assert now == pytest.approx(u, abs=1e-9)
    corners = np.stack(np.meshgrid(np.linspace(0, 1.5, 7), np.linspace(0, 0.4, 5)), -1).reshape(-1, 2)
    place = {tuple(c): p for c, p in zip(np.round(_corners(space), 9), pressure, strict=True)}
    found = [place[tuple(c)] for c in corners.round(9)]
    assert found == pytest.approx(2 * 0.05 * (1.5 - corners[:, 0]), abs=1e-7)


def _corners(space: TaylorHood) -> np.ndarray:
    """Scikit-fem counts corners before midpoints."""
    return space.nodes[: space.pressure_mass.shape[0]]


def test_start_at_rest_becomes_poiseuille_flow():
    space = box(4, 4, 0.4, 0.4)
    x, y = space.nodes.T
    target = np.stack([y * (0.4 - y), 0 * y])
    closed = space.boundary & ~((x == 0.4) & (y > 0) & (y < 0.4))
    stepper = Stepper(space, 0.5, 0.01, np.stack([closed, closed]))
    now, _ = run(stepper, [target * closed] * 3, 60)
    assert now == pytest.approx(target, abs=1e-7)


def kovasznay_error(n: int) -> float:
    """Relative error of the steady flow behind a row of obstacles (Kovasznay 1948) at ν = 0.1."""
    space = box(n, n, 1, 1)
    x, y = space.nodes.T
    rate = 5 - sqrt(25 + 4 * pi**2)
    grown = np.exp(rate * x)
    exact = np.stack([1 - grown * np.cos(2 * pi * y), rate / (2 * pi) * grown * np.sin(2 * pi * y)])
    stepper = Stepper(space, 0.1, 0.025, np.stack([space.boundary] * 2))
    now, _ = run(stepper, [exact * space.boundary] * 3, 160)
    return norm(space, now - exact) / norm(space, exact)


def test_steady_flow_is_reached_to_third_order_in_space():
    coarse, fine = kovasznay_error(4), kovasznay_error(8)
    assert fine < 5e-4
    assert 6.5 < coarse / fine < 20


def test_vortices_decay_at_the_exact_rate():
    """From exact values at three times, with free slip at the sides: exp(-2νt)."""
    space = box(8, 8, pi, pi)
    u, dt, viscosity = vortices(space), 0.02, 0.3
    stepper = Stepper(space, viscosity, dt, free_slip(space, pi))
    past = [u * np.exp(2 * viscosity * dt * back) for back in range(3)]
    now, _ = run(stepper, past, 50)
    expected = u * np.exp(-2 * viscosity * 50 * dt)
    assert norm(space, now - expected) < 2e-3 * norm(space, expected)


def test_steps_are_of_third_order():
    """In a flow whose convection matters, from three times of a run with short steps and against its end."""
    space = box(6, 6, pi, pi)
    x, y = space.nodes.T
    more = np.stack([np.sin(2 * x) * np.cos(y), -2 * np.cos(2 * x) * np.sin(y)])
    viscosity, short, warm, count = 0.05, 0.0025, 40, 160
    fixed = free_slip(space, pi)
    states = [vortices(space) + more] * 3
    stepper = Stepper(space, viscosity, short, fixed)
    for _ in range(warm + count):
        states.append(stepper.step(states[:-4:-1])[0])
    start = 2 + warm

    def error(factor: int) -> float:
        stepper = Stepper(space, viscosity, factor * short, fixed)
        past = [states[start - back * factor] for back in range(3)]
        return norm(space, run(stepper, past, count // factor)[0] - states[-1])

    coarse, fine = error(8), error(4)
    assert norm(space, states[-1] - states[start]) > 0.1
    assert fine < 0.02
    assert 6.5 < coarse / fine < 11


def test_any_start_is_weakly_without_divergence_after_a_step():
    space = box(4, 5, 1, 1)
    u = np.random.default_rng(0).normal(size=(2, len(space.nodes))) * ~space.boundary
    stepper = Stepper(space, 0.01, 1e-3, np.stack([space.boundary] * 2))
    after, pressure = stepper.step([u, u, u])
    assert divergence(space, u) > 1e-2
    assert divergence(space, after) < 1e-9 * max(1, np.abs(pressure).max())
    assert (after[:, space.boundary] == 0).all()
    assert np.abs(after).max() > 0.1
