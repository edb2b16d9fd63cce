"""Median and quartiles of a few runs, some of which may have missed (infinity)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor


@dataclass(frozen=True)
class Spread:
    """First quartile, median and third quartile, by linear interpolation."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The quartiles of values, of which some may be infinite but none NaN."""
        ordered = sorted(values)
        return cls(*(_quantile(ordered, share) for share in (0.25, 0.5, 0.75)))


def _quantile(ordered: Sequence[float], share: float) -> float:
    # numpy.percentile's definition, without its NaN from 0 × infinity and infinity - infinity.
    place = share * (len(ordered) - 1)
    low, high = ordered[floor(place)], ordered[ceil(place)]
    return low if low == high else low + (place - floor(place)) * (high - low)
