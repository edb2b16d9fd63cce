"""Damaged and hostile checkpoints: refused, or loaded with the bits that were saved; never is code run."""

import io
import os
import pickle
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from training_support import same_bits

from nolab.errors import InputError
from nolab.training.checkpoint import load_checkpoint, save_checkpoint

STATE = {
    "step": 7,
    "model": {"w": torch.arange(12.0).reshape(3, 4), "z": torch.tensor([1 + 2j])},
    "samples": [3, 5],
    "best": 0.25,
    "errors": {"9x9": float("inf")},
}
CODE = ("pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect")

_seen: list[str] | None = None


def _hook(event: str, _: tuple) -> None:
    if _seen is not None and event in CODE:
        _seen.append(event)


sys.addaudithook(_hook)  # can't be taken off again; it idles outside of `code_run`


@contextmanager
def code_run() -> Iterator[list[str]]:
    """What the block runs of :data:`CODE`."""
    global _seen
    _seen = []
    try:
        yield _seen
    finally:
        _seen = None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "last.pt", STATE)
    return tmp_path / "last.pt"


def refused(path: Path, data: bytes) -> bool:
    """Whether the file with these bytes is refused as bad input; if not, it holds :data:`STATE`."""
    path.write_bytes(data)
    try:
        loaded = load_checkpoint(path, STATE)
    except InputError:
        return True
    loaded.pop("format")
    assert same_bits(loaded, STATE)
    return False


def flips(data: bytes, places: list[tuple[int, int]]) -> Iterator[bytes]:
    for byte, bit in places:
        changed = bytearray(data)
        changed[byte] ^= 1 << bit
        yield bytes(changed)


def test_a_flipped_bit_is_noticed_or_harmless(path):
    good, rng = path.read_bytes(), np.random.default_rng(0)
    places = [(int(rng.integers(len(good))), int(rng.integers(8))) for _ in range(400)]
    with code_run() as ran:
        outcomes = [refused(path, data) for data in flips(good, places)]
    assert not ran
    assert not refused(path, good)
    assert 0.2 < np.mean(outcomes) < 1  # the rest hit the padding between entries and their dates


def test_a_flipped_bit_of_a_value_is_refused(path):
    good = path.read_bytes()
    start = good.index(STATE["model"]["w"].numpy().tobytes())
    places = [(start + i, i % 8) for i in range(48)]
    assert all(refused(path, data) for data in flips(good, places))


@pytest.mark.slow
def test_every_bit(path):
    good = path.read_bytes()
    with code_run() as ran:
        for data in flips(good, [(byte, bit) for byte in range(len(good)) for bit in range(8)]):
            refused(path, data)
    assert not ran


def test_every_length_but_its_own_is_refused(path):
    good = path.read_bytes()
    lengths = [*range(0, len(good), 37), *range(len(good) - 70, len(good))]
    assert all(refused(path, good[:length]) for length in lengths)
    refused(path, good + b"\0" * 512)  # the same values at worst


def rewritten(data: bytes, compression: int = zipfile.ZIP_STORED, **entries: bytes) -> bytes:
    """The archive with some entries exchanged, with right checksums."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", compression) as new:
        for name in old.namelist():
            new.writestr(name, entries.get(Path(name).name.replace(".", "_"), old.read(name)))
    return out.getvalue()


def test_compressed_entries_are_refused_unread(path, monkeypatch):
    good = path.read_bytes()
    assert not refused(path, rewritten(good))  # by itself another archiver is no reason
    monkeypatch.setattr(zipfile.ZipFile, "testzip", None)  # a call would fail
    path.write_bytes(rewritten(good, zipfile.ZIP_DEFLATED))
    with pytest.raises(InputError, match=r"last.pt: damaged, .*\(compressed entries\)"):
        load_checkpoint(path, STATE)


def test_entries_that_overlap_are_refused_unread(path, monkeypatch):
    """A bomb without compression: many entries over the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a/data.pkl", b"\0" * 10_000)
        for _ in range(9):
            archive.filelist.append(archive.filelist[0])
    path.write_bytes(out.getvalue())
    monkeypatch.setattr(zipfile.ZipFile, "testzip", None)
    with pytest.raises(InputError, match="entries larger than the file"):
        load_checkpoint(path, STATE)


def test_an_entry_that_says_it_is_a_folder_is_refused(path):
    """One flipped bit of the directory at the archive's end: PyTorch returns memory as it happens to be."""
    good = path.read_bytes()
    entry = good.rindex(b"PK\1\2", 0, good.rindex(b"archive/data/0"))
    changed = bytearray(good)
    changed[entry + 38] ^= 0x10
    with zipfile.ZipFile(io.BytesIO(changed)) as archive:
        assert archive.testzip() is None
    assert refused(path, bytes(changed))


class _Code:
    def __reduce__(self):
        return os.system, ("false",)


PICKLES = {
    "code": pickle.dumps({"format": 5, "step": _Code()}, 2),
    "nothing": b"",
    "an empty stack": b".",
    "a mark alone": b"\x80\x02(.",
    "no such memo": b"\x80\x02h\x07.",
    "a list without its end": b"\x80\x02](K\x01K\x02",
    "a number": pickle.dumps(3, 2),
    "a format that is a list": pickle.dumps({"format": [5]}, 2),
    "keys that can't be hashed": b"\x80\x02}]K\x01s.",
    "other parts": pickle.dumps({"format": 5, "step": 1}, 2),
}


@pytest.mark.parametrize("name", PICKLES)
@pytest.mark.parametrize("legacy", [False, True])
def test_a_hostile_pickle_is_refused(path, name, legacy):
    data = PICKLES[name] if legacy else rewritten(path.read_bytes(), data_pkl=PICKLES[name])
    with code_run() as ran:
        assert refused(path, data)
    assert not ran


def test_a_tensor_larger_than_its_bytes_is_refused(path):
    good = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        pickled = archive.read(next(n for n in archive.namelist() if n.endswith("data.pkl")))
    assert pickled.count(b"K\x03K\x04\x86") == 1  # the shape (3, 4)
    assert refused(path, rewritten(good, data_pkl=pickled.replace(b"K\x03K\x04\x86", b"K\x7fK\x7f\x86")))
