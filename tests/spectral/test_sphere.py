"""Spherical harmonic transform and spherical convolution: laws in float64, levels, precision, parity."""

import math
from itertools import product

import pytest
import scipy.special
import torch
from torch_harmonics import InverseRealSHT, RealSHT

from nolab.errors import InputError
from nolab.grid import Domain, clenshaw_curtis
from nolab.spectral import SpectralConv, SphericalConv
from nolab.spectral.legendre import legendre
from nolab.spectral.precision import SpectralPrecision, spectral_precision
from nolab.spectral.sphere import analyse, carried, synthesise

SPHERE = Domain.sphere()
GRIDS = [(9, 16), (9, 15), (10, 17), (12, 9), (17, 32)]


def coefficients(degrees, orders, channels=2, dtype=torch.float64):
    """Those of a random real field."""
    torch.manual_seed(1)
    pairs = torch.randn(2, channels, degrees, orders, 2, dtype=torch.float64)
    for order in range(orders):
        pairs[..., :order, order, :] = 0
    pairs[..., 0, 1] = 0
    return pairs.to(dtype)


def make(channels=(2, 3), n_modes=(8, 16), dtype=torch.float64, **options):
    torch.manual_seed(0)
    return SphericalConv(*channels, n_modes, **options).to(dtype)


def polar(degree, order, theta):
    """P_l^m(cos θ), normalised, by SciPy and without its Condon–Shortley phase."""
    ratio = math.factorial(degree - order) / math.factorial(degree + order)
    norm = (-1) ** order * math.sqrt((2 * degree + 1) / (4 * math.pi) * ratio)
    return norm * torch.from_numpy(scipy.special.lpmv(order, degree, theta.cos().numpy()))


def harmonic(degree, order, theta, phi):
    """Y_l^m at the points (θ, φ)."""
    return polar(degree, order, theta) * torch.polar(torch.ones_like(phi), order * phi)


@pytest.mark.parametrize("n", [2, 7, 40])
def test_legendre_functions_are_scipys(n):
    theta = math.pi * torch.linspace(0, 1, n, dtype=torch.float64)
    ours = legendre(theta / math.pi, 12, 9)
    for order, degree in product(range(9), range(12)):
        expected = polar(degree, order, theta) if order <= degree else torch.zeros_like(theta)
        torch.testing.assert_close(ours[order, degree], expected, rtol=1e-11, atol=1e-13)


def test_high_degrees_stay_orthonormal():
    p = legendre(torch.linspace(0, 1, 513, dtype=torch.float64), 256, 200)[::57]
    gram = 4 * math.pi * (p * clenshaw_curtis(513)) @ p.mT
    for order, matrix in zip(range(0, 200, 57), gram, strict=True):
        expected = torch.diag((torch.arange(256) >= order).double())
        assert (matrix - expected).abs().max() < 1e-11


@pytest.mark.parametrize("shape", GRIDS)
def test_analysis_of_each_harmonic_is_its_coefficient(shape):
    degrees, orders = carried(shape)
    for degree, order in product(range(degrees), range(orders)):
        if order > degree:
            continue
        field = (harmonic(degree, order, *SPHERE.coordinates(shape)) * (0.3 - 0.4j)).real
        field *= 1 if order == 0 else 2
        found = torch.view_as_complex(analyse(field[None, None], degrees, orders).contiguous())[0, 0]
        expected = torch.zeros_like(found)
        expected[degree, order] = 0.3 - 0.4j if order else 0.3
        assert (found - expected).abs().max() < 1e-13


@pytest.mark.parametrize("shape", GRIDS)
def test_fields_that_the_grid_carries_come_back(shape):
    pairs = coefficients(*carried(shape))
    field = synthesise(pairs, shape)
    assert (analyse(field, *carried(shape)) - pairs).abs().max() < 1e-12
    # At a pole all longitudes are one point.
    for pole in (0, -1):
        assert (field[:, :, pole] - field[:, :, pole, :1]).abs().max() < 1e-12


@pytest.mark.parametrize("shape", [(17, 32), (16, 31)])
def test_transform_is_torch_harmonics_where_its_quadrature_is_exact(shape):
    pairs = coefficients(8, 8)
    options = {"nlat": shape[0], "nlon": shape[1], "lmax": 8, "mmax": 8, "csphase": False}
    there, back = InverseRealSHT(**options), RealSHT(**options)
    field = synthesise(pairs, shape)
    assert (field - there(torch.view_as_complex(pairs))).abs().max() < 1e-12
    assert (torch.view_as_complex(analyse(field, 8, 8).contiguous()) - back(field)).abs().max() < 1e-12


def test_mean_is_that_of_the_grids_weights():
    field = torch.randn(1, 1, 9, 16, dtype=torch.float64)
    mean = analyse(field, 3, 3)[0, 0, 0, 0, 0] / math.sqrt(4 * math.pi)
    assert mean.item() == pytest.approx((field[0, 0] * SPHERE.weights((9, 16))).sum().item(), abs=1e-14)


def test_levels_are_one_operator():
    """On fields that they carry all grids give the same output, odd and even ones, and points between them too."""
    conv = make()
    fine = conv(synthesise(coefficients(8, 8), (33, 64)))
    for shape, stride in (((17, 32), 2), ((9, 16), 4)):
        coarse = conv(synthesise(coefficients(8, 8), shape))
        assert (coarse - fine[..., ::stride, ::stride]).abs().max() < 1e-11
    at_once = conv(synthesise(coefficients(8, 8), (12, 19)), output_shape=(33, 64))
    assert (at_once - fine).abs().max() < 1e-11


def test_coarse_grids_keep_what_they_carry():
    conv = make(n_modes=(12, 24))
    assert conv.clipped((13, 24)) is None
    assert conv.clipped((9, 16)) == "8x8 of 12x12 degrees and orders"
    assert conv.clipped((33, 10)) == "12x5 of 12x12 degrees and orders"
    assert make(n_modes=(8, 40)).clipped((9, 16)) is None  # a degree has no more orders than l + 1
    coarse = conv(synthesise(coefficients(8, 8), (9, 16)))
    fine = conv(synthesise(coefficients(8, 8), (33, 64)))
    assert (coarse - fine[..., ::4, ::4]).abs().max() < 1e-11


def test_commutes_with_rotations_about_the_axis():
    conv, field = make(bias=False), torch.randn(2, 2, 9, 15, dtype=torch.float64)
    assert (conv(field.roll(4, -1)) - conv(field).roll(4, -1)).abs().max() < 1e-12


def test_real_weights_commute_with_every_rotation():
    """Rotate (x, y, z) to (y, z, x): polynomials in x, y, z of degree 3 are fields of 4 degrees."""
    conv = make((1, 1), (4, 8), bias=False)
    with torch.no_grad():
        conv.weight.tensor.imag.zero_()
    theta, phi = SPHERE.coordinates((9, 16))
    x, y, z = theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()

    def polynomial(a, b, c):
        return (a**2 * b - 0.3 * c * b + 2 * c**3 - 0.7 * a + 1)[None, None]

    before, after = (conv(polynomial(*axes)) for axes in ((x, y, z), (y, z, x)))
    # Read the first output at the rotated points, by its own series.
    pairs = torch.view_as_complex(analyse(before, 4, 4).contiguous())[0, 0]
    new_theta, new_phi = torch.arccos(x.clamp(-1, 1)), torch.atan2(z, y)
    expected = sum(
        (1 if order == 0 else 2)
        * (pairs[degree, order].detach() * harmonic(degree, order, new_theta, new_phi)).real
        for degree in range(4)
        for order in range(degree + 1)
    )
    assert (after[0, 0] - expected).abs().max() < 1e-12


@pytest.mark.parametrize("implementation", ["reconstructed", "factorized"])
@pytest.mark.parametrize("factorization", [None, "tucker", "cp", "tt"])
def test_parity_with_neuraloperator(factorization, implementation):
    from neuralop.layers.spherical_convolution import SphericalConv as Theirs

    options = {"factorization": factorization, "implementation": implementation, "rank": 0.4}
    layers = []
    for kind in (SphericalConv, Theirs):
        torch.manual_seed(0)
        layers.append(kind(2, 3, (8, 16), **options))
    ours, theirs = layers
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.mul_(1.1)
    ours.load_state_dict(theirs.state_dict())
    field = synthesise(coefficients(8, 8, dtype=torch.float32), (17, 32))
    expected = theirs(field)
    assert (ours(field) - expected).norm() < 1e-5 * expected.norm()
    theirs.load_state_dict(ours.state_dict())


@pytest.mark.parametrize("factorization", [None, "cp"])
def test_separable_weights_multiply_each_channel(factorization):
    conv = make((3, 3), separable=True, bias=False, factorization=factorization)
    field = synthesise(coefficients(8, 8, channels=3), (9, 16))
    weight = conv.weight.to_tensor() if factorization else conv.weight.tensor
    pairs = torch.view_as_complex(analyse(field, 8, 8).contiguous()) * weight[..., None]
    assert (conv(field) - synthesise(torch.view_as_real(pairs), (9, 16))).abs().max() < 1e-12


def run(conv, x, precision):
    x = x.clone().requires_grad_()
    with spectral_precision(precision):
        out = conv(x)
        torch.manual_seed(2)
        direction = torch.randn(out.shape, dtype=torch.float64).to(out.dtype)
        return out.detach(), *torch.autograd.grad((out * direction).sum(), [x, *conv.parameters()])


@pytest.mark.parametrize(
    ("dtype", "bound"), [(torch.float32, 1e-6), (torch.float16, 2e-3), (torch.bfloat16, 1.5e-2)]
)
def test_error_of_each_precision_in_output_and_gradient(dtype, bound):
    conv, exact = (
        make(n_modes=(16, 32), dtype=torch.float32),
        make(n_modes=(16, 32), dtype=torch.float32).double(),
    )
    x = torch.randn(3, 2, 33, 64)
    expected = run(exact, x.double(), SpectralPrecision())
    for got, right in zip(run(conv, x, SpectralPrecision(dtype, dtype, dtype)), expected, strict=True):
        assert got.dtype == torch.float32
        assert (got - right).norm() < bound * right.norm()


@pytest.mark.parametrize("scale", [1e-4, 1e5])
def test_float16_takes_fields_of_any_size(scale):
    conv = make(n_modes=(16, 32), dtype=torch.float32, bias=False)
    half = SpectralPrecision(torch.float16, torch.float16, torch.float16)
    x = torch.randn(3, 2, 33, 64)
    with torch.no_grad(), spectral_precision(half):
        assert (conv(scale * x) / scale - conv(x)).norm() < 2e-3 * conv(x).norm()


def test_float64_stays_and_autocast_is_ignored():
    conv = make(dtype=torch.float32)
    x = torch.randn(2, 2, 9, 16)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(conv(x), conv(x.float()))
    assert make()(x.double()).dtype == torch.float64
    assert conv.half_obstacle is None


def test_compiles_without_graph_breaks():
    conv = make(dtype=torch.float32)
    compiled = torch.compile(conv, backend="eager", fullgraph=True, dynamic=False)
    for shape in ((9, 16), (17, 32)):
        x = torch.randn(2, 2, *shape)
        assert torch.allclose(compiled(x), conv(x), atol=1e-6)


def test_resolution_scaling_and_the_skips_resampling():
    conv = make(resolution_scaling_factor=[2, 2])
    x = torch.randn(1, 2, 9, 16, dtype=torch.float64)
    assert conv(x).shape == (1, 3, 18, 32)
    assert conv.transform(x).shape == (1, 2, 18, 32)
    assert make().transform(x) is x
    nested = conv.transform(x, output_shape=(17, 32))
    assert (nested[..., ::2, ::2] - x).abs().max() < 1e-14


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_modes": 8}, r"n_modes: must be \(degrees, twice the orders\).*got 8"),
        ({"n_modes": (8,)}, "n_modes"),
        ({"n_modes": (0, 8)}, "n_modes"),
        ({"n_modes": (8, 1)}, "n_modes"),
        ({"separable": True}, "separable: .*separable=False"),
        ({"factorization": "tuckr"}, "Did you mean 'tucker'"),
        ({"implementation": "factorised"}, "Did you mean 'factorized'"),
        ({"complex_data": True}, "complex_data"),
        ({"fno_block_precision": "half"}, "precision mode of the run"),
    ],
)
def test_bad_arguments(given, message):
    with pytest.raises(InputError, match=message):
        SphericalConv(2, 3, **{"n_modes": (8, 16), **given})


@pytest.mark.parametrize("discretization", ["consistent", "index"])
def test_the_fourier_convolution_refuses_the_sphere(discretization):
    with pytest.raises(InputError, match="model=sfno"):
        SpectralConv(2, 2, (8, 8), domain=SPHERE, discretization=discretization)


def test_a_grid_without_intervals_is_refused():
    with pytest.raises(InputError, match="a latitude axis needs more points than 1"):
        make()(torch.randn(1, 2, 1, 16, dtype=torch.float64))
