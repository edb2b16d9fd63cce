"""Advection: the output is the input, moved; both kinds of initial field."""

import math

import numpy as np
import pytest
import torch

import nolab
from nolab.errors import InputError
from nolab.problems import advection
from nolab.problems._description import stream
from nolab.problems._periodic_field import circle_normals
from nolab.schema import from_mapping

CPU = torch.device("cpu")
SHAPES = ("smooth", "square")


def made(samples: int = 4, seed: int = 0, **given) -> tuple[np.ndarray, np.ndarray]:
    """Initial and final fields (n, r) of the test split."""
    fields = advection.generate(advection.Options(**given), seed, "test", range(samples), CPU)
    return tuple(field[:, 0] for field in fields)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("speed", "time", "cells"), [(1, 0.5, 32), (-1, 0.25, -16), (5, 0.25, 80), (1, 3, 0)]
)
def test_output_is_the_input_some_cells_further(shape: str, speed: float, time: float, cells: int) -> None:
    before, after = made(resolution=64, shape=shape, speed=speed, time=time)
    assert np.allclose(after, np.roll(before, cells, axis=1), rtol=0, atol=1e-6)


def test_smooth_output_is_the_series_at_the_feet_of_the_characteristics() -> None:
    """A shift by no whole number of cells, written out."""
    _, after = made(2, resolution=24, speed=0.3, time=0.7)
    feet = np.arange(24) / 24 - 0.21
    for index, field in enumerate(after):
        xi = circle_normals(stream(0, "test", index), 512)
        expected = np.zeros(24)
        for k in range(1, 513):
            phase, size = 2 * math.pi * k * feet, math.sqrt(2) * 25 / ((2 * math.pi * k) ** 2 + 25)
            expected += size * (xi[2 * k - 1] * np.cos(phase) + xi[2 * k] * np.sin(phase))
        assert np.abs(field - expected).max() < 1e-6


def test_smooth_output_solves_the_equation() -> None:
    """u_t + c u_x = 0 by central differences, in the mean square over the rough field's own differences."""
    h = 2e-4
    late, early = (made(resolution=64, speed=0.5, time=0.3 + dt)[1].astype(np.float64) for dt in (h, -h))
    ahead, behind = (made(resolution=64, speed=0.5, time=0.3 - dx / 0.5)[1] for dx in (h, -h))
    slope_t, slope_x = (late - early) / (2 * h), (ahead.astype(np.float64) - behind) / (2 * h)
    assert np.linalg.norm(slope_t + 0.5 * slope_x) < 0.02 * np.linalg.norm(slope_t)


def test_square_waves_have_the_law_of_the_paper() -> None:
    n, r = 400, 1000
    before, after = made(n, resolution=r, shape="square", time=0.123)
    height = before.max(axis=1)
    inside = before > 0
    assert ((before == 0) | (before == height[:, None])).all()
    assert (np.abs(np.diff(inside.astype(int), axis=1, append=inside[:, :1])).sum(axis=1) == 2).all()
    width = inside.mean(axis=1)
    centre = (inside * np.arange(r)).sum(axis=1) / inside.sum(axis=1) / r
    for values, low, high in ((height, 1, 2), (width, 0.3, 0.6), (centre, 0.3, 0.7)):
        assert low - 0.002 < values.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max() < high + 0.002
        assert values.mean() == pytest.approx((low + high) / 2, abs=4.5 * (high - low) / math.sqrt(12 * n))
    assert np.abs((after > 0).mean(axis=1) - width).max() <= 1.001 / r
    # The left jump, which does not cross x = 0 here, has moved by 0.123.
    assert (
        np.abs(
            np.argmax(np.diff(after, axis=1), axis=1) - np.argmax(np.diff(before, axis=1), axis=1) - 123
        ).max()
        <= 1
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_every_resolution_shows_the_same_functions(shape: str) -> None:
    fine = made(resolution=96, shape=shape, time=0.37)
    for resolution in (8, 24, 48):
        coarse = made(resolution=resolution, shape=shape, time=0.37)
        for few, many in zip(coarse, fine, strict=True):
            many = many[:, :: 96 // resolution]
            assert (few == many).all() if shape == "square" else np.allclose(few, many, rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_description_and_values(shape: str) -> None:
    options = advection.Options(resolution=40, shape=shape)
    before, after = advection.generate(options, 0, "train", range(5), CPU)
    described = advection.describe(options)
    assert described.shape == (40,)
    assert [axis.placement for axis in described.domain.axes] == ["periodic"]
    assert set(described.units) == {*described.input_names, *described.output_names}
    assert before.shape == after.shape == (5, 1, 40)
    assert before.dtype == after.dtype == np.float32
    assert np.linalg.norm(after) == pytest.approx(np.linalg.norm(before), rel=0.2)


@pytest.mark.parametrize("shape", SHAPES)
def test_samples_depend_on_seed_split_and_index_alone(shape: str) -> None:
    options = advection.Options(resolution=32, shape=shape)
    base = advection.generate(options, 0, "train", range(6), CPU)
    for indices in (range(6), range(2, 4), range(5, 6)):
        again = advection.generate(options, 0, "train", indices, CPU)
        assert all((x == y[list(indices)]).all() for x, y in zip(again, base, strict=True))
    for seed, split in ((1, "train"), (0, "test"), (0, "valid")):
        assert (advection.generate(options, seed, split, range(6), CPU)[0] != base[0]).any()
    with pytest.raises(InputError, match=r"split: 'trian' is not known\. Did you mean 'train'\?"):
        advection.generate(options, 0, "trian", range(1), CPU)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_model_trains_on_it(tiny, shape: str) -> None:
    sizes = (f"dataset.shape={shape}", "dataset.resolution=32", "dataset.finest=16", "budget.steps=2")
    run = nolab.train(nolab.compose(tiny("dataset=advection", *sizes)))
    assert run.summary["cost/steps"] == 2
    assert {"final/rel_l2/8", "final/rel_l2/16", "final/rel_l2/32"} <= set(run.summary)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"resolution": 3}, r"dataset\.resolution: must be from 4 to 65536, got 3"),
        ({"shape": "sqare"}, r"dataset\.shape: 'sqare' is not known\. Did you mean 'square'\?"),
        ({"speed": 0}, r"dataset\.speed: must be other than 0"),
        ({"speed": math.nan}, r"dataset\.speed: must be"),
        ({"time": 0}, r"dataset\.time: must be positive"),
        ({"time": math.inf}, r"dataset\.time: must be positive and at most 1000"),
        ({"sped": 1}, r"Did you mean 'speed'\?"),
    ],
)
def test_bad_options(given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_mapping(advection.Options, given, "dataset")
