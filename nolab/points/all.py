"""`all`: every output point enters the loss."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from nolab.errors import InputError
from nolab.grid import Domain
from nolab.points._scheme import Scheme, Shape


@dataclass(frozen=True)
class Options:
    """Config group `points` with scheme `all`."""

    neval: Any = None
    """Must be null."""

    # What the other schemes' options say; no keys here.
    axes: ClassVar[None] = None
    takes_some: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.neval is not None:
            raise InputError(
                f"points: scheme 'all' takes every point, but neval={self.neval} was given; "
                "use points=random, or neval=null"
            )


def build(options: Options, domain: Domain, seed: int) -> Scheme:
    """The scheme that takes every point."""
    return All()


class All(Scheme):
    """Every point at every step."""

    def draw(self, step: int, shape: Shape, neval: int, n_samples: int, device: torch.device) -> None:
        return None

    def count(self, shape: Shape, neval: int) -> int:
        return math.prod(shape)
