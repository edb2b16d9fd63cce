"""Laws of the spectral convolution: what it computes, on which grids, by which path."""

import math

import numpy as np
import pytest
import torch

from nolab.errors import InputError
from nolab.grid import Axis, Domain
from nolab.spectral import SpectralConv

PLACEMENTS = ("nodal", "cell", "periodic")
PATHS = ("fft", "matmul")


def make(n_modes, channels=1, **options):
    torch.manual_seed(0)
    return SpectralConv(channels, channels, n_modes, **options)


def make_identity(n_modes, **options):
    conv = make(n_modes, bias=False, **options)
    with torch.no_grad():
        conv.weight.tensor.fill_(1)
    return conv


def band_limited(domain, shape, highest=4):
    """A real field with frequencies up to `highest`, seen through a grid: (1, 1, *shape), float64."""
    generator = torch.Generator().manual_seed(1)
    x = domain.coordinates(shape)
    starts = torch.tensor([axis.start for axis in domain.axes])
    lengths = torch.tensor([axis.length for axis in domain.axes])
    field = torch.full(shape, 0.3, dtype=torch.float64)
    for _ in range(6):
        k = torch.randint(-highest, highest + 1, (domain.ndim,), generator=generator) / lengths
        phase = torch.rand(1, generator=generator).double()
        offset = (x - starts.view(-1, *(1,) * domain.ndim)).movedim(0, -1) @ k.double()
        field = field + torch.cos(2 * math.pi * (offset + phase))
    return field[None, None]


def relative(a, b):
    return ((a - b).norm() / b.norm()).item()


def integrate(field, axis, k, period):
    """(1/P) ∫ f e^{-2πi k x/P} over the last axis: the line through the ends by Gauss quadrature."""
    n = field.shape[-1]
    x = (axis.coordinates(n).numpy() - axis.start) / axis.length
    line, exact = 0, 0
    if axis.placement == "nodal":
        nodes, gauss = np.polynomial.legendre.leggauss(60)
        nodes, gauss = (nodes + 1) / 2, gauss / 2
        first, last = field[..., :1], field[..., -1:]
        line = first + (last - first) * x
        exact = ((first + (last - first) * nodes) * np.exp(-2j * np.pi * k * nodes / period)) @ gauss
    rest = (field - line) * np.exp(-2j * np.pi * k * x / period)
    return (rest @ axis.weights(n).numpy() + exact) / period


def reference(conv, x, domain, period, bands, shape):
    """The definition in float64: integral by quadrature, one weight per mode, real part of the sum."""
    weight = conv.weight.to_tensor().detach().numpy().astype(complex)
    x = x.detach().double().numpy()
    position_out = [
        (a.coordinates(n).numpy() - a.start) / (a.length * period)
        for a, n in zip(domain.axes, shape, strict=True)
    ]
    out = np.zeros((x.shape[0], weight.shape[1], *shape))
    for index in np.ndindex(weight.shape[2:]):
        k = [i - m // 2 for i, m in zip(index[:-1], weight.shape[2:-1], strict=True)] + [index[-1]]
        if not all(low <= value <= high for value, (low, high) in zip(k, bands, strict=True)):
            continue
        coefficient = x
        for value, axis in zip(reversed(k), reversed(domain.axes), strict=True):
            coefficient = integrate(coefficient, axis, value, period)
        term = coefficient @ weight[(slice(None), slice(None), *index)]
        for value, place in zip(k, position_out, strict=True):
            term = term[..., None] * np.exp(2j * np.pi * value * place)
        nyquist = period == 1 and domain.axes[-1].placement == "periodic" and 2 * k[-1] == shape[-1]
        out += term.real * (1 if k[-1] == 0 or nyquist else 2)
    bias = 0 if conv.bias is None else conv.bias.detach().double().numpy()
    return torch.from_numpy(out + bias)


def open_bands(domain, *shapes, period=1.0):
    """|k| strictly below the Nyquist frequency of every grid."""
    highest = [
        max(k for k in range(1000) if all(2 * k < a.intervals(s[d]) * period for s in shapes))
        for d, a in enumerate(domain.axes)
    ]
    return [(-h, h) for h in highest]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("n", [32, 33, 85, 241])
@pytest.mark.parametrize("kind", ["index", *PLACEMENTS])
def test_identity_filter_returns_band_limited_fields(kind, n, path):
    discretization = "index" if kind == "index" else "consistent"
    for ndim in (1, 2):
        domain = Domain.unit(ndim, "periodic" if kind == "index" else kind)
        conv = make_identity((12,) * ndim, domain=domain, discretization=discretization, transform=path)
        x = band_limited(domain, (n,) * ndim)
        assert relative(conv(x.float()).double(), x) < 1e-6


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_identity_filter_in_three_dimensions(placement, path):
    domain = Domain(tuple(Axis(placement, start, start + 2) for start in (-1.0, 0.0, 3.0)))
    conv = make_identity((8, 6, 8), domain=domain, transform=path)
    x = band_limited(domain, (12, 13, 11), highest=2)
    assert relative(conv(x.float()).double(), x) < 1e-6


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize(
    ("shape", "out", "n_modes"),
    [
        ((9,), (9,), (6,)),
        ((8, 7), (8, 7), (5, 6)),
        ((7, 9), (12, 8), (6, 6)),
        ((4, 5, 6), (4, 5, 6), (4, 4, 4)),
    ],
)
def test_equals_the_definition(placement, shape, out, n_modes, path):
    domain = Domain(tuple(Axis(placement, 0.5 * d, 1.0 + d) for d in range(len(shape))))
    conv = make(n_modes, channels=2, domain=domain, transform=path)
    x = torch.randn(3, 2, *shape, dtype=torch.float64)
    expected = reference(conv, x, domain, 1.0, open_bands(domain, shape, out), out)
    assert relative(conv(x, output_shape=out), expected) < 1e-12


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("shape", "n_modes"), [((8,), (8,)), ((6, 8), (6, 8)), ((7, 5), (8, 8)), ((6, 6), (9, 4))]
)
def test_index_equals_the_definition_with_nyquist(shape, n_modes, path):
    """No Hermitian symmetry in the weights: only the real part of the sum may come out."""
    conv = make(n_modes, channels=2, discretization="index", transform=path)
    x = torch.randn(2, 2, *shape, dtype=torch.float64)
    bands = [(-(n // 2), (n - 1) // 2) for n in shape[:-1]] + [(0, shape[-1] // 2)]
    expected = reference(conv, x, Domain.unit(len(shape), "periodic"), 1.0, bands, shape)
    assert relative(conv(x), expected) < 1e-12


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_period_longer_than_the_domain(placement):
    domain, shape = Domain.unit(2, placement), (7, 8)
    conv = make((6, 12), channels=2, domain=domain, period=1.25)
    x = torch.randn(2, 2, *shape, dtype=torch.float64)
    expected = reference(conv, x, domain, 1.25, open_bands(domain, shape, period=1.25), shape)
    assert relative(conv(x), expected) < 1e-12


@pytest.mark.parametrize("discretization", ["consistent", "index"])
@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize(
    ("shape", "out"), [((10,), (10,)), ((9, 12), (9, 12)), ((8, 9), (13, 6)), ((5, 6, 7), (6, 6, 5))]
)
def test_paths_agree_with_equal_gradients(placement, shape, out, discretization):
    domain = Domain.unit(len(shape), placement)
    results = []
    for path in PATHS:
        conv = make(
            (6,) * len(shape), channels=3, domain=domain, discretization=discretization, transform=path
        )
        generator = torch.Generator().manual_seed(2)
        x = torch.randn(2, 3, *shape, dtype=torch.float64, generator=generator).requires_grad_()
        y = conv(x, output_shape=out)
        (y * torch.randn(y.shape, dtype=torch.float64, generator=generator)).sum().backward()
        results.append([y, x.grad, *(p.grad for p in conv.parameters())])
    for fft, matmul in zip(*results, strict=True):
        # The parameters' own gradients are rounded to the float32 in which they are stored.
        assert relative(fft, matmul) < (1e-12 if fft.dtype == torch.float64 else 1e-6)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("factorization", [None, "tucker"])
def test_gradcheck(path, factorization):
    conv = make((4, 4), channels=2, domain=Domain.unit(2), transform=path, factorization=factorization)
    conv.implementation = "factorized"
    names = [name for name, _ in conv.named_parameters()]
    values = [
        (p.detach().to(torch.complex128) if p.is_complex() else p.detach().double()).requires_grad_()
        for p in conv.parameters()
    ]
    x = torch.randn(1, 2, 5, 6, dtype=torch.float64, requires_grad=True)

    def apply(x, *parameters):
        return torch.func.functional_call(conv, dict(zip(names, parameters, strict=True)), (x,))

    assert torch.autograd.gradcheck(apply, (x, *values), fast_mode=True)


def test_levels_are_one_operator():
    """On nodal grids the consistent operator converges at second order, the index one at first."""
    domain, levels = Domain.unit(1), (17, 33, 65)
    errors = {}
    for discretization in ("consistent", "index"):
        conv = make((8,), domain=domain, discretization=discretization)
        outputs = {}
        for n in (*levels, 2049):
            x = domain.axes[0].coordinates(n)
            outputs[n] = conv((x * (1 - x) * torch.exp(x))[None, None])[0, 0]
        exact = outputs[2049]
        errors[discretization] = [relative(outputs[n], exact[:: 2048 // (n - 1)]) for n in levels]
    coarse, _, fine = errors["consistent"]
    assert coarse / fine > 12
    assert errors["index"][0] / errors["index"][2] < 6
    assert fine < errors["index"][2] / 30


@pytest.mark.parametrize("path", PATHS)
def test_a_ramp_has_the_same_coefficients_on_every_nodal_grid(path):
    """Its periodic continuation jumps; the trapezoid rule alone would alias the jump by (πk/m)²/3."""
    domain = Domain(tuple(Axis("nodal", 1.0, 3.0) for _ in range(2)))
    conv = make((6, 6), channels=1, domain=domain, transform=path).double()
    outputs = []
    for n in (9, 17, 65):
        x, y = domain.coordinates((n, n))
        field = (2 + 3 * x - y + 0.5 * x * y)[None, None]
        outputs.append(conv(field)[..., :: (n - 1) // 8, :: (n - 1) // 8])
    assert relative(outputs[0], outputs[2]) < 1e-12
    assert relative(outputs[1], outputs[2]) < 1e-12


@pytest.mark.parametrize("path", PATHS)
def test_coarse_grids_keep_the_pairing_of_modes_and_weights(path):
    """17 points carry |k| <= 7 of 24 modes, and treat those as 65 points do."""
    domain = Domain.unit(2)
    conv = make((24, 24), domain=domain, transform=path)
    coarse, fine = (conv(band_limited(domain, (n, n))) for n in (17, 65))
    assert relative(coarse, fine[..., ::4, ::4]) < 1e-12


def test_fewer_modes_keep_their_weights():
    conv = make((8, 8), domain=Domain.unit(2))
    x = band_limited(Domain.unit(2), (33, 33), highest=1)
    full = conv(x)
    conv.n_modes = (4, 4)
    assert conv.n_modes == [4, 3]
    assert relative(conv(x), full) < 1e-12


def test_autocast_computes_in_float32():
    conv, x = make((6, 6), channels=3, domain=Domain.unit(2)), torch.randn(2, 3, 9, 9)
    plain = conv(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(conv(x), plain)
        half = conv(x.bfloat16())
    assert half.dtype == torch.bfloat16
    assert torch.equal(half, conv(x.bfloat16().float()).bfloat16())


@pytest.mark.parametrize("path", PATHS)
def test_training_after_inference_mode(path):
    """Constants made under inference_mode must not come back in a training step."""
    conv, x = make((5, 5), domain=Domain.unit(2), transform=path), torch.randn(1, 1, 19, 23)
    with torch.inference_mode():
        conv(x)
    conv(x).sum().backward()


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_transform_interpolates_on_coordinates(placement):
    domain = Domain((Axis(placement, -1, 2), Axis(placement, 0, 5)))
    conv = make((4, 4), domain=domain)
    coarse, fine = domain.coordinates((9, 8))[None], domain.coordinates((17, 24))[None]
    out = conv.transform(coarse, output_shape=(17, 24))
    inside = (..., slice(0, 15), slice(0, 21)) if placement == "periodic" else ...
    assert torch.allclose(out[inside], fine[inside], atol=1e-12)
    assert conv.transform(coarse) is coarse


def test_resolution_scaling():
    conv = make((4, 4), domain=Domain.unit(2), resolution_scaling_factor=2)
    x = torch.randn(1, 1, 8, 10)
    assert conv(x).shape == conv.transform(x).shape == (1, 1, 16, 20)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"discretization": "indx"}, "Did you mean 'index'"),
        ({"transform": "dft"}, "transform"),
        ({"implementation": "factorised"}, "Did you mean 'factorized'"),
        ({"factorization": "tuker"}, "Did you mean 'tucker'"),
        ({"complex_data": True}, "complex_data"),
        ({"fno_block_precision": "mixed"}, "fno_block_precision"),
        ({"domain": Domain.unit(3)}, "dimension 3"),
        ({"period": 0.5}, "period: must be at least 1"),
        ({"period": (1.0, 1.0, 1.0)}, "one per axis"),
        ({"period": 1.5, "transform": "fft"}, "transform=matmul"),
        ({"period": 1.5, "discretization": "index"}, "discretization=consistent"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        make((4, 4), **options)


def test_a_grid_without_interval_is_refused():
    with pytest.raises(InputError, match="needs more points"):
        make((4,), domain=Domain.unit(1))(torch.ones(1, 1, 1))
