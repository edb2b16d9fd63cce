"""Restriction: every level is the same field seen on another grid."""

import numpy as np
import pytest
import scipy.fft
from hypothesis import given, settings
from hypothesis import strategies as st

from nolab.data.restriction import restrict, restriction_matrix, subsample_stride
from nolab.errors import InputError
from nolab.grid import Axis, Domain

METHODS = ["subsample", "average", "spectral"]
FIXED = settings(derandomize=True, deadline=None)
GRIDS = [
    # placement, fine, middle, coarse
    ("nodal", 65, 33, 17),
    ("periodic", 64, 32, 16),
    ("periodic", 45, 15, 5),
    ("cell", 81, 27, 9),
]
EVEN_CELLS = ("cell", 64, 32, 16)


def noise(*shape: int, dtype: type = np.float64) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize(
    ("axis", "fine", "coarse", "indices"),
    [
        (Axis("nodal"), 9, 5, [0, 2, 4, 6, 8]),
        (Axis("nodal"), 13, 4, [0, 4, 8, 12]),
        (Axis("periodic"), 12, 4, [0, 3, 6, 9]),
        (Axis("periodic"), 8, 4, [0, 2, 4, 6]),
        (Axis("cell"), 9, 3, [1, 4, 7]),
        (Axis("cell"), 10, 2, [2, 7]),
    ],
)
def test_subsample_takes_exact_subsets(axis: Axis, fine: int, coarse: int, indices: list[int]) -> None:
    field = noise(2, 3, fine, dtype=np.float32)
    got = restrict(field, Domain((axis,)), (coarse,), "subsample")
    assert got.dtype == np.float32
    assert got.flags.c_contiguous
    assert (got == field[..., indices]).all()
    assert (restriction_matrix(axis, fine, coarse, "subsample") == np.eye(fine)[indices]).all()
    # They are the same places.
    np.testing.assert_allclose(axis.coordinates(fine)[indices], axis.coordinates(coarse), atol=1e-15)


@pytest.mark.parametrize(("fine", "coarse"), [(8, 4), (24, 4), (16, 4)])
def test_even_ratios_of_cells_have_no_common_centres(fine: int, coarse: int) -> None:
    with pytest.raises(InputError, match=f"{coarse} cells .* of {fine} .*even.*restriction=average"):
        subsample_stride(Axis("cell"), fine, coarse)


@pytest.mark.parametrize(("placement", "fine", "middle", "coarse"), GRIDS)
@pytest.mark.parametrize(("method", "tolerance"), [("subsample", 0), ("spectral", 1e-10)])
def test_restrictions_commute(
    placement: str, fine: int, middle: int, coarse: int, method: str, tolerance: float
) -> None:
    domain = Domain.unit(2, placement)
    field = noise(2, 1, fine, fine)
    at_once = restrict(field, domain, (coarse, coarse), method)
    in_steps = restrict(restrict(field, domain, (middle, middle), method), domain, (coarse, coarse), method)
    np.testing.assert_allclose(in_steps, at_once, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("fine", "middle", "coarse"), [(64, 32, 16), (64, 33, 11)])
def test_spectral_and_average_commute_on_cells(fine: int, middle: int, coarse: int) -> None:
    axis = Axis("cell")

    def matrix(a: int, b: int, method: str) -> np.ndarray:
        return restriction_matrix(axis, a, b, method)

    spectral = matrix(middle, coarse, "spectral") @ matrix(fine, middle, "spectral")
    np.testing.assert_allclose(spectral, matrix(fine, coarse, "spectral"), atol=1e-12)
    average = matrix(32, 16, "average") @ matrix(64, 32, "average")
    np.testing.assert_allclose(average, matrix(64, 16, "average"), atol=1e-15)


@pytest.mark.parametrize(
    ("placement", "fine", "middle", "coarse", "method"),
    [(*grid, m) for grid in GRIDS for m in METHODS] + [(*EVEN_CELLS, m) for m in METHODS[1:]],
)
def test_constants_stay(placement: str, fine: int, middle: int, coarse: int, method: str) -> None:
    for n in (middle, coarse):
        matrix = restriction_matrix(Axis(placement, -1, 4), fine, n, method)
        assert matrix.shape == (n, fine)
        np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-12)


# A truncated cosine series on nodes is integrated with the error of the trapezoid rule: not here.
INTEGRALS = [
    (*grid, method)
    for grid in [*GRIDS, EVEN_CELLS]
    for method in ("average", "spectral")
    if (grid[0], method) != ("nodal", "spectral")
]


@pytest.mark.parametrize(("placement", "fine", "middle", "coarse", "method"), INTEGRALS)
def test_integrals_stay(placement: str, fine: int, middle: int, coarse: int, method: str) -> None:
    domain = Domain.unit(2, placement)
    field = noise(1, 1, fine, fine)
    got = restrict(field, domain, (coarse, middle), method)
    means = [(f * domain.weights(f.shape[2:]).numpy()).sum() for f in (field, got)]
    assert means[1] == pytest.approx(means[0], abs=1e-13)


def smooth(axis: Axis, n: int) -> np.ndarray:
    """Analytic; its cosine or Fourier series converges geometrically."""
    x = (axis.coordinates(n).numpy() - axis.start) / axis.length
    return np.exp(np.cos((2 if axis.placement == "periodic" else 1) * np.pi * x))


def errors(placement: str, method: str, sizes: list[tuple[int, int]], ends: bool) -> list[float]:
    axis = Axis(placement, 1.0, 3.0)
    cut = slice(None) if ends else slice(1, -1)
    return [
        float(np.abs(restriction_matrix(axis, f, c, method) @ smooth(axis, f) - smooth(axis, c))[cut].max())
        for f, c in sizes
    ]


@pytest.mark.parametrize(
    ("placement", "sizes"),
    [
        ("cell", [(32, 16), (64, 32), (128, 64)]),
        ("periodic", [(64, 32), (128, 64), (256, 128)]),
        ("nodal", [(33, 17), (65, 33), (129, 65)]),
    ],
)
def test_averages_converge_with_second_order(placement: str, sizes: list[tuple[int, int]]) -> None:
    a, b, c = errors(placement, "average", sizes, ends=placement != "nodal")
    assert a / b == pytest.approx(4, rel=0.1)
    assert b / c == pytest.approx(4, rel=0.05)


@pytest.mark.parametrize(
    ("placement", "sizes"),
    [
        ("cell", [(96, 4), (96, 8), (96, 16)]),
        ("periodic", [(96, 8), (96, 15), (96, 32)]),
        ("nodal", [(97, 5), (97, 9), (97, 17)]),
    ],
)
def test_spectral_restriction_converges_spectrally(placement: str, sizes: list[tuple[int, int]]) -> None:
    a, b, c = errors(placement, "spectral", sizes, ends=True)
    assert a < 0.05
    assert b < 1e-3 * a
    assert c < 1e-13


def by_dct(field: np.ndarray, n: int, kind: int) -> np.ndarray:
    """The first n terms of the cosine series by SciPy, at n samples."""
    fine = scipy.fft.dct(field, type=kind)
    coarse = fine[..., :n].copy()
    if kind == 1:
        # SciPy counts the ends' coefficient once and the others twice.
        coarse[..., -1] *= 2
        return scipy.fft.idct(coarse, type=1) * (n - 1) / (field.shape[-1] - 1)
    return scipy.fft.idct(coarse, type=2) * n / field.shape[-1]


@pytest.mark.parametrize(
    ("placement", "kind", "fine", "coarse"),
    [("nodal", 1, 65, 17), ("nodal", 1, 34, 12), ("cell", 2, 64, 16), ("cell", 2, 45, 14)],
)
def test_spectral_restriction_is_the_truncated_dct(placement: str, kind: int, fine: int, coarse: int) -> None:
    field = noise(3, 2, fine)
    got = restrict(field, Domain.unit(1, placement), (coarse,), "spectral")
    np.testing.assert_allclose(got, by_dct(field, coarse, kind), atol=1e-12)


@pytest.mark.parametrize(("fine", "coarse"), [(45, 15), (45, 11), (64, 21), (33, 31)])
def test_spectral_restriction_is_the_truncated_rfft(fine: int, coarse: int) -> None:
    field = noise(3, 2, fine)
    want = np.fft.irfft(np.fft.rfft(field)[..., : coarse // 2 + 1], coarse) * coarse / fine
    got = restrict(field, Domain.unit(1, "periodic"), (coarse,), "spectral")
    np.testing.assert_allclose(got, want, atol=1e-12)


@pytest.mark.parametrize(("fine", "coarse"), [(64, 16), (48, 12), (45, 10), (63, 16), (18, 16)])
def test_fields_within_the_coarse_band_are_sampled(fine: int, coarse: int) -> None:
    """Up to and with the Nyquist wave of an even grid, whose sine vanishes at the samples."""
    axis = Axis("periodic", 0, 2 * np.pi)
    matrix = restriction_matrix(axis, fine, coarse, "spectral")
    x, y = axis.coordinates(fine).numpy(), axis.coordinates(coarse).numpy()
    for k in range(coarse // 2 + 1):
        for wave in (np.cos, np.sin):
            np.testing.assert_allclose(matrix @ wave(k * x), wave(k * y), atol=1e-12)
    for k in range(coarse // 2 + 1, (fine + 1) // 2):
        np.testing.assert_allclose(matrix @ np.cos(k * x + 0.3), 0, atol=1e-12)


@pytest.mark.parametrize(("placement", "fine", "coarse"), [("nodal", 33, 20), ("cell", 32, 9)])
def test_cosines_within_the_coarse_band_are_sampled_and_the_rest_vanishes(
    placement: str, fine: int, coarse: int
) -> None:
    axis = Axis(placement)
    matrix = restriction_matrix(axis, fine, coarse, "spectral")
    x, y = axis.coordinates(fine).numpy(), axis.coordinates(coarse).numpy()
    for k in range(fine):
        want = np.cos(np.pi * k * y) if k < coarse else np.zeros(coarse)
        np.testing.assert_allclose(matrix @ np.cos(np.pi * k * x), want, atol=1e-12)


@FIXED
@given(st.sampled_from(METHODS), st.floats(-4, 4), st.floats(-4, 4), st.integers(0, 2**16))
def test_linear(method: str, a: float, b: float, seed: int) -> None:
    domain = Domain((Axis("nodal"), Axis("periodic"), Axis("cell", 0, 2)))
    u, v = np.random.default_rng(seed).standard_normal((2, 2, 1, 9, 8, 9))

    def to_coarse(field: np.ndarray) -> np.ndarray:
        return restrict(field, domain, (5, 4, 3), method)

    np.testing.assert_allclose(to_coarse(a * u + b * v), a * to_coarse(u) + b * to_coarse(v), atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_axes_are_restricted_one_by_one(method: str) -> None:
    domain = Domain((Axis("nodal"), Axis("periodic"), Axis("cell")))
    field = noise(2, 3, 9, 8, 9)
    matrices = [
        restriction_matrix(axis, fine, coarse, method)
        for axis, fine, coarse in zip(domain.axes, (9, 8, 9), (5, 4, 3), strict=True)
    ]
    want = np.einsum("pi,qj,rk,ncijk->ncpqr", *matrices, field)
    np.testing.assert_allclose(restrict(field, domain, (5, 4, 3), method), want, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("ndim", [1, 2])
def test_a_samples_bits_do_not_depend_on_its_neighbours(method: str, ndim: int) -> None:
    field = noise(23, 2, *(33,) * ndim, dtype=np.float32)
    whole = restrict(field, Domain.unit(ndim), (17,) * ndim, method)
    for rows in ([0], [5, 6, 7], [22, 1]):
        assert (restrict(field[rows], Domain.unit(ndim), (17,) * ndim, method) == whole[rows]).all()


@pytest.mark.parametrize("method", METHODS)
def test_the_same_grid_is_left_alone(method: str) -> None:
    field = noise(1, 1, 7, 6, dtype=np.float32)
    assert (restrict(field, Domain.unit(2), (7, 6), method) == field).all()


@pytest.mark.parametrize(
    ("placement", "fine", "coarse", "rule"),
    [("nodal", 65, 32, r"\(n-1\)"), ("periodic", 64, 33, "n must divide"), ("cell", 27, 10, "n must divide")],
)
@pytest.mark.parametrize("method", ["subsample", "average"])
def test_sizes_that_do_not_divide_are_refused(
    placement: str, fine: int, coarse: int, rule: str, method: str
) -> None:
    with pytest.raises(InputError, match=rf"{coarse} points are no {method} restriction of {fine} .*{rule}"):
        restrict(noise(1, 1, fine), Domain.unit(1, placement), (coarse,), method)
    assert restrict(noise(1, 1, fine), Domain.unit(1, placement), (coarse,), "spectral").shape[-1] == coarse


@pytest.mark.parametrize(("method", "coarse"), [(m, c) for m in METHODS for c in (33, 1)])
def test_finer_or_single_points_are_refused(method: str, coarse: int) -> None:
    with pytest.raises(InputError, match=rf"{coarse} points .* restriction of 17"):
        restriction_matrix(Axis(), 17, coarse, method)


def test_unknown_method() -> None:
    with pytest.raises(InputError, match=r"hierarchy\.restriction: 'averge' .*mean 'average'"):
        restriction_matrix(Axis(), 17, 9, "averge")


def test_the_sphere_is_subsampled():
    field = noise(2, 1, 17, 32)
    assert (restrict(field, Domain.sphere(), (9, 16), "subsample") == field[..., ::2, ::2]).all()
    with pytest.raises(
        InputError, match=r"8 points are no subsample .* latitude axis: \(n-1\).*other sizes$"
    ):
        restrict(field, Domain.sphere(), (8, 16), "subsample")


@pytest.mark.parametrize("method", ["average", "spectral"])
def test_latitudes_are_neither_averaged_nor_cut_in_series(method):
    field = noise(2, 1, 17, 32)
    with pytest.raises(InputError, match=rf"{method} is not defined along latitudes; use .*=subsample"):
        restrict(field, Domain.sphere(), (9, 16), method)
    assert restrict(field, Domain.sphere(), (17, 16), method).shape == (2, 1, 17, 16)
