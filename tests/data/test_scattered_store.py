"""Stores of fields on scattered points."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from mesh_support import BOX, ROOMS, mesh_level

from nolab.data.store import Store, StoreChunk, StoreMeta, write_store
from nolab.errors import InputError
from nolab.mesh import MeshFields, MeshSize

META = StoreMeta(
    problem="demo",
    parameters={},
    version="1",
    seed=3,
    domain=BOX,
    input_names=("slope", "wave"),
    output_names=("height",),
    units={},
    counts={"train": 5, "test": 2},
    shapes=tuple((room.points,) for room in ROOMS),
    meshes=ROOMS,
    nested=True,
)


def level(split: str, room: MeshSize) -> MeshFields:
    return mesh_level({"train": 1, "test": 2}[split], META.counts[split], room)


def written(path: Path, meta: StoreMeta = META, **changes: object) -> Path:
    """A store; `changes` to the fields of the finest level's training split."""

    def chunks():
        for split, count in meta.counts.items():
            for room in ROOMS:
                fields = level(split, room)
                if split == "train" and room == ROOMS[-1]:
                    fields = fields._replace(**changes)
                for start in range(0, count, 2):
                    yield StoreChunk(split, (room.points,), *(a[start : start + 2] for a in fields))

    write_store(path, meta, chunks())
    return path


def test_round_trip(tmp_path: Path) -> None:
    with Store(written(tmp_path / "a.h5")) as store:
        assert store.meta == META
        assert store.domain.is_scattered
        assert store.shapes("train") == [(12,), (24,), (48,)]
        for split in META.counts:
            for room in ROOMS:
                read, expected = store.read(split, (room.points,)), level(split, room)
                assert isinstance(read, MeshFields)
                for mine, theirs in zip(read, expected, strict=True):
                    assert mine.dtype == theirs.dtype
                    np.testing.assert_array_equal(mine, theirs)
        some = store.read("train", (24,), np.array([1, 4]))
        np.testing.assert_array_equal(some.cells, level("train", ROOMS[1]).cells[[1, 4]])


def test_clouds_without_cells(tmp_path: Path) -> None:
    meta = replace(META, meshes=tuple(MeshSize(room.points) for room in ROOMS))
    with Store(written(tmp_path / "a.h5", meta)) as store:
        read = store.read("test", (12,))
        assert read.cells.shape == (2, 0, 3)
        np.testing.assert_array_equal(read.coords, level("test", ROOMS[0]).coords)


def bad_weights() -> np.ndarray:
    weights = level("train", ROOMS[-1]).weights.copy()
    weights[3] *= 2
    return weights


def bad_cells() -> np.ndarray:
    cells = level("train", ROOMS[-1]).cells.copy()
    cells[0, 0] = 48
    return cells


HOSTILE = {"weights": (bad_weights, "sum to 1"), "cells": (bad_cells, "not there")}


@pytest.mark.parametrize("field", HOSTILE)
def test_a_well_formed_store_of_what_is_no_mesh_is_refused(tmp_path: Path, field: str) -> None:
    make, message = HOSTILE[field]
    with (
        Store(written(tmp_path / "a.h5", **{field: make()})) as store,
        pytest.raises(InputError, match=rf"a\.h5: train/48 has .*{message}"),
    ):
        store.read("train", (48,))


def test_damaged_coordinates_are_noticed(tmp_path: Path) -> None:
    path = written(tmp_path / "a.h5")
    with h5py.File(path) as file:
        offset = file["train/24/coords"].id.get_offset()
    with open(path, "rb+") as file:
        file.seek(offset + 5)
        file.write(b"\x55")
    with Store(path) as store, pytest.raises(InputError, match="checksum of sample 0"):
        store.read("train", (24,))


def test_a_sample_in_two_splits_is_its_input_on_its_points(tmp_path: Path) -> None:
    same = level("test", ROOMS[-1])
    mine = level("train", ROOMS[-1])

    def mixed(name: str) -> np.ndarray:
        values = getattr(mine, name).copy()
        values[:2] = getattr(same, name)
        return values

    Store(written(tmp_path / "input.h5", input=mixed("input")))  # the same source on other shapes
    shape = {name: mixed(name) for name in ("coords", "weights", "cells")}
    Store(written(tmp_path / "shape.h5", **shape))  # another source on the same shapes
    with pytest.raises(InputError, match="2 inputs of 'train' stand in 'test'"):
        Store(written(tmp_path / "both.h5", input=mixed("input"), **shape))


@pytest.mark.parametrize(
    "value", ["[]", "[[12,30,3]]", "[[12,30],[24,60],[48,120]]", "[[1,2,3],[24,60,3],[48,120,3]]"]
)
def test_attributes_that_do_not_fit_are_refused(tmp_path: Path, value: str) -> None:
    path = written(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        file.attrs["meshes"] = np.bytes_(value.encode())
    with pytest.raises(InputError, match="meshes"):
        Store(path)


def test_the_place_of_tables_follows_the_points(tmp_path: Path) -> None:
    def folder(**changes: np.ndarray) -> Path:
        return Store(written(tmp_path / "a.h5", **changes)).neighbours_folder

    finest = level("train", ROOMS[-1])
    assert folder() == folder(output=finest.output + 1)
    assert folder() != folder(coords=finest.coords * np.float32(0.9))
