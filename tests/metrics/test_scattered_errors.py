"""Errors on scattered points: every sample's own quadrature."""

from dataclasses import replace

import pytest
import torch
from mesh_support import BOX, ROOMS, scattered_source

from nolab.fields import Draw, FieldBatch
from nolab.grid import Domain
from nolab.metrics.errors import Units, channel_rel_l2, mse, r2, rel_l2
from nolab.points import build_points, parse_neval
from nolab.registry import load
from nolab.schema import from_mapping

UNITS = Units(torch.tensor([1.0]).double(), torch.tensor([3.0]).double())
MEASURES = (rel_l2, mse, r2, channel_rel_l2)


def batch() -> tuple[torch.Tensor, FieldBatch]:
    fields = scattered_source().read("train", (ROOMS[1].points,))
    inputs, target, coords, weights = (torch.from_numpy(a).double() for a in fields[:4])
    norm = ((target * 3 + 1).square()[:, 0] * weights).sum(dim=1).sqrt()
    prediction = target + 0.1 * coords[:, None, :, 1] + 0.2
    return prediction, FieldBatch(inputs, BOX, target, norm, coords=coords, weights=weights)


def test_a_constant_error_is_that_constant() -> None:
    _, truth = batch()
    torch.testing.assert_close(
        mse(truth.target + 0.5, truth, UNITS), torch.full((6,), 2.25).double(), rtol=1e-6, atol=0
    )


def test_mean_of_the_square_by_hand() -> None:
    prediction, truth = batch()
    error = 3 * (prediction - truth.target)[:, 0]
    for sample in range(6):
        there = truth.weights[sample] > 0
        expected = (error[sample, there] ** 2 * truth.weights[sample, there]).sum()
        assert mse(prediction, truth, UNITS)[sample] == pytest.approx(float(expected))
        assert rel_l2(prediction, truth, UNITS)[sample] == pytest.approx(
            float(expected.sqrt() / truth.norm[sample])
        )


@pytest.mark.parametrize("measure", MEASURES)
def test_padding_never_counts(measure) -> None:
    prediction, truth = batch()
    wrong = prediction.masked_fill(~truth.mask[:, None], 1e6)
    other = replace(truth, target=truth.target.masked_fill(~truth.mask[:, None], -1e5))
    torch.testing.assert_close(measure(wrong, other, UNITS), measure(prediction, truth, UNITS))


@pytest.mark.parametrize("measure", MEASURES)
def test_samples_do_not_see_each_other(measure) -> None:
    prediction, truth = batch()
    alone = FieldBatch(
        *(t[2:3] if torch.is_tensor(t) else t for t in (truth.input, BOX, truth.target, truth.norm)),
        coords=truth.coords[2:3],
        weights=truth.weights[2:3],
    )
    torch.testing.assert_close(
        measure(prediction[2:3], alone, UNITS)[0], measure(prediction, truth, UNITS)[2]
    )


@pytest.mark.parametrize("rows", [1, 6])
def test_the_mean_over_all_draws_is_the_error(rows: int) -> None:
    """Of one point each, shared or per sample: Horvitz and Thompson."""
    prediction, truth = batch()
    n = truth.shape[0]
    total = torch.zeros(6).double()
    for point in range(n):
        index = torch.tensor([point]) if rows == 1 else (torch.arange(6)[:, None] + point) % n
        drawn = truth.at(Draw(index))
        chosen = prediction[:, :, point : point + 1] if rows == 1 else prediction.gather(2, index[:, None])
        total += mse(chosen, drawn, UNITS)
    torch.testing.assert_close(total / n, mse(prediction, truth, UNITS))


@pytest.mark.parametrize("scheme", ["random", "stratified", "sobol", "epoch", "importance"])
def test_schemes_are_unbiased_on_padded_points(scheme: str) -> None:
    prediction, truth = batch()
    module = load("nolab.points", scheme, "points.scheme")
    options = from_mapping(module.Options, {"neval": 8}, "points")
    sampler = build_points(
        scheme, options, Domain.unit(1, "cell"), 0, (truth.shape,), (parse_neval(8, "neval"),)
    )
    steps, total = 3000, torch.zeros(6).double()
    for step in range(steps):
        draw = sampler.draw(step, 0, 6, 0.0, torch.device("cpu"))
        drawn = truth.at(draw)
        index = draw.index.expand(6, -1)
        total += mse(prediction.gather(2, index[:, None]), drawn, UNITS)
    torch.testing.assert_close(total / steps, mse(prediction, truth, UNITS), rtol=0.03, atol=0)
