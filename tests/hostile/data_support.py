"""Data files of every format, damaged on purpose, and the law that opening and reading them keeps.

As a program it takes a number of cases and a seed, in a process of its own whose memory is limited (HDF5 itself may
crash on damaged files); it prints the cases that broke the law as JSON.
"""

import json
import os
import resource
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import torch
from files_support import numbers, write_hdf5, write_mat, write_well
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from store_support import META, chunks

from nolab.data.importers.options import FileOptions
from nolab.data.opening import open_file
from nolab.data.store import write_store
from nolab.errors import InputError

MEMORY = 6 * 2**30
SECONDS = 10


def _npz(path: Path) -> None:
    np.savez(path, x=numbers(6, 5, 5), y=numbers(6, 5, 5, seed=1))


def _pt(path: Path) -> None:
    torch.save(
        {"x": torch.from_numpy(numbers(6, 5, 5)), "y": torch.from_numpy(numbers(6, 5, 5, seed=1))}, path
    )


def _seeds(path: Path) -> None:
    grid = {f"grid__{letter}": (np.arange(4) + 0.5).astype(np.float32) for letter in "xy"}
    groups = {f"{i:04}__{name}": values for i in range(6) for name, values in grid.items()}
    data = {f"{i:04}__data": numbers(5, 4, 4, 1, seed=i) for i in range(6)}
    times = {f"{i:04}__grid__t": np.arange(5, dtype=np.float32) for i in range(6)}
    write_hdf5(path, **data, **groups, **times)


FORMATS: dict[str, tuple[Callable[[Path], object], dict]] = {
    "store.h5": (lambda path: write_store(path, META, chunks()), {}),
    "plain.h5": (
        lambda path: write_hdf5(path, x=numbers(6, 5, 5), y=numbers(6, 5, 5, seed=1)),
        {"input": "x", "output": "y", "placement": "nodal", "n_test": 2},
    ),
    "well.hdf5": (lambda path: write_well(path, 6), {"frames_in": 2, "frames_out": 2, "n_test": 2}),
    "bench.hdf5": (
        lambda path: write_hdf5(
            path,
            tensor=numbers(6, 5, 8),
            x_coordinate=(np.arange(8) + 0.5) / 8,
            t_coordinate=np.arange(6) / 5,
        ),
        {"frames_in": 2, "frames_out": 2, "n_test": 2},
    ),
    "seeds.h5": (_seeds, {"frames_in": 2, "frames_out": 2, "n_test": 2}),
    "v5.mat": (
        lambda path: write_mat(path, "5", coeff=numbers(6, 5, 5), sol=numbers(6, 5, 5, seed=1)),
        {"n_test": 2},
    ),
    "v73.mat": (
        lambda path: write_mat(path, "7.3", coeff=numbers(6, 5, 5), sol=numbers(6, 5, 5, seed=1)),
        {"n_test": 2},
    ),
    "d.npz": (_npz, {"input": "x", "output": "y", "placement": "nodal", "n_test": 2}),
    "d.npy": (
        lambda path: np.save(path, numbers(6, 5, 8)),
        {
            "input": "d",
            "output": "d",
            "axes": "ntx",
            "frames_in": 2,
            "frames_out": 2,
            "placement": "nodal",
            "n_test": 2,
        },
    ),
    "d.pt": (_pt, {"input": "x", "output": "y", "placement": "nodal", "n_test": 2}),
}
"""A writer per file, and the keys that it is read with."""

Change = Callable[[bytearray, Path], bytearray | None]
ATTRIBUTES = (
    -1, 0, 1, 3, 10**12, 2**63 - 1, 1.5, np.nan, np.inf, "", "x", b"x", "[1, 2]", "[[3, 3]]", '{"train": 1e9}',
    '{"train": 1000000000000, "test": 2}', "[" * 3000, "null", "NaN", "[NaN]", "-1", "1e400", np.zeros(3),
    np.array([["a", "b"]], dtype="S1"), np.zeros(2, dtype=[("a", "<f4")]), True, h5py.Empty("f"), "periodic",
    np.array([True, False, True]), np.array([], dtype=bool), "\0", "x" * 60_000,
)  # fmt: skip


def _each(file: h5py.File) -> list[str]:
    names = ["/"]
    file.visit(names.append)
    return names


def damage_hdf5(path: Path, draw: st.DrawFn) -> None:
    """Change the structure of an HDF5 file: attributes, shapes, types, members, links."""
    kind = draw(st.sampled_from(("attribute", "attribute", "drop", "replace", "link", "add", "rename")))
    with h5py.File(path, "r+") as file:
        names = _each(file)
        name = draw(st.sampled_from(names))
        if kind == "attribute" or name == "/":
            known = [*file[name].attrs, *file["/"].attrs, "n_trajectories", "MATLAB_class", "format"]
            value = draw(st.sampled_from(ATTRIBUTES))
            file[name].attrs[draw(st.sampled_from(known))] = (
                np.bytes_(value.encode())
                if isinstance(value, str) and value and draw(st.booleans())
                else value
            )
        elif kind == "drop":
            del file[name]
        elif kind == "rename":
            file.move(name, draw(st.sampled_from(("x", "data", "train/x", "t0_fields/x", "ä", "0001/data"))))
        elif kind == "add":
            _put(file, f"{name}x", draw)
        else:
            attributes = dict(file[name].attrs)
            del file[name]
            if kind == "link":
                file[name] = draw(
                    st.sampled_from(
                        (
                            h5py.SoftLink("/"),
                            h5py.SoftLink("/nowhere"),
                            h5py.ExternalLink("other.h5", "/"),
                            h5py.SoftLink(name),
                        )
                    )
                )
            else:
                _put(file, name, draw)
                file[name].attrs.update(attributes)


def _put(file: h5py.File, name: str, draw: st.DrawFn) -> None:
    """A dataset that is not what is expected."""
    shape = draw(
        st.sampled_from(
            ((), (0,), (1,), (6,), (6, 5, 5), (5, 6), (10**6, 10**6), (10**12,), (1,) * 20, (2, 2, 2, 2, 2))
        )
    )
    dtype = draw(
        st.sampled_from(
            ("<f4", ">f8", "<i8", "u1", "bool", "<f2", "<c8", "S3", "V5", "str", "ref", "pair", "enum")
        )
    )
    special = {
        "str": h5py.string_dtype(),
        "ref": h5py.ref_dtype,
        "pair": np.dtype([("a", "<f4"), ("b", "<i4")]),
        "enum": h5py.enum_dtype({"a": 1}),
        "V5": np.dtype("V5"),
    }
    layout = draw(st.sampled_from(("contiguous", "chunked", "external", "virtual", "fill", "empty")))
    kind = special.get(dtype, dtype)
    if layout == "empty":
        file[name] = h5py.Empty("f4")
    elif layout == "virtual" and shape and kind == "<f4":
        file.create_virtual_dataset(name, h5py.VirtualLayout(shape, kind))
    elif layout == "external" and kind == "<f4":
        file.create_dataset(name, shape, kind, external=[("/dev/zero", 0, h5py.h5f.UNLIMITED)])
    elif layout in ("chunked", "fill") and shape and 0 not in shape:
        file.create_dataset(name, shape, kind, chunks=tuple(min(n, 100) for n in shape), compression="gzip")
    else:
        file.create_dataset(name, shape, kind)


def damage_bytes(path: Path, draw: st.DrawFn) -> None:
    """Change bits, overwrite or lose a part, or cut the file."""
    data = bytearray(path.read_bytes())
    place = draw(st.integers(0, len(data) - 1))
    kind = draw(st.sampled_from(("flip", "flip", "write", "cut", "lose", "double", "header")))
    if kind in ("flip", "header"):
        place = place % 512 if kind == "header" else place
        data[min(place, len(data) - 1)] ^= draw(st.integers(1, 255))
    elif kind == "write":
        given = draw(
            st.sampled_from((b"\xff" * 8, bytes(8), b"9" * 8, b"\x00\x00\x00\x00\x00\x00\x00\x40", b"(" * 64))
        )
        data[place : place + len(given)] = given
    elif kind == "cut":
        del data[place:]
    elif kind == "lose":
        del data[place : place + draw(st.integers(1, 64))]
    else:
        data[place:place] = data[place : place + 100]
    path.write_bytes(data)


@st.composite
def cases(draw: st.DrawFn, folder: Path, formats: tuple[str, ...], bits: bool) -> tuple[str, Path]:
    """A file of one of the formats with one to three damages."""
    name = draw(st.sampled_from(formats))
    path = folder / name
    path.write_bytes(_good(name))
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 3)))):
        structured = h5py.is_hdf5(path) and (not bits or draw(st.booleans()))
        try:
            (damage_hdf5 if structured else damage_bytes)(path, draw)
        except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError):
            continue  # damaged so much already that HDF5 changes nothing more in it
    return name, path


_GOOD: dict[str, bytes] = {}


def _good(name: str) -> bytes:
    if name not in _GOOD:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            FORMATS[name][0](path)
            _GOOD[name] = path.read_bytes()
    return _GOOD[name]


def outcome(name: str, path: Path) -> str:
    """``read``, or ``refused`` by one message.

    Raises
    ------
    Exception : the law is broken.
    """
    try:
        source = open_file(FileOptions(str(path), **({} if name == "store.h5" else FORMATS[name][1])))
        for split in source.splits():
            for shape in source.shapes(split):
                inputs, outputs = source.read(split, shape)[:2]
                if not (np.isfinite(inputs).all() and np.isfinite(outputs).all()):
                    raise AssertionError("values that are not finite were read")
    except InputError as error:
        if "\n" in str(error):
            raise AssertionError(f"several lines: {error}") from error
        return "refused"
    return "read"


def main(count: int, number: int) -> None:
    """Try `count` cases; print a JSON object per broken one, and the numbers of outcomes at the end."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    folder = Path(tempfile.mkdtemp())
    tally = {"read": 0, "refused": 0}

    def stop(*_: object) -> None:
        raise TimeoutError(f"more than {SECONDS} s")

    signal.signal(signal.SIGALRM, stop)

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(folder, tuple(FORMATS), bits=True))
    def try_all(case: tuple[str, Path]) -> None:
        name, path = case
        (folder / "last").write_bytes(path.read_bytes())  # for who looks after a crash
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                tally[outcome(name, path)] += 1
        except BaseException:
            kept = folder / f"{sum(tally.values())}-{name}"
            kept.write_bytes(path.read_bytes())
            print(json.dumps({"overrides": [str(kept)], "why": traceback.format_exc()[-2500:]}), flush=True)
            tally["broken"] = tally.get("broken", 0) + 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    print(f"damaged files are in {folder}", file=sys.stderr, flush=True)
    try_all()
    print(json.dumps({"tried": sum(tally.values()), **tally}), flush=True)
    if "broken" not in tally:
        for file in folder.iterdir():
            os.unlink(file)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
