"""FieldBatch: points taken equal advanced indexing."""

import pytest
import torch
from torch import Tensor

from nolab.fields import Draw, FieldBatch, take_points
from nolab.grid import Domain

B, C, P = 3, 2, 4
SHAPES = [(11,), (3, 5), (2, 3, 4)]


def make(shape: tuple[int, ...], scope: str) -> tuple[FieldBatch, Tensor]:
    generator = torch.Generator().manual_seed(0)
    batch = FieldBatch(
        torch.rand(B, 1, *shape, generator=generator),
        Domain.unit(len(shape)),
        torch.rand(B, C, *shape, generator=generator),
        torch.rand(B, generator=generator),
    )
    n = batch.target[0, 0].numel()
    size = (P,) if scope == "shared" else (B, P)
    return batch, torch.randint(0, n, size, generator=generator)


def expected(field: Tensor, points: Tensor) -> Tensor:
    """By advanced indexing on the grid, one sample at a time."""
    rows = points.expand(len(field), -1)
    return torch.stack([f[:, *torch.unravel_index(p, f.shape[1:])] for f, p in zip(field, rows, strict=True)])


@pytest.mark.parametrize("scope", ["shared", "per_sample"])
@pytest.mark.parametrize("shape", SHAPES)
def test_points(shape: tuple[int, ...], scope: str) -> None:
    batch, points = make(shape, scope)
    want = expected(batch.target, points)
    assert want.shape == (B, C, P)
    assert torch.equal(take_points(batch.target, points), want)
    chosen = batch.at(Draw(points))
    assert torch.equal(chosen.target, want)
    assert torch.equal(chosen.select(batch.target), want)
    assert chosen.points is points
    # The rest stays as it is: the input on its grid, and the norm of the whole target.
    assert chosen.shape == shape
    assert chosen.input is batch.input
    assert chosen.norm is batch.norm
    assert len(chosen) == B


def test_all_points() -> None:
    batch, _ = make((3, 5), "shared")
    assert batch.at(None) is batch
    assert batch.select(batch.target) is batch.target


def test_points_without_target() -> None:
    batch = FieldBatch(torch.rand(B, 1, 4, 4), Domain.unit(2)).at(Draw(torch.tensor([1, 2])))
    assert batch.target is None
    assert batch.select(torch.rand(B, 5, 4, 4)).shape == (B, 5, 2)


def test_gradient_reaches_the_chosen_points_only() -> None:
    field = torch.zeros(2, 1, 3, 3, requires_grad=True)
    take_points(field, torch.tensor([[0, 4], [8, 8]])).sum().backward()
    assert field.grad.flatten(1).tolist() == [[1, 0, 0, 0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0, 2]]
