"""Flow past a cylinder: what the samples hold, on which meshes, and on what they depend."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from nolab.errors import InputError, RunFailure
from nolab.frames import follow_on
from nolab.grid import Domain
from nolab.mesh import MeshFields, vertex_weights
from nolab.problems import cylinder_flow
from nolab.problems._channel_flow import ChannelFlow, inflow
from nolab.problems._channel_mesh import HEIGHT, RADIUS
from nolab.schema import from_mapping

CPU = torch.device("cpu")
TINY = {
    "resolutions": [4, 6],
    "solve_resolution": 4,
    "length": 0.8,
    "history": 3,
    "horizon": 2,
    "windows": 2,
    "stride": 1,
    "spin_up": 0.1,
}


def options(**given) -> cylinder_flow.Options:
    return from_mapping(cylinder_flow.Options, {**TINY, **given}, "dataset")


def made(indices: range, seed: int = 0, split: str = "train", **given) -> list[MeshFields]:
    return cylinder_flow.generate(options(**given), seed, split, indices, CPU)


@pytest.fixture(scope="module")
def four() -> list[MeshFields]:
    """The first four training samples, of two simulations."""
    return made(range(4))


def equal(one: list[MeshFields], other: list[MeshFields]) -> bool:
    return all((a == b).all() for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True))


def part(levels: list[MeshFields], chosen: slice) -> list[MeshFields]:
    return [MeshFields(*(array[chosen] for array in level)) for level in levels]


def test_samples_have_the_described_sizes(four):
    described = cylinder_flow.describe(options())
    assert described.domain == Domain.cloud((0.0, 0.8), (0.0, 0.41))
    assert described.shape == (described.meshes[-1].points,)
    assert not described.nested
    assert len(four) == len(described.meshes) == 2
    for level, size in zip(four, described.meshes, strict=True):
        assert level.input.shape == (4, 3, size.points)
        assert level.output.shape == (4, 2, size.points)
        assert level.coords.shape == (4, size.points, 2)
        assert level.weights.shape == (4, size.points)
        assert level.cells.shape == (4, size.cells, 3)
        assert {array.dtype for array in level[:4]} == {np.dtype(np.float32)}
        assert level.cells.dtype == np.int32


def test_weights_are_those_of_the_cells(four):
    for level in four:
        for coords, weights, cells in zip(level.coords, level.weights, level.cells, strict=True):
            assert weights == pytest.approx(vertex_weights(coords.astype(np.float64), cells), rel=1e-3)
            assert weights.min() > 0
            assert weights.sum() == pytest.approx(1, rel=1e-5)


def test_frames_follow_on():
    described = cylinder_flow.describe(cylinder_flow.Options())
    assert (len(described.input_names), len(described.output_names)) == (30, 20)
    assert follow_on(described.input_names, described.output_names)
    assert described.input_names[:2] == ("velocity_x_t0", "velocity_x_t0.02")
    assert described.output_names[-1] == "velocity_x_t0.98"
    assert set(described.units) == {*described.input_names, *described.output_names}


@pytest.mark.parametrize(("stride", "windows"), [(1, 2), (2, 3)])
def test_windows_are_cut_from_one_simulation(stride, windows):
    for level in made(range(windows + 1), stride=stride, windows=windows):
        frames = np.concatenate([level.input, level.output], axis=1)  # (n, 5, N)
        for before, after in pairwise(frames[:windows]):
            assert (before[stride:] == after[:-stride]).all()
        assert (level.coords[:windows] == level.coords[0]).all()
        assert np.abs(np.diff(frames[0], axis=0)).max() > 1e-3
        assert (level.coords[windows] != level.coords[0]).any()
        assert (frames[windows] != frames[0]).any()


def test_samples_depend_on_seed_split_and_index_alone(four):
    """Also where a batch cuts through a simulation, in any order."""
    assert equal(made(range(3, 4)), part(four, slice(3, 4)))
    assert equal(made(range(1, 3)), part(four, slice(1, 3)))
    for seed, split in ((1, "train"), (0, "test"), (0, "valid")):
        assert not equal(made(range(1), seed, split), part(four, slice(0, 1)))
    with pytest.raises(InputError, match=r"split: 'trian' is not known"):
        made(range(1), split="trian")


def test_reynolds_number_and_place_are_drawn_from_their_ranges(monkeypatch):
    drawn = []

    class Drawn(Exception):
        pass

    def noted(
        resolution: int, length: float, centre: tuple[float, float], reynolds: float, dt: float
    ) -> None:
        drawn.append((*centre, reynolds))
        raise Drawn

    monkeypatch.setattr(cylinder_flow, "ChannelFlow", noted)
    for index in range(200):
        with pytest.raises(Drawn):
            made(range(index, index + 1), windows=1, reynolds_low=90, shift=0.05)
    for values, low, high in zip(np.transpose(drawn), (0.15, 0.15, 90), (0.25, 0.25, 160), strict=True):
        assert low <= values.min() < low + (high - low) / 20
        assert high >= values.max() > high - (high - low) / 20
    assert abs(np.corrcoef(np.transpose(drawn))[np.triu_indices(3, 1)]).max() < 0.3


def test_levels_show_one_function_with_the_right_boundary_values(four):
    """Parabola at the inlet, rest at walls and on the circle, the same means."""
    for level, m in zip(four, (4, 6), strict=True):
        fields = np.concatenate([level.input, level.output], axis=1)
        x, y = level.coords.transpose(2, 0, 1)
        expected = np.where(x == 0, inflow(y), 0)[:, None]
        on_circle = np.arange(x.shape[1]) < 4 * m
        edge = (x == 0) | np.isclose(y, 0, atol=1e-7) | np.isclose(y, HEIGHT) | on_circle
        rims = np.broadcast_to(edge[:, None], fields.shape)
        assert fields[rims] == pytest.approx(np.broadcast_to(expected, fields.shape)[rims], abs=2e-6)
        centres = level.coords[:, on_circle].mean(axis=1, keepdims=True)
        radii = np.linalg.norm(level.coords[:, on_circle] - centres, axis=-1)
        assert radii == pytest.approx(RADIUS, rel=1e-5)
        assert 1.5 < fields.max() < 4
    means = [(level.weights[:, None] * level.input).sum(-1) for level in four]
    assert means[0] == pytest.approx(means[1], rel=0.05)


def test_symmetric_start_stays_symmetric_and_a_kick_does_not():
    def asymmetry(kick: float) -> float:
        flow = ChannelFlow(4, 0.8, (0.2, HEIGHT / 2), 100, 0.0015, kick)
        flow.advance(60)
        nodes = {tuple(node): i for i, node in enumerate(flow.space.nodes.round(9))}
        mirror = [nodes[x, y] for x, y in (flow.space.nodes * [1, -1] + [0, HEIGHT]).round(9)]
        u, v = flow.velocity
        return max(abs(u - u[mirror]).max(), abs(v + v[mirror]).max())

    assert asymmetry(0) < 1e-6
    assert asymmetry(1) > 0.1


def test_outflow_is_the_inflow():
    """The flow is weakly without divergence: what the parabola of mean 1 brings leaves at the end, past walls
    and a cylinder at which it rests."""
    flow = ChannelFlow(4, 0.8, (0.21, 0.19), 100, 0.0015)
    flow.advance(40)
    sources = sum(g.T @ u for g, u in zip(flow.space.gradient, flow.velocity, strict=True))
    assert np.abs(sources).max() < 1e-9
    x, y = flow.space.nodes[flow.space.boundary].T
    around = (x > 0) & (x < 0.8)
    assert (flow.velocity[:, flow.space.boundary][:, around] == 0).all()
    y = np.linspace(0, HEIGHT, 2001)
    leaving = flow.space.probe(np.stack([np.full_like(y, 0.8), y], axis=1)) @ flow.velocity[0]
    assert np.trapezoid(leaving, y) / HEIGHT == pytest.approx(1, rel=1e-4)


def test_time_steps_meet_the_frames():
    assert options(dt=0.02).steps == 1
    assert options(dt=0.003).steps == 7
    assert options(dt=None).steps == 16  # of 0.005 / 4
    assert options(frame_step=0.01, dt=0.001).steps == 10


def test_frames_begin_after_the_spin_up():
    whole, later = (made(range(1), windows=1, spin_up=time)[-1].input[0] for time in (0, 0.04))
    assert (later[0] == whole[2]).all()
    x, y = made(range(1), windows=1, spin_up=0)[-1].coords[0].T
    assert whole[0][x > 0.5] == pytest.approx(inflow(y[x > 0.5]), abs=1e-6)


def test_frames_converge_with_the_time_step():
    """To first order at least: the start is impulsive."""

    def last(dt: float) -> np.ndarray:
        return made(range(1), windows=1, spin_up=0.04, dt=dt)[-1].output[0, -1]

    coarse, middle, fine = last(0.001), last(0.0005), last(0.00025)
    assert np.abs(middle - fine).max() < 0.05
    assert np.linalg.norm(middle - fine) < 0.6 * np.linalg.norm(coarse - middle)


def test_unstable_steps_name_the_way_out():
    with pytest.raises(
        RunFailure, match=r"unstable in time steps of 0\.02; .*dataset\.dt=0\.01, or raise dataset\.solve_res"
    ):
        made(range(1), dt=0.02, spin_up=2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"resolutions": []}, r"dataset\.resolutions: must be ascending even numbers from 4 to .* = 8"),
        ({"resolutions": [6, 4]}, r"dataset\.resolutions"),
        ({"resolutions": [4, 4]}, r"dataset\.resolutions"),
        ({"resolutions": [4, 5]}, r"dataset\.resolutions"),
        ({"resolutions": [2, 4]}, r"dataset\.resolutions"),
        ({"resolutions": [4, 10]}, r"dataset\.resolutions: .*got \[4, 10\]"),
        ({"resolutions": 4}, r"dataset\.resolutions: expected a list"),
        ({"solve_resolution": 5}, r"dataset\.solve_resolution: must be an even number from 4 to 64, got 5"),
        ({"solve_resolution": 66}, r"dataset\.solve_resolution"),
        ({"length": 0.4}, r"dataset\.length: must be from 0\.5 to 10"),
        ({"reynolds_low": 0.5}, r"dataset\.reynolds_low: must be from 1 to 200"),
        ({"reynolds_high": 70}, r"dataset\.reynolds_high: must be from reynolds_low = 80 to 200"),
        ({"reynolds_high": math.nan}, r"dataset\.reynolds_high"),
        ({"shift": 0.06}, r"dataset\.shift: must be from 0 to 0\.05"),
        ({"frame_step": 0}, r"dataset\.frame_step: must be from 0\.001 to 1"),
        ({"history": 0}, r"dataset\.history: must be from 1 to 1000"),
        ({"horizon": 0}, r"dataset\.horizon"),
        ({"windows": 0}, r"dataset\.windows"),
        ({"stride": 0}, r"dataset\.stride"),
        ({"windows": 2.5}, r"dataset\.windows: expected a whole number"),
        ({"spin_up": -1}, r"dataset\.spin_up: must be from 0 to 100"),
        ({"dt": 0}, r"dataset\.dt: must be null or from"),
        ({"reynold_low": 90}, r"Did you mean 'reynolds_low'\?"),
    ],
)
def test_bad_options(given, message):
    with pytest.raises(InputError, match=message):
        options(**given)
