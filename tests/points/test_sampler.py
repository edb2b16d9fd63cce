"""Evaluation points: uniform, without replacement, a pure function of (seed, step, level)."""

import itertools

import pytest
import scipy.stats
import torch

from nolab.errors import InputError
from nolab.points import PointOptions, PointSampler
from nolab.schema import from_mapping

CPU = torch.device("cpu")
SCOPES = ["shared", "per_sample"]


def sampler(scope: str = "per_sample", seed: int = 0, neval: tuple = (4, 7, None)) -> PointSampler:
    return PointSampler(PointOptions(scope=scope), seed, neval)


@pytest.mark.parametrize(("scope", "shape"), [("shared", (7,)), ("per_sample", (5, 7))])
@pytest.mark.parametrize("n_points", [8, 100])
def test_without_replacement_and_in_range(scope: str, shape: tuple[int, ...], n_points: int) -> None:
    for step in range(20):
        points = sampler(scope).draw(step, 1, 5, n_points, CPU)
        assert points.shape == shape
        assert points.dtype == torch.int64
        for row in points.reshape(-1, 7).tolist():
            assert len(set(row)) == 7
            assert min(row) >= 0
            assert max(row) < n_points


@pytest.mark.parametrize("scope", SCOPES)
def test_a_pure_function_of_seed_step_and_level(scope: str) -> None:
    used = sampler(scope, seed=3)
    keys = list(itertools.product((5, 0, 2, 5), (1, 0)))
    drawn = [used.draw(step, level, 3, 50, CPU) for step, level in keys]
    for (step, level), points in zip(keys, drawn, strict=True):
        assert torch.equal(sampler(scope, seed=3).draw(step, level, 3, 50, CPU), points)


@pytest.mark.parametrize("scope", SCOPES)
def test_seeds_steps_and_levels_differ(scope: str) -> None:
    drawn = {
        tuple(sampler(scope, seed, (6, 6, 6)).draw(step, level, 2, 10_000, CPU).flatten().tolist())
        for seed, step, level in itertools.product(range(4), range(10), range(3))
    }
    assert len(drawn) == 4 * 10 * 3


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    sampler().draw(0, 0, 2, 50, CPU)
    assert torch.equal(torch.get_rng_state(), before)


def test_samples_draw_their_own_points() -> None:
    points = sampler().draw(0, 0, 8, 1000, CPU).sort(dim=1).values
    assert len({tuple(row) for row in points.tolist()}) == 8


@pytest.mark.parametrize("scope", SCOPES)
def test_points_are_uniform(scope: str) -> None:
    n_points, neval, steps, n_samples = 25, 4, 800, 3
    draw = sampler(scope, seed=11).draw
    counts = torch.zeros(n_points)
    for step in range(steps):
        points = draw(step, 0, n_samples, n_points, CPU).flatten()
        counts += torch.bincount(points, minlength=n_points)
    assert counts.sum() == steps * neval * (n_samples if scope == "per_sample" else 1)
    # Without replacement the statistic is smaller than chi-square by (1 - neval/n) n/(n-1).
    assert scipy.stats.chisquare(counts.numpy()).pvalue > 0.01


@pytest.mark.parametrize("scope", SCOPES)
def test_pairs_of_points_are_uniform(scope: str) -> None:
    """Every subset of two of six is equally likely, over steps, and over samples of a step."""
    draw = PointSampler(PointOptions(scope=scope), 5, (2,)).draw
    rows = torch.cat([draw(step, 0, 4, 6, CPU).reshape(-1, 2) for step in range(600)]).sort(dim=1).values
    counts = torch.unique(rows, dim=0, return_counts=True)[1]
    assert len(counts) == 15
    assert scipy.stats.chisquare(counts.numpy()).pvalue > 0.01


@pytest.mark.parametrize("scope", SCOPES)
def test_levels_have_neval_of_their_own(scope: str) -> None:
    drawn = [sampler(scope).draw(0, level, 2, 100, CPU) for level in range(3)]
    assert [None if p is None else p.shape[-1] for p in drawn] == [4, 7, None]


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize(("n_points", "all_of_them"), [(6, True), (7, True), (8, False)])
def test_as_many_as_there_are_is_all(scope: str, n_points: int, all_of_them: bool) -> None:
    assert (sampler(scope).draw(0, 1, 2, n_points, CPU) is None) == all_of_them


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"neval": 0}, r"points\.neval: must be >= 1 or null \(all points\), got 0"),
        ({"neval": -3}, r"points\.neval: must be >= 1"),
        ({"neval": 2.5}, r"points\.neval: expected a whole number"),
        ({"scheme": "all", "neval": 16}, r"scheme 'all' takes every point, but neval=16 .*points=random"),
        ({"scheme": "randon"}, r"points\.scheme: 'randon' .*mean 'random'"),
        ({"scope": "per_smaple"}, r"points\.scope: .*mean 'per_sample'"),
    ],
)
def test_bad_options(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_mapping(PointOptions, options, "points")
