"""`importance`: what it learns from errors, and that it goes on from a state bit for bit."""

import io

import pytest
import torch
from points_support import CPU, draw, sampler

from nolab.fields import Draw


def residual(points, name: str = "10"):
    return points.state_dict()["scheme"][name]


def test_it_observes() -> None:
    assert sampler("importance", (10,), neval=3).observes
    assert not sampler("random", (10,), neval=3).observes


def test_the_residual_is_a_running_mean_over_samples_and_channels() -> None:
    points = sampler("importance", (10,), neval=2, decay=0.75)
    index = torch.tensor([[3, 5], [3, 3]])
    points.observe(0, Draw(index), torch.tensor([[[1.0, 8.0], [3.0, 0.0]], [[4.0, 6.0], [4.0, 6.0]]]))
    assert residual(points)[3] == pytest.approx((2 + 4 + 6) / 3)
    assert residual(points)[5] == 4
    points.observe(0, Draw(torch.tensor([[3], [3]])), torch.tensor([[[1.0]], [[3.0]]]))
    assert residual(points)[3] == pytest.approx(0.75 * 4 + 0.25 * 2)
    assert residual(points)[5] == 4


def test_points_that_all_samples_share() -> None:
    points = sampler("importance", (10,), neval=2, scope="shared")
    points.observe(0, Draw(torch.tensor([3, 5])), torch.tensor([[[1.0, 2.0]], [[3.0, 4.0]]]))
    assert residual(points)[[3, 5]].tolist() == [2, 3]


def probabilities(points, n: int = 10, neval: int = 2) -> torch.Tensor:
    """From the factors of a large draw."""
    drawn = points.draw(0, 0, 500, 0.0, CPU)
    p = torch.zeros(n)
    p[drawn.index] = 1 / (neval * drawn.factor)
    return p


def test_probabilities_follow_weights_and_residuals() -> None:
    points = sampler("importance", (10,), neval=2, mix=0.5)
    weights = torch.tensor([0.5] + [1.0] * 8 + [0.5]) / 9
    torch.testing.assert_close(probabilities(points), 0.5 * weights + 0.05)
    # Points 0 and 1 were drawn; the others count as their mean.
    points.observe(0, Draw(torch.tensor([[0, 1]])), torch.tensor([[[0.5, 1.5]]]))
    wanted = weights * torch.tensor([0.5, 1.5] + [1.0] * 8)
    torch.testing.assert_close(probabilities(points), 0.5 * wanted / wanted.sum() + 0.05)


def test_the_scale_of_the_errors_does_not_matter() -> None:
    drawn = []
    for scale in (1.0, 1e-6):
        points = sampler("importance", (10,), neval=4)
        for step in range(3):
            now = draw(points, step)
            points.observe(0, now, scale * now.index[:, None, :].float())
        drawn.append(draw(points, 3).index)
    assert torch.equal(*drawn)


@pytest.mark.parametrize("error", [0.0, float("nan"), float("inf")])
def test_errors_that_say_nothing_leave_uniform_points(error) -> None:
    points = sampler("importance", (10,), neval=2, mix=0.1)
    points.observe(0, Draw(torch.arange(10)), torch.full((1, 1, 10), error))
    p = probabilities(points)
    assert p.min() > 0.05
    assert p.sum().item() == pytest.approx(1, abs=1e-6)


def test_more_points_where_errors_are_large() -> None:
    points = sampler("importance", (20, 20), neval=8)
    error = torch.zeros(400)
    error[:40] = 1.0
    for step in range(200):
        drawn = draw(points, step, rows=4)
        points.observe(0, drawn, error[drawn.index][:, None, :])
    share = (draw(points, 200, rows=500).index < 40).float().mean().item()
    assert share == pytest.approx(0.8 + 0.2 * 0.1, abs=0.03)


def learn(points, steps: range) -> list[torch.Tensor]:
    drawn = []
    for step in steps:
        for level in range(2):
            now = draw(points, step, level)
            points.observe(level, now, (now.index % 7).float()[:, None, :] + step)
            drawn.append(now.index)
    return drawn


def test_a_saved_state_goes_on_bit_for_bit() -> None:
    def fresh():
        return sampler("importance", (9, 9), (17, 17), neval=6, seed=4)

    whole = learn(fresh(), range(6))
    first = fresh()
    begun = learn(first, range(3))
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = fresh()
    second.load_state_dict(torch.load(file, weights_only=True))
    for a, b in zip(whole, begun + learn(second, range(3, 6)), strict=True):
        assert torch.equal(a, b)


def test_an_earlier_state_comes_back_and_an_empty_one_forgets() -> None:
    points = sampler("importance", (9, 9), (17, 17), neval=6)
    before, first = points.state_dict(), draw(points, 9).index
    learn(points, range(3))
    assert not torch.equal(draw(points, 9).index, first)
    points.load_state_dict(before)
    assert torch.equal(draw(points, 9).index, first)
    learn(points, range(3))
    points.load_state_dict({})
    assert torch.equal(draw(points, 9).index, first)


def test_a_state_of_other_grids_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"residuals of the grid 3x3 is \(8,\) of .*, expected \(9,\) of torch.float64"
    ):
        sampler("importance", (3, 3), neval=2).load_state_dict({"scheme": {"3x3": torch.ones(8)}})
    with pytest.raises(ValueError, match="learns nothing"):
        sampler("random", (3, 3), neval=2).load_state_dict({"scheme": {"3x3": torch.ones(9)}})
