"""Points as the product of one draw per axis."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from nolab.fields import Draw
from nolab.points._neval import NEval
from nolab.points._scheme import Scheme, Shape


class Product(Scheme):
    """Draws each axis by a scheme of its own; the points are all combinations.

    For space-time and other tensor-product problems, whose models share work among the points of a
    line. The axes' draws are independent, so the expected numbers of draws multiply, and with them
    the factors. What a scheme says of its points (none twice, each equally often) holds for each axis.

    Parameters
    ----------
    schemes, nevals : of each axis; the schemes must not learn.
    """

    def __init__(self, schemes: tuple[Scheme, ...], nevals: tuple[NEval, ...]) -> None:
        self._schemes = schemes
        self._nevals = nevals

    def draw(self, step: int, shape: Shape, neval: int, n_samples: int, device: torch.device) -> Draw:
        """The product of the axes' draws, which have numbers of their own: `neval` is their product."""
        draws = [
            (None if k is None else scheme.draw(step, (n,), k, n_samples, device)) or _whole(n, device)
            for scheme, n, k in zip(self._schemes, shape, self._counts(shape), strict=True)
        ]
        index = torch.zeros(1, dtype=torch.int64, device=device)
        for n, draw in zip(shape, draws, strict=True):
            index = _pairs(index * n, draw.index, torch.add)
        if all(draw.factor is None for draw in draws):
            return Draw(index)
        factor = torch.ones(1, dtype=torch.float64, device=device)
        for n, draw in zip(shape, draws, strict=True):
            even = torch.full(
                (draw.index.shape[-1],), n / draw.index.shape[-1], dtype=factor.dtype, device=device
            )
            factor = _pairs(factor, even if draw.factor is None else draw.factor, torch.mul)
        return Draw(index, factor.expand_as(index))

    def count(self, shape: Shape, neval: int) -> int:
        return math.prod(
            n if k is None else scheme.count((n,), k)
            for scheme, n, k in zip(self._schemes, shape, self._counts(shape), strict=True)
        )

    def _counts(self, shape: Shape) -> list[int | None]:
        return [neval.count(n, 0.0) for neval, n in zip(self._nevals, shape, strict=True)]


def _whole(n: int, device: torch.device) -> Draw:
    return Draw(torch.arange(n, device=device))


def _pairs(outer: Tensor, inner: Tensor, combine: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """(…, P) and (…, Q) -> (…, P·Q), all pairs, the inner one running faster; rows are broadcast."""
    return combine(outer[..., :, None], inner[..., None, :]).flatten(-2)
