"""Every model in every mode of the CPU: how far output and gradient are from float64."""

import pytest
import torch
from tests_support import spec
from torch.nn import functional as F

from nolab.fields import FieldBatch
from nolab.grid import Domain
from nolab.models import deeponet, fno, in_float64, sfno, tfno
from nolab.precision import MODES, arithmetic, autocast

CPU, SCALE = torch.device("cpu"), 2.0**12
SIZE = {"n_modes": 8, "hidden_channels": 12, "n_layers": 3}
MODELS = {
    "fno": lambda: fno.build(fno.Options(**SIZE), spec(Domain.unit(2, "nodal"))),
    "fno, index": lambda: fno.build(
        fno.Options(**SIZE, discretization="index"), spec(Domain.unit(2, "periodic"))
    ),
    "fno, norms": lambda: fno.build(
        fno.Options(**SIZE, norm="group_norm", period=1.25), spec(Domain.unit(2, "cell"))
    ),
    "fno, 3-D": lambda: fno.build(
        fno.Options(n_modes=4, hidden_channels=8, n_layers=2), spec(Domain.unit(3, "nodal"))
    ),
    "tfno": lambda: tfno.build(
        tfno.Options(**SIZE, rank=0.3, contraction="memory"), spec(Domain.unit(2, "nodal"))
    ),
    "sfno": lambda: sfno.build(sfno.Options(**SIZE), spec(Domain.sphere())),
    "deeponet": lambda: deeponet.build(
        deeponet.Options(cnn_channels=(4, 6), activation="gelu"), spec(Domain.unit(2, "nodal"))
    ),
}
# Bounds on the relative error of output and gradient, some twice the worst that was measured.
BOUNDS = {
    "fp32": (9e-7, 9e-7),
    "amp_bf16": (2.5e-2, 2.2e-2),
    "amp_fp16": (2.7e-3, 2.2e-3),
    "half": (5e-4, 3e-4),
    "mixed": (2.7e-3, 2.2e-3),
    "mixed_fp32_transform": (2.7e-3, 2.2e-3),
}


def sample(kind, shape):
    """White noise, or a smooth Gaussian random field."""
    generator = torch.Generator().manual_seed(0)
    if kind == "white":
        return torch.randn(2, 1, *shape, generator=generator)
    coarse = torch.randn(2, 1, *(4 for _ in shape), generator=generator)
    return F.interpolate(coarse, shape, mode="bicubic" if len(shape) == 2 else "trilinear")


def outcome(model, batch, mode):
    with arithmetic(mode, CPU):
        with autocast(mode, CPU):
            y = model(batch)
        (y.to(batch.input.dtype).square().mean() * SCALE).backward()
    parts = [p.grad for p in model.parameters()]
    flat = [(torch.view_as_real(g) if g.is_complex() else g).flatten().double() for g in parts]
    model.zero_grad(set_to_none=True)
    return y.detach().double(), torch.cat(flat) / SCALE


def relative(a, b):
    return ((a - b).norm() / b.norm()).item()


@pytest.mark.parametrize("mode", BOUNDS)
@pytest.mark.parametrize("kind", ["white", "smooth"])
@pytest.mark.parametrize("name", MODELS)
def test_error_against_float64(name, kind, mode):
    if MODES[mode].is_spectral and name == "deeponet":
        pytest.skip("has no spectral layers, the mode is refused")
    torch.manual_seed(1)
    model = MODELS[name]()
    shape = (17,) * model.domain.ndim if not model.domain.is_sphere else (17, 32)
    x = sample(kind, shape)
    exact = outcome(in_float64(model), FieldBatch(x.double(), model.domain), "fp32")
    found = outcome(model, FieldBatch(x, model.domain), mode)
    errors = [relative(a, b) for a, b in zip(found, exact, strict=True)]
    for error, bound in zip(errors, BOUNDS[mode], strict=True):
        assert error < bound
    assert mode == "fp32" or errors[0] > 2e-6  # the mode is at work
