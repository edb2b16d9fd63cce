"""Σ factor·w·f over the drawn points has the mean of f over the grid as its expectation."""

import math

import pytest
import torch
from points_support import CPU, RANDOM, SCOPES, draw, estimates, factors, mean_of, numel, sampler

from nolab.fields import Draw
from nolab.grid import Axis, Domain

DOMAINS = [
    pytest.param(Domain.unit(1, "nodal"), (13,), id="nodal-13"),
    pytest.param(Domain.unit(1, "periodic"), (16,), id="periodic-16"),
    pytest.param(Domain.unit(2, "nodal"), (5, 5), id="nodal-5x5"),
    pytest.param(Domain((Axis("cell", 0, 3), Axis("nodal"))), (6, 4), id="cell-nodal-6x4"),
    pytest.param(Domain.unit(3, "cell"), (3, 1, 5), id="cell-3x1x5"),
]


def random_field(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def strongly_learnt(points, shape: tuple[int, ...]):
    """Teach `importance` residuals that differ by a factor of a thousand."""
    if points.observes:
        residual = torch.logspace(-3, 0, numel(shape), dtype=torch.float64)
        points.observe(0, Draw(torch.arange(numel(shape))), residual[None, None, :])
    return points


def assert_mean(values: torch.Tensor, expected: float) -> None:
    error = values.std().item() / math.sqrt(len(values))
    assert abs(values.mean().item() - expected) <= 4 * error + 1e-6


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize(("domain", "shape"), DOMAINS)
@pytest.mark.parametrize("neval", [1, 4, -1], ids=["one", "few", "all but one"])
def test_per_sample(name, domain, shape, neval) -> None:
    points = sampler(name, shape, neval=neval % numel(shape), domain=domain)
    strongly_learnt(points, shape)
    field = random_field(shape)
    values = torch.cat([estimates(points, field, domain, step, rows=500) for step in range(4)])
    assert_mean(values, mean_of(field, domain))


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize(("domain", "shape"), DOMAINS[1:3])
def test_shared(name, domain, shape) -> None:
    points = strongly_learnt(sampler(name, shape, neval=3, domain=domain, scope="shared"), shape)
    field = random_field(shape)
    values = torch.cat([estimates(points, field, domain, step) for step in range(600)])
    assert_mean(values, mean_of(field, domain))


@pytest.mark.parametrize("name", [n for n in RANDOM if n != "importance"])
@pytest.mark.parametrize("axes", [[3, 2], [None, 1], [0.5, 3]], ids=str)
def test_by_axes(name, axes) -> None:
    domain, shape = Domain((Axis("cell", 0, 3), Axis("nodal"))), (6, 5)
    points = sampler(name, shape, domain=domain, axes=axes)
    field = random_field(shape)
    values = torch.cat([estimates(points, field, domain, step, rows=500) for step in range(4)])
    assert_mean(values, mean_of(field, domain))


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize(("n", "neval"), [(12, 5), (12, 4), (7, 6), (9, 1)])
def test_epochs_use_every_point_equally_often(scope, n, neval) -> None:
    """Exactly, after the fewest steps in which that is possible, and so in every later such span."""
    points = sampler("epoch", (n,), neval=neval, scope=scope)
    steps = math.lcm(n, neval) // neval
    for span in range(2):
        drawn = torch.cat(
            [draw(points, span * steps + s, rows=3).index.reshape(-1, neval) for s in range(steps)], dim=1
        )
        for row in drawn:
            assert torch.bincount(row, minlength=n).unique().tolist() == [steps * neval // n]


def test_importance_divides_by_the_probability_with_which_it_draws() -> None:
    """Over all places of the unit interval, each point is met P·p times; the factor is 1/(P·p)."""
    shape, neval = (40,), 5
    points = strongly_learnt(sampler("importance", shape, neval=neval), shape)
    met, factor = torch.zeros(40), torch.zeros(40, dtype=torch.float64)
    rows = 40_000
    drawn = draw(points, rows=rows)
    met.index_add_(0, drawn.index.flatten(), torch.ones(rows * neval))
    factor[drawn.index] = factors(drawn, 40)
    expected = rows / factor
    assert (factor > 0).all()
    assert (1 / factor).sum().item() == pytest.approx(neval, rel=1e-6)
    assert ((met - expected).abs() < 5 * expected.sqrt()).all()
    assert factor.max() / factor.min() > 20


@pytest.mark.parametrize("name", RANDOM)
def test_the_factor_of_a_draw_sums_to_the_number_of_points_on_average(name) -> None:
    """With w = 1/N and f = 1 the estimate is Σ factor / N."""
    points = strongly_learnt(sampler(name, (5, 7), neval=6), (5, 7))
    drawn = points.draw(0, 0, 2000, 0.0, CPU)
    assert_mean(factors(drawn, 35).sum(dim=1), 35.0)
