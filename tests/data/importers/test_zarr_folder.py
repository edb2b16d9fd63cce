"""Zarr folders: metadata, codecs that could run code, and (with the package zarr) the values."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from files_support import numbers, opened

from nolab.data.importers.zarr_folder import _array_folders, _unreadable, is_zarr
from nolab.errors import InputError

KEYS = {"input": "a", "output": "u", "placement": "nodal", "n_test": 2}


def write_v2(folder: Path, values: np.ndarray, **more: object) -> None:
    """An uncompressed v2 array in one chunk."""
    folder.mkdir(parents=True)
    shape = list(values.shape)
    about = {"zarr_format": 2, "shape": shape, "chunks": shape, "dtype": values.dtype.str, "order": "C"}
    about |= {"compressor": None, "filters": None, "fill_value": 0, **more}
    (folder / ".zarray").write_text(json.dumps(about))
    (folder / ".".join("0" * values.ndim)).write_bytes(values.tobytes())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_v2(tmp_path / "d.zarr" / "a", numbers(6, 9))
    write_v2(tmp_path / "d.zarr" / "u", numbers(6, 9, seed=1))
    (tmp_path / "d.zarr" / ".zgroup").write_text('{"zarr_format": 2}')
    return tmp_path / "d.zarr"


@pytest.mark.skipif(find_spec("zarr") is not None, reason="zarr is installed")
def test_without_the_package(path: Path) -> None:
    with pytest.raises(InputError, match=r"d\.zarr: .*pip install 'nolab\[zarr\]'"):
        opened(path, **KEYS)


@pytest.mark.skipif(find_spec("zarr") is None, reason="needs nolab[zarr]")
def test_values(path: Path) -> None:
    source = opened(path, **KEYS)
    assert (source.read("train", (9,))[0][:, 0] == numbers(6, 9)[:4]).all()
    assert (source.read("test", (9,))[1][:, 0] == numbers(6, 9, seed=1)[4:]).all()


def test_arrays_are_found(path: Path) -> None:
    assert is_zarr(path)
    assert not is_zarr(path.parent)
    assert [folder.name for folder, _ in _array_folders(path)] == ["a", "u"]
    assert all(_unreadable(about) is None for _, about in _array_folders(path))


V3 = {"zarr_format": 3, "node_type": "array", "shape": [6, 9], "data_type": "float32"}


@pytest.mark.parametrize(
    ("about", "reason"),
    [
        ({**V3, "codecs": [{"name": "bytes"}, {"name": "zstd", "configuration": {"level": 3}}]}, None),
        ({**V3, "codecs": [{"name": "numcodecs.pickle"}]}, "packed by pickle"),
        ({**V3, "codecs": [{"name": "sharding_indexed", "configuration": {"codecs": [{"name": "evil"}]}}]}, "evil"),
        ({**V3, "data_type": "string", "codecs": []}, "not a real number"),
        ({"shape": [6], "dtype": "<f4", "compressor": {"id": "blosc"}, "filters": None}, None),
        ({"shape": [6], "dtype": "<f4", "compressor": {"id": "pickle"}}, "packed by pickle"),
        ({"shape": [6], "dtype": "<f4", "compressor": None, "filters": [{"id": "pickle"}]}, "packed by pickle"),
        ({"shape": [6], "dtype": "|O", "compressor": None}, "not a real number"),
        ({"shape": [6], "dtype": [["x", "<f4"]]}, "not a real number"),
        ({"shape": [-1], "dtype": "<f4"}, "no usable shape"),
        ({"dtype": "<f4"}, "no usable shape"),
    ],
)  # fmt: skip
def test_what_is_refused(about: dict, reason: str | None) -> None:
    found = _unreadable(about)
    assert found is None if reason is None else reason in found


@pytest.mark.parametrize("content", ["", "[1]", "{", "[" * 100_000])
def test_damaged_metadata(path: Path, content: str) -> None:
    (path / "a" / ".zarray").write_text(content)
    with pytest.raises(InputError, match=r"\.zarray: damaged metadata"):
        list(_array_folders(path))
