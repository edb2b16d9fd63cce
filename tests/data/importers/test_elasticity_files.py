"""Geo-FNO's elasticity files: which sample is which, the distance to the void, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from files_support import opened
from point_files_support import NAMES, elasticity, write_elasticity

from nolab.data.importers.elasticity import void_distance
from nolab.data.reading import read_level
from nolab.errors import InputError
from nolab.grid import Domain
from nolab.mesh import MeshFields


@pytest.mark.parametrize("at", ["", "Random_UnitCell_sigma_10.npy"])
def test_round_trip(tmp_path: Path, at: str) -> None:
    arrays = elasticity(9)
    source = opened(write_elasticity(tmp_path, arrays) / at, n_train=4, n_test=3)
    assert source.domain == Domain.cloud((0, 1), (0, 1))
    assert (source.input_names, source.output_names) == (("void_distance",), ("stress",))
    assert source.shapes("train") == source.shapes("test") == [(12,)]
    assert (source.count("train"), source.count("test")) == (4, 3)
    for split, first in (("train", 0), ("test", 6)):
        fields = source.read(split, (12,), np.array([0, 2]))
        for i, number in enumerate((first, first + 2)):
            assert (fields.output[i, 0] == arrays["sigma"][:, number].astype(np.float32)).all()
            assert (fields.coords[i] == arrays["XY"][:, :, number].astype(np.float32)).all()
            expected = void_distance(arrays["XY"][:, :, number], arrays["rr"][:, number])
            assert (fields.input[i, 0] == expected.astype(np.float32)).all()
        assert fields.input.shape == fields.output.shape == (2, 1, 12)
        assert (fields.weights == np.float32(1 / 12)).all()
        assert fields.cells.shape == (2, 0, 3)
        assert {values.dtype.name for values in fields} == {"float32", "int32"}


@pytest.mark.parametrize(
    ("given", "counts"),
    [({}, (1000, 200)), ({"n_train": 3}, (3, 200)), ({"n_test": 7}, (1000, 7))],
)
def test_the_papers_counts(tmp_path: Path, given: dict[str, int], counts: tuple[int, int]) -> None:
    arrays = elasticity(1205, points=3, radii=5)
    source = opened(write_elasticity(tmp_path, arrays), **given)
    assert (source.count("train"), source.count("test")) == counts
    for split, numbers in (("train", slice(counts[0])), ("test", slice(1205 - counts[1], 1205))):
        stress = source.read(split, (3,)).output[:, 0]
        assert (stress == arrays["sigma"][:, numbers].T.astype(np.float32)).all()


def test_fewer_samples_than_the_papers_ask_for_counts(tmp_path: Path) -> None:
    path = write_elasticity(tmp_path, elasticity(1199, points=3, radii=5))
    with pytest.raises(InputError, match=r"dataset\.n_test: missing; .* meant so: dataset\.n_test=199$"):
        opened(path)
    with pytest.raises(InputError, match=r"holds 1199 samples; 1100 to train .* and 100 to test"):
        opened(path, n_train=1100, n_test=100)


def test_a_sample_does_not_depend_on_the_others(tmp_path: Path) -> None:
    path = write_elasticity(tmp_path, elasticity(9))
    few, many = opened(path, n_train=3, n_test=2), opened(path, n_train=7, n_test=2)
    for one, other in zip(
        few.read("train", (12,)), many.read("train", (12,), np.array([0, 1, 2])), strict=True
    ):
        assert one.tobytes() == other.tobytes()


def test_distance_to_a_square_void() -> None:
    """Radii 0.3 at 0°, 90°, 180°, 270°: a square on its corner; distances by hand."""
    points = np.array([[0.9, 0.5], [0.5, 0.05], [0.75, 0.75], [0.5, 0.5], [0.3, 0.6]])
    expected = [0.1, 0.15, (0.5 - 0.3) / np.sqrt(2), 0.3 / np.sqrt(2), 0.0]
    np.testing.assert_allclose(void_distance(points, np.full(5, 0.3)), expected, atol=1e-15)


def test_radii_go_counterclockwise_from_the_x_axis() -> None:
    radii = np.array([0.2, 0.4, 0.2, 0.1, 0.2])  # at 0°, 90°, 180°, 270°, 360°
    points = np.array([[0.5, 0.95], [0.5, 0.05], [0.95, 0.5], [0.05, 0.5]])
    np.testing.assert_allclose(void_distance(points, radii), [0.05, 0.35, 0.25, 0.25], atol=1e-15)


def test_distance_to_a_round_void_is_of_second_order() -> None:
    points = np.random.default_rng(0).uniform(0, 1, (200, 2))
    exact = np.abs(np.hypot(*(points - 0.5).T) - 0.27)
    errors = [np.abs(void_distance(points, np.full(n + 1, 0.27)) - exact).max() for n in (20, 40, 80)]
    assert 1.9 < np.log2(errors[0] / errors[1]) < 2.1
    assert 1.9 < np.log2(errors[1] / errors[2]) < 2.1


def test_distance_is_that_to_the_nearest_point_of_the_curve() -> None:
    angles = np.linspace(0, 2 * np.pi, 13)
    radii = 0.25 + 0.1 * np.cos(2 * angles)
    corners = 0.5 + np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    share = np.linspace(0, 1, 2001)[:, None, None]
    curve = ((1 - share) * corners[:-1] + share * corners[1:]).reshape(-1, 2)
    points = np.random.default_rng(1).uniform(0, 1, (40, 2))
    nearest = np.sqrt(((points[:, None] - curve) ** 2).sum(-1)).min(axis=1)
    np.testing.assert_allclose(void_distance(points, radii), nearest, atol=1e-4)


def test_thinned_levels(tmp_path: Path) -> None:
    source = opened(write_elasticity(tmp_path, elasticity(6)), n_test=2)
    coarse, fine = read_level(source, "train", (6,), "farthest"), source.read("train", (12,))
    assert isinstance(coarse, MeshFields)
    np.testing.assert_allclose(coarse.weights.sum(axis=1), 1, rtol=1e-6)
    for i in range(4):
        kept = [np.flatnonzero((fine.coords[i] == place).all(axis=1))[0] for place in coarse.coords[i]]
        assert (coarse.input[i, 0] == fine.input[i, 0, kept]).all()


def spoilt(name: str, change) -> dict[str, np.ndarray]:
    arrays = elasticity(6)
    arrays[name] = change(arrays[name])
    return arrays


def at(*place: int, value: float):
    def change(values: np.ndarray) -> np.ndarray:
        values[place] = value
        return values

    return change


BAD = [
    (spoilt("sigma", lambda v: v[:, 0]), r"sigma_10\.npy has shape \(12,\), expected \(points, samples\)"),
    (
        spoilt("XY", lambda v: v.transpose(2, 0, 1)),
        r"XY_10\.npy has shape \(6, 12, 2\), expected \(12, 2, 6\)",
    ),
    (spoilt("XY", lambda v: v[:, :, :5]), r"XY_10\.npy has shape \(12, 2, 5\), expected \(12, 2, 6\)"),
    (spoilt("XY", lambda v: v[:11]), r"XY_10\.npy has shape \(11, 2, 6\), expected \(12, 2, 6\)"),
    (spoilt("rr", lambda v: v.T), r"rr_10\.npy has shape \(6, 9\), expected \(radii, 6\)"),
    (spoilt("rr", lambda v: v[0]), r"rr_10\.npy has shape \(6,\), expected \(radii, 6\)"),
    (
        spoilt("sigma", at(3, 5, value=np.nan)),
        r"sigma_10\.npy holds values that are not finite, in samples \[5\]",
    ),
    (
        spoilt("XY", at(3, 0, 2, value=np.inf)),
        r"XY_10\.npy holds values that are not finite, in samples \[2\]",
    ),
    (
        spoilt("sigma", at(3, 1, value=1e300)),
        r"sigma_10\.npy holds values that are not finite, in samples \[1\]",
    ),
    (spoilt("rr", at(3, 5, value=np.nan)), r"rr_10\.npy holds values that are not finite, in samples \[5\]"),
    (spoilt("rr", at(3, 5, value=-0.1)), r"rr_10\.npy: sample 5: expected positive radii"),
    (spoilt("rr", at(8, 4, value=0.4)), r"rr_10\.npy: sample 4: expected .* last one equal to the first"),
    (
        spoilt("XY", at(3, 1, 5, value=1.02)),
        r"XY_10\.npy: sample 5: has points from .* to 1\.02, expected \[0, 1\]²",
    ),
    (spoilt("XY", at(3, 0, 4, value=-0.02)), r"XY_10\.npy: sample 4: has points from -0\.02 to"),
    (spoilt("XY", at(3, slice(2), 4, value=0.6)), r"XY_10\.npy: sample 4: 1 of its points lie in the void"),
    (spoilt("rr", lambda v: v + 0.25), r"XY_10\.npy: sample 0: \d+ of its points lie in the void"),
    (spoilt("XY", lambda v: v.astype(complex)), r"XY_10\.npy: its type complex128 is not a real number"),
    (
        spoilt("rr", lambda v: v.astype(object)),
        r"rr_10\.npy: holds Python objects, which nolab never unpickles",
    ),
]


@pytest.mark.parametrize(("arrays", "message"), BAD)
def test_what_is_refused(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    path = write_elasticity(tmp_path, arrays)
    with pytest.raises(InputError, match=message):
        opened(path, n_test=2)


def test_points_a_little_outside_the_cell(tmp_path: Path) -> None:
    arrays = spoilt("XY", at(3, 0, 5, value=-0.005))
    assert opened(write_elasticity(tmp_path, arrays), n_test=2).read("test", (12,)).coords.min() < 0


@pytest.mark.parametrize("missing", ["XY", "rr"])
def test_a_missing_file(tmp_path: Path, missing: str) -> None:
    arrays = elasticity(6)
    del arrays[missing]
    path = write_elasticity(tmp_path, arrays)
    with pytest.raises(InputError, match=rf"{missing}_10\.npy is missing; Geo-FNO's elasticity is read from"):
        opened(path, n_test=2)


def test_shapes_are_checked_before_values_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_elasticity(tmp_path, spoilt("rr", lambda v: v.T))
    monkeypatch.setattr("nolab.data.importers.array.LazyArray.read", None)
    with pytest.raises(InputError, match=r"rr_10\.npy has shape"):
        opened(path, n_test=2)


@pytest.mark.parametrize("name", NAMES)
def test_truncated(tmp_path: Path, name: str) -> None:
    path = write_elasticity(tmp_path, elasticity(6))
    file = path / f"Random_UnitCell_{name}_10.npy"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(InputError, match=rf"{name}_10\.npy: not a complete \.npy file"):
        opened(path, n_test=2)
