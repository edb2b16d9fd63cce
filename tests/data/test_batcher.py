"""The batcher: the same samples wherever the pyramid lives."""

from pathlib import Path

import numpy as np
import pytest
import torch
from batcher_support import CPU, N, fields, nodal, opened

from nolab.data.arrays import ArraySource
from nolab.data.batcher import open_batcher
from nolab.data.hierarchy import Hierarchy, HierarchyOptions, build_hierarchy
from nolab.data.pyramid import pyramid_bytes
from nolab.data.residency import choose_residency, levels_in_memory
from nolab.data.store import Store, StoreChunk, StoreMeta, write_store
from nolab.fields import FieldBatch
from nolab.grid import Domain
from nolab.plan import Term

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")),
]
INDICES = [[0], [3, 1, 2], [10, 10, 0, 3, 10], list(range(N)), [7, 7]]


def two_grids() -> tuple[ArraySource, Hierarchy]:
    """A coarse grid of the data's own, and one below it that comes from the finest."""
    domain = Domain.unit(1, "periodic")
    grids = {(n,): (fields(1, n), fields(2, n) - 1) for n in (24, 10)}
    source = ArraySource(domain, {"train": grids}, ("a",), ("u", "v"))
    return source, build_hierarchy(HierarchyOptions([24, 10, 6]), domain, (24,), source.shapes("train"))


CASES = {
    "subsample": nodal,
    "average": lambda: nodal("average"),
    "spectral": lambda: nodal("spectral"),
    "two grids": two_grids,
}


def assert_equal(a: FieldBatch, b: FieldBatch) -> None:
    assert a.domain == b.domain
    for name in ("input", "target", "norm"):
        x, y = getattr(a, name), getattr(b, name)
        assert x.dtype == y.dtype == torch.float32
        assert torch.equal(x.cpu(), y.cpu()), name


def batches(
    residency: str, case: str, device: str = "cpu", prefetch: bool = False, gib: float | None = None
) -> list[FieldBatch]:
    source, hierarchy = CASES[case]()
    with opened(source, hierarchy, residency, torch.device(device), gib) as (batcher, _):
        terms = [
            Term(level, np.array(indices), np.ones(len(indices)))
            for indices in INDICES
            for level in range(len(hierarchy))
        ]
        if prefetch:
            batcher.prefetch(tuple(terms))
            batcher.prefetch(tuple(terms))  # again: nothing is read twice
        return [batcher.get(term.level, term.indices) for term in terms]


PLACES = [("host", None), ("stream", None), ("stream", 0.0)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("residency", "gib"), PLACES)
@pytest.mark.parametrize("block", [1, 5000, 2**22])
def test_residencies_agree_bit_by_bit(
    residency: str, gib: float | None, case: str, device: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all samples read at once, some at a time, or one by one."""
    expected = batches("device", case)
    monkeypatch.setattr("nolab.data.loading.BLOCK_BYTES", block)
    for a, b in zip(expected, batches(residency, case, device, gib=gib), strict=True):
        assert b.input.device.type == device
        assert_equal(a, b)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("residency", "gib"), [("device", None), *PLACES])
def test_prefetch_changes_nothing(residency: str, gib: float | None, device: str) -> None:
    expected = batches(residency, "average", device, gib=gib)
    for a, b in zip(expected, batches(residency, "average", device, True, gib), strict=True):
        assert_equal(a, b)


@pytest.mark.parametrize("residency", ["device", "host", "stream"])
def test_batches_hold_the_asked_samples(residency: str) -> None:
    source, hierarchy = nodal()
    x, y = source.read("train", (17, 17))
    rows = [10, 10, 0, 3]
    with opened(source, hierarchy, residency) as (batcher, normalizers):
        for level, stride in enumerate((4, 2, 1)):
            batch = batcher.get(level, np.array(rows))
            assert batch.shape == hierarchy.levels[level].shape
            assert batch.points is None
            want = normalizers.input.encode(x[rows][..., ::stride, ::stride])
            assert (batch.input.numpy() == want).all()
            want = normalizers.output.encode(y[rows][..., ::stride, ::stride])
            assert (batch.target.numpy() == want).all()


@pytest.mark.parametrize("case", ["subsample", "two grids"])
def test_norm_is_the_physical_l2_norm(case: str) -> None:
    source, hierarchy = CASES[case]()
    with opened(source, hierarchy, "device") as (batcher, normalizers):
        for number, level in enumerate(hierarchy.levels):
            batch = batcher.get(number, np.arange(N))
            y = normalizers.output.decode(batch.target.numpy()).astype(float)
            weights = 1.0
            for n in level.shape:
                w = np.full(n, 1 / n)
                if case == "subsample":
                    w = np.r_[0.5, np.ones(n - 2), 0.5] / (n - 1)
                weights = np.multiply.outer(weights, w)
            norm = np.sqrt((y**2 * weights).sum(axis=tuple(range(2, y.ndim))).mean(axis=1))
            np.testing.assert_allclose(batch.norm.numpy(), norm, rtol=1e-5)


def test_a_store_streams_what_it_holds(tmp_path: Path) -> None:
    source, hierarchy = nodal("average")
    x, y = source.read("train", (17, 17))
    meta = StoreMeta(
        problem="demo",
        parameters={},
        version="1",
        seed=0,
        domain=source.domain,
        input_names=("a", "b"),
        output_names=("u",),
        units={"a": "1", "b": "1", "u": "1"},
        counts={"train": N},
        shapes=((17, 17),),
    )
    write_store(tmp_path / "a.h5", meta, [StoreChunk("train", (17, 17), x, y)])
    with (
        Store(tmp_path / "a.h5") as store,
        opened(store, hierarchy, "stream") as (streaming, a),
        opened(source, hierarchy, "device") as (resident, b),
    ):
        assert a == b
        for rows in map(np.array, INDICES):
            streaming.prefetch((Term(1, rows, np.ones(len(rows))),))
            for level in (1, 0, 2):
                assert_equal(streaming.get(level, rows), resident.get(level, rows))


def test_pyramid_bytes_counts_every_tensor() -> None:
    source, hierarchy = nodal()
    with opened(source, hierarchy, "device") as (batcher, _):
        parts = [batcher.get(level, np.arange(N)) for level in range(3)]
    size = sum(t.numel() * t.element_size() for b in parts for t in (b.input, b.target, b.norm))
    assert pyramid_bytes(source, "train", [level.shape for level in hierarchy.levels]) == size


GIB = 2**30


@pytest.mark.parametrize(
    ("size", "memory_gib", "expected"),
    [
        (1, 0.0, "stream"),
        (GIB, 1.0, "device"),
        (GIB + 1, 1.0, "stream"),
        (10 * GIB, 0.5, "stream"),
        (1, None, "device"),
        (2**62, None, "stream"),
    ],
)
def test_residency_follows_the_budget(size: int, memory_gib: float | None, expected: str) -> None:
    assert choose_residency(size, CPU, memory_gib) == expected


def test_residency_follows_the_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    free = {"cuda": 4 * GIB, "cpu": 16 * GIB}
    monkeypatch.setattr("nolab.data.residency.free_memory", lambda device: free[device.type])
    cuda = torch.device("cuda")
    for size, expected in ((2, "device"), (3, "host"), (8, "host"), (9, "stream")):
        assert choose_residency(size * GIB, cuda, None) == expected


@pytest.mark.parametrize(
    ("sizes", "gib", "held"),
    [
        ([1, 2, 4], 1.0, 2),  # never the finest
        ([1], 1.0, 0),
        ([GIB, 1, 4], 1.0, 1),
        ([GIB - 1, 1, 4], 1.0, 2),
        ([GIB + 1, 1, 4], 1.0, 0),  # not the next one instead
        ([1, 2, 4], 0.0, 0),
        ([1, 2**62, 2**63], None, 1),
    ],
)
def test_the_coarsest_levels_that_fit_are_held(sizes: list[int], gib: float | None, held: int) -> None:
    assert levels_in_memory(sizes, gib) == held


def test_what_is_streamed_and_held_is_said(caplog: pytest.LogCaptureFixture) -> None:
    source, hierarchy = nodal()
    size = pyramid_bytes(source, "train", [(5, 5)])
    with caplog.at_level("INFO"):
        open_batcher(source, "train", hierarchy, CPU, memory_gib=size / GIB)[0].close()
    assert "9x9, 17x17 streamed from the source, reading ahead; 5x5 (0.000 GiB) kept in host" in caplog.text


def test_auto_with_no_budget_streams(caplog: pytest.LogCaptureFixture) -> None:
    source, hierarchy = nodal()
    with caplog.at_level("INFO"):
        batcher, _ = open_batcher(source, "train", hierarchy, CPU, memory_gib=0.0)
    batcher.close()
    assert "streamed from the source" in caplog.text
