"""The store: what is written is read back."""

import gc
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from store_support import META, chunks, fields

from nolab.data.store import Store, write_store
from nolab.errors import InputError
from nolab.grid import Domain


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
    assert not store._raw.is_open
    store.read("test", (3, 3))
    assert store._raw.is_open
    store.close()
    store.close()
    assert not store._raw.is_open
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


def test_equal_content_gives_equal_bytes(path: Path, tmp_path: Path) -> None:
    """Whenever it is written, and in whatever chunks: HDF5's own times count whole seconds."""
    time.sleep(1.1)
    write_store(tmp_path / "b.h5", META, chunks(size=3))
    assert (tmp_path / "b.h5").read_bytes() == path.read_bytes()


def test_a_sample_is_one_read_of_its_own_bytes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And neighbours are one read together."""
    reads, preadv = [], os.preadv

    def spy(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        reads.append((offset, sum(map(len, buffers))))
        return preadv(descriptor, buffers, offset)

    monkeypatch.setattr(os, "preadv", spy)
    data = path.read_bytes()
    x, y = fields("train", (5, 5))
    with Store(path) as store:
        for rows, runs in (([3], [[3]]), ([0, 2, 3], [[0], [2, 3]]), (None, [[0, 1, 2, 3, 4]])):
            reads.clear()
            store.read("train", (5, 5), None if rows is None else np.array(rows))
            want = [field[run].tobytes() for field in (x, y) for run in runs]
            assert [data[offset : offset + size] for offset, size in reads] == want


def test_reads_in_as_many_parts_as_the_system_gives(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux reads 2 GiB at most in one call; here it is 7 bytes."""
    preadv = os.preadv
    monkeypatch.setattr(os, "preadv", lambda fd, buffers, offset: preadv(fd, [buffers[0][:7]], offset))
    with Store(path) as store:
        assert (store.read("train", (5, 5))[0] == fields("train", (5, 5))[0]).all()


def test_a_store_that_is_dropped_leaves_no_open_file(path: Path) -> None:
    store = Store(path)
    store.read("test", (3, 3))
    descriptor = store._raw._descriptor
    del store
    gc.collect()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(descriptor)


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
