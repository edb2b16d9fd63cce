"""Numbers and columns as the page reads them: short, and null for what is not finite."""

from collections.abc import Iterable, Sequence
from math import isnan
from typing import Any

from nolab.compare.records import number

_DIGITS = 6
_LONG = 10**16  # from here on Python writes floats with an exponent


def rounded(value: Any) -> float | int | None:
    """`value` to 6 significant digits; None for what is not a finite number."""
    given = number(value)
    if isnan(given):
        return None
    short = float(f"{given:.{_DIGITS}g}")
    return int(short) if short.is_integer() and abs(short) < _LONG else short


def union(names: Iterable[Iterable[str]]) -> list[str]:
    """Every name once, in the order of their first appearance."""
    return list(dict.fromkeys(name for some in names for name in some))


def column(values: Sequence[Any]) -> dict[str, Any]:
    """One value per run; a value that all runs share is kept once."""
    if all(value == values[0] for value in values):
        return {"all": values[0]}
    return {"each": list(values)}
