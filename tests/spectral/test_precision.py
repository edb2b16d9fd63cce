"""Spectral layers below float32: how exact they are, what keeps them in range, what they keep and compile to."""

from contextlib import contextmanager
from itertools import product

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from nolab.errors import InputError
from nolab.grid import Domain
from nolab.spectral import SpectralConv, contraction, products
from nolab.spectral.precision import SpectralPrecision, current, spectral_precision, stabilise

F32, F16, BF16 = torch.float32, torch.float16, torch.bfloat16
FULL, HALF, BRAIN = SpectralPrecision(), SpectralPrecision(F16, F16, F16), SpectralPrecision(BF16, BF16, BF16)
UNSCALED = SpectralPrecision(F16, F16, F16, "none")
# Name: stages, and bounds from above and below on the relative error against float64.
STAGES = {
    "fp32": (FULL, 8e-7, 1e-9),
    "half": (HALF, 2e-3, 1e-4),
    "mixed_fp32_transform": (SpectralPrecision(F32, F16, F16), 1.7e-3, 1e-4),
    "bfloat16": (BRAIN, 1.5e-2, 1e-3),
}
WEIGHTS = {
    "dense": {},
    **{
        f"{kind}-{name}": {"factorization": kind, "implementation": implementation, "contraction": order}
        for kind in ("tucker", "cp", "tt")
        for name, implementation, order in (
            ("reconstructed", "reconstructed", "flops"),
            ("flops", "factorized", "flops"),
            ("memory", "factorized", "memory"),
        )
    },
}
FACTORIZED = {name: options for name, options in WEIGHTS.items() if "reconstructed" not in name}
GRIDS = [("nodal", "consistent"), ("cell", "consistent"), ("periodic", "consistent"), ("nodal", "index")]


def make(n_modes, placement="nodal", channels=(4, 3), transform="auto", seed=0, **options):
    torch.manual_seed(seed)
    domain = Domain.unit(len(n_modes), placement)
    return SpectralConv(*channels, n_modes, domain=domain, transform=transform, rank=0.5, **options)


def white(*shape, seed=1, dtype=F32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def smooth(*shape, seed=1):
    """Gaussian random fields of unit variance with the spectrum of (1 - Δ)^-1."""
    dims = tuple(range(2, len(shape)))
    spectrum = torch.fft.fftn(white(*shape, seed=seed), dim=dims)
    for dim in dims:
        k = torch.fft.fftfreq(shape[dim], 1 / shape[dim])
        spectrum = spectrum / (1 + k.square()).view(-1, *(1,) * (len(shape) - dim - 1))
    field = torch.fft.ifftn(spectrum, dim=dims).real
    return field / field.std()


def real(x):
    return torch.view_as_real(x) if x.is_complex() else x


def flat(parts):
    return torch.cat([real(part).flatten() for part in parts])


def relative(a, b):
    return ((real(a).double() - real(b).double()).norm() / real(b).double().norm()).item()


def results(conv, x, precision, size=1.0):
    """Output, and gradients of input and weights, of a random linear functional whose slopes are of `size`."""
    conv.zero_grad()
    x = x.clone().requires_grad_()
    with spectral_precision(precision):
        y = conv(x)
        y.backward((size * white(*y.shape, seed=2, dtype=torch.float64)).to(y.dtype))
    weights = [p.grad for name, p in conv.named_parameters() if not name.endswith("bias")]
    return {"output": y.detach(), "input's gradient": x.grad, "weights' gradient": flat(weights)}


class TestAccuracy:
    @pytest.mark.parametrize("weights", WEIGHTS)
    @pytest.mark.parametrize("n", [(17,), (32,), (16, 13), (33, 33), (8, 9, 10)], ids=str)
    def test_error_of_output_and_gradients(self, n, weights):
        modes = {1: (10,), 2: (8, 8), 3: (4, 5, 4)}[len(n)]
        for (placement, discretization), draw in product(GRIDS, (white, smooth)):
            conv = make(modes, placement, discretization=discretization, bias=False, **WEIGHTS[weights])
            x = draw(2, 4, *n)
            exact = results(conv, x.double(), FULL)
            for name, (precision, upper, lower) in STAGES.items():
                for part, value in results(conv, x, precision).items():
                    error = relative(value, exact[part])
                    assert lower < error < upper, (name, part, placement, discretization, draw.__name__)

    @pytest.mark.parametrize("kind", [None, "tucker", "cp", "tt"])
    @pytest.mark.parametrize("implementation", ["factorized", "reconstructed"])
    def test_separable_weights(self, kind, implementation):
        conv = make(
            (8, 8),
            channels=(3, 3),
            factorization=kind,
            implementation=implementation,
            separable=True,
            bias=False,
        )
        x = white(2, 3, 17, 17)
        exact = results(conv, x.double(), FULL)
        for name, (precision, upper, lower) in STAGES.items():
            for part, value in results(conv, x, precision).items():
                assert lower < relative(value, exact[part]) < upper, (name, part)

    @pytest.mark.parametrize("period", [1.25, 2.0])
    def test_longer_periods_and_another_output_grid(self, period):
        conv, x = make((8, 8), period=period, bias=False), white(2, 4, 17, 17)
        exact = conv(x.double(), output_shape=(33, 9))
        for precision, upper, lower in STAGES.values():
            with spectral_precision(precision):
                assert lower < relative(conv(x, output_shape=(33, 9)), exact) < upper

    def test_each_stage_runs_in_its_own_type(self):
        """The product of every stage, as the operations show it."""
        conv, x = make((4, 4), bias=False), white(1, 4, 9, 9)
        for stages in ((F32, F16, F16), (F16, F32, F32), (F32, F16, BF16), (F16, BF16, F32)):
            with recorded_products() as seen, spectral_precision(SpectralPrecision(*stages)):
                conv(x)
            analysis, mixing, synthesis = stages
            assert seen == [analysis, analysis, mixing, synthesis, synthesis]


@contextmanager
def recorded_products():
    """Types of the operands of every product that the spectral layers form."""
    seen = []

    def record(original):
        def product(a, b):
            assert a.dtype == b.dtype
            seen.append(a.dtype)
            return original(a, b)

        return product

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "matmul", record(products.matmul))
        patch.setattr(contraction, "plain_matmul", record(contraction.plain_matmul))
        yield seen


class TestScale:
    """`scale` is what keeps float16 in its range."""

    @pytest.mark.parametrize("size", [1e-30, 1e-8, 1e-3, 1.0, 1e6, 1e30])
    def test_size_of_the_input_does_not_matter(self, size):
        conv = make((8, 8), bias=False)
        x = size * smooth(2, 4, 65, 65)
        with spectral_precision(HALF):
            assert relative(conv(x), conv_in_double(conv, x)) < 1e-3

    def test_a_large_mean_on_a_large_grid(self):
        conv = make((8, 8), bias=False)
        x = 1e5 + white(1, 4, 256, 256)
        with spectral_precision(HALF):
            assert relative(conv(x), conv_in_double(conv, x)) < 1e-3
        with spectral_precision(UNSCALED):
            assert not conv(x).isfinite().any()

    def test_without_it_large_inputs_overflow_and_small_ones_vanish(self):
        conv, x = make((8, 8), bias=False), white(1, 4, 33, 33)
        with spectral_precision(UNSCALED):
            assert not conv(1e6 * x).isfinite().all()
            assert relative(conv(1e-8 * x), conv_in_double(conv, 1e-8 * x)) > 0.5
            assert relative(conv(x), conv_in_double(conv, x)) < 1e-3

    @pytest.mark.parametrize("precision", [HALF, BRAIN, SpectralPrecision(F32, F16, F16)], ids=str)
    def test_powers_of_two_pass_through_bit_for_bit(self, precision):
        conv, x = make((8, 8), bias=False), white(2, 4, 17, 17)
        with spectral_precision(precision):
            y = conv(x)
            for k in range(-60, 61):
                assert torch.equal(conv(x * 2.0**k), y * 2.0**k), k

    @pytest.mark.parametrize("size", [1e-25, 0.3, 1.0, 1e5, 1e25])
    def test_the_division_rounds_nothing(self, size):
        """Numbers that float16 has are those that the layer gets, up to a power of two, at most 1."""
        x = white(2, 4, 9, 9).half().float().sign() * torch.linspace(0.01, 3, 648).half().float().view(
            2, 4, 9, 9
        )
        x = x * torch.tensor(size).log2().round().exp2()
        bounded, factor = stabilise(x, HALF)
        assert bounded.dtype == F16
        assert torch.equal(bounded.double() * factor.each.double(), x.double())
        assert 0.5 < bounded.abs().max() <= 1

    @pytest.mark.parametrize("transform", ["fft", "matmul"])
    @pytest.mark.parametrize("dtype", [F32, torch.float64])
    def test_changes_no_bit_in_full_precision(self, transform, dtype):
        conv = make((8, 8), transform=transform)
        x = (1e3 * white(2, 4, 17, 17)).to(dtype)
        scaled, plain = (results(conv, x, SpectralPrecision(stabilizer=name)) for name in ("scale", "none"))
        assert all(torch.equal(scaled[part], plain[part]) for part in scaled)

    @pytest.mark.parametrize("weights", WEIGHTS)
    @pytest.mark.parametrize("size", [1e-8, 1e6])
    def test_gradients_whatever_the_size_of_the_input(self, size, weights):
        """The slopes stay as they are; those of a mean keep the sums over points in float16's range."""
        conv = make((8, 8), bias=False, transform="matmul", **WEIGHTS[weights])
        x, slopes = size * white(2, 4, 33, 33), 1 / 33**2
        exact = results(conv, x.double(), FULL, slopes)
        for part, value in results(conv, x, HALF, slopes).items():
            assert relative(value, exact[part]) < 2e-3, part

    def test_a_sample_does_not_depend_on_its_batch(self):
        conv = make((8, 8), bias=False)
        x = white(3, 4, 17, 17) * torch.tensor([1e-6, 1.0, 1e6]).view(3, 1, 1, 1)
        with spectral_precision(HALF):
            assert torch.equal(conv(x), torch.cat([conv(one[None]) for one in x]))

    def test_gradients_of_samples_that_differ_in_size(self):
        conv = make((8, 8), bias=False)
        x = white(3, 4, 17, 17) * torch.tensor([0.1, 1.0, 10.0]).view(3, 1, 1, 1)
        exact = results(conv, x.double(), FULL, 1 / 17**2)
        for part, value in results(conv, x, HALF, 1 / 17**2).items():
            assert relative(value, exact[part]) < 3e-3, part

    def test_zeros_stay_zero(self):
        conv = make((4, 4), bias=False)
        with spectral_precision(HALF):
            assert torch.equal(conv(torch.zeros(1, 4, 9, 9)), torch.zeros(1, 3, 9, 9))

    @pytest.mark.parametrize("value", [float("inf"), float("nan")])
    def test_what_is_not_finite_stays_so(self, value):
        """The guard has to see it."""
        conv, x = make((4, 4)), torch.ones(2, 4, 9, 9)
        x[0, 0, 0, 0] = value
        with spectral_precision(HALF):
            y = conv(x)
        assert not y[0].isfinite().all()
        assert y[1].isfinite().all()


def conv_in_double(conv, x):
    with spectral_precision(FULL):
        return conv(x.double())


def clipped_to_sigmas(x):
    std, mean = torch.std_mean(x, dim=(2, 3), keepdim=True)
    return torch.minimum(torch.maximum(x, mean - 2 * std), mean + 2 * std)


STABILIZERS = {"tanh": torch.tanh, "hard_clip": lambda x: x.clamp(-1, 1), "sigma_clip": clipped_to_sigmas}


class TestClips:
    """The paper's stabilizers are part of the model: a function of the input, in every precision."""

    @pytest.mark.parametrize("stages", [(F32,) * 3, (F16,) * 3, (F32, F16, F16)], ids=str)
    @pytest.mark.parametrize("name", STABILIZERS)
    def test_equal_the_layer_of_the_bounded_input(self, name, stages):
        conv, x = make((8, 8)), 3 * white(2, 4, 17, 17)
        with spectral_precision(SpectralPrecision(*stages, name)):
            bounded = conv(x)
        with spectral_precision(SpectralPrecision(*stages, "none")):
            assert torch.equal(bounded, conv(STABILIZERS[name](x)))
            assert relative(bounded, conv(x)) > 0.01

    @pytest.mark.parametrize("transform", ["fft", "matmul"])
    @pytest.mark.parametrize("name", STABILIZERS)
    def test_act_on_both_paths(self, name, transform):
        conv, x = make((8, 8), transform=transform), 3 * white(1, 4, 17, 17)
        expected = conv(STABILIZERS[name](x))
        with spectral_precision(SpectralPrecision(stabilizer=name)):
            assert torch.equal(conv(x), expected)

    @pytest.mark.parametrize("name", ["tanh", "hard_clip"])
    def test_keep_large_inputs_in_range(self, name):
        conv = make((8, 8))
        with spectral_precision(SpectralPrecision(F16, F16, F16, name)):
            assert conv(1e30 * white(1, 4, 17, 17)).isfinite().all()

    def test_sigmas_are_of_a_sample_and_channel_and_are_constants_in_the_gradient(self):
        conv, x = make((8, 8)), white(2, 4, 17, 17).requires_grad_()
        x = (x.detach() * torch.tensor([1.0, 10.0]).view(2, 1, 1, 1)).requires_grad_()
        with spectral_precision(SpectralPrecision(stabilizer="sigma_clip")):
            conv(x).square().sum().backward()
        clipped = clipped_to_sigmas(x.detach()) != x.detach()
        assert 0.01 < clipped.float().mean() < 0.1
        assert (x.grad[clipped] == 0).all()
        assert (x.grad[~clipped] != 0).all()


class TestTypes:
    @pytest.mark.parametrize("dtype", [F32, F16, BF16, torch.float64])
    @pytest.mark.parametrize("stages", STAGES)
    @pytest.mark.parametrize("stabilizer", ["scale", "tanh", "hard_clip", "sigma_clip", "none"])
    def test_the_output_has_the_type_of_the_input(self, dtype, stages, stabilizer):
        conv, x = make((4, 4)), white(1, 4, 9, 9).to(dtype).requires_grad_()
        precision = STAGES[stages][0]
        parts = precision.analysis, precision.mixing, precision.synthesis
        with spectral_precision(SpectralPrecision(*parts, stabilizer)):
            y = conv(x)
            y.sum().backward()
        assert y.dtype == x.grad.dtype == dtype
        assert y.isfinite().all()
        assert {p.grad.dtype for p in conv.parameters()} == {F32, torch.complex64}

    def test_double_fields_run_in_float64_where_float32_is_asked(self):
        conv, x = make((4, 4), bias=False), white(1, 4, 9, 9, dtype=torch.float64)
        assert relative(conv(x.float()), conv(x)) > 1e-9
        assert relative(make((4, 4), bias=False, transform="fft")(x), conv(x)) < 1e-14

    @pytest.mark.parametrize("precision", [HALF, BRAIN, SpectralPrecision(F32, F16, F16)], ids=str)
    def test_the_fft_has_no_reduced_precision(self, precision):
        conv = make((4, 4), transform="fft")
        with spectral_precision(precision), pytest.raises(InputError, match="use transform=auto"):
            conv(white(1, 4, 9, 9))

    def test_auto_takes_products_below_float32(self):
        """More modes than `auto` takes products for in float32."""
        conv, x = make((40,), bias=False), white(1, 4, 101)
        assert relative(conv(x), conv_in_double(conv, x)) < 1e-6
        with spectral_precision(HALF):
            assert 1e-5 < relative(conv(x), conv_in_double(conv, x)) < 2e-3

    def test_the_precision_is_restored_after_an_error(self):
        def fail():
            with spectral_precision(HALF):
                assert current() == HALF
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert current() == FULL


def saved_tensors(conv, x, precision):
    """What the forward keeps for the backward, parameters left out, by storage."""
    own = {p.untyped_storage().data_ptr() for p in conv.parameters()}
    kept = {}

    def keep(tensor):
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), spectral_precision(precision):
        y = conv(x.requires_grad_())
    return list(kept.values()), y


def bytes_of(tensors):
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors)


class ComplexWatch(TorchDispatchMode):
    """Names the operations that yield complex tensors."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        outputs = out if isinstance(out, (tuple, list)) else (out,)
        if any(isinstance(value, torch.Tensor) and value.is_complex() for value in outputs):
            self.names.add(func.overloadpacket._qualified_op_name.removeprefix("aten::"))
        return out


class TestMemory:
    @pytest.mark.parametrize("weights", FACTORIZED)
    def test_half_keeps_half_the_bytes(self, weights):
        sizes = []
        for precision in (FULL, HALF):
            conv = make((12, 12), channels=(8, 8), transform="matmul", **FACTORIZED[weights])
            kept, _ = saved_tensors(conv, white(32, 8, 33, 33), precision)
            sizes.append(bytes_of(kept))
        assert 0.4 < sizes[1] / sizes[0] < 0.6

    @pytest.mark.parametrize("precision", [FULL, HALF], ids=["fp32", "half"])
    @pytest.mark.parametrize("weights", WEIGHTS)
    def test_products_are_real(self, weights, precision):
        """The weight alone is complex: cut, seen as pairs, and its gradient put back."""
        conv = make((6, 6), transform="matmul", **WEIGHTS[weights])
        kept, _ = saved_tensors(conv, white(2, 4, 17, 17), precision)
        assert kept
        assert not any(tensor.is_complex() for tensor in kept)
        with ComplexWatch() as watch, spectral_precision(precision):
            conv(white(2, 4, 17, 17)).sum().backward()
        views = {"slice", "view_as_complex", "alias", "detach", "view"}
        gradient = {"slice_backward", "new_empty_strided", "copy_", "clone"}
        assert watch.names <= views | gradient


# Backward is compiled too with aot_eager, which takes long; the cases share out what there is to cover, and
# those by default still have each kind of weight, both discretizations and one and two axes.
COMPILED = [
    ("dense", "consistent", (6, 6), "eager"),
    ("dense", "index", (6,), "aot_eager"),
    ("tucker-flops", "index", (6,), "eager"),
    ("cp-flops", "consistent", (6,), "eager"),
    ("tt-flops", "index", (6,), "eager"),
    *(
        pytest.param(*case, marks=pytest.mark.slow)
        for case in (
            ("tucker-flops", "consistent", (6,), "eager"),
            ("cp-flops", "consistent", (6,), "aot_eager"),
            ("cp-flops", "index", (6,), "eager"),
            ("tt-flops", "consistent", (6,), "eager"),
        )
    ),
]


class TestCompile:
    @pytest.mark.parametrize(("weights", "discretization", "n_modes", "backend"), COMPILED)
    def test_one_graph_with_equal_results(self, weights, discretization, n_modes, backend):
        torch._dynamo.reset()
        conv = make(n_modes, discretization=discretization, transform="matmul", **WEIGHTS[weights])
        x = white(2, 4, *(16, 17)[: len(n_modes)])
        compiled = torch.compile(conv, fullgraph=True, backend=backend, dynamic=False)
        for precision, tolerance in ((FULL, 1e-6), (HALF, 1e-3)):
            eager, graph = (results(function, x, precision) for function in (conv, compiled))
            for part in eager:
                assert relative(graph[part], eager[part]) < tolerance, part

    def test_a_compiled_layer_follows_the_precision(self):
        torch._dynamo.reset()
        conv, x = make((6, 6), bias=False, transform="matmul"), white(2, 4, 17, 17)
        compiled = torch.compile(conv, fullgraph=True, backend="eager", dynamic=False)
        exact = conv_in_double(conv, x)
        for name in ("fp32", "half", "fp32"):
            precision, upper, lower = STAGES[name]
            with spectral_precision(precision):
                assert lower < relative(compiled(x), exact) < upper, name
