"""`.npz`, `.npy`, folders of them: explicit keys, and nothing is unpickled."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from files_support import numbers, opened

from nolab.errors import InputError
from nolab.grid import Domain

KEYS = {"input": "a", "output": "u", "placement": "nodal", "n_test": 2}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(tmp_path: Path, save) -> None:
    a, u = numbers(7, 9).astype(np.float64), numbers(7, 9, seed=1)
    save(tmp_path / "d.npz", a=a, u=u, text=np.array("hello"), number=np.float32(1))
    source = opened(tmp_path / "d.npz", **KEYS)
    assert source.domain == Domain.unit(1, "nodal")
    assert (source.read("train", (9,))[0][:, 0] == a[:5].astype(np.float32)).all()
    assert (source.read("test", (9,), np.array([1]))[1][:, 0] == u[6:]).all()


def test_files_named_by_their_split(tmp_path: Path) -> None:
    a = numbers(4, 9)
    np.savez(tmp_path / "burgers-TRAIN.npz", a=a, u=a)
    np.savez(tmp_path / "burgers-test.npz", a=a + 1, u=a)
    np.savez(tmp_path / "val_burgers.npz", a=a + 2, u=a)
    (tmp_path / "training.txt").write_text("not data")
    source = opened(tmp_path, **{**KEYS, "n_test": None, "n_train": 3})
    assert [source.count(split) for split in ("train", "valid", "test")] == [3, 4, 4]
    assert (source.read("valid", (9,))[0][:, 0] == a + 2).all()
    np.savez(tmp_path / "more_train.npz", a=a, u=a)
    with pytest.raises(InputError, match=r"several train files, burgers-TRAIN\.npz and more_train\.npz"):
        opened(tmp_path, **KEYS)


def test_folder_of_npy(tmp_path: Path) -> None:
    a, u = numbers(5, 8, 6), numbers(5, 2, 8, 6, seed=1)
    np.save(tmp_path / "a.npy", a)
    np.save(tmp_path / "u.npy", np.asfortranarray(u))
    np.save(tmp_path / "names.npy", np.array(["p", "q"]))
    source = opened(tmp_path, **KEYS, axes=["nxy", "ncxy"])
    assert source.output_names == ("u0", "u1")
    assert (source.read("train", (8, 6))[1] == u[:3]).all()
    with pytest.raises(InputError, match=r"dataset\.input: names its type <U1 is not a real number"):
        opened(tmp_path, **{**KEYS, "input": "names"})


class Evil:
    """Unpickling it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.mkdir, (self.path,)


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    evil = np.array([Evil(tmp_path / "ran")] * 3, dtype=object)
    np.savez(tmp_path / "d.npz", a=evil, u=numbers(3, 9))
    np.save(tmp_path / "d.npy", evil, allow_pickle=True)
    for path in (tmp_path / "d.npz", tmp_path / "d.npy"):
        with pytest.raises(InputError, match="holds Python objects, which nolab never unpickles"):
            opened(path, **KEYS)
    assert not (tmp_path / "ran").exists()


def test_shapes_that_the_file_does_not_hold(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", numbers(3, 9))
    content = (tmp_path / "a.npy").read_bytes()
    huge = content.replace(b"(3, 9), }          ", b"(3000000000000, 9)}", 1)
    assert huge != content
    (tmp_path / "a.npy").write_bytes(huge)
    with pytest.raises(InputError, match=r"a\.npy: not a complete \.npy file"):
        opened(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        archive.writestr("a.npy", huge)
    with pytest.raises(InputError, match=r"a declares shape \(3000000000000, 9\) and holds 108 bytes"):
        opened(tmp_path / "d.npz", **KEYS)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.95])
@pytest.mark.parametrize("name", ["d.npz", "d.npy"])
def test_truncated(tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    np.savez(path, a=numbers(30, 9)) if name == "d.npz" else np.save(path, numbers(30, 9))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(InputError, match=r"d\.np[zy]: not a complete \.np[zy] file"):
        opened(path, **KEYS)


def test_a_changed_byte_in_an_npz(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", a=numbers(3000, 9), u=numbers(3000, 9, seed=1))
    content = bytearray((tmp_path / "d.npz").read_bytes())
    content[60000] ^= 1
    (tmp_path / "d.npz").write_bytes(content)
    source = opened(tmp_path / "d.npz", **KEYS)
    with pytest.raises(InputError, match=r"a cannot be read: Bad CRC-32"):
        source.read("train", (9,))
