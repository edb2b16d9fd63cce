"""Poisson's equation on random shapes: laws of shape and source, levels, padding, and the solution's accuracy."""

import numpy as np
import pytest
import torch

from nolab.errors import InputError
from nolab.mesh import MeshFields
from nolab.problems import poisson_shapes, stream
from nolab.problems.poisson_shapes import Options, describe, generate, spacing
from nolab.schema import from_mapping

CPU = torch.device("cpu")
SMALL = Options(points=(64, 128, 256))


@pytest.fixture(scope="module")
def small() -> list[MeshFields]:
    return generate(SMALL, 0, "train", range(12), CPU)


def polygon_moments(polygon: np.ndarray) -> tuple[float, np.ndarray]:
    """Area and centroid."""
    following = np.roll(polygon, -1, axis=0)
    cross = polygon[:, 0] * following[:, 1] - polygon[:, 1] * following[:, 0]
    area = cross.sum() / 2
    return area, ((polygon + following) * cross[:, None]).sum(axis=0) / (6 * area)


def test_description_and_arrays(small: list[MeshFields]) -> None:
    described = describe(SMALL)
    assert described.shape == (256,)
    assert described.domain.is_scattered
    assert [size.points for size in described.meshes] == [64, 128, 256]
    assert not described.nested
    for fields, size in zip(small, described.meshes, strict=True):
        assert fields.input.shape == (12, len(described.input_names), size.points)
        assert fields.output.shape == (12, len(described.output_names), size.points)
        assert fields.cells.shape == (12, size.cells, 3)
        assert all(a.dtype == np.float32 for a in fields[:4])
        assert all(np.isfinite(a).all() for a in fields[:4])
        assert np.abs(fields.coords).max() < 1


def test_counts_vary_and_padding_is_marked(small: list[MeshFields]) -> None:
    for fields in small:
        counts = (fields.weights > 0).sum(axis=1)
        assert len(set(counts)) > 4
        assert counts.min() > 0.3 * fields.coords.shape[1]
        for i, n in enumerate(counts):
            assert (fields.weights[i, :n] > 0).all()
            assert (fields.weights[i, n:] == 0).all()
            cells = fields.cells[i]
            t = (cells >= 0).all(axis=1).sum()
            assert (cells[t:] == -1).all()
            assert set(cells[:t].ravel()) == set(range(n))


def test_weights_integrate_linear_fields_over_the_polygon(small: list[MeshFields]) -> None:
    for fields in small:
        for i in range(12):
            corners = int((fields.input[i, 1, fields.weights[i] > 0] == 0).sum())
            _, centroid = polygon_moments(fields.coords[i, :corners].astype(np.float64))
            weights = fields.weights[i].astype(np.float64)
            assert weights.sum() == pytest.approx(1, abs=1e-6)
            assert np.allclose(weights @ fields.coords[i], centroid, rtol=0, atol=1e-6)


def test_solution_and_distance_vanish_on_the_boundary_alone(small: list[MeshFields]) -> None:
    for fields in small:
        there = fields.weights > 0
        distance, solution = fields.input[:, 1][there], fields.output[:, 0][there]
        assert (solution[distance == 0] == 0).all()
        assert (solution[distance > 0] != 0).mean() > 0.99
        assert distance[distance > 0].min() > 0.02


def test_levels_are_samples_of_one_accurate_function() -> None:
    """The same points with the solution of a finer mesh: the difference is far below 1e-3."""
    coarse = generate(Options(), 3, "test", range(2), CPU)
    fine = generate(Options(points=(128, 256, 512, 2500)), 3, "test", range(2), CPU)
    for own, other in zip(coarse[:3], fine[:3], strict=True):
        assert (own.coords == other.coords).all()
        assert (own.input == other.input).all()
        assert np.abs(own.output - other.output).max() < 3e-4 * np.abs(own.output).max()
    # The finest level is shown at its own nodes; the reference evaluates it as one of its coarser levels.
    fine = generate(Options(points=(1024, 2500)), 3, "test", range(2), CPU)[0]
    assert (coarse[3].coords == fine.coords).all()
    assert np.abs(coarse[3].output - fine.output).max() < 3e-4 * np.abs(fine.output).max()


def test_spacing_leaves_room_for_the_largest_shape() -> None:
    """Shapes of full size: r₀ at its bound, every coefficient at its own."""
    options = Options(radius=(0.7, 0.7), amplitude=0.4, modes=8, points=(64, 300))
    for points in options.points:
        for seed in range(20):
            phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, 8)
            share = 0.4 / np.arange(1, 9) / np.sum(1 / np.arange(1, 9))
            curve = poisson_shapes.StarCurve(
                lambda t, p=phases, s=share: 0.7 * (1 + np.cos(t[..., None] * np.arange(1, 9) + p) @ s)
            )
            mesh = poisson_shapes.mesh_star(curve, spacing(options, points), phases[:2] % 1)
            assert 0.6 * points < len(mesh.points) <= points


def test_shapes_follow_their_law() -> None:
    """Bounds, and the variance of each coefficient: that of a uniform point of the disk is 1/4 along each axis."""
    options = Options(modes=3)
    theta = np.arange(64) * (2 * np.pi / 64)
    r = np.stack(
        [poisson_shapes._random_curve(options, stream(0, "train", i)).radius(theta) for i in range(800)]
    )
    mean = r.mean(axis=1)
    assert ((mean > 0.55) & (mean < 0.75)).all()
    assert mean.mean() == pytest.approx(0.65, abs=0.008)
    relative = r / mean[:, None] - 1
    assert 0.2 < np.abs(relative).max() < 0.3
    share = 0.3 * np.array([6, 3, 2]) / 11
    coefficients = np.fft.rfft(relative, axis=1)[:, 1:4] / 32  # a_k - i b_k
    for part in (coefficients.real, coefficients.imag):
        assert np.allclose(part.var(axis=0), share**2 / 4, rtol=0.13)
        assert np.abs(part.mean(axis=0)).max() < 0.012
        assert (np.abs(coefficients) <= share).all()


def test_source_follows_its_law() -> None:
    options = Options(source_mean=2.0, source_std=0.5, source_modes=3)
    places = np.array(
        [[0.0, 0.0], [0.3, -0.4], [-0.9, 0.9], [1.1, 1.6]]
    )  # the last is the second, moved by 0.8, 2
    values = np.stack(
        [poisson_shapes._random_source(options, stream(0, "train", i))(places) for i in range(4000)]
    )
    assert np.allclose(values.mean(axis=0), 2.0, rtol=0, atol=0.04)
    assert np.allclose(values.std(axis=0), 0.5, rtol=0.05)
    k = np.array([(m, n) for m in range(-3, 4) for n in range(-3, 4) if (m, n) != (0, 0)])
    power = 1 / np.square(k).sum(axis=1)
    correlation = (power * np.cos(np.pi * k @ (places[0] - places[1]))).sum() / power.sum()
    assert np.corrcoef(values.T)[0, 1] == pytest.approx(correlation, abs=0.05)


def test_samples_depend_on_seed_split_and_index_alone(small: list[MeshFields]) -> None:
    for indices in (range(3, 8), range(11, 12)):
        again = generate(SMALL, 0, "train", indices, CPU)
        for level, base in zip(again, small, strict=True):
            assert all((x == y[list(indices)]).all() for x, y in zip(level, base, strict=True))
    for seed, split in ((1, "train"), (0, "test"), (0, "valid")):
        other = generate(SMALL, seed, split, range(1), CPU)
        assert (other[0].coords != small[0].coords[:1]).any()
        assert (other[0].input[..., 0] != small[0].input[:1, ..., 0]).any()
    with pytest.raises(InputError, match=r"split: 'trian' is not known\. Did you mean 'train'\?"):
        generate(SMALL, 0, "trian", range(1), CPU)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"points": []}, r"dataset\.points: must be rising numbers from 64 to 16384, got \(\)"),
        ({"points": [32, 64]}, r"dataset\.points: must be rising"),
        ({"points": [128, 128]}, r"dataset\.points: must be rising"),
        ({"points": [128, 20000]}, r"dataset\.points: must be rising"),
        ({"radius": [0.7, 0.6]}, r"dataset\.radius: must be \(low, high\) with 0\.1 <= low <= high"),
        ({"radius": [0.05, 0.6]}, r"dataset\.radius: must be \(low, high\)"),
        ({"radius": [0.5, 0.8]}, r"dataset\.radius: must be at most 0\.769, 1/\(1 \+ amplitude\)"),
        ({"amplitude": 0.5}, r"dataset\.amplitude: must be from 0 to 0\.4, got 0\.5"),
        ({"modes": 0}, r"dataset\.modes: must be from 1 to 8, got 0"),
        ({"source_mean": float("inf")}, r"dataset\.source_mean: must be finite"),
        ({"source_std": -1}, r"dataset\.source_std: must be 0 or more, got -1\.0"),
        ({"source_modes": 9}, r"dataset\.source_modes: must be from 1 to 8, got 9"),
        ({"ponits": [64]}, r"Did you mean 'points'\?"),
    ],
)
def test_bad_options(given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_mapping(Options, given, "dataset")
