"""The domain and its grids: where the samples lie, what they weigh, what is refused."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nolab.errors import InputError
from nolab.grid import Axis, Domain, clenshaw_curtis, input_shape, shape_name

COORDINATES = [
    ("nodal", 3, [2.0, 4.0, 6.0]),
    ("nodal", 5, [2.0, 3.0, 4.0, 5.0, 6.0]),
    ("nodal", 2, [2.0, 6.0]),
    ("cell", 2, [3.0, 5.0]),
    ("cell", 5, [2.4, 3.2, 4.0, 4.8, 5.6]),
    ("periodic", 4, [2.0, 3.0, 4.0, 5.0]),
    ("periodic", 5, [2.0, 2.8, 3.6, 4.4, 5.2]),
]
WEIGHTS = [
    ("nodal", 5, [1 / 8, 1 / 4, 1 / 4, 1 / 4, 1 / 8]),
    ("nodal", 4, [1 / 6, 1 / 3, 1 / 3, 1 / 6]),
    ("cell", 4, [1 / 4] * 4),
    ("periodic", 5, [1 / 5] * 5),
]
PLACEMENTS = ["nodal", "cell", "periodic"]
FIXED = settings(derandomize=True, deadline=None)


@pytest.mark.parametrize(("placement", "n", "expected"), COORDINATES)
def test_coordinates(placement: str, n: int, expected: list[float]) -> None:
    x = Axis(placement, 2.0, 6.0).coordinates(n)
    assert x.dtype == torch.float64
    torch.testing.assert_close(x, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-15)


@pytest.mark.parametrize(("placement", "n", "expected"), WEIGHTS)
def test_weights(placement: str, n: int, expected: list[float]) -> None:
    torch.testing.assert_close(
        Axis(placement, -1.0, 3.0).weights(n), torch.tensor(expected, dtype=torch.float64)
    )


@FIXED
@given(st.sampled_from(PLACEMENTS), st.integers(2, 200), st.floats(-10, 10), st.floats(0.01, 20))
def test_weights_sum_to_one(placement: str, n: int, start: float, length: float) -> None:
    weights = Axis(placement, start, start + length).weights(n)
    assert weights.min() > 0
    assert weights.sum().item() == pytest.approx(1, rel=1e-13)


@FIXED
@given(
    st.sampled_from(["nodal", "cell"]),
    st.integers(2, 60),
    st.floats(-5, 5),
    st.floats(0.1, 9),
    st.floats(-3, 3),
)
def test_means_of_linear_functions_are_exact(
    placement: str, n: int, start: float, length: float, a: float
) -> None:
    axis = Axis(placement, start, start + length)
    mean = ((a * axis.coordinates(n) - 1) * axis.weights(n)).sum().item()
    assert mean == pytest.approx(a * (start + length / 2) - 1, abs=1e-12)


@pytest.mark.parametrize("n", [8, 9])
def test_periodic_means_of_waves_vanish(n: int) -> None:
    axis = Axis("periodic", 1.0, 3.0)
    for k in range(1, n):
        wave = torch.cos(2 * math.pi * k * (axis.coordinates(n) - 1.0) / axis.length)
        assert abs((wave * axis.weights(n)).sum().item()) < 1e-14


def test_a_box_is_the_product_of_its_axes() -> None:
    domain = Domain((Axis("nodal", 0, 2), Axis("periodic", -1, 1), Axis("cell", 0, 3)))
    shape = (3, 4, 5)
    x, w = domain.coordinates(shape), domain.weights(shape)
    assert x.shape == (3, *shape)
    assert w.shape == shape
    for i, axis in enumerate(domain.axes):
        assert (x[i].movedim(i, -1) == axis.coordinates(shape[i])).all()
    ws = [axis.weights(n) for axis, n in zip(domain.axes, shape, strict=True)]
    torch.testing.assert_close(w, torch.einsum("i,j,k->ijk", *ws))


def test_weights_are_the_callers_own() -> None:
    domain = Domain.unit(2)
    domain.weights((3, 3)).zero_()
    assert domain.weights((3, 3)).sum().item() == pytest.approx(1)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_unit_box(ndim: int, placement: str) -> None:
    domain = Domain.unit(ndim, placement)
    assert domain.ndim == ndim
    assert set(domain.axes) == {Axis(placement, 0.0, 1.0)}


def test_dict_round_trip() -> None:
    domain = Domain((Axis("nodal", -1.5, 2.0), Axis("periodic", 0, 2 * math.pi), Axis("cell", 3, 4)))
    assert Domain.from_dict(domain.to_dict()) == domain


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([{"placement": "nodal", "start": 0}], "not a list of"),
        ([1], "not a list of"),
        (None, "not a list of"),
        ([{"placement": "nodal", "start": "left", "stop": 1}], "not a list of"),
        ([{"placement": "modal", "start": 0, "stop": 1}], "placement: 'modal' is not known.*'nodal'"),
        ([{"placement": "nodal", "start": 1, "stop": 0}], "start must lie below stop"),
    ],
)
def test_bad_dict(data: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Domain.from_dict(data)


@pytest.mark.parametrize(
    ("start", "stop"), [(1, 1), (2, 1), (math.nan, 1), (0, math.nan), (0, math.inf), (-math.inf, 0)]
)
def test_bad_ends(start: float, stop: float) -> None:
    with pytest.raises(InputError, match="start must lie below stop"):
        Axis("cell", start, stop)


def test_shape_of_other_dimension() -> None:
    with pytest.raises(ValueError, match="zip"):
        Domain.unit(2).weights((3,))


def test_shape_name() -> None:
    assert shape_name((64, 32, 5)) == "64x32x5"
    assert shape_name((64,)) == "64"


@pytest.mark.parametrize(("start", "stop"), [(0.0, 1.0), (-1.0, 3.0)])
def test_the_ends_of_a_nodal_axis_are_its_ends_to_the_last_bit(start, stop):
    for n in range(2, 300):
        coordinates = Axis("nodal", start, stop).coordinates(n)
        assert (coordinates[0].item(), coordinates[-1].item()) == (start, stop)


@pytest.mark.parametrize("placement", ["nodal", "cell", "periodic"])
def test_one_sample_stands_for_the_whole_axis(placement):
    assert Axis(placement).weights(1).tolist() == [1.0]


def test_inputs_have_one_sample_on_axes_along_which_they_do_not_vary():
    assert input_shape((5, 7), None) == (5, 7)
    assert input_shape((5, 7), (1,)) == (1, 7)


SPHERE = Domain.sphere()


@pytest.mark.parametrize("n", [2, 3, 4, 9, 16, 33, 129])
def test_latitude_weights_integrate_polynomials_in_the_cosine(n):
    latitude = SPHERE.axes[0]
    x, weights = torch.cos(latitude.coordinates(n)), latitude.weights(n)
    assert weights.min() > 0
    assert weights.sum().item() == pytest.approx(1, rel=1e-14)
    torch.testing.assert_close(weights, weights.flip(0), rtol=0, atol=1e-16)
    for degree in range(n):
        expected = 0 if degree % 2 else 1 / (degree + 1)  # ½∫ x^degree dx over [-1, 1]
        assert (weights @ x**degree).item() == pytest.approx(expected, abs=1e-15)


def test_latitude_weights_are_torch_harmonics():
    from torch_harmonics.quadrature import clenshaw_curtiss_weights

    for n in (2, 3, 10, 33):
        torch.testing.assert_close(clenshaw_curtis(n), clenshaw_curtiss_weights(n)[1] / 2, rtol=0, atol=1e-15)


def test_latitudes_hold_both_poles_and_are_nested():
    latitude = SPHERE.axes[0]
    fine, coarse = latitude.coordinates(33), latitude.coordinates(9)
    assert (fine[0].item(), fine[-1].item()) == (0.0, math.pi)
    torch.testing.assert_close(fine[::4], coarse, rtol=0, atol=1e-15)
    assert latitude.intervals(33) == 32


def test_the_sphere():
    assert SPHERE.is_sphere
    assert Domain.from_dict(SPHERE.to_dict()).is_sphere
    assert not Domain((SPHERE.axes[0], Axis("periodic"))).is_sphere
    theta, phi = SPHERE.coordinates((9, 16))
    x = theta.sin() * phi.cos()
    assert ((x**2) * SPHERE.weights((9, 16))).sum().item() == pytest.approx(1 / 3, abs=1e-15)


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (0, 3.14159), (-math.pi / 2, math.pi / 2), (0, 180)])
def test_a_latitude_axis_runs_from_pole_to_pole(start, stop):
    with pytest.raises(InputError, match="latitude is the colatitude from 0 to π, in radians"):
        Axis("latitude", start, stop)
