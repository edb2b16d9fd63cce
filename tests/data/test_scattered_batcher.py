"""Batches, statistics and levels of scattered points."""

import numpy as np
import pytest
import torch
from batcher_support import CPU
from mesh_support import BOX, ROOMS, scattered_source

from nolab.data.arrays import ArraySource
from nolab.data.batcher import open_batcher
from nolab.data.hierarchy import HierarchyOptions, build_hierarchy, check_restriction
from nolab.data.neighbours import far_places, find_neighbours
from nolab.data.thinning import thin
from nolab.errors import InputError
from nolab.grid import Domain
from nolab.mesh import MeshFields
from nolab.neighbourhood import Neighbourhood
from nolab.plan import Term

STORED = [(room.points,) for room in ROOMS]
WANTED = Neighbourhood(0.5, 8, centres=4)


def hierarchy(**options: object):
    return build_hierarchy(HierarchyOptions(**options), BOX, STORED[-1], STORED)


def opened(residency: str, **options: object):
    return open_batcher(scattered_source(), "train", hierarchy(**options), CPU, residency, 0.0, WANTED)


@pytest.mark.parametrize("method", ["subsample", "farthest", "random"])
def test_batches_have_the_same_bits_wherever_the_data_live(method: str) -> None:
    (device, same), (host, _), (stream, streamed) = (
        opened(r, restriction=method) for r in ("device", "host", "stream")
    )
    assert same == streamed
    rows = np.array([4, 1, 1])
    for level in range(3):
        stream.prefetch((Term(level, rows, np.ones(3)),))
        batches = [batcher.get(level, rows) for batcher in (device, host, stream)]
        for name in ("input", "target", "norm", "coords", "weights", "neighbours", "centres", "zero"):
            first, *others = (getattr(batch, name) for batch in batches)
            assert all(torch.equal(first, other) for other in others), name
    stream.close()


def test_batches_are_the_samples() -> None:
    batcher, normalizers = opened("device")
    rows = np.array([5, 0])
    for level, shape in enumerate(STORED):
        batch, fields = batcher.get(level, rows), scattered_source().read("train", shape, rows)
        assert batch.shape == shape
        np.testing.assert_array_equal(batch.coords, fields.coords)
        np.testing.assert_array_equal(batch.mask, fields.weights > 0)
        coarse = scattered_source().read("train", STORED[0], rows)
        centres = far_places(coarse.coords, coarse.weights, 4)
        table = find_neighbours(fields.coords, fields.weights, WANTED, rows, centres)
        np.testing.assert_array_equal(batch.neighbours, table[:, :, : batch.neighbours.shape[2]])
        np.testing.assert_array_equal(batch.centres, centres)
        assert batch.neighbours.dtype == torch.int64
        target = normalizers.output.decode(batch.target.numpy())
        np.testing.assert_allclose(target, fields.output, atol=1e-6)
        squares = (fields.output.astype(float) ** 2)[:, 0] * fields.weights
        np.testing.assert_allclose(batch.norm, np.sqrt(squares.sum(axis=1)), rtol=1e-6)


def test_statistics_are_quadratures_which_padding_does_not_touch() -> None:
    source = scattered_source()
    fields = source.read("train", STORED[-1])
    _, normalizers = opened("device")
    weights = fields.weights[:, None].astype(float)
    mean = (fields.input * weights).sum(axis=2).mean(axis=0)
    square = (fields.input.astype(float) ** 2 * weights).sum(axis=2).mean(axis=0)
    np.testing.assert_allclose(normalizers.input.mean, mean, rtol=1e-6)
    np.testing.assert_allclose(normalizers.input.std, np.sqrt(square - mean**2), rtol=1e-5)


def test_levels_come_of_the_finest_by_thinning() -> None:
    batcher, _ = opened("device", restriction="farthest", levels=[10, 20])
    fields = scattered_source().read("train", STORED[-1])
    expected = thin(fields, 10, "farthest", np.arange(6))
    batch = batcher.get(0, np.arange(6))
    np.testing.assert_array_equal(batch.coords, expected.coords)
    np.testing.assert_array_equal(batch.weights, expected.weights)


LEVELS = {
    "the stored ones": ({"count": 2}, [24, 48]),
    "named": ({"levels": [48, 12]}, [12, 48]),
    "halves": ({"count": 4, "restriction": "random"}, [6, 12, 24, 48]),
    "strides": ({"levels": [{"stride": 3}, 48], "restriction": "farthest"}, [16, 48]),
}


@pytest.mark.parametrize("case", LEVELS)
def test_levels(case: str) -> None:
    options, sizes = LEVELS[case]
    assert [level.points for level in hierarchy(**options).levels] == sizes


BAD = {
    "too many": ({"count": 4}, "count: 4 levels, the data hold 12, 24, 48"),
    "not stored": ({"levels": [20, 48]}, "20 points are no level of the data, which hold 12, 24, 48"),
    "finer": ({"levels": [96], "restriction": "random"}, "finer than the data"),
    "average": (
        {"restriction": "average"},
        "average is not for scattered points; use subsample, farthest, random",
    ),
    "solve": ({"restriction": "solve"}, "solve is not for scattered points"),
    "two sizes": ({"levels": [[4, 4]]}, "2 sizes for scattered points"),
}


@pytest.mark.parametrize("case", BAD)
def test_levels_that_are_none(case: str) -> None:
    options, message = BAD[case]
    with pytest.raises(InputError, match=message):
        hierarchy(**options)


def test_grids_are_not_thinned() -> None:
    with pytest.raises(InputError, match="farthest is not for grids"):
        check_restriction(Domain.unit(2), [(9, 9)], (5, 5), "farthest")


def _field(name: str, change) -> MeshFields:
    fields = scattered_source().read("train", STORED[0])
    return fields._replace(**{name: change(getattr(fields, name).copy())})


def _poke(index, value):
    def change(values: np.ndarray) -> np.ndarray:
        values[index] = value
        return values

    return change


BAD_FIELDS = {
    "plain pair": (lambda: scattered_source().read("train", STORED[0])[:2], "come as MeshFields"),
    "nan": (lambda: _field("coords", _poke((1, 2, 0), np.nan)), "not finite, in samples"),
    "three axes": (
        lambda: _field("coords", lambda c: np.concatenate([c, c[..., :1]], 2)),
        "coords has shape",
    ),
    "weights": (lambda: _field("weights", lambda w: 2 * w), "do not sum to 1"),
    "counts": (lambda: _field("weights", lambda w: w[:-1]), "different numbers of samples"),
}


@pytest.mark.parametrize("case", BAD_FIELDS)
def test_arrays_that_do_not_fit_are_refused(case: str) -> None:
    make, message = BAD_FIELDS[case]
    with pytest.raises(InputError, match=message):
        ArraySource(BOX, {"train": {STORED[0]: make()}}, ("slope", "wave"), ("height",))
