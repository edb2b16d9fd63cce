"""neuraloperator's cars: padding, box, inputs with and without normals, and what is refused.

The files are made after neuraloperator's loader, `MeshDataModule`; none of its own is at hand.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from files_support import opened
from point_files_support import car, write_cars

from nolab.data.importers.neuralop_car import spacing
from nolab.errors import InputError
from nolab.grid import Domain


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mini_car.pt"


def test_round_trip_of_cars_of_different_size(path: Path) -> None:
    cars = [car(n, seed) for seed, n in enumerate((7, 10, 8, 5))]
    source = opened(write_cars(path, cars), n_test=1)
    assert (source.count("train"), source.count("test")) == (3, 1)
    assert source.shapes("train") == source.shapes("test") == [(10,)]
    assert source.input_names == ("normal_x", "normal_y", "normal_z")
    assert source.output_names == ("pressure",)
    for split, numbers in (("train", (0, 1, 2)), ("test", (3,))):
        fields = source.read(split, (10,))
        assert fields.cells.shape == (len(numbers), 0, 3)
        for i, number in enumerate(numbers):
            made, n = cars[number], len(cars[number]["vertices"])
            assert (fields.coords[i, :n] == made["vertices"].numpy()).all()
            assert (fields.output[i, :, :n] == made["press"].numpy()).all()
            assert (fields.input[i, :, :n] == made["vertex_normals"].numpy().T).all()
            assert (fields.weights[i] == [np.float32(1 / n)] * n + [0] * (10 - n)).all()


@pytest.mark.parametrize("shape", [(-1,), (1, -1), (-1, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_shapes_and_types_of_the_pressure(path: Path, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    cars = [car(6, seed) for seed in range(2)]
    pressure = [made["press"].clone() for made in cars]
    for made in cars:
        made["press"] = made["press"].reshape(shape).to(dtype)
    read = opened(write_cars(path, cars), n_test=1).read("train", (6,)).output[0]
    assert (read == pressure[0].to(dtype).float().numpy()).all()


def test_without_normals_the_input_is_the_spacing(path: Path) -> None:
    """The corners of a 2 × 3 × 6 box: the nearest other corner lies along the shortest edge."""
    corners = torch.tensor([[x, y, z] for x in (0, 2) for y in (0, 3) for z in (0, 6)])
    box = {"vertices": corners, "press": torch.arange(8.0)}
    far = {"vertices": torch.tensor([[0, 0, 0], [0, 0, 1], [0, 5, 0]]), "press": torch.zeros(3)}
    source = opened(write_cars(path, [box, far]), n_test=1)
    assert source.input_names == ("spacing",)
    assert (source.read("train", (8,)).input[0] == 2).all()
    assert source.read("test", (8,)).input[0, 0, :3].tolist() == [1, 1, 5]
    low, high = -0.06, (2.06, 5.06, 6.06)  # 1% of the longest side, which is 6
    np.testing.assert_allclose(
        [[a.start, a.stop] for a in source.domain.axes], [[low, stop] for stop in high]
    )


def test_spacing_is_that_of_a_full_search() -> None:
    vertices = np.random.default_rng(0).random((50, 3))
    distances = np.sqrt(((vertices[:, None] - vertices) ** 2).sum(-1)) + 9 * np.eye(50)
    np.testing.assert_allclose(spacing(vertices), distances.min(axis=1), rtol=1e-12)


def test_normals_that_only_some_cars_have_are_not_read(path: Path) -> None:
    assert opened(write_cars(path, [car(6), car(6, 1, normals=False)]), n_test=1).input_names == ("spacing",)


def test_the_box_and_the_level_are_those_of_all_cars_of_the_file(path: Path) -> None:
    cars = [car(n, seed) for seed, n in enumerate((5, 9, 6, 6))]
    few = opened(write_cars(path, cars), n_train=1, n_test=1)
    many = opened(path, n_test=1)
    assert few.domain == many.domain
    assert isinstance(few.domain, Domain)
    assert few.shapes("train") == many.shapes("train") == [(9,)]
    assert few.read("train", (9,)).input.tobytes() == many.read("train", (9,), np.array([0])).input.tobytes()


def changed(**values: object) -> list[dict]:
    """Three cars, the last one changed; None: without the entry."""
    cars = [car(6, seed) for seed in range(3)]
    cars[2] = {name: value for name, value in {**cars[2], **values}.items() if value is not None}
    return cars


NAN = torch.full((6, 3), torch.nan)
BAD = [
    (changed(vertices=None), r"sample 2: has no tensor 'vertices', but: vertex_normals, "),
    (changed(press=None), r"sample 2: has no tensor 'press'"),
    (changed(press=[1.0] * 6), r"sample 2: has no tensor 'press'"),
    (
        changed(press=torch.zeros(1, 12)),
        r"sample 2: press has shape \(1, 12\), expected \(1, 6\): a value per vertex",
    ),
    (changed(press=torch.zeros(2, 3)), r"sample 2: press has shape \(2, 3\), expected \(1, 6\)"),
    (changed(press=torch.full((6,), torch.nan)), r"sample 2: press holds values that are not finite"),
    (changed(press=torch.zeros(6).to_sparse()), r"sample 2: press is not a plain dense tensor"),
    (changed(press=torch.zeros(1).expand(10**9)), r"sample 2: press declares shape \(1000000000,\)"),
    (changed(press=torch.zeros(6, dtype=torch.complex64)), r"sample 2: press is complex"),
    (changed(vertices=torch.rand(6, 2)), r"sample 2: vertices has shape \(6, 2\), expected \(vertices, 3\)"),
    (changed(vertices=torch.rand(1, 3)), r"sample 2: vertices has shape \(1, 3\)"),
    (changed(vertices=NAN), r"sample 2: vertices holds values that are not finite"),
    (
        changed(vertices=torch.full((6, 3), 1e300, dtype=torch.float64)),
        r"sample 2: vertices holds values that",
    ),
    (
        changed(vertex_normals=torch.rand(5, 3)),
        r"sample 2: vertex_normals has shape \(5, 3\), expected \(6, 3\)",
    ),
    (changed(vertex_normals=NAN), r"sample 2: vertex_normals holds values that are not finite"),
    ([{"vertices": torch.ones(4, 3), "press": torch.ones(4)}] * 2, "all vertices are one point"),
    ([{}], r"sample 0: has no tensor 'vertices', but: nothing"),
    ([], "expected a dictionary with tensors 'x' and 'y', found list"),
    ([car(6), 3], "expected a dictionary with tensors 'x' and 'y', found list"),
]


@pytest.mark.parametrize(("content", "message"), BAD)
def test_what_is_refused(path: Path, content: object, message: str) -> None:
    with pytest.raises(InputError, match=rf"mini_car\.pt: {message}"):
        opened(write_cars(path, content), n_test=1)


class Exploit:
    """Unpickling it creates a folder."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.target),)


def test_code_in_a_file_is_never_run(path: Path, tmp_path: Path) -> None:
    write_cars(path, [{**car(6), "press": Exploit(tmp_path / "trace")}])
    with pytest.raises(InputError, match="never runs code from a data file"):
        opened(path, n_test=1)
    assert not (tmp_path / "trace").exists()
