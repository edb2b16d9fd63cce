"""The store: what is written is read back, and nothing else is taken for a store."""

import contextlib
import hashlib
import json
import os
import shutil
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest

from nolab.data.store import Store, StoreChunk, StoreMeta, write_store
from nolab.errors import InputError
from nolab.grid import Domain

META = StoreMeta(
    problem="demo",
    parameters={"a": 1.5, "sizes": [1, 2]},
    version="1",
    seed=3,
    domain=Domain.unit(2),
    input_names=("u", "v"),
    output_names=("w",),
    units={"u": "1", "v": "m", "w": "Pa"},
    counts={"train": 5, "test": 2},
    shapes=((5, 5), (3, 3)),
)


def fields(split: str, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([*split.encode(), *shape])
    n = META.counts[split]
    return rng.random((n, 2, *shape), dtype=np.float32), rng.random((n, 1, *shape), dtype=np.float32)


def chunks(size: int = 2, meta: StoreMeta = META):
    for split, count in meta.counts.items():
        for shape in meta.shapes:
            x, y = fields(split, shape)
            for start in range(0, count, size):
                yield StoreChunk(split, shape, x[start : start + size], y[start : start + size])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_store(tmp_path / "a.h5", META, chunks())
    return tmp_path / "a.h5"


def test_reads_back_what_was_written(path: Path) -> None:
    with Store(path) as store:
        assert store.meta == META
        assert (store.domain, store.input_names, store.output_names) == (Domain.unit(2), ("u", "v"), ("w",))
        assert store.splits() == ["train", "test"]
        assert store.shapes("train") == [(3, 3), (5, 5)]
        assert (store.count("train"), store.count("test")) == (5, 2)
        for split in store.splits():
            for shape in store.shapes(split):
                for values, expected in zip(store.read(split, shape), fields(split, shape), strict=True):
                    assert values.dtype == np.float32
                    assert (values == expected).all()


@pytest.mark.parametrize("rows", [[0], [4], [1, 2], [0, 2, 3], [0, 1, 2, 3, 4], [0, 2, 4]])
@pytest.mark.parametrize("dtype", [np.int64, np.uint8])
def test_reads_rows(path: Path, rows: list[int], dtype: type) -> None:
    with Store(path) as store:
        got = store.read("train", (5, 5), np.array(rows, dtype))
        for values, expected in zip(got, fields("train", (5, 5)), strict=True):
            assert (values == expected[rows]).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("trian", (5, 5)), r"split: 'trian' is not known\. Did you mean 'train'"),
        (("train", (4, 4)), r"grid: '4x4' is not known.*5x5, 3x3"),
        (("train", (5, 5), np.array([2, 1])), "strictly ascending"),
        (("train", (5, 5), np.array([1, 1])), "strictly ascending"),
        (("train", (5, 5), np.array([0, 5])), r"must lie in 0\.\.4, got 0\.\.5"),
        (("train", (5, 5), np.array([-1, 2])), r"must lie in 0\.\.4, got -1\.\.2"),
        (("train", (5, 5), np.array([0.5])), "whole numbers"),
        (("train", (5, 5), np.array([], int)), "whole numbers"),
    ],
)
def test_bad_requests(path: Path, arguments: tuple, message: str) -> None:
    with Store(path) as store, pytest.raises(InputError, match=message):
        store.read(*arguments)


def test_opens_lazily_closes_and_opens_again(path: Path) -> None:
    store = Store(path)
    assert store._file is None
    store.read("test", (3, 3))
    assert store._file is not None
    store.close()
    store.close()
    assert store._file is None
    assert store.read("test", (3, 3))[0].shape == (2, 2, 3, 3)
    store.close()


def test_threads_share_a_store(path: Path) -> None:
    wrong = []

    def work(store: Store, row: int) -> None:
        for _ in range(20):
            if (store.read("train", (5, 5), np.array([row]))[0] != fields("train", (5, 5))[0][row]).any():
                wrong.append(row)

    with Store(path) as store:
        threads = [threading.Thread(target=work, args=(store, row)) for row in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_equal_content_gives_equal_bytes(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later = __import__("time").time() + 1e6
    monkeypatch.setattr("time.time", lambda: later)
    write_store(tmp_path / "b.h5", META, chunks(size=3))
    assert (tmp_path / "b.h5").read_bytes() == path.read_bytes()


def _not_finite():
    for chunk in chunks():
        yield chunk._replace(output=np.full_like(chunk.output, np.inf))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: list(chunks())[:-1], "was given 0 of 2 samples"),
        (lambda: list(chunks()) * 2, r"a chunk \(2, 2, 5, 5\) does not fit /train/5x5/input \(5, 2, 5, 5\)"),
        (lambda: [c._replace(split="valid") for c in chunks()], "'valid/5x5' is not declared"),
        (lambda: [c._replace(input=c.input[:, :1]) for c in chunks()], "does not fit"),
        (_not_finite, "not finite"),
    ],
)
def test_a_store_that_cannot_be_completed_leaves_nothing(tmp_path: Path, content, message: str) -> None:
    with pytest.raises(InputError, match=message):
        write_store(tmp_path / "a.h5", META, content())
    assert not list(tmp_path.iterdir())


# Each entry damages a good store; the message tells what was found.


def _edit(change):
    def damage(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            change(file)

    return damage


def _replace(name: str, **arguments):
    def change(file: h5py.File) -> None:
        attributes = dict(file[name].attrs)
        del file[name]
        file.create_dataset(name, **arguments).attrs.update(attributes)

    return _edit(change)


def _attribute(name: str, value: object):
    return _edit(lambda file: file.attrs.__setitem__(name, value))


def _drop(name: str):
    return _edit(lambda file: file.__delitem__(name))


def _link(link):
    def change(file: h5py.File) -> None:
        del file["test/3x3/output"]
        file["test/3x3/output"] = link

    return _edit(change)


def _external_values(path: Path) -> None:
    values = path.with_name("raw.bin")
    values.write_bytes(bytes(4 * 2 * 9))
    _replace(
        "test/3x3/output", shape=(2, 1, 3, 3), dtype="<f4", external=[(str(values), 0, h5py.h5f.UNLIMITED)]
    )(path)


def _virtual(path: Path) -> None:
    def change(file: h5py.File) -> None:
        layout = h5py.VirtualLayout(shape=(2, 1, 3, 3), dtype="<f4")
        layout[:] = h5py.VirtualSource("other.h5", "x", shape=(2, 1, 3, 3))
        del file["test/3x3/output"]
        file.create_virtual_dataset("test/3x3/output", layout)

    _edit(change)(path)


def _declare_terabytes(path: Path) -> None:
    counts = {"train": 10**10, "test": 2}
    for shape in ("5x5", "3x3"):
        n = int(shape[0])
        for field, channels in (("input", 2), ("output", 1)):
            name = f"train/{shape}/{field}"
            _replace(name, shape=(10**10, channels, n, n), dtype="<f4", chunks=(1, channels, n, n))(path)
    _attribute("counts", json.dumps(counts))(path)


STRUCTURE = [
    (lambda path: path.unlink(), "there is no such file"),
    (lambda path: (path.unlink(), path.mkdir()), "there is no such file"),
    (lambda path: path.write_bytes(b""), "is not a complete HDF5 file"),
    (lambda path: path.write_text("not a store" * 100), "is not a complete HDF5 file"),
    (lambda path: os.truncate(path, path.stat().st_size - 100), "is not a complete HDF5 file.*truncated"),
    (_attribute("format", "x"), "no nolab store"),
    (_edit(lambda file: file.attrs.__delitem__("format")), "no nolab store"),
    (_attribute("format_version", 99), "has format version 99, this nolab reads version 1"),
    (_edit(lambda file: file.attrs.__delitem__("format_version")), "has format version None"),
    (_edit(lambda file: file.attrs.__delitem__("units")), "attribute 'units': expected a text, found None"),
    (_attribute("problem", 3), "attribute 'problem': expected a text"),
    (_attribute("seed", '"x"'), "attribute 'seed': expected a int"),
    (_attribute("parameters", "{"), "attribute 'parameters' is not JSON"),
    (_attribute("parameters", "[" * 100_000), "attribute 'parameters' is not JSON"),
    (_attribute("domain", "[1, 2]"), "domain: not a list of"),
    (_attribute("domain", '[{"placement": "nodl", "start": 0, "stop": 1}]'), "Did you mean 'nodal'"),
    (_attribute("input_names", "[]"), "attribute 'input_names': expected a list of names"),
    (
        _attribute("input_names", '["u"]'),
        r"/train/5x5/input has shape \(5, 2, 5, 5\).*declare \(5, 1, 5, 5\)",
    ),
    (_attribute("counts", '{"train": 0}'), "attribute 'counts': expected a positive number"),
    (_attribute("counts", '{"train": 4, "test": 2}'), r"has shape \(5, 2, 5, 5\).*declare \(4, 2, 5, 5\)"),
    (_attribute("counts", '{"train": 5}'), r"/ holds \['test', 'train'\], expected \['train'\]"),
    (_attribute("levels", "[[5]]"), "attribute 'levels': expected grids of 2 positive sizes"),
    (_attribute("levels", "[[5, true]]"), "attribute 'levels'"),
    (_attribute("seed", "4"), "has damaged attributes"),
    (_edit(lambda file: file.attrs.__delitem__("sha256")), "has damaged attributes"),
    (_drop("test"), r"/ holds \['train'\]"),
    (_drop("test/3x3"), r"/test holds \['5x5'\], expected \['3x3', '5x5'\]"),
    (_drop("test/3x3/output"), r"/test/3x3 holds \['input'\]"),
    (_edit(lambda file: file.create_group("more")), r"/ holds \['more', 'test', 'train'\]"),
    (
        _edit(lambda file: (file["test"].__delitem__("3x3"), file["test"].__setitem__("3x3", np.zeros(3)))),
        "/test/3x3 is not a group",
    ),
    (
        _replace("test/3x3/output", shape=(2, 1, 3, 3), dtype="<f8"),
        "/test/3x3/output has type float64, expected float32",
    ),
    (_replace("test/3x3/output", shape=(2, 1, 9), dtype="<f4"), r"has shape \(2, 1, 9\)"),
    (_replace("test/3x3/output", shape=(2, 1, 3, 4), dtype="<f4"), r"has shape \(2, 1, 3, 4\)"),
    (_declare_terabytes, "stores 0 bytes, expected 2000000000000"),
    (_external_values, "keeps its values in another file"),
    (_virtual, "keeps its values in another file"),
    (_link(h5py.ExternalLink("other.h5", "/x")), "/test/3x3/output is a link to elsewhere"),
    (_link(h5py.SoftLink("/test/5x5/output")), "/test/3x3/output is a link to elsewhere"),
    (
        _edit(lambda file: file["test/3x3/output"].attrs.__delitem__("sha256")),
        "/test/3x3/output has no checksum",
    ),
]


@pytest.mark.parametrize(("damage", "message"), STRUCTURE)
def test_bad_files_are_refused_by_name(path: Path, damage, message: str) -> None:
    damage(path)
    with pytest.raises(InputError, match=message) as caught:
        Store(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "enerate it" in text  # the way out
    assert "\n" not in text


def test_an_external_link_is_never_followed(path: Path, tmp_path: Path) -> None:
    """Even where the other file holds exactly the dataset that is expected."""
    shutil.copy(path, tmp_path / "other.h5")
    _link(h5py.ExternalLink(str(tmp_path / "other.h5"), "/test/3x3/output"))(path)
    with pytest.raises(InputError, match="is a link to elsewhere"):
        Store(path)


def _flip_a_bit(path: Path) -> None:
    needle = fields("train", (5, 5))[1][3].tobytes()
    data = bytearray(path.read_bytes())
    data[data.index(needle)] ^= 1
    path.write_bytes(data)


def _put_nan(path: Path) -> None:
    def change(file: h5py.File) -> None:
        data = file["train/5x5/output"]
        data[3, 0, 0, 0] = np.nan
        data.attrs["sha256"] = hashlib.sha256(data[()].data).hexdigest()

    _edit(change)(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_flip_a_bit, "train/5x5/output is damaged: its checksum"),
        (_put_nan, "train/5x5/output holds values that are not finite"),
    ],
)
def test_damaged_values_are_refused_when_read(path: Path, damage, message: str) -> None:
    damage(path)
    with Store(path) as store, pytest.raises(InputError, match=message) as caught:
        store.read("train", (5, 5))
    assert str(caught.value).startswith(f"{path}: ")


def test_rows_that_are_not_finite_are_refused(path: Path) -> None:
    _put_nan(path)
    with Store(path) as store:
        store.read("train", (5, 5), np.array([0, 1, 2]))
        with pytest.raises(InputError, match="not finite"):
            store.read("train", (5, 5), np.array([3]))


def test_any_flipped_byte_is_noticed_or_harmless(path: Path) -> None:
    """Whatever byte of the file is hit: the same data, or one InputError; never other data."""
    good = path.read_bytes()
    with Store(path) as store:
        whole = {(s, g): store.read(s, g) for s in store.splits() for g in store.shapes(s)}
    rng = np.random.default_rng(0)
    for position in rng.choice(len(good), 150, replace=False):
        data = bytearray(good)
        data[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        with contextlib.suppress(InputError), Store(path) as store:
            assert store.meta == META
            for (split, shape), expected in whole.items():
                for values, other in zip(store.read(split, shape), expected, strict=True):
                    assert (values == other).all()
