"""A linear or logarithmic axis: its ends, places of values on it, and ticks that read well."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

LOG_FROM = 5.0
"""Positive values that span more than this factor get a logarithmic axis."""

_MARGIN = 0.06
_MANTISSAS = ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,))
_STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high`; a logarithmic one spans more than :data:`LOG_FROM`."""

    low: float
    high: float
    log: bool

    @classmethod
    def of(cls, values: Iterable[float]) -> "Scale":
        """An axis that holds the finite ones of some values, with a margin at both ends."""
        finite = [value for value in values if isfinite(value)] or [1.0]
        low, high = min(finite), max(finite)
        if low > 0 and high / low > LOG_FROM:
            beyond = (high / low) ** _MARGIN
            return cls(low / beyond, high * beyond, True)
        apart = high - low > 1e-9 * max(abs(low), abs(high))
        beyond = _MARGIN * (high - low) if apart else 0.5 * abs(high) or 1.0
        return cls(low - beyond, high + beyond, False)

    def place(self, value: float) -> float:
        """Where a value lies: 0 at the low end, 1 at the high end."""
        if self.log:
            return log10(value / self.low) / log10(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, most: int) -> list[float]:
        """At least two and at most `most` (>= 5) round values within the axis, in order."""
        return self._log_ticks(most) if self.log else self._linear_ticks(most)

    def _log_ticks(self, most: int) -> list[float]:
        decades = range(floor(log10(self.low)), ceil(log10(self.high)) + 1)
        for mantissas in _MANTISSAS:
            ticks = [float(f"{m}e{k}") for k in decades for m in mantissas]
            ticks = [tick for tick in ticks if self.low <= tick <= self.high]
            if len(ticks) <= most:
                return ticks
        return ticks[:: ceil(len(ticks) / most)]

    def _linear_ticks(self, most: int) -> list[float]:
        power = 10.0 ** floor(log10((self.high - self.low) / most))
        for step in (factor * power for factor in (*_STEPS, 20, 25, 50)):
            first, last = ceil(self.low / step), floor(self.high / step)
            if last - first < most:
                break
        return [float(f"{i * step:.12g}") for i in range(first, last + 1)]


def tick_texts(ticks: Sequence[float]) -> list[str]:
    """Ticks in short and all in one form: ``0.05``, ``120``; from 1e5 and below 1e-3 as ``2e5``."""
    largest = max(map(abs, ticks))
    if 1e-3 <= largest < 1e5:
        return [f"{tick:.12g}" for tick in ticks]
    return [_scientific(tick) for tick in ticks]


def _scientific(value: float) -> str:
    mantissa, _, power = f"{value:.11e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(power)}" if value else "0"
