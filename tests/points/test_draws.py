"""What every scheme promises of its draws: pure functions of seed and step, rows of their own, …"""

import itertools

import pytest
import scipy.stats
import torch
from points_support import CPU, RANDOM, SCHEMES, SCOPES, draw, factors, sampler

from nolab.grid import Domain

BOTH_WAYS = [((100,), 7), ((5, 10), 7)]  # random: distinct places, and largest keys
WITHOUT_REPLACEMENT = ["random", "stratified", "epoch", "uniform"]


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("scope", SCOPES)
def test_shape_and_range(name, scope) -> None:
    for shape, neval in BOTH_WAYS:
        drawn = draw(sampler(name, shape, neval=neval, scope=scope), rows=5)
        rows = () if scope == "shared" or name == "uniform" else (5,)
        assert drawn.index.shape[:-1] == rows
        assert drawn.index.shape[-1] == 7 or name == "uniform"
        assert drawn.index.dtype == torch.int64
        assert drawn.index.min() >= 0
        assert drawn.index.max() < torch.Size(shape).numel()
        assert drawn.factor is None or drawn.factor.shape == drawn.index.shape
        assert drawn.factor is None or drawn.factor.dtype == torch.float32


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("scope", SCOPES)
def test_a_pure_function_of_seed_and_step(name, scope) -> None:
    """Importance is one of its state too, which nothing changes here."""
    used = sampler(name, (9, 9), (17, 17), neval=6, scope=scope, seed=3)
    keys = list(itertools.product((40, 0, 2, 40), (1, 0)))
    drawn = [draw(used, step, level) for step, level in keys]
    for (step, level), points in zip(keys, drawn, strict=True):
        fresh = sampler(name, (9, 9), (17, 17), neval=6, scope=scope, seed=3)
        assert torch.equal(draw(fresh, step, level).index, points.index)


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("scope", SCOPES)
def test_seeds_and_steps_differ(name, scope) -> None:
    drawn = {
        tuple(
            draw(sampler(name, (20, 30), neval=6, scope=scope, seed=seed), step, rows=2)
            .index.flatten()
            .tolist()
        )
        for seed, step in itertools.product([0, 1, 2, 2**40], range(10))
    }
    assert len(drawn) == 4 * 10


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize(("shape", "neval"), BOTH_WAYS)
def test_rows_differ_and_do_not_depend_on_how_many_there_are(name, shape, neval) -> None:
    points = sampler(name, shape, neval=neval)
    many = draw(points, 5, rows=8).index
    assert len({tuple(row) for row in many.tolist()}) == 8
    assert torch.equal(draw(points, 5, rows=3).index, many[:3])


@pytest.mark.parametrize("name", WITHOUT_REPLACEMENT)
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize(("shape", "neval"), [*BOTH_WAYS, ((64,), 8), ((8,), 1)])
def test_no_point_twice(name, scope, shape, neval) -> None:
    points = sampler(name, shape, neval=neval, scope=scope)
    # Epochs: a draw that spans two permutations may hold a point of each.
    steps = [0] if name == "epoch" else range(20)
    for step in steps:
        index = draw(points, step, rows=50).index
        for row in index.reshape(-1, index.shape[-1]).tolist():
            assert len(set(row)) == len(row)


@pytest.mark.parametrize("name", SCHEMES)
def test_the_global_generator_is_left_alone(name) -> None:
    before = torch.get_rng_state()
    draw(sampler(name, (9, 9), neval=7))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("neval", [2, 8], ids=["sparse", "dense"])
def test_points_are_uniform(name, scope, neval) -> None:
    shape, steps, rows = (5, 5), 300 if scope == "shared" else 10, 200
    points = sampler(name, shape, neval=neval, scope=scope, seed=11, domain=Domain.unit(2, "cell"))
    counts = torch.zeros(25, dtype=torch.float64)
    for step in range(steps):
        drawn = draw(points, step, rows=rows)
        counts.index_add_(0, drawn.index.flatten(), factors(drawn, 25).flatten() * neval / 25)
    # Even draws are less scattered than independent ones, so a good p-value is no surprise.
    counts *= steps * neval * (rows if scope == "per_sample" else 1) / counts.sum()
    assert scipy.stats.chisquare(counts.numpy()).pvalue > 0.01


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("n", [6, 16], ids=["largest keys", "distinct places"])
def test_pairs_of_random_points_are_uniform(scope, n) -> None:
    """Every subset of two is equally likely, over steps, and over samples of a step."""
    points = sampler("random", (n,), neval=2, scope=scope, seed=5)
    steps = range(30 if scope == "per_sample" else 1500)
    rows = torch.cat([draw(points, step, rows=100).index.reshape(-1, 2) for step in steps])
    counts = torch.unique(rows.sort(dim=1).values, dim=0, return_counts=True)[1]
    assert len(counts) == n * (n - 1) // 2
    assert scipy.stats.chisquare(counts.numpy()).pvalue > 0.01


@pytest.mark.parametrize("n", [6, 16], ids=["largest keys", "distinct places"])
def test_a_place_in_an_epochs_block_is_uniform(n) -> None:
    points = sampler("epoch", (n,), neval=2, seed=2)
    counts = torch.bincount(draw(points, 3, rows=4000).index[:, 1], minlength=n)
    assert scipy.stats.chisquare(counts.numpy()).pvalue > 0.01


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize(("n_points", "all_of_them"), [(6, True), (7, True), (8, False)])
def test_as_many_as_there_are_is_all(name, n_points, all_of_them) -> None:
    assert (draw(sampler(name, (n_points,), neval=7)) is None) == all_of_them


def test_all_takes_all() -> None:
    points = sampler("all", (3,), (5,))
    assert draw(points) is None
    assert points.counts(0.0) == (3, 5)


def test_many_distinct_points_fill_every_slot() -> None:
    """At the bound N = 8 P, where the sequence of places is shortest for its purpose."""
    for neval in (1, 2, 3, 10, 100):
        index = sampler("random", (8 * neval,), neval=neval).draw(0, 0, 300, 0.0, CPU).index
        assert all(len(set(row)) == neval for row in index.tolist())
