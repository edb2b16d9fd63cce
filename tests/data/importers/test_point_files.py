"""What holds of every file of scattered points: its keys, its splits, and what is told of it."""

import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from files_support import opened
from omegaconf import OmegaConf
from point_files_support import car, elasticity, write_cars, write_elasticity

import nolab
from nolab.cli import main
from nolab.config import validate
from nolab.data.store import StoreChunk, StoreMeta, write_store
from nolab.errors import InputError
from nolab.grid import Domain
from nolab.mesh import MeshSize
from nolab.training.setup import prepare

SHORT = ("budget.steps=2", "sampling.batch_size=1", "evaluation.times=1", "tracking=none", "device=cpu")


def cells(folder: Path) -> Path:
    return write_elasticity(folder / "cells", elasticity(9))


def cars(folder: Path) -> Path:
    return write_cars(folder / "cars.pt", [car(8 + n, n) for n in range(5)])


def store(folder: Path) -> Path:
    """A store of two levels, whose samples have one point less than there is room for."""
    counts, shapes = {"train": 4, "test": 2}, ((5,), (9,))
    meta = StoreMeta(
        problem="demo",
        parameters={},
        version="1",
        seed=0,
        domain=Domain.cloud((0.0, 1.0), (0.0, 2.0)),
        input_names=("a",),
        output_names=("u",),
        units={},
        counts=counts,
        shapes=shapes,
        meshes=(MeshSize(5), MeshSize(9)),
        nested=True,
    )

    def chunks():
        rng = np.random.default_rng(0)
        for split, n in counts.items():
            for (points,) in shapes:
                a, u = rng.uniform(1, 2, (2, n, 1, points))
                weights = np.full((n, points), 1 / (points - 1))
                weights[:, -1], a[..., -1] = 0, 1000
                yield StoreChunk(split, (points,), a, u, rng.random((n, points, 2)), weights)

    write_store(folder / "points.h5", meta, chunks())
    return folder / "points.h5"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"input": "stress"},
            r"dataset\.input: .* holds scattered points, whose format says it; leave the key out",
        ),
        ({"axes": "nx"}, r"dataset\.axes: .* holds scattered points"),
        ({"placement": "nodal"}, r"dataset\.placement: .* holds scattered points"),
        ({"frames_in": 1}, r"dataset\.frames_in: .* holds scattered points"),
        ({"n_train": 9}, "9 to train .* and 0 to test"),
        ({"n_train": None, "n_test": None}, r"dataset\.n_test: missing; .*dataset\.n_test=1$"),
    ],
)
@pytest.mark.parametrize("make", [cells, cars])
def test_keys(tmp_path: Path, make, keys: dict, message: str) -> None:
    if make is cars and "n_train" in keys and keys["n_train"]:
        keys, message = {"n_train": 5}, "5 to train .* and 0 to test"
    with pytest.raises(InputError, match=message):
        opened(make(tmp_path), **{"n_test": None if "n_train" in keys else 1, **keys})


@pytest.mark.parametrize("first", [cells, cars])
def test_a_test_file_is_refused(tmp_path: Path, first) -> None:
    with pytest.raises(
        InputError, match=r"dataset\.test_path: .* holds scattered points, which nolab reads from one"
    ):
        opened(first(tmp_path), test_path=str(cars(tmp_path)))


def test_an_unknown_split_or_level(tmp_path: Path) -> None:
    source = opened(cells(tmp_path), n_test=2)
    with pytest.raises(KeyError):
        source.read("valid", (12,))
    with pytest.raises(KeyError):
        source.read("train", (6,))


@pytest.mark.parametrize("same", ["geometry", "all"])
def test_a_sample_in_two_splits(tmp_path: Path, same: str) -> None:
    """The geometry is what is asked: equal stresses do not matter, equal points and radii do."""
    arrays = elasticity(9)
    for name in ("XY", "rr", "sigma")[: 2 if same == "geometry" else 3]:
        arrays[name][..., 8] = arrays[name][..., 3]
    source = opened(write_elasticity(tmp_path, arrays), n_test=2)
    source.read("train", (12,), np.array([0, 1, 2]))
    source.read("test", (12,))
    with pytest.raises(InputError, match="the input of train sample 3 at 12 is that of test sample 1"):
        source.read("train", (12,))
    assert len(source.read_unchecked("train", (12,), np.arange(7)).input) == 7


def test_equal_inputs_on_other_points_are_other_samples(tmp_path: Path) -> None:
    cars = [{"vertices": torch.eye(3) + i, "press": torch.zeros(3)} for i in range(3)]
    source = opened(write_cars(tmp_path / "cars.pt", cars), n_test=1)
    source.read("train", (3,))
    source.read("test", (3,))


@pytest.fixture
def told(capsys: pytest.CaptureFixture):
    def run(*arguments: object) -> str:
        assert main(["info", "data", *map(str, arguments)]) == 0
        return capsys.readouterr().out

    return run


FILES = [
    (
        cells,
        [
            "Geo-FNO elasticity",
            "Random_UnitCell_XY_10",
            "(12, 2, 9)",
            "void_distance → stress on scattered points in [0, 1] × [0, 1]",
            "levels that can be derived: 3 6 12 (farthest)",
        ],
        ["dataset.n_test=1", "model=ginot", "hierarchy.restriction=farthest"],
    ),
    (
        cars,
        [
            "neuraloperator's cars",
            "press",
            "(1, 8)",
            "normal_x, normal_y, normal_z → pressure on scattered points in [",
            "train: samples of 8 to 11 points, padded at their end",
            "levels that can be derived: 3 6 12 (farthest)",
        ],
        ["dataset.n_test=1", "model=ginot", "hierarchy.restriction=farthest"],
    ),
    (
        store,
        [
            "store of nolab",
            "a → u on scattered points in [0, 1] × [0, 2]",
            "5 9",
            "the points of every level are among those of the next",
            "levels that can be derived: 5 9",
        ],
        ["model=ginot", "hierarchy=two"],
    ),
]


@pytest.mark.parametrize(("make", "said", "words"), FILES, ids=[make.__name__ for make, *_ in FILES])
def test_what_is_told_and_proposed(told, tmp_path: Path, monkeypatch, make, said, words) -> None:
    monkeypatch.chdir(tmp_path)
    text = told(make(tmp_path))
    for part in said:
        assert part in text, text
    proposal = shlex.split(text.strip().splitlines()[-1])[2:]
    assert proposal[2:] == words
    overrides = [*proposal, *SHORT]
    overrides[overrides.index("model=ginot")] = "+model._target_=point_files_support.Pointwise"
    setup = prepare(validate(OmegaConf.to_container(nolab.compose(overrides), resolve=True)))
    assert len(setup.load().tests) == len(setup.hierarchy) == (2 if make is store else 3)


def test_statistics_leave_padding_out(told, tmp_path: Path) -> None:
    text = told(store(tmp_path))
    (row,) = (line.split() for line in text.splitlines() if line.startswith("train/a"))
    assert 1 <= float(row[1]) <= float(row[2]) <= float(row[3]) <= 2


def test_what_training_refuses_is_counted(told, tmp_path: Path) -> None:
    arrays = elasticity(9)
    for name in ("XY", "rr"):
        arrays[name][..., 8] = arrays[name][..., 3]
    text = told(write_elasticity(tmp_path, arrays), "n_test=2")
    assert "1 of 2 test inputs are training inputs too; training refuses them" in text


@pytest.mark.parametrize("make", [cells, cars])
def test_imported_points_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make) -> None:
    monkeypatch.chdir(tmp_path)
    data = (
        f"dataset.path={make(tmp_path)}",
        "dataset.n_test=1",
        "+model._target_=point_files_support.Pointwise",
    )
    run = nolab.train(nolab.compose(["dataset=file", *data, "hierarchy.restriction=farthest", *SHORT]))
    assert 0 < run.summary["final/rel_l2"] < 10


def test_in_a_process_of_its_own(nolab, tmp_path: Path) -> None:
    done = nolab("info", "data", str(cells(tmp_path)), "n_test=2")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Geo-FNO elasticity" in done.stdout


def test_a_damaged_file(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = cars(tmp_path)
    path.write_bytes(path.read_bytes()[:500])
    assert main(["info", "data", str(path)]) == 2
    assert "cars.pt: not a file of plain tensors" in capsys.readouterr().err
