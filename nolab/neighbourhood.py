"""What a model on scattered points wants to know of their neighbourhood, before it runs."""

from dataclasses import dataclass

from nolab.schema import check


@dataclass(frozen=True)
class Neighbourhood:
    """A table of neighbours, (n, M, K) int64: row m of a sample lists the neighbours of its target m, then -1.

    The search runs once, before training, and is kept beside the data.

    Parameters
    ----------
    radius : neighbours lie within this distance, in units of the domain; None: the nearest ones, wherever.
    most : K is at most this, and no more than the fullest row needs. Of more points within the radius a random subset
        stays, the same in every run, so that a mean over the neighbours stays an estimate of the mean over the
        ball. Without a radius: the `most` nearest.
    centres : the targets are so many places, points of the coarsest level far from each other (farthest point
        sampling), the same at every level; their coordinates are (n, M, ndim). None: the targets are all points.

    A point is a neighbour of itself. Padding has no neighbours and is none.
    """

    radius: float | None
    most: int
    centres: int | None = None

    def __post_init__(self) -> None:
        check(self.radius is None or 0 < self.radius < float("inf"), "radius", self.radius, "> 0")
        check(self.most >= 1, "most", self.most, "at least 1")
