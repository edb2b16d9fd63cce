"""The sampler of a run: N_eval of its levels, measured and growing ones, products of axes."""

import pytest
import torch
from points_support import CPU, RANDOM, SCHEMES, SCOPES, draw, options_of, sampler

from nolab.fields import Draw
from nolab.grid import Axis, Domain
from nolab.points import NEval, PointSampler, build_points, parse_neval
from nolab.points._scheme import Scheme

BY_AXES = [name for name in SCHEMES if name != "importance"]


def levels(*nevals, name: str = "random") -> PointSampler:
    shapes = tuple((4 * 2**level,) for level in range(len(nevals)))
    parsed = tuple(parse_neval(neval, "neval") for neval in nevals)
    return build_points(name, options_of(name), Domain.unit(1), 0, shapes, parsed)


class TestLevels:
    def test_have_neval_of_their_own(self) -> None:
        points = levels(2, 0.5, None)
        assert points.names == ("4", "8", "16")
        assert [points.n_points(level) for level in range(3)] == [4, 8, 16]
        assert points.counts(0.0) == (2, 4, 16)
        drawn = [draw(points, level=level) for level in range(3)]
        assert [None if d is None else d.index.shape[-1] for d in drawn] == [2, 4, None]

    def test_grow_with_the_run(self) -> None:
        points = levels({"start": 2, "stop": 8}, {"start": 2, "stop": 8})
        assert [points.counts(share) for share in (0.0, 0.5, 0.9)] == [(2, 2), (4, 4), (4, 8)]
        assert points.draw(0, 1, 2, 0.4, CPU).index.shape == (2, 4)
        assert points.draw(0, 1, 2, 0.9, CPU) is None

    def test_counts_are_those_of_the_draws(self) -> None:
        for name in SCHEMES:
            points = sampler(name, (5, 7), neval=13)
            assert points.counts(0.0) == (draw(points).index.shape[-1],)

    def test_a_users_scheme_needs_draw_alone(self) -> None:
        class First(Scheme):
            def draw(self, step, shape, neval, n_samples, device):
                return Draw(torch.arange(neval, device=device))

        points = PointSampler(First(), ((5,),), (NEval(3),))
        assert draw(points).index.tolist() == [0, 1, 2]
        assert points.state_dict() == {}
        assert not points.observes


class TestAuto:
    def test_has_to_be_measured_first(self) -> None:
        points = levels(2, "auto")
        assert [points.is_auto(level) for level in range(2)] == [False, True]
        with pytest.raises(RuntimeError, match="auto"):
            draw(points, level=1)
        with pytest.raises(RuntimeError, match="auto"):
            points.counts(0.0)

    @pytest.mark.parametrize(("measured", "count"), [(3, 3), (8, 8), (None, 8)])
    def test_takes_what_was_measured(self, measured, count) -> None:
        points = levels(2, "auto")
        points.fix(1, 5)
        points.fix(1, measured)
        assert not points.is_auto(1)
        assert points.counts(0.0) == (2, count)
        assert (draw(points, level=1) is None) == (count == 8)

    def test_is_kept_in_the_state(self) -> None:
        points = levels(2, "auto")
        before = points.state_dict()
        points.fix(1, 3)
        other = levels(2, "auto")
        other.load_state_dict(points.state_dict())
        assert other.counts(0.0) == (2, 3)
        other.load_state_dict(before)
        assert other.is_auto(1)

    def test_is_refused_where_neval_was_given(self) -> None:
        with pytest.raises(ValueError, match="neval of level 4 is 2, not auto"):
            levels(2, "auto").fix(0, 3)
        with pytest.raises(ValueError, match="level 0, which is not auto"):
            levels(2, "auto").load_state_dict({"neval": {0: 3}})


@pytest.mark.parametrize("name", [*RANDOM, "uniform", "all"])
def test_a_new_state_is_empty(name) -> None:
    points = sampler(name, (9,), neval=None if name == "all" else 3)
    if name != "importance":
        draw(points)
    assert points.state_dict() == {}
    points.load_state_dict({})
    points.observe(0, Draw(torch.arange(3)), torch.ones(2, 1, 3))
    assert bool(points.state_dict()) == (name == "importance")


class TestAxes:
    DOMAIN = Domain((Axis("cell", 0, 4), Axis("nodal")))

    @pytest.mark.parametrize("name", BY_AXES)
    @pytest.mark.parametrize("scope", SCOPES)
    @pytest.mark.parametrize(
        ("axes", "sizes"), [([4, 3], (4, 3)), ([None, 2], (8, 2)), ([0.5, None], (4, 5)), ([1, 9], (1, 5))]
    )
    def test_the_points_are_the_product_of_the_axes(self, name, scope, axes, sizes) -> None:
        points = sampler(name, (8, 5), (16, 10), domain=self.DOMAIN, scope=scope, axes=axes)
        drawn = draw(points)
        assert points.counts(0.0)[0] == sizes[0] * sizes[1] == drawn.index.shape[-1]
        rows = drawn.index.reshape(-1, *sizes)
        i, j = rows // 5, rows % 5
        assert torch.equal(i, i[:, :, :1].expand_as(i))
        assert torch.equal(j, j[:, :1, :].expand_as(j))
        assert drawn.factor is None or drawn.factor.shape == drawn.index.shape

    def test_factors_multiply(self) -> None:
        drawn = draw(sampler("stratified", (8, 5), domain=self.DOMAIN, axes=[3, 2], scope="shared"))
        expected = torch.tensor([[2.0], [3.0], [3.0]]) * torch.tensor([2.0, 3.0])
        assert torch.equal(drawn.factor, expected.flatten())
        part = draw(sampler("stratified", (8, 5), domain=self.DOMAIN, axes=[3, None], scope="shared"))
        assert torch.equal(part.factor, torch.tensor([2.0, 3.0, 3.0]).repeat_interleave(5))

    def test_axes_have_streams_of_their_own(self) -> None:
        index = draw(sampler("random", (50, 50), axes=[6, 6]), rows=20).index.reshape(20, 6, 6)
        assert not any(torch.equal(row[:, 0] // 50, row[0] % 50) for row in index)

    def test_whole_axes_are_all_points(self) -> None:
        points = sampler("random", (4, 3), (8, 9), axes=[None, 5], domain=self.DOMAIN)
        assert draw(points, level=0) is None
        assert points.counts(0.0) == (12, 40)

    def test_an_epoch_of_each_axis(self) -> None:
        points = sampler("epoch", (6, 4), axes=[2, 2])
        met = torch.cat([draw(points, step, rows=1).index[0] for step in range(6)])
        assert torch.bincount(met // 4, minlength=6).tolist() == [8 // 2] * 6
        assert torch.bincount(met % 4, minlength=4).tolist() == [6] * 4
