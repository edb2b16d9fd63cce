"""Schemes that cover the domain: groups of `stratified`, rules of `uniform`, levels that agree."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from points_support import draw, estimates, factors, mean_of, numel, sampler, smooth

from nolab.grid import Axis, Domain
from nolab.points._partition import partition
from nolab.points.uniform import blocks_per_axis

SHAPES = [(1,), (12,), (37,), (6, 7), (1, 9), (3, 4, 3), (5, 1, 5)]
LONG = Domain((Axis("cell", 0, 10), Axis("cell", 0, 1)))


class TestPartition:
    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    def test_any_number_of_equal_groups(self, shape) -> None:
        n_points = numel(shape)
        for n_groups in range(1, n_points + 1):
            order, bounds = partition(shape, Domain.unit(len(shape)), n_groups)
            assert sorted(order) == list(range(n_points))
            assert (bounds[0], bounds[-1], len(bounds)) == (0, n_points, n_groups + 1)
            sizes = np.diff(bounds)
            assert sizes.min() >= 1
            assert sizes.max() - sizes.min() <= 1

    def test_long_boxes_are_cut_across(self) -> None:
        order, bounds = partition((8, 8), LONG, 4)
        for j in range(4):
            rows = order[bounds[j] : bounds[j + 1]] // 8
            assert sorted(set(rows)) == [2 * j, 2 * j + 1]

    def test_groups_are_compact(self) -> None:
        order, bounds = partition((64, 64), Domain.unit(2), 16)
        for j in range(16):
            x, y = np.divmod(order[bounds[j] : bounds[j + 1]], 64)
            assert np.ptp(x) == np.ptp(y) == 15

    @pytest.mark.parametrize("placement", ["nodal", "cell", "periodic"])
    @pytest.mark.parametrize("n_groups", [1, 7, 16, 50])
    def test_levels_are_divided_alike(self, placement, n_groups) -> None:
        domain, coarse, fine = Domain.unit(2, placement), (17, 17), (33, 33)
        centres = []
        for shape in (coarse, fine):
            x = domain.coordinates(shape).reshape(2, -1).numpy()
            order, bounds = partition(shape, domain, n_groups)
            centres.append([x[:, order[a:b]].mean(axis=1) for a, b in pairwise(bounds)])
        assert np.abs(np.subtract(*centres)).max() < 1.5 / 17


class TestStratified:
    @pytest.mark.parametrize("neval", [1, 5, 34])
    def test_one_point_in_each_group_and_its_size_as_factor(self, neval) -> None:
        order, bounds = partition((5, 7), Domain.unit(2), neval)
        group = np.empty(35, dtype=int)
        group[order] = np.repeat(np.arange(neval), np.diff(bounds))
        for step in range(5):
            drawn = draw(sampler("stratified", (5, 7), neval=neval), step)
            for row, factor in zip(drawn.index, drawn.factor, strict=True):
                assert group[row.numpy()].tolist() == list(range(neval))
                assert factor.tolist() == np.diff(bounds).tolist()

    def test_the_factors_of_a_draw_are_the_points(self) -> None:
        assert draw(sampler("stratified", (5, 7), neval=6)).factor.sum(dim=1).tolist() == [35] * 3


@pytest.mark.parametrize(("shape", "neval"), [((257,), 16), ((65, 65), 16), ((65, 65), 100), ((17,) * 3, 64)])
@pytest.mark.parametrize("name", ["stratified", "sobol", "importance"])
def test_covering_beats_random_where_errors_are_smooth(name, shape, neval) -> None:
    """By variance; the less so, the more axes there are. Importance has learnt nothing here."""
    domain = Domain.unit(len(shape))
    field = smooth(domain, shape)
    spread = {
        n: estimates(sampler(n, shape, neval=neval), field, domain, rows=500).var() for n in ("random", name)
    }
    assert spread[name] < spread["random"] / {1: 20, 2: 5, 3: 2}[len(shape)]


class TestLevelsAgree:
    """Common random numbers: a sample's points lie at nearly the same places on all levels."""

    @pytest.mark.parametrize("placement", ["nodal", "cell", "periodic"])
    @pytest.mark.parametrize("ndim", [1, 2, 3])
    def test_sobol_points_lie_within_a_coarse_cell_of_each_other(self, placement, ndim) -> None:
        domain = Domain.unit(ndim, placement)
        shapes = [(9,) * ndim, (16,) * ndim, (17,) * ndim]
        points = sampler("sobol", *shapes, neval=6, domain=domain)
        at = [
            domain.coordinates(shape).flatten(1)[:, draw(points, 4, level, 10).index]
            for level, shape in enumerate(shapes)
        ]
        cell = 1 / domain.axes[0].intervals(9)
        assert max((at[0] - other).abs().max() for other in at[1:]) <= cell + 1e-12

    @pytest.mark.parametrize("name", ["random", "stratified", "sobol", "importance"])
    def test_the_difference_of_two_levels_has_little_noise(self, name) -> None:
        domain, shapes = Domain.unit(2), ((33, 33), (65, 65))
        points = sampler(name, *shapes, neval=8)
        coarse, fine, other = (
            estimates(points, smooth(domain, shapes[level]), domain, step, level, rows=500)
            for level, step in ((0, 0), (1, 0), (1, 1))
        )
        assert (fine - coarse).var() < 0.6 * (other - coarse).var()
        if name in ("random", "sobol"):
            assert (fine - coarse).var() < 0.5 * fine.var()


class TestUniform:
    @pytest.mark.parametrize(
        ("shape", "neval", "blocks"),
        [
            ((10,), 4, (4,)),
            ((33, 33), 16, (4, 4)),
            ((33, 33), 17, (4, 4)),
            ((33, 33), 20, (5, 4)),
            ((100, 2), 10, (10, 1)),
            ((64, 32), 8, (4, 2)),
            ((9, 9, 9), 27, (3, 3, 3)),
            ((9, 1, 9), 80, (9, 1, 8)),
            ((5, 5), 1, (1, 1)),
        ],
    )
    def test_blocks_per_axis(self, shape, neval, blocks) -> None:
        assert blocks_per_axis(shape, neval) == blocks
        assert sampler("uniform", shape, neval=neval).counts(0.0) == (numel(blocks),)

    @pytest.mark.parametrize("placement", ["nodal", "cell", "periodic"])
    @pytest.mark.parametrize("shape", [(10,), (33,), (9, 12), (4, 5, 6)], ids=str)
    def test_exact_for_constants(self, placement, shape) -> None:
        domain = Domain.unit(len(shape), placement)
        for neval in (1, 2, 5, numel(shape) - 1):
            points = sampler("uniform", shape, neval=neval, domain=domain)
            total = estimates(points, torch.ones(shape, dtype=torch.float64), domain)
            assert total.item() == pytest.approx(1, abs=1e-6)

    @pytest.mark.parametrize(("placement", "n"), [("nodal", 385), ("cell", 384), ("periodic", 384)])
    def test_converges_at_second_order(self, placement, n) -> None:
        domain = Domain.unit(1, placement)
        field = torch.exp(domain.coordinates((n,))[0])
        errors = []
        for neval in (6, 12, 24):
            points = sampler("uniform", (n,), neval=neval, domain=domain)
            errors.append(abs(estimates(points, field, domain).item() - mean_of(field, domain)))
        assert errors[0] < 0.02
        assert errors[2] < errors[0] / 8

    def test_evenly_spaced_and_always_the_same(self) -> None:
        points = sampler("uniform", (12,), neval=4, domain=Domain.unit(1, "cell"))
        assert draw(points, 0).index.tolist() == draw(points, 7).index.tolist() == [1, 4, 7, 10]
        assert draw(points).factor.tolist() == pytest.approx([3.0] * 4)

    def test_even_blocks_lean_to_either_side_in_turn(self) -> None:
        points = sampler("uniform", (12,), neval=6, domain=Domain.unit(1, "cell"))
        index = draw(points).index
        assert (index - 2 * torch.arange(6)).tolist() == [1, 0, 1, 0, 1, 0]

    def test_ends_of_a_nodal_axis_weigh_half(self) -> None:
        points = sampler("uniform", (5,), neval=4)
        weights = Domain.unit(1).weights((5,))[draw(points).index] * factors(draw(points), 5).flatten()
        assert weights.tolist() == pytest.approx([0.125, 0.25, 0.25, 0.375], abs=1e-7)
