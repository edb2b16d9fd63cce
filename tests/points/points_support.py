"""What the tests of the points share."""

import math

import torch
from torch import Tensor

from nolab.fields import Draw
from nolab.grid import Domain
from nolab.points import PointSampler, build_points, parse_neval
from nolab.registry import load

CPU = torch.device("cpu")
RANDOM = ["random", "stratified", "sobol", "epoch", "importance"]
"""Schemes whose estimates are unbiased."""
SCHEMES = [*RANDOM, "uniform"]
SCOPES = ["shared", "per_sample"]


def options_of(name: str, **options):
    return load("nolab.points", name, "points.scheme").Options(**options)


def sampler(name: str, *shapes: tuple[int, ...], neval=None, domain=None, seed=0, **options) -> PointSampler:
    """A sampler with one level per shape and the same N_eval on each."""
    domain = domain or Domain.unit(len(shapes[0]))
    nevals = (parse_neval(neval, "neval"),) * len(shapes)
    return build_points(name, options_of(name, **options), domain, seed, shapes, nevals)


def draw(points: PointSampler, step: int = 0, level: int = 0, rows: int = 3) -> Draw | None:
    return points.draw(step, level, rows, 0.0, CPU)


def factors(drawn: Draw, n_points: int) -> Tensor:
    """Factors in the shape of the index."""
    if drawn.factor is None:
        return torch.full(drawn.index.shape, n_points / drawn.index.shape[-1], dtype=torch.float64)
    return drawn.factor.double()


def estimates(points: PointSampler, field: Tensor, domain: Domain, step=0, level=0, rows=3) -> Tensor:
    """Σ factor·w·f over the drawn points: (rows,) per sample, or (1,) shared."""
    drawn = draw(points, step, level, rows)
    weighted = (domain.weights(tuple(field.shape)) * field).flatten()
    value = weighted[drawn.index] * factors(drawn, field.numel())
    return value.reshape(-1, value.shape[-1]).sum(dim=1)


def mean_of(field: Tensor, domain: Domain) -> float:
    return (domain.weights(tuple(field.shape)) * field).sum().item()


def smooth(domain: Domain, shape: tuple[int, ...]) -> Tensor:
    x = domain.coordinates(shape)
    return torch.sin(3 * x).prod(dim=0) + x.sum(dim=0) ** 2


def numel(shape: tuple[int, ...]) -> int:
    return math.prod(shape)
