"""GINO as an operator: parity with neuraloperator, level consistency, precision."""

from dataclasses import replace

import pytest
import torch
from gino_support import BOX, VARIANTS, cloud, make, make_float32
from neuralop.models import GINO
from tests_support import spec

from nolab.errors import InputError
from nolab.fields import FieldBatch, tensors_of
from nolab.grid import Domain
from nolab.models import gino, in_float64
from nolab.precision import MODES, arithmetic, autocast
from nolab.precision.modes import check_model

CPU = torch.device("cpu")


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("kernel", ["linear", "nonlinear"])
def test_parity_with_neuraloperator_on_one_geometry(kernel, ndim):
    """Its latent field is summed over the nodes near a point, ours averaged; all else is the same."""
    hidden, modes, widths, nodes = (
        4,
        (4,) * ndim,
        [8, 7],
        (6, 8, 5)[:ndim],
    )  # neuraloperator's FFT shifts odd axes wrongly
    channels = hidden if kernel == "nonlinear" else 1
    torch.manual_seed(0)
    theirs = GINO(
        in_channels=channels,
        out_channels=2,
        projection_channel_ratio=2,
        gno_coord_dim=ndim,
        in_gno_radius=0.31,
        out_gno_radius=0.27,
        in_gno_transform_type=kernel,
        out_gno_transform_type=kernel,
        in_gno_pos_embed_type="nerf",
        out_gno_pos_embed_type="nerf",
        fno_in_channels=hidden,
        fno_n_modes=modes,
        fno_hidden_channels=hidden,
        fno_n_layers=2,
        gno_embed_channels=3,
        in_gno_channel_mlp_hidden_layers=list(widths),
        out_gno_channel_mlp_hidden_layers=list(widths),
        gno_use_open3d=False,
        gno_use_torch_scatter=False,
    )
    theirs.gno_out.integral_transform.reduction = "mean"
    options = gino.Options(
        latent=nodes,
        in_radius=0.31,
        out_radius=0.27,
        kernel=kernel,
        kernel_widths=tuple(widths),
        frequencies=3,
        weighted=False,
        mollifier=None,
        n_modes=modes,
        hidden_channels=hidden,
        n_layers=2,
        discretization="index",
        positional_embedding=False,
    )
    box = Domain.cloud(*[(0.0, 1.0)] * ndim)
    ours = gino.build(options, spec(box, (channels, 2), (50,)))
    with torch.no_grad():
        ours.encoder.lift.weight.copy_(torch.eye(hidden) if channels > 1 else torch.ones(hidden, 1))
        ours.encoder.lift.bias.zero_()
    ours.encoder.integral.load_state_dict(theirs.gno_in.integral_transform.state_dict())
    ours.integral.load_state_dict(theirs.gno_out.integral_transform.state_dict())
    shared = {k: v for k, v in theirs.state_dict().items() if not k.startswith(("gno_", "_metadata"))}
    ours.operator.load_state_dict(shared)
    coords, field = torch.rand(1, 50, ndim), torch.randn(3, channels, 50)
    latent = Domain.unit(ndim, "nodal").coordinates(nodes).movedim(0, -1).float()
    expected = theirs(coords, latent[None], coords, x=field.mT).mT
    batch = FieldBatch(field, box, coords=coords.expand(3, -1, -1), weights=torch.full((3, 50), 0.02))
    assert (ours(batch) - expected).norm() < 1e-5 * (expected - expected.mean()).norm()


def graded(n, power):
    """n² points whose density falls like a power of x and y, jittered, with the area of each: (1, n², 2), (1, n²)."""
    generator = torch.Generator().manual_seed(n)
    cells = torch.stack(torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij"), -1).flatten(0, 1)
    even = (cells + torch.rand(n * n, 2, generator=generator).double()) / n
    weights = (power * even ** (power - 1)).prod(-1)
    return even[None] ** power, weights[None] / weights.sum()


def test_weighted_levels_are_one_operator_whatever_the_density():
    """The prediction of a smooth field on ever more points tends to that on many even points; a plain mean does not."""
    queries = torch.rand(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def predict(model, n, power):
        coords, weights = graded(n, power)
        x, y = coords.unbind(-1)
        field = torch.stack([torch.sin(3 * x) * y, torch.exp(x * y)], dim=1)
        return model(FieldBatch(field, BOX, coords=coords, weights=weights, queries=queries)).detach()

    errors = {}
    for weighted in (True, False):
        model = make(weighted=weighted, latent=5)
        even = predict(model, 200, 1.0)
        scale = (even - even.mean(-1, keepdim=True)).norm()
        errors[weighted] = [((predict(model, n, 1.6) - even).norm() / scale).item() for n in (10, 20, 40, 80)]
    coarse, *_, fine = errors[True]
    assert coarse / fine > 5
    assert errors[False][-1] > 8 * fine
    assert errors[False][-1] > 0.5 * errors[False][1]  # where it has converged to something else


# Bounds on the relative error of output and gradient, some twice the worst that was measured.
BOUNDS = {
    "fp32": (1.2e-6, 3e-7),
    "amp_bf16": (2.6e-2, 9e-3),
    "amp_fp16": (2.7e-3, 6e-4),
    "half": (1.7e-5, 3e-6),
    "mixed": (2.7e-3, 6e-4),
    "mixed_fp32_transform": (2.7e-3, 6e-4),
}


@pytest.mark.parametrize("mode", BOUNDS)
@pytest.mark.parametrize("name", VARIANTS)
def test_every_precision_mode_against_float64(name, mode):
    model = make_float32(**VARIANTS[name])
    batch, scale = cloud(), 2.0**12

    def outcome(model, dtype, mode):
        typed = {name: v.to(dtype) for name, v in tensors_of(batch).items()}
        with arithmetic(mode, CPU):
            with autocast(mode, CPU):
                y = model(replace(batch, **typed)).masked_fill(~batch.mask[:, None], 0)
            ((y.to(dtype).square()).mean() * scale).backward()
        flat = [torch.view_as_real(p.grad) if p.is_complex() else p.grad for p in model.parameters()]
        return y.detach().double(), torch.cat([g.flatten().double() for g in flat]) / scale

    found, exact = outcome(model, torch.float32, mode), outcome(in_float64(model), torch.float64, "fp32")
    scales = (exact[0] - exact[0].mean(dim=-1, keepdim=True)).norm(), exact[1].norm()  # it is nearly constant
    errors = [((a - b).norm() / s).item() for a, b, s in zip(found, exact, scales, strict=True)]
    assert all(error < bound for error, bound in zip(errors, BOUNDS[mode], strict=True))
    assert mode == "fp32" or errors[0] > 1.5e-6  # the mode is at work


def test_reduced_spectral_precision_is_refused_as_for_fno():
    for mode in MODES:
        check_model(make(), mode)
    with pytest.raises(InputError, match="half can't be used with this model: transform=fft runs in float32"):
        check_model(make(transform="fft"), "half")
