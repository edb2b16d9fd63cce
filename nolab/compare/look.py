"""What each group looks like in a picture, without relying on colour alone."""

from dataclasses import dataclass

from nolab.compare.comparison import Comparison

_NAMED = 12
"""With more groups than this only the front and the baseline are named."""

# Okabe and Ito's colours without yellow, which vanishes on paper. Their number and that of the markers have
# no common factor, so 56 groups look different, and neighbours differ in both.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
_GREY = "#9A9A9A"
_OTHERS = "other groups"


@dataclass(frozen=True)
class Look:
    """Colour, marker and name of a group; hollow markers are off the front."""

    colour: str
    marker: str
    filled: bool
    label: str


def looks(comparison: Comparison) -> list[Look]:
    """One for each group: filled on the front, hollow off it, grey where it is not named apart.

    Groups of one curve look alike.
    """
    if comparison.options.along is not None:
        return _looks_of_curves(comparison)
    few = len(comparison.groups) <= _NAMED
    found, named = [], 0
    for group, on_front in zip(comparison.groups, comparison.front, strict=True):
        baseline = group is comparison.baseline
        if not (few or on_front or baseline):
            found.append(Look(_GREY, "o", False, _OTHERS))
            continue
        look = _COLOURS[named % len(_COLOURS)], _MARKERS[named % len(_MARKERS)]
        found.append(Look(*look, on_front, comparison.name(group)))
        named += 1
    return found


def _looks_of_curves(comparison: Comparison) -> list[Look]:
    numbers = {curve: i for i, curve in enumerate(sorted(set(comparison.curves)))}
    return [
        Look(
            _COLOURS[numbers[curve] % len(_COLOURS)],
            _MARKERS[numbers[curve] % len(_MARKERS)],
            on_front,
            curve,
        )
        for curve, on_front in zip(comparison.curves, comparison.front, strict=True)
    ]
