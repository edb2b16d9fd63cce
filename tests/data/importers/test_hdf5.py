"""HDF5 of any origin: explicit keys; links, outside storage and false sizes are refused; reading is lazy."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from files_support import numbers, opened, write_hdf5

from nolab.data.importers.hdf5 import open_hdf5
from nolab.errors import InputError

KEYS = {"input": "a", "output": "group/u", "placement": "cell", "n_test": 2}


def test_plain_hdf5(tmp_path: Path) -> None:
    a, u = numbers(6, 9), numbers(6, 9, seed=1)
    source = opened(write_hdf5(tmp_path / "d.h5", a=a, group__u=u), **KEYS)
    assert (source.read("train", (9,))[1][:, 0] == u[:4]).all()


def external_link(file: h5py.File, other: Path) -> None:
    file["a"] = h5py.ExternalLink(str(other), "/a")


def soft_link(file: h5py.File, other: Path) -> None:
    file["outside"] = h5py.ExternalLink(str(other), "/")
    file["a"] = h5py.SoftLink("/outside/a")


def external_storage(file: h5py.File, other: Path) -> None:
    file.create_dataset("a", (6, 9), "f4", external=[(str(other), 0, 6 * 9 * 4)])


def virtual(file: h5py.File, other: Path) -> None:
    layout = h5py.VirtualLayout((6, 9), "f4")
    layout[:] = h5py.VirtualSource(str(other), "a", (6, 9))
    file.create_virtual_dataset("a", layout)


def never_written(file: h5py.File, other: Path) -> None:
    file.create_dataset("a", (10**12, 9), "f4")


def chunks_missing(file: h5py.File, other: Path) -> None:
    data = file.create_dataset("a", (10**9, 9), "f4", chunks=(10**6, 9), compression="gzip")
    data[:2] = 1


def objects(file: h5py.File, other: Path) -> None:
    file.create_dataset("a", data=["x"] * 6)


BAD = [
    (external_link, "a link to elsewhere"),
    (soft_link, "a link to elsewhere"),
    (external_storage, "keeps its values in another file"),
    (virtual, "keeps its values in another file"),
    (never_written, "is incomplete: 0 of"),
    (chunks_missing, "is incomplete: 1 of 1000 chunks"),
    (objects, "is not a real number"),
]


@pytest.mark.parametrize(("make", "message"), BAD)
def test_refused(tmp_path: Path, make: Callable, message: str) -> None:
    other = write_hdf5(tmp_path / "other.h5", a=numbers(6, 9))
    path = write_hdf5(tmp_path / "d.h5", group__u=numbers(6, 9))
    with h5py.File(path, "a") as file:
        make(file, other)
    with pytest.raises(InputError, match=rf"^dataset\.input: a .*{message}"):
        opened(path, **KEYS)


def test_groups_in_circles(tmp_path: Path) -> None:
    path = write_hdf5(tmp_path / "d.h5", a=numbers(6, 9), group__u=numbers(6, 9))
    with h5py.File(path, "a") as file:
        file["group/again"] = file["/"]
    assert set(open_hdf5(path).arrays) == {"a", "group/u"}
    assert opened(path, **KEYS).count("train") == 4


@pytest.mark.parametrize("share", [0.0, 0.2, 0.6, 0.99])
def test_truncated(tmp_path: Path, share: float) -> None:
    path = write_hdf5(tmp_path / "d.h5", a=numbers(60, 9), group__u=numbers(60, 9))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(InputError, match=r"d\.h5: not a complete HDF5 file"):
        opened(path, **KEYS)


def test_only_what_is_asked_for_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensor = numbers(50, 12, 16)
    path = write_hdf5(tmp_path / "d.hdf5", tensor=tensor)
    asked, original = [], h5py.Dataset.__getitem__

    def spy(self, key, *more):
        asked.append(key)
        return original(self, key, *more)

    monkeypatch.setattr(h5py.Dataset, "__getitem__", spy)
    source = opened(path, frames_in=2, frames_out=3, n_test=10)
    assert asked == []  # opening reads no field
    inputs, _ = source.read("test", (16,), np.array([0, 1, 2, 7]))
    assert (inputs == tensor[[40, 41, 42, 47], :2]).all()
    rows = {(key[0].start, key[0].stop) for key in asked}
    assert rows == {(40, 43), (47, 48)}
    assert {(key[1].start, key[1].stop) for key in asked} == {(0, 2), (2, 5)}


def test_more_than_the_memory_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = opened(write_hdf5(tmp_path / "d.h5", a=numbers(6, 9), group__u=numbers(6, 9)), **KEYS)
    monkeypatch.setattr("nolab.data.importers.array._SMALL", 0)
    source.read("test", (9,))
    monkeypatch.setattr("nolab.data.importers.array.free_memory", lambda device: 100)
    with pytest.raises(InputError, match=r"are free; take fewer samples .*dataset\.residency=stream"):
        source.read("test", (9,))
