"""Precision modes: what a device or a model lacks is refused, and a context does what its mode says."""

from typing import get_args

import pytest
import torch
from neuralop.layers.spectral_convolution import SpectralConv as NeuralopSpectralConv
from torch import nn

from nolab.errors import InputError
from nolab.precision import MODES, Mode, arithmetic, autocast, check_mode, check_model
from nolab.spectral import SpectralConv
from nolab.spectral.precision import SpectralPrecision, current

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
NAMES = get_args(Mode)
F32, F16, BF16 = torch.float32, torch.float16, torch.bfloat16

# mode: (autocast, spectral stages, whether the loss has to be scaled, whether spectral layers are lowered)
MEANING = {
    "fp32": (None, (F32, F32, F32), False, False),
    "tf32": (None, (F32, F32, F32), False, False),
    "amp_bf16": (BF16, (F32, F32, F32), False, False),
    "amp_fp16": (F16, (F32, F32, F32), True, False),
    "half": (None, (F16, F16, F16), True, True),
    "mixed": (F16, (F16, F16, F16), True, True),
    "mixed_fp32_transform": (F16, (F32, F16, F16), True, True),
}


@pytest.mark.parametrize("mode", NAMES)
def test_table_of_modes(mode):
    dtype, stages, has_float16, is_spectral = MEANING[mode]
    found = MODES[mode]
    assert (found.autocast, found.spectral) == (dtype, stages)
    assert found.has_float16 is has_float16
    assert found.is_spectral is is_spectral
    assert found.tf32 is (mode == "tf32")


def test_unknown_mode():
    with pytest.raises(
        InputError, match=r"^precision\.mode: 'amp_bf61' is not known\. Did you mean 'amp_bf16'"
    ) as caught:
        check_mode("amp_bf61", CPU)
    assert all(name in str(caught.value) for name in NAMES)


def test_tf32_is_refused_on_the_cpu_with_the_way_out():
    with pytest.raises(
        InputError, match=r"^levels\[0\]: tf32 needs a CUDA device.*'cpu'; use precision=fp32"
    ):
        check_mode("tf32", CPU, "levels[0]")


@pytest.mark.parametrize("mode", [name for name in NAMES if name != "tf32"])
def test_modes_of_the_cpu(mode):
    check_mode(mode, CPU)


@pytest.mark.parametrize(("capability", "has"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_tf32_follows_the_capability(monkeypatch, capability, has):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    if has:
        check_mode("tf32", CUDA)
    else:
        with pytest.raises(InputError, match="capability 8"):
            check_mode("tf32", CUDA)


@pytest.mark.parametrize("mode", NAMES)
def test_autocast_sets_the_dtype_of_products_inside_only(mode):
    layer, x = nn.Linear(4, 4), torch.ones(2, 4)
    with autocast(mode, CPU):
        assert layer(x).dtype == (MEANING[mode][0] or F32)
    assert layer(x).dtype == F32
    assert layer.weight.dtype == F32


@pytest.mark.parametrize("stabilizer", ["scale", "tanh", "none"])
@pytest.mark.parametrize("mode", NAMES)
def test_arithmetic_sets_the_spectral_precision_and_restores_it(mode, stabilizer):
    before = current()

    def fail():
        with arithmetic(mode, CPU, stabilizer):
            assert current() == SpectralPrecision(*MEANING[mode][1], stabilizer)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert current() == before


def test_arithmetics_nest():
    before = current()
    with arithmetic("half", CPU):
        outer = current()
        with arithmetic("mixed_fp32_transform", CPU, "tanh"):
            assert current() == SpectralPrecision(F32, F16, F16, "tanh")
        assert current() == outer == SpectralPrecision(F16, F16, F16, "scale")
    assert current() == before


def flags():
    """What a mode sets on CUDA: readable and writable without a device."""
    matmul, conv = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    return [
        matmul.fp32_precision,
        conv.fp32_precision,
        matmul.allow_fp16_reduced_precision_reduction,
        matmul.allow_bf16_reduced_precision_reduction,
    ]


@pytest.mark.parametrize("mode", NAMES)
def test_arithmetic_leaves_the_products_of_the_cpu_alone(mode):
    before = [*flags(), torch.backends.mkldnn.matmul.fp32_precision]
    a = torch.randn(16, 16, generator=torch.Generator().manual_seed(0))
    want = a @ a
    with arithmetic(mode, CPU):
        assert [*flags(), torch.backends.mkldnn.matmul.fp32_precision] == before
        assert torch.equal(a @ a, want)


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("mode", NAMES)
def test_arithmetic_sets_and_restores_a_cuda_device(monkeypatch, mode, allowed):
    matmul = torch.backends.cuda.matmul
    original = flags()
    matmul.allow_fp16_reduced_precision_reduction = matmul.allow_bf16_reduced_precision_reduction = allowed
    try:
        before = flags()
        assert before[2:] == [allowed, allowed]
        inside = "tf32" if mode == "tf32" else "ieee"

        def fail():
            with arithmetic(mode, CUDA):
                assert flags() == [inside, inside, False, False]
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert flags() == before
    finally:
        matmul.allow_fp16_reduced_precision_reduction = original[2]
        matmul.allow_bf16_reduced_precision_reduction = original[3]


@pytest.mark.parametrize("outer", NAMES)
def test_modes_of_a_cuda_device_nest(outer):
    with arithmetic(outer, CUDA):
        before = flags()
        with arithmetic("fp32" if outer == "tf32" else "tf32", CUDA):
            assert flags() != before
        assert flags() == before


SPECTRAL = [name for name in NAMES if MEANING[name][3]]


@pytest.mark.parametrize("mode", SPECTRAL)
def test_spectral_modes_need_spectral_layers(mode):
    with pytest.raises(
        InputError, match=rf"^here: {mode} .*Sequential has none of nolab's; use precision=amp_bf16"
    ):
        check_model(nn.Sequential(nn.Linear(2, 2)), mode, "here")


@pytest.mark.parametrize("mode", SPECTRAL)
@pytest.mark.parametrize("more", [[], [SpectralConv(1, 1, (4,))]])
def test_spectral_modes_are_not_ignored_by_other_spectral_layers(mode, more):
    """A model of neuraloperator's own layers would run in float32 whatever the mode says."""
    model = nn.Sequential(NeuralopSpectralConv(1, 1, (4,)), *more)
    with pytest.raises(
        InputError, match=rf"{mode} would be ignored by 1 layers.*spectral_convolution\.SpectralConv; build"
    ):
        check_model(model, mode)


@pytest.mark.parametrize("mode", SPECTRAL)
def test_spectral_modes_need_products(mode):
    """One layer that is fixed to the FFT is enough, wherever it is in the model."""
    products, fixed = (SpectralConv(1, 1, (4,), transform=name) for name in ("auto", "fft"))
    with pytest.raises(InputError, match=rf"{mode} can't be used.*transform=fft.*use transform=auto"):
        check_model(nn.Sequential(products, nn.Sequential(fixed)), mode)


@pytest.mark.parametrize("mode", SPECTRAL)
@pytest.mark.parametrize("transform", ["auto", "matmul"])
def test_spectral_modes_of_a_model_that_has_them(mode, transform):
    check_model(nn.Sequential(SpectralConv(1, 1, (4,), transform=transform), nn.Linear(2, 2)), mode)


@pytest.mark.parametrize("mode", [name for name in NAMES if name not in SPECTRAL])
def test_other_modes_are_for_every_model(mode):
    check_model(nn.Linear(2, 2), mode)
    check_model(SpectralConv(1, 1, (4,), transform="fft"), mode)
