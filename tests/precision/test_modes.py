"""Precision modes: what a device lacks is refused, and a context does what its mode says."""

import pytest
import torch

from nolab.errors import InputError
from nolab.precision import autocast, check_mode, matmul_mode

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
MODES = ["fp32", "tf32", "amp_bf16"]


def test_unknown_mode() -> None:
    with pytest.raises(
        InputError, match=r"^precision\.mode: 'amp_bf61' is not known\. Did you mean 'amp_bf16'"
    ):
        check_mode("amp_bf61", CPU)


def test_tf32_is_refused_on_the_cpu_with_the_way_out() -> None:
    with pytest.raises(
        InputError, match=r"^levels\[0\]: tf32 needs a CUDA device.*'cpu'; use precision=fp32"
    ):
        check_mode("tf32", CPU, "levels[0]")


@pytest.mark.parametrize("mode", ["fp32", "amp_bf16"])
def test_modes_of_the_cpu(mode: str) -> None:
    check_mode(mode, CPU)


@pytest.mark.parametrize(("capability", "has"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_tf32_follows_the_capability(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], has: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    if has:
        check_mode("tf32", CUDA)
    else:
        with pytest.raises(InputError, match="capability 8"):
            check_mode("tf32", CUDA)


@pytest.mark.parametrize(
    ("mode", "dtype"), [("fp32", torch.float32), ("tf32", torch.float32), ("amp_bf16", torch.bfloat16)]
)
def test_autocast_sets_the_dtype_of_products_inside_only(mode: str, dtype: torch.dtype) -> None:
    layer, x = torch.nn.Linear(4, 4), torch.ones(2, 4)
    with autocast(mode, CPU):
        assert layer(x).dtype == dtype
    assert layer(x).dtype == torch.float32
    assert layer.weight.dtype == torch.float32


def state() -> list[str]:
    backends = torch.backends
    return [b.fp32_precision for b in (backends.cuda.matmul, backends.cudnn.conv, backends.mkldnn.matmul)]


@pytest.mark.parametrize("mode", MODES)
def test_matmul_mode_leaves_the_cpu_alone(mode: str) -> None:
    before = state()
    a = torch.randn(16, 16, generator=torch.Generator().manual_seed(0))
    want = a @ a
    with matmul_mode(mode, CPU):
        assert state() == before
        assert torch.equal(a @ a, want)
    assert state() == before


@pytest.mark.parametrize(("mode", "inside"), [("fp32", "ieee"), ("tf32", "tf32"), ("amp_bf16", "ieee")])
def test_matmul_mode_sets_and_restores_a_cuda_device(mode: str, inside: str) -> None:
    before = state()

    def fail() -> None:
        with matmul_mode(mode, CUDA):
            assert state()[:2] == [inside, inside]
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert state() == before


@pytest.mark.parametrize("outer", MODES)
def test_matmul_modes_nest(outer: str) -> None:
    with matmul_mode(outer, CUDA):
        before = state()
        with matmul_mode("tf32", CUDA):
            pass
        assert state() == before
