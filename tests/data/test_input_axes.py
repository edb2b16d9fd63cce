"""Inputs that do not vary along every axis, s(x) of a solution u(t, x): from the store to the batch."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

from nolab.data.arrays import ArraySource
from nolab.data.batcher import open_batcher
from nolab.data.hierarchy import HierarchyOptions, build_hierarchy
from nolab.data.pyramid import pyramid_bytes
from nolab.data.store import Store, StoreChunk, StoreMeta, write_store
from nolab.errors import InputError
from nolab.grid import Axis, Domain

DOMAIN = Domain((Axis("nodal"), Axis("periodic")))
SHAPE = (9, 8)
CPU = torch.device("cpu")


def fields(n=6):
    rng = np.random.default_rng(0)
    return rng.random((n, 2, 1, 8), dtype=np.float32), rng.random((n, 1, *SHAPE), dtype=np.float32)


def source():
    return ArraySource(DOMAIN, {"train": {SHAPE: fields()}}, ("a", "b"), ("u",), input_axes=(1,))


@pytest.mark.parametrize("residency", ["device", "stream"])
@pytest.mark.parametrize("restriction", ["subsample", "average", "spectral"])
def test_every_level_keeps_the_axis_at_one(residency, restriction):
    options = HierarchyOptions(levels=[[5, 4], [9, 8]], restriction=restriction)
    held = source()
    hierarchy = build_hierarchy(options, DOMAIN, SHAPE, [SHAPE])
    batcher, normalizers = open_batcher(held, "train", hierarchy, CPU, residency)
    try:
        coarse, fine = (batcher.get(level, np.arange(3)) for level in (0, 1))
    finally:
        batcher.close()
    assert (coarse.input.shape, coarse.target.shape, coarse.shape) == ((3, 2, 1, 4), (3, 1, 5, 4), (5, 4))
    assert (fine.input.shape, fine.shape) == ((3, 2, 1, 8), SHAPE)
    x = fields()[0]
    np.testing.assert_allclose(normalizers.input.decode(fine.input.numpy()), x[:3], rtol=1e-5)
    np.testing.assert_allclose(normalizers.input.mean, x.mean(axis=(0, 2, 3)), rtol=1e-6)
    # A physical zero, normalised: decoding it gives zero again.
    assert normalizers.output.decode(fine.zero.numpy()[None]) == pytest.approx(0, abs=1e-7)
    whole = fine.on_grid()
    assert whole.shape == (3, 2, *SHAPE)
    assert torch.equal(whole, fine.input.expand(-1, -1, 9, -1))


def test_restriction_of_the_input_is_that_of_the_expanded_one():
    options = HierarchyOptions(levels=[[5, 4], [9, 8]], restriction="average")
    hierarchy = build_hierarchy(options, DOMAIN, SHAPE, [SHAPE])
    x, y = fields()
    expanded = ArraySource(
        DOMAIN, {"train": {SHAPE: (np.broadcast_to(x, (6, 2, *SHAPE)), y)}}, ("a", "b"), ("u",)
    )
    (partial, _), (full, _) = (open_batcher(s, "train", hierarchy, CPU) for s in (source(), expanded))
    for level in (0, 1):
        a, b = (batcher.get(level, np.arange(6)) for batcher in (partial, full))
        torch.testing.assert_close(a.on_grid(), b.input, rtol=1e-5, atol=1e-5)


def test_memory_is_counted_as_it_is():
    hierarchy = build_hierarchy(HierarchyOptions(count=1), DOMAIN, SHAPE, [SHAPE])
    batcher, _ = open_batcher(source(), "train", hierarchy, CPU)
    batch = batcher.get(0, np.arange(6))
    size = sum(t.numel() * t.element_size() for t in (batch.input, batch.target, batch.norm))
    assert pyramid_bytes(source(), "train", [SHAPE]) == size


META = StoreMeta(
    problem="demo",
    parameters={},
    version="1",
    seed=0,
    domain=DOMAIN,
    input_names=("a", "b"),
    output_names=("u",),
    units={"a": "1", "b": "1", "u": "1"},
    counts={"train": 6},
    shapes=(SHAPE,),
    input_axes=(1,),
)


def test_a_store_keeps_them(tmp_path):
    write_store(tmp_path / "a.h5", META, [StoreChunk("train", SHAPE, *fields())])
    with Store(tmp_path / "a.h5") as store:
        assert store.meta == META
        assert store.input_axes == (1,)
        for rows in (None, np.array([0, 2, 5])):
            for got, want in zip(store.read("train", SHAPE, rows), fields(), strict=True):
                assert np.array_equal(got, want if rows is None else want[rows])


def test_a_store_without_them_looks_as_before(tmp_path):
    x, y = fields()
    whole = np.broadcast_to(x, (6, 2, *SHAPE))
    write_store(tmp_path / "a.h5", replace(META, input_axes=None), [StoreChunk("train", SHAPE, whole, y)])
    with h5py.File(tmp_path / "a.h5") as file:
        assert "input_axes" not in file.attrs
    assert Store(tmp_path / "a.h5").input_axes is None


@pytest.mark.parametrize("value", ["[]", "[2]", "[-1]", "[true]", '["x"]', "1"])
def test_a_damaged_attribute_is_refused(tmp_path, value):
    write_store(tmp_path / "a.h5", META, [StoreChunk("train", SHAPE, *fields())])
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file.attrs["input_axes"] = value
    with pytest.raises(InputError, match="input_axes"):
        Store(tmp_path / "a.h5")


def test_arrays_of_another_shape_are_refused():
    x, y = fields()
    with pytest.raises(InputError, match=r"train/9x8/input has shape .*, expected \(samples, 2, 9, 1\)"):
        ArraySource(DOMAIN, {"train": {SHAPE: (x, y)}}, ("a", "b"), ("u",), input_axes=(0,))
    with pytest.raises(InputError, match="input_axes"):
        ArraySource(DOMAIN, {"train": {SHAPE: (x, y)}}, ("a", "b"), ("u",), input_axes=(2,))
