"""A damaged or foreign file is refused with the reason: never a crash, never other data."""

import json
import os
import shutil
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest
from store_support import META, chunks, fields

from nolab.data._store_layout import read_layout, sample_digest, table_digest
from nolab.data.store import Store, write_store
from nolab.errors import InputError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_store(tmp_path / "a.h5", META, chunks())
    return tmp_path / "a.h5"


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
    value = np.bytes_(value.encode()) if isinstance(value, str) else value
    return _edit(lambda file: file.attrs.__setitem__(name, value))


def _drop(name: str):
    return _edit(lambda file: file.__delitem__(name))


def _link(link):
    def change(file: h5py.File) -> None:
        del file["test/3x3/output"]
        file["test/3x3/output"] = link

    return _edit(change)


def _soft_link(name: str):
    """The data stay in the file, behind a link of another name in place of `name`."""

    def change(file: h5py.File) -> None:
        file.move(name, "elsewhere")
        file[name] = h5py.SoftLink("/elsewhere")

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
    """All sizes agree with each other, and the space is declared as there, but the file is small."""
    counts = {"train": 10**10, "test": 2}
    for shape in ("5x5", "3x3"):
        n = int(shape[0])
        for field, channels in (("input", 2), ("output", 1)):
            _replace(f"train/{shape}/{field}", shape=(10**10, channels, n, n), dtype="<f4")(path)
            _replace(f"train/{shape}/{field}_sha256", shape=(10**10, 32), dtype="u1")(path)
    _attribute("counts", json.dumps(counts))(path)


def _chunked(path: Path) -> None:
    _replace("test/3x3/output", data=fields("test", (3, 3))[1], chunks=(1, 1, 3, 3))(path)


def _leak(path: Path) -> None:
    """Test sample 1 is train sample 3, and every checksum says so."""

    def leaky():
        for chunk in chunks(size=5):
            if chunk.split == "test":
                x = chunk.input.copy()
                x[1] = fields("train", chunk.shape)[0][3]
                chunk = chunk._replace(input=x)
            yield chunk

    write_store(path, META, leaky())


STRUCTURE = [
    (lambda path: path.unlink(), "there is no such file"),
    (lambda path: (path.unlink(), path.mkdir()), "there is no such file"),
    (lambda path: path.write_bytes(b""), "is not a complete HDF5 file"),
    (lambda path: path.write_text("not a store" * 100), "is not a complete HDF5 file"),
    (lambda path: os.truncate(path, path.stat().st_size - 100), "is not a complete HDF5 file.*truncated"),
    (_attribute("format", "x"), "no nolab store"),
    (_edit(lambda file: file.attrs.__delitem__("format")), "no nolab store"),
    (_attribute("format_version", 99), "has format version 99, this nolab reads version 2"),
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
    (_drop("test/3x3/output"), r"/test/3x3 holds \['input', 'input_sha256', 'output_sha256'\]"),
    (_drop("test/3x3/output_sha256"), r"/test/3x3 holds \['input', 'input_sha256', 'output'\]"),
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
    (_chunked, "/test/3x3/output is stored in pieces, expected one contiguous range"),
    (_leak, "1 inputs of 'train' stand in 'test' too .sample 3 is its sample 1."),
    (_external_values, "keeps its values in another file"),
    (_virtual, "keeps its values in another file"),
    (_link(h5py.ExternalLink("other.h5", "/x")), "/test/3x3/output is a link to elsewhere"),
    (_link(h5py.SoftLink("/test/5x5/output")), "/test/3x3/output is a link to elsewhere"),
    (_link(h5py.SoftLink("/nowhere")), "/test/3x3/output is a link to elsewhere"),
    (_soft_link("test/3x3/output_sha256"), r"/ holds \['elsewhere', 'test', 'train'\]"),
    (
        _edit(lambda file: file["test/3x3/output"].attrs.__delitem__("sha256")),
        "/test/3x3/output_sha256 is damaged",
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


def test_sizes_are_refused_before_memory_is_taken(path: Path) -> None:
    _declare_terabytes(path)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="stores 0 bytes"):
            Store(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_values_that_lie_beyond_the_end_are_refused(path: Path) -> None:
    """Where HDF5 says that the space is there; HDF5 itself refuses most such files."""
    with h5py.File(path) as file:
        read_layout(file, META, path.stat().st_size)
        with pytest.raises(InputError, match=r"stores \d+ bytes, expected"):
            read_layout(file, META, path.stat().st_size // 2)


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
    """As a writer would that does not look: all checksums are right."""

    def change(file: h5py.File) -> None:
        data, table = file["train/5x5/output"], file["train/5x5/output_sha256"]
        data[3, 0, 0, 0] = np.nan
        table[3] = np.frombuffer(sample_digest(data[3]), np.uint8)
        data.attrs["sha256"] = np.bytes_(table_digest(table[()]))

    _edit(change)(path)


VALUES = [
    (_flip_a_bit, "train/5x5/output is damaged: the checksum of sample 3 is not"),
    (_put_nan, "train/5x5/output holds values that are not finite, in sample 3"),
]


@pytest.mark.parametrize(("damage", "message"), VALUES)
@pytest.mark.parametrize("rows", [None, [3], [0, 1, 3]])
def test_damaged_values_are_refused_when_read(path: Path, damage, message: str, rows: list | None) -> None:
    damage(path)
    with Store(path) as store:
        store.read("train", (5, 5), np.array([0, 1, 2, 4]))  # the others are good
        with pytest.raises(InputError, match=message) as caught:
            store.read("train", (5, 5), None if rows is None else np.array(rows))
    assert str(caught.value).startswith(f"{path}: ")


def test_samples_are_verified_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr("nolab.data.store._verify", lambda name, row, *_: seen.append((name, row)))
    with Store(path) as store:
        for rows in ([1, 2], [0, 2, 4], [0, 1, 2, 4]):
            store.read("train", (3, 3), np.array(rows))
        assert seen == [
            (f"train/3x3/{f}", row) for g in ([1, 2], [0, 4]) for f in ("input", "output") for row in g
        ]


def test_a_sample_that_failed_fails_again(path: Path) -> None:
    _flip_a_bit(path)
    with Store(path) as store:
        for _ in range(2):
            with pytest.raises(InputError, match="checksum of sample 3"):
                store.read("train", (5, 5))


def test_a_file_cut_short_or_replaced_while_open(path: Path, tmp_path: Path) -> None:
    with Store(path) as store:
        store.read("test", (3, 3))
        os.truncate(path, 5000)
        with pytest.raises(InputError, match="has been cut short since it was opened"):
            store.read("train", (5, 5))
        store.close()
        with pytest.raises(InputError, match="has been changed since it was opened"):
            store.read("test", (3, 3))
        path.unlink()
        with pytest.raises(InputError, match=r"cannot be read .*No such file"):
            store.read("test", (3, 3))


def test_a_file_that_is_deleted_while_open_can_be_read_on(path: Path) -> None:
    with Store(path) as store:
        store.read("test", (3, 3))
        path.unlink()
        assert (store.read("train", (5, 5))[1] == fields("train", (5, 5))[1]).all()


def _flip(data: bytearray, rng: np.random.Generator) -> bytearray:
    data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    return data


def _overwrite(data: bytearray, rng: np.random.Generator) -> bytearray:
    start, size = int(rng.integers(len(data))), int(rng.integers(1, 64))
    data[start : start + size] = rng.bytes(len(data[start : start + size]))
    return data


def _truncate(data: bytearray, rng: np.random.Generator) -> bytearray:
    return data[: rng.integers(len(data))]


def _lose_a_page(data: bytearray, rng: np.random.Generator) -> bytearray:
    """A part of the file was never written to the disk."""
    start = int(rng.integers(len(data) // 512)) * 512
    data[start : start + 512] = bytes(len(data[start : start + 512]))
    return data


@pytest.mark.parametrize("damage", [_flip, _overwrite, _truncate, _lose_a_page])
def test_any_damage_is_noticed_or_harmless(path: Path, damage) -> None:
    """Whatever is hit: the same data, or one InputError; never other data, never a crash."""
    good = path.read_bytes()
    with Store(path) as store:
        whole = {(s, g): store.read(s, g) for s in store.splits() for g in store.shapes(s)}
    rng, refused = np.random.default_rng(0), []
    for _ in range(100):
        path.write_bytes(damage(bytearray(good), rng))
        try:
            with Store(path) as store:
                assert store.meta == META
                for (split, shape), expected in whole.items():
                    for row in range(META.counts[split]):
                        for values, other in zip(
                            store.read(split, shape, np.array([row])), expected, strict=True
                        ):
                            assert (values == other[row]).all()
        except InputError as error:
            refused.append(str(error))
    assert len(refused) > 50
    assert all(text.startswith(f"{path}: ") and len(text) < 600 for text in refused)
