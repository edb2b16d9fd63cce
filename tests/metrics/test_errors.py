"""Errors: quadratures in physical units, checked against NumPy and SciPy in float64."""

import numpy as np
import pytest
import scipy.integrate
import torch
from tests_support import flat_weights
from torch import Tensor

from nolab.data.pyramid import l2_norm
from nolab.fields import Draw, FieldBatch
from nolab.grid import Axis, Domain
from nolab.metrics.errors import ERRORS, Units, channel_rel_l2, h1, mse, r2, rel_l2

B = 3
GRIDS = [
    ((Axis("nodal", 0.0, 2.0),), (9,), 1),
    ((Axis("periodic", -1.0, 2.0),), (8,), 2),
    ((Axis("cell", 0.0, 0.5),), (7,), 1),
    ((Axis("nodal"), Axis("nodal", 1.0, 4.0)), (9, 6), 1),
    ((Axis("periodic"), Axis("periodic")), (8, 5), 3),
    ((Axis("cell"), Axis("cell", 0.0, 3.0)), (4, 6), 2),
    ((Axis("nodal"), Axis("periodic", 0.0, 2.0)), (5, 6), 2),
]


def fields(shape: tuple[int, ...], channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Physical prediction and truth."""
    rng = np.random.default_rng(7)
    truth = 2 + rng.standard_normal((B, channels, *shape)) * (1 + np.arange(channels)).reshape(
        -1, *(1,) * len(shape)
    )
    return truth + 0.3 * rng.standard_normal(truth.shape), truth


def encoded(
    prediction: np.ndarray, truth: np.ndarray, domain: Domain, mean: float = 1.5, std: float = 0.7
) -> tuple[Tensor, FieldBatch, Units]:
    """As models and batches hold them, in float64: each channel has units of its own."""
    channels = truth.shape[1]
    means = mean + torch.arange(channels, dtype=torch.float64)
    stds = std * (1 + torch.arange(channels, dtype=torch.float64))
    view = (-1, *(1,) * (truth.ndim - 2))
    p, t = ((torch.from_numpy(a) - means.view(view)) / stds.view(view) for a in (prediction, truth))
    norm = torch.from_numpy(l2_norm(truth, flat_weights(domain, truth)))
    return p, FieldBatch(t[:, :1], domain, t, norm), Units(means, stds)


def mean_over(field: np.ndarray, axes: tuple[Axis, ...]) -> np.ndarray:
    """Mean over the trailing axes, by SciPy's trapezoid rule where both ends are samples."""
    for axis in reversed(axes):
        if axis.placement == "nodal":
            x = np.linspace(axis.start, axis.stop, field.shape[-1])
            field = scipy.integrate.trapezoid(field, x, axis=-1) / (axis.stop - axis.start)
        else:
            field = field.mean(axis=-1)
    return field


def gradients(field: np.ndarray, axes: tuple[Axis, ...]) -> list[np.ndarray]:
    out = []
    for i, axis in enumerate(axes, start=2):
        n = field.shape[i]
        h = (axis.stop - axis.start) / (n - 1 if axis.placement == "nodal" else n)
        if axis.placement == "periodic":
            wrapped = np.concatenate([field.take([-1], i), field, field.take([0], i)], axis=i)
            out.append(np.gradient(wrapped, h, axis=i).take(range(1, n + 1), i))
        else:
            out.append(np.gradient(field, h, axis=i))
    return out


def reference(name: str, p: np.ndarray, t: np.ndarray, axes: tuple[Axis, ...]) -> np.ndarray:
    def square(f: np.ndarray) -> np.ndarray:
        return mean_over(f**2, axes).mean(axis=1)

    if name == "mse":
        return square(p - t)
    if name == "rel_l2":
        return np.sqrt(square(p - t) / square(t))
    if name == "h1":
        e, y = (square(f) + sum(square(g) for g in gradients(f, axes)) for f in (p - t, t))
        return np.sqrt(e / y)
    mean = mean_over(t, axes).reshape(*t.shape[:2], *(1,) * len(axes))
    return 1 - square(p - t) / square(t - mean)


MEASURES = {**ERRORS, "r2": r2}


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize(("axes", "shape", "channels"), GRIDS)
def test_against_numpy(axes: tuple[Axis, ...], shape: tuple[int, ...], channels: int, name: str) -> None:
    p, t = fields(shape, channels)
    got = MEASURES[name](*encoded(p, t, Domain(axes)))
    assert got.shape == (B,)
    np.testing.assert_allclose(got.numpy(), reference(name, p, t, axes), rtol=1e-11)


@pytest.mark.parametrize("name", MEASURES)
def test_float32_is_enough(name: str) -> None:
    axes, shape, channels = GRIDS[3]
    p, t = fields(shape, channels)
    prediction, batch, units = encoded(p, t, Domain(axes))
    batch = FieldBatch(batch.input.float(), batch.domain, batch.target.float(), batch.norm.float())
    got = MEASURES[name](prediction.float(), batch, Units(units.mean.float(), units.std.float()))
    assert got.dtype == torch.float32
    np.testing.assert_allclose(got.numpy(), reference(name, p, t, axes), rtol=1e-4)


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (-40.0, 1e-3), (5.0, 1e4)])
def test_normalisation_changes_nothing(name: str, mean: float, std: float) -> None:
    axes, shape, channels = GRIDS[-1]
    p, t = fields(shape, channels)
    one = MEASURES[name](*encoded(p, t, Domain(axes)))
    other = MEASURES[name](*encoded(p, t, Domain(axes), mean, std))
    torch.testing.assert_close(one, other, rtol=1e-9, atol=0)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
@pytest.mark.parametrize(("name", "power"), [("mse", 2), ("rel_l2", 0), ("h1", 0), ("r2", 0)])
def test_units_of_the_field(name: str, power: int, factor: float) -> None:
    axes, shape, channels = GRIDS[3]
    p, t = fields(shape, channels)
    one = MEASURES[name](*encoded(p, t, Domain(axes)))
    other = MEASURES[name](*encoded(factor * p, factor * t, Domain(axes)))
    torch.testing.assert_close(other, one * factor**power, rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("shape", [(B, 1, 9, 1), (1, 1, 9, 6), (B, 9, 6), (B, 2, 9, 6), (B, 1, 54)])
def test_shapes_never_broadcast(name: str, shape: tuple[int, ...]) -> None:
    axes, grid, channels = GRIDS[3]
    _, batch, units = encoded(*fields(grid, channels), Domain(axes))
    with pytest.raises(ValueError, match=r"prediction .* and target .* differ"):
        MEASURES[name](torch.zeros(shape, dtype=torch.float64), batch, units)


@pytest.mark.parametrize(("name", "best"), [("mse", 0), ("rel_l2", 0), ("h1", 0), ("r2", 1)])
def test_perfect_predictions(name: str, best: float) -> None:
    axes, shape, channels = GRIDS[-1]
    _, t = fields(shape, channels)
    assert MEASURES[name](*encoded(t, t, Domain(axes))).tolist() == [best] * B


@pytest.mark.parametrize("name", ERRORS)
def test_a_perfect_sample_has_no_gradient_and_spoils_no_other(name: str) -> None:
    axes, shape, channels = GRIDS[3]
    p, t = fields(shape, channels)
    p[1] = t[1]
    prediction, batch, units = encoded(p, t, Domain(axes))
    prediction.requires_grad_()
    ERRORS[name](prediction, batch, units).sum().backward()
    assert not prediction.grad[1].any()
    assert prediction.grad.isfinite().all()
    assert prediction.grad[0].any()


def test_errors_that_are_not_a_number_stay_so() -> None:
    axes, shape, channels = GRIDS[3]
    prediction, batch, units = encoded(*fields(shape, channels), Domain(axes))
    prediction[1, 0, 0, 0] = torch.nan
    for measure in MEASURES.values():
        assert measure(prediction, batch, units).isnan().tolist() == [False, True, False]


def test_predicting_the_mean_explains_nothing() -> None:
    axes, shape, channels = GRIDS[3]
    _, t = fields(shape, channels)
    mean = np.zeros_like(t) + mean_over(t, axes)[..., None, None]
    np.testing.assert_allclose(r2(*encoded(mean, t, Domain(axes))), 0, atol=1e-12)


PARTS = [GRIDS[0], GRIDS[3], GRIDS[4], GRIDS[6]]


def partition(n: int, size: int, scope: str) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    rows = torch.stack([torch.randperm(n, generator=generator) for _ in range(B)])
    order = rows if scope == "per_sample" else rows[0]
    return list(order.split(size, dim=-1))


@pytest.mark.parametrize("scope", ["shared", "per_sample"])
@pytest.mark.parametrize(("axes", "shape", "channels"), PARTS)
def test_mse_over_a_partition_is_exact(
    axes: tuple[Axis, ...], shape: tuple[int, ...], channels: int, scope: str
) -> None:
    prediction, batch, units = encoded(*fields(shape, channels), Domain(axes))
    n = int(np.prod(shape))
    size = {9: 3, 54: 6, 40: 8, 30: 5}[n]
    parts = [
        mse((chosen := batch.at(Draw(points))).select(prediction), chosen, units)
        for points in partition(n, size, scope)
    ]
    assert len(parts) == n // size
    torch.testing.assert_close(
        torch.stack(parts).mean(dim=0), mse(prediction, batch, units), rtol=1e-12, atol=0
    )


@pytest.mark.parametrize("scope", ["shared", "per_sample"])
def test_mse_at_random_points_is_unbiased(scope: str) -> None:
    axes, shape, channels = GRIDS[3]
    prediction, batch, units = encoded(*fields(shape, channels), Domain(axes))
    full = mse(prediction, batch, units)
    generator = torch.Generator().manual_seed(3)
    draws = []
    for _ in range(3000):
        keys = torch.rand((B, 54) if scope == "per_sample" else (54,), generator=generator)
        chosen = batch.at(Draw(keys.argsort(dim=-1)[..., :4]))
        draws.append(mse(chosen.select(prediction), chosen, units))
    draws = torch.stack(draws)
    standard_error = draws.std(dim=0) / len(draws) ** 0.5
    assert (standard_error < 0.02 * full).all()
    assert ((draws.mean(dim=0) - full).abs() < 4 * standard_error).all()


@pytest.mark.parametrize("scope", ["shared", "per_sample"])
def test_rel_l2_at_points_keeps_the_norm_of_the_whole_grid(scope: str) -> None:
    axes, shape, channels = GRIDS[6]
    p, t = fields(shape, channels)
    prediction, batch, units = encoded(p, t, Domain(axes))
    chosen = batch.at(Draw(partition(30, 5, scope)[0]))
    got = rel_l2(chosen.select(prediction), chosen, units)
    at_points = mse(chosen.select(prediction), chosen, units)
    norm = np.sqrt(mean_over(t**2, axes).mean(axis=1))
    np.testing.assert_allclose(got, at_points.sqrt().numpy() / norm, rtol=1e-12)


def test_all_points_in_any_order_are_the_grid() -> None:
    axes, shape, channels = GRIDS[6]
    prediction, batch, units = encoded(*fields(shape, channels), Domain(axes))
    chosen = batch.at(Draw(partition(30, 30, "per_sample")[0]))
    for measure in (mse, rel_l2, r2):
        torch.testing.assert_close(
            measure(chosen.select(prediction), chosen, units), measure(prediction, batch, units)
        )


@pytest.mark.parametrize("ndim", [1, 2])
def test_h1_needs_the_whole_grid(ndim: int) -> None:
    axes, shape, channels = GRIDS[0] if ndim == 1 else GRIDS[3]
    prediction, batch, units = encoded(*fields(shape, channels), Domain(axes))
    chosen = batch.at(Draw(torch.tensor([0, 4, 2])))
    with pytest.raises(ValueError, match="whole grid"):
        h1(chosen.select(prediction), chosen, units)


def test_a_target_of_zero_gives_a_huge_error_not_nan() -> None:
    zero = np.zeros((B, 1, 5, 5))
    got = rel_l2(*encoded(zero + 1, zero, Domain.unit(2)))
    assert (got > 1e30).all()
    assert not rel_l2(*encoded(zero, zero, Domain.unit(2))).any()


@pytest.mark.parametrize("direction", [(0, 0, 1), (1, 0, 0), (0.6, 0, -0.8)])
def test_h1_on_the_sphere_takes_the_gradient_on_its_surface(direction) -> None:
    """f = d·x has mean square 1/3 and |∇f|² of mean 2/3, whichever way d points, over the poles too."""
    errors = []
    for n in (17, 33, 65):
        theta, phi = Domain.sphere().coordinates((n, 2 * (n - 1)))
        x = torch.stack([theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()])
        field = torch.einsum("d,dxy->xy", torch.tensor(direction, dtype=torch.float64), x)[None, None]
        batch = FieldBatch(field, Domain.sphere(), torch.ones_like(field))
        units = Units(torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64))
        # The truth is 1, whose gradient vanishes: the square is ‖f - 1‖² + ‖∇f‖² = 4/3 + 2/3.
        errors.append(abs(h1(field, batch, units).square().item() - 2))
    assert errors[0] < 0.02
    assert errors[1] < errors[0] / 3
    assert errors[2] < errors[1] / 3


@pytest.mark.parametrize(("axes", "shape", "channels"), GRIDS)
def test_channel_errors_are_those_of_each_channel_alone(axes, shape, channels) -> None:
    prediction, truth = fields(shape, channels)
    domain = Domain(axes)
    found = channel_rel_l2(*encoded(prediction, truth, domain))
    assert found.shape == (B, channels)
    for channel in range(channels):
        alone = slice(channel, channel + 1)
        weights = flat_weights(domain, truth)
        expected = l2_norm(prediction[:, alone] - truth[:, alone], weights) / l2_norm(
            truth[:, alone], weights
        )
        np.testing.assert_allclose(found[:, channel].numpy(), expected, rtol=1e-10)
