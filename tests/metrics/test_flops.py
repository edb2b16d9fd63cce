"""FLOPs: counts equal those made by hand."""

from math import log2

import pytest
import torch

from nolab.metrics.flops import count_flops


def real(*shape: int) -> torch.Tensor:
    return torch.ones(shape)


def cplx(*shape: int) -> torch.Tensor:
    return torch.ones(shape, dtype=torch.complex64)


MM, BMM = 2 * 3 * 4 * 5, 2 * 7 * 3 * 4 * 5

COUNTS = [
    ("mm", lambda: real(3, 4) @ real(4, 5), MM),
    ("complex mm", lambda: cplx(3, 4) @ cplx(4, 5), 4 * MM),
    ("bmm", lambda: real(7, 3, 4) @ real(7, 4, 5), BMM),
    ("complex bmm", lambda: cplx(7, 3, 4) @ cplx(7, 4, 5), 4 * BMM),
    ("addmm", lambda: torch.addmm(real(5), real(3, 4), real(4, 5)), MM),
    ("complex addmm", lambda: torch.addmm(cplx(5), cplx(3, 4), cplx(4, 5)), 4 * MM),
    ("baddbmm", lambda: torch.baddbmm(real(7, 3, 5), real(7, 3, 4), real(7, 4, 5)), BMM),
    ("complex baddbmm", lambda: torch.baddbmm(cplx(7, 3, 5), cplx(7, 3, 4), cplx(7, 4, 5)), 4 * BMM),
    ("einsum", lambda: torch.einsum("bik,iok->bok", cplx(2, 3, 6), cplx(3, 4, 6)), 4 * 2 * 6 * 2 * 3 * 4),
    ("conv", lambda: torch.nn.functional.conv1d(real(2, 3, 10), real(4, 3, 1)), 2 * 2 * 10 * 3 * 4),
    ("rfft", lambda: torch.fft.rfft(real(3, 16)), 2.5 * 3 * 16 * 4),
    ("irfft", lambda: torch.fft.irfft(cplx(3, 9), n=16), 2.5 * 3 * 16 * 4),
    ("fft", lambda: torch.fft.fft(cplx(3, 16)), 5 * 3 * 16 * 4),
    ("ifft", lambda: torch.fft.ifft(cplx(3, 16)), 5 * 3 * 16 * 4),
    ("fft2", lambda: torch.fft.fftn(cplx(3, 8, 16), dim=(1, 2)), 5 * 3 * 128 * 7),
    ("rfft along one axis", lambda: torch.fft.rfft(real(32, 5), dim=0), 2.5 * 160 * 5),
    ("rfft of an odd length", lambda: torch.fft.rfft(real(2, 15)), int(2.5 * 30 * log2(15))),
    ("pointwise", lambda: torch.relu(real(5, 5)) + 1, 0),
]


@pytest.mark.parametrize(("run", "flops"), [c[1:] for c in COUNTS], ids=[c[0] for c in COUNTS])
def test_counts(run, flops: float) -> None:
    assert count_flops(run) == flops


def test_real_transforms_of_two_axes() -> None:
    """A real transform of both axes, or of the last and a complex one of the half that is left."""
    whole = 2.5 * 128 * 7
    by_axes = 2.5 * 128 * 4 + 5 * (8 * 9) * 3
    assert count_flops(lambda: torch.fft.rfftn(real(8, 16))) in (whole, by_axes)
    assert count_flops(lambda: torch.fft.irfftn(cplx(8, 9), s=(8, 16))) in (whole, by_axes)


@pytest.mark.parametrize("bias", [True, False])
def test_linear_forward_and_backward(bias: bool) -> None:
    layer = torch.nn.Linear(4, 5, bias=bias)
    x = real(3, 4)
    assert count_flops(lambda: layer(x)) == MM
    # The weights' gradient is one product more, the input's (where asked for) another.
    assert count_flops(lambda: layer(x).sum().backward()) == 2 * MM
    x.requires_grad_()
    assert count_flops(lambda: layer(x).sum().backward()) == 3 * MM


def test_backward_of_complex_products_and_transforms() -> None:
    x, w = real(4, 16).requires_grad_(), cplx(4, 4).requires_grad_()

    def run() -> None:
        (w @ torch.fft.rfft(x)).abs().sum().backward()

    forward = 2.5 * 64 * 4 + 4 * 2 * 4 * 4 * 9
    products = 2 * 4 * 2 * 4 * 4 * 9
    transform = 5 * 64 * 4  # PyTorch's gradient of rfft is a whole complex transform
    assert count_flops(run) == forward + products + transform


def test_counting_is_over_when_the_call_is() -> None:
    assert count_flops(lambda: None) == 0
    assert count_flops(lambda: real(3, 4) @ real(4, 5)) == MM
    assert count_flops(lambda: [real(3, 4) @ real(4, 5) for _ in range(3)]) == 3 * MM
