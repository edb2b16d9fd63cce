"""Samples of different size in one array, and quadrature on triangle meshes."""

import numpy as np
import pytest
from mesh_support import mesh_level, mesh_sample

from nolab.errors import InputError
from nolab.mesh import MeshSize, check_mesh, padded, vertex_weights

RNG = np.random.default_rng(0)


def test_padding_keeps_every_sample_and_adds_nothing_that_counts() -> None:
    samples = [mesh_sample(RNG, n) for n in (7, 10, 5)]
    joined = padded(samples, MeshSize(10, 20))
    for i, sample in enumerate(samples):
        n, cells = len(sample.coords), len(sample.cells)
        np.testing.assert_array_equal(joined.input[i, :, :n], sample.input.astype(np.float32))
        np.testing.assert_array_equal(joined.output[i, :, :n], sample.output.astype(np.float32))
        np.testing.assert_array_equal(joined.coords[i, :n], sample.coords.astype(np.float32))
        np.testing.assert_array_equal(joined.cells[i, :cells], sample.cells)
        assert (joined.weights[i, n:] == 0).all()
        assert (joined.cells[i, cells:] == -1).all()
        assert (joined.coords[i, n:] == joined.coords[i, 0]).all()
    check_mesh(joined)


@pytest.mark.parametrize("room", [MeshSize(6, 20), MeshSize(7, 3)])
def test_a_sample_that_does_not_fit_is_refused(room: MeshSize) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        padded([mesh_sample(RNG, 7)], room)


def test_vertex_weights_integrate_linear_functions_exactly() -> None:
    sample = mesh_sample(np.random.default_rng(3), 40)
    corners = sample.coords[sample.cells]  # (T, 3, 2)
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = 0.5 * np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
    weights = vertex_weights(sample.coords, sample.cells)
    assert weights.sum() == pytest.approx(1)
    # The mean of a linear function over a triangle is its value at the centre.
    expected = areas @ corners.mean(axis=1) / areas.sum()
    np.testing.assert_allclose(weights @ sample.coords, expected, rtol=1e-12)


def _changed(**changes: object) -> object:
    fields = mesh_level(5, 2, MeshSize(9, 20))
    for name, (index, value) in changes.items():
        getattr(fields, name)[index] = value
    return fields


BAD = {
    "negative": ({"weights": ((0, 0), -0.1)}, "negative"),
    "sum": ({"weights": ((1, 0), 0.9)}, "do not sum to 1"),
    "hole": ({"weights": ((0, slice(None)), np.r_[0.5, 0.0, 0.5, np.zeros(6)])}, "after the padding"),
    "cell below": ({"cells": ((0, 0, 0), -2)}, "not there"),
    "cell above": ({"cells": ((0, 0, 0), 9)}, "not there"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_mesh_is_refused(case: str) -> None:
    changes, message = BAD[case]
    with pytest.raises(InputError, match=message):
        check_mesh(_changed(**changes))


def test_cells_of_padding_are_refused() -> None:
    fields = padded([mesh_sample(RNG, 5)], MeshSize(8, 20))
    fields.cells[0, 0, 0] = 6
    with pytest.raises(InputError, match="not there"):
        check_mesh(fields)
