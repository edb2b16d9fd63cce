"""Coarser levels of scattered points."""

import numpy as np
import pytest
from mesh_support import mesh_level

from nolab.data.thinning import thin
from nolab.errors import InputError
from nolab.mesh import MeshSize, check_mesh

LEVEL = mesh_level(0, 5, MeshSize(40, 100))
COUNTS = (LEVEL.weights > 0).sum(axis=1)
NUMBERS = np.arange(5)
METHODS = ("farthest", "random")


def points(fields, sample: int) -> list[tuple]:
    there = fields.weights[sample] > 0
    return [tuple(p) for p in fields.coords[sample][there]]


@pytest.mark.parametrize("method", METHODS)
def test_a_subset_with_its_own_values(method: str) -> None:
    coarse = thin(LEVEL, 16, method, NUMBERS)
    check_mesh(coarse)
    assert coarse.coords.shape == (5, 16, 2)
    assert coarse.cells.shape[1] == 0
    for sample in range(5):
        fine = points(LEVEL, sample)
        kept = [fine.index(p) for p in points(coarse, sample)]
        assert len(kept) == round(16 / 40 * COUNTS[sample]) == len(set(kept))
        for name in ("input", "output"):
            values = getattr(coarse, name)[sample][:, : len(kept)]
            np.testing.assert_array_equal(values, getattr(LEVEL, name)[sample][:, kept])


@pytest.mark.parametrize("method", METHODS)
def test_weights_go_to_the_nearest_point_that_stays(method: str) -> None:
    coarse = thin(LEVEL, 16, method, NUMBERS)
    for sample in range(5):
        kept = np.array(points(coarse, sample), float)
        expected = np.zeros(len(kept))
        for place, weight in zip(LEVEL.coords[sample, : COUNTS[sample]], LEVEL.weights[sample], strict=False):
            expected[np.linalg.norm(kept - place, axis=1).argmin()] += weight
        np.testing.assert_allclose(coarse.weights[sample, : len(kept)], expected, rtol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_levels_are_nested_and_do_not_depend_on_the_batch(method: str) -> None:
    coarse, middle = thin(LEVEL, 10, method, NUMBERS), thin(LEVEL, 20, method, NUMBERS)
    for sample in range(5):
        assert set(points(coarse, sample)) < set(points(middle, sample)) < set(points(LEVEL, sample))
        alone = thin(type(LEVEL)(*(a[sample : sample + 1] for a in LEVEL)), 10, method, NUMBERS[sample:][:1])
        for mine, all_of_them in zip(alone, coarse, strict=True):
            np.testing.assert_array_equal(mine[0], all_of_them[sample])


def test_random_points_differ_from_sample_to_sample() -> None:
    same = type(LEVEL)(*(np.repeat(a[:1], 2, axis=0) for a in LEVEL))
    coarse = thin(same, 10, "random", np.array([0, 1]))
    assert points(coarse, 0) != points(coarse, 1)


def test_unknown_method() -> None:
    with pytest.raises(InputError, match="farthest, random"):
        thin(LEVEL, 10, "average", NUMBERS)
