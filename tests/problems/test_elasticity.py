"""The unit cell with a void: law of the voids, levels, and the stress's accuracy and symmetry."""

import numpy as np
import pytest
import torch

from nolab.errors import InputError
from nolab.mesh import MeshFields
from nolab.problems import elasticity, stream
from nolab.problems._star_shapes import StarCurve
from nolab.problems.elasticity import Options, describe, generate, random_void, solve
from nolab.schema import from_mapping

CPU = torch.device("cpu")
SMALL = Options(rings=4, rays=32, levels=3)
ROUND = StarCurve(lambda theta: np.full_like(theta, 0.3))


@pytest.fixture(scope="module")
def small() -> list[MeshFields]:
    return generate(SMALL, 0, "train", range(4), CPU)


def test_description_and_arrays(small: list[MeshFields]) -> None:
    described = describe(SMALL)
    assert described.shape == (5 * 32,)
    assert described.domain.is_scattered
    assert described.nested
    assert described.units["stress"] == "Pa"
    assert [size.points for size in described.meshes] == [2 * 8, 3 * 16, 5 * 32]
    assert [size.points for size in describe(Options()).meshes] == [80, 288, 1088]
    for fields, size in zip(small, described.meshes, strict=True):
        assert fields.input.shape == fields.output.shape == (4, 1, size.points)
        assert fields.coords.shape == (4, size.points, 2)
        assert fields.cells.shape == (4, size.cells, 3)
        assert all(a.dtype == np.float32 for a in fields[:4])
        assert fields.coords.min() == 0
        assert fields.coords.max() == 1
        assert (fields.weights > 0).all()
        assert np.allclose(fields.weights.sum(axis=1, dtype=np.float64), 1, rtol=0, atol=1e-6)
        assert (fields.output > 0).all()
        assert set(fields.cells[0].ravel()) == set(range(size.points))


def test_levels_are_the_finest_at_fewer_points(small: list[MeshFields]) -> None:
    finest = small[-1]
    for fields in small[:-1]:
        for i in range(4):
            place = {tuple(x): n for n, x in enumerate(finest.coords[i])}
            at = [place[tuple(x)] for x in fields.coords[i]]
            assert (fields.output[i] == finest.output[i][:, at]).all()
            assert (fields.input[i] == finest.input[i][:, at]).all()


def test_distance_to_the_void(small: list[MeshFields]) -> None:
    coords, distance = small[-1].coords[0].astype(np.float64), small[-1].input[0, 0]
    void = random_void(SMALL.modes, stream(0, "train", 0))
    dense = 0.5 + void.at(np.linspace(0, 2 * np.pi, 20000))
    brute = np.sqrt(np.square(coords[:, None] - dense).sum(axis=-1).min(axis=1))
    assert np.allclose(distance, brute, rtol=0, atol=1e-4)
    assert (distance[:32] < 1e-6).all()


def test_voids_follow_their_law() -> None:
    """r̃ from r: mean 0 and covariance Σ 16/(k² + 9) cos(kd)/π, with half of the term k = 0."""
    theta = np.arange(32) * (2 * np.pi / 32)
    r = np.stack([random_void(6, stream(0, "train", i)).radius(theta) for i in range(1000)])
    assert ((r > 0.2) & (r < 0.4)).all()
    logit = np.log(0.2 / (r - 0.2) - 1)
    k = np.arange(7)
    power = 16 / (k**2 + 9) / np.pi / np.where(k == 0, 2, 1)
    for shift in (0, 3, 16):
        exact = (power * np.cos(k * theta[shift])).sum()
        assert (logit * np.roll(logit, -shift, axis=1)).mean() == pytest.approx(exact, abs=0.12)
    assert abs(logit.mean()) < 0.12
    assert np.abs(np.fft.rfft(logit, axis=1)[:, 7:]).max() < 1e-9


def test_stress_is_symmetric_around_a_symmetric_void() -> None:
    """The mirror x → 1 - x takes ray j to ray 16 - j of 32."""
    void = StarCurve(lambda theta: 0.3 + 0.05 * np.sin(3 * theta) + 0.03 * np.cos(2 * theta))
    stress = solve(void, 4, 32, 100.0)
    mirrored = stress[:, (16 - np.arange(32)) % 32]
    assert np.allclose(stress, mirrored, rtol=1e-8, atol=0)
    upside_down = stress[:, -np.arange(32) % 32]
    assert not np.allclose(stress, upside_down, rtol=0.1, atol=0)  # clamped below, pulled above


def test_stress_concentrates_beside_the_void() -> None:
    """Under tension along y the void is most stressed at its left and right, more than by the narrowed section."""
    stress = solve(ROUND, 8, 32, 100.0)
    assert stress[0].argmax() in (0, 15, 16, 17, 1, 31)
    assert 250 < stress[0, 0] < 800
    assert stress[0, 8] < 0.7 * stress[0, 0]
    assert np.allclose(solve(ROUND, 8, 32, 50.0), stress / 2, rtol=2e-3, atol=0.1)  # the strain is about 1e-3


def test_stress_converges() -> None:
    """Against meshes of twice the nodes along each direction, away from the clamped corners."""
    void = random_void(4, stream(1, "train", 0))
    coarse = [solve(void, rings, rays, 100.0) for rings, rays in ((4, 16), (8, 32), (16, 64))]
    shown = [stress[:: len(stress) // 4, :: stress.shape[1] // 16] for stress in coarse]
    for stress in shown:
        stress[-1, [10, 14]] = 0  # at 225° and 315°
    errors = [np.linalg.norm(stress - shown[-1]) / np.linalg.norm(shown[-1]) for stress in shown[:-1]]
    assert errors[1] < 0.012
    assert errors[1] < errors[0] / 2.5


def test_samples_depend_on_seed_split_and_index_alone(small: list[MeshFields]) -> None:
    for indices in (range(1, 3), range(3, 4)):
        again = generate(SMALL, 0, "train", indices, CPU)
        for level, base in zip(again, small, strict=True):
            assert all((x == y[list(indices)]).all() for x, y in zip(level, base, strict=True))
    for seed, split in ((1, "train"), (0, "test"), (0, "valid")):
        assert (generate(SMALL, seed, split, range(1), CPU)[0].coords != small[0].coords[:1]).any()
    with pytest.raises(InputError, match=r"split: 'trian' is not known\. Did you mean 'train'\?"):
        generate(SMALL, 0, "trian", range(1), CPU)


def test_traction_at_its_bound_converges() -> None:
    options = Options(rings=4, rays=16, levels=1, traction=5e4)
    (fields,) = generate(options, 0, "test", range(6), CPU)
    assert np.isfinite(fields.output).all()
    assert fields.output.max() > 1e5


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"levels": 0}, r"dataset\.levels: must be from 1 to 5, got 0"),
        (
            {"rings": 18},
            r"dataset\.rings: must be from 2 to 32 and divisible by 4, 2\^\(levels - 1\), got 18",
        ),
        ({"rings": 0}, r"dataset\.rings: must be from 2 to 32"),
        ({"rings": 64}, r"dataset\.rings: must be from 2 to 32"),
        ({"rays": 48}, r"dataset\.rays: must be at most 256 and divisible by 32"),
        ({"rays": 0}, r"dataset\.rays: must be at most 256"),
        ({"modes": 0}, r"dataset\.modes: must be from 1 to 32, got 0"),
        ({"traction": 0}, r"dataset\.traction: must be from 1 to 5e4, got 0"),
        ({"traction": 1e6}, r"dataset\.traction: must be from 1 to 5e4"),
        ({"tractoin": 1}, r"Did you mean 'traction'\?"),
    ],
)
def test_bad_options(given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_mapping(Options, given, "dataset")


def test_material_is_the_benchmarks() -> None:
    assert (elasticity.MATERIAL.c1, elasticity.MATERIAL.c2) == (1.863e5, 9.79e3)
