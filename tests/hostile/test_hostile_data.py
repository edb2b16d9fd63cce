"""Data files of every format with all kinds of damage: the law of `data_support.outcome` holds."""

import json
import os
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import data_support
import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from nolab.data.importers.options import FileOptions
from nolab.data.opening import open_file
from nolab.errors import InputError

HDF5 = tuple(name for name in data_support.FORMATS if name.endswith(("h5", "hdf5", "v73.mat")))
OTHERS = tuple(name for name in data_support.FORMATS if name not in HDF5)


@pytest.mark.parametrize("name", data_support.FORMATS)
def test_what_is_not_damaged_is_read(tmp_path: Path, name: str) -> None:
    data_support.FORMATS[name][0](tmp_path / name)
    assert data_support.outcome(name, tmp_path / name) == "read"


def _try(case: tuple[str, Path]) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return data_support.outcome(*case)


@pytest.mark.parametrize("formats", [HDF5, OTHERS], ids=["structure", "bytes"])
def test_damage_is_refused_in_words(tmp_path: Path, formats: tuple[str, ...]) -> None:
    """Bytes of HDF5 files are changed below: the library itself may crash on them."""
    outcomes = []

    @settings(
        max_examples=50,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(data_support.cases(tmp_path, formats, bits=formats == OTHERS))
    def try_all(case: tuple[str, Path]) -> None:
        outcomes.append(_try(case))

    try_all()
    assert outcomes.count("refused") > 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_thousands_of_damages_are_refused_in_words(tmp_path: Path, seed: int) -> None:
    paths = os.pathsep.join([*sys.path, os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, data_support.__file__, "1000", str(seed)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=3000,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    *found, last = map(json.loads, done.stdout.splitlines())
    assert found == []
    assert last["tried"] >= 1000
    assert last["refused"] > 500


def _bomb(path: Path) -> None:
    """Some kilobytes that say and unpack to 64 TiB in 64 KiB."""
    header = (
        b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000, 8192), }"
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("x.npy", "y.npy"):
            archive.writestr(name, header.ljust(127) + b"\n" + bytes(2**16))


def _declared(path: Path, **arguments) -> None:
    with h5py.File(path, "w") as file:
        for name in "xy":
            file.create_dataset(name, (10**12, 5, 5), "<f4", **arguments)


def _well_of_words(path: Path) -> None:
    data_support.FORMATS["well.hdf5"][0](path)
    with h5py.File(path, "r+") as file:
        file.attrs["n_spatial_dims"] = "two"


def _names_of_two_lines(path: Path) -> None:
    data_support.FORMATS["plain.h5"][0](path)
    with h5py.File(path, "r+") as file:
        file.move("x", "x\ny")


def _names_that_are_no_text(path: Path) -> None:
    data_support.FORMATS["plain.h5"][0](path)
    with h5py.File(path, "r+") as file:
        file.move("x", b"\xff\xfe")


ABSURD = {
    "npz": (_bomb, "bomb.npz", "declares shape"),
    "chunks": (
        lambda path: _declared(path, chunks=(1000, 5, 5), fillvalue=1.0),
        "d.h5",
        "is incomplete: 0 of",
    ),
    "contiguous": (_declared, "d.h5", "is incomplete: 0 of"),
    "compact filter": (lambda path: _declared(path, chunks=(10, 5, 5), compression="gzip"), "d.h5", "0 of"),
    "attributes": (_well_of_words, "d.h5", "damaged, or not what its ending says"),
    "lines": (_names_of_two_lines, "d.h5", r"dataset.input: 'x'"),
    "names": (_names_that_are_no_text, "d.h5", "dataset.input"),
    "npy header": (
        lambda path: path.write_bytes(b"\x93NUMPY\x01\x00\x40\x00{'descr': (((((".ljust(200)),
        "d.npy",
        "not a complete .npy file",
    ),
    "deep npy header": (
        lambda path: path.write_bytes(b"\x93NUMPY\x01\x00\x00\x20" + b"(" * 8192),
        "d.npy",
        "not a complete .npy file",
    ),
}


@pytest.mark.parametrize("name", ABSURD)
def test_absurd_files(tmp_path: Path, name: str) -> None:
    make, file, said = ABSURD[name]
    make(tmp_path / file)
    with pytest.raises(InputError, match=said):
        open_file(FileOptions(str(tmp_path / file), input="x", output="y", placement="nodal", n_test=2))


def test_objects_in_a_mat_file_are_no_arrays(tmp_path: Path) -> None:
    """Cells and structures hold anything; they are named, and not read."""
    import scipy.io

    scipy.io.savemat(tmp_path / "a.mat", {"x": np.array([[1, "a"]], dtype=object), "y": {"z": 1.0}})
    with pytest.raises(InputError, match="is not an array of numbers"):
        open_file(FileOptions(str(tmp_path / "a.mat"), input="x", output="y"))
