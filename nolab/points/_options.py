"""Options that every scheme of points has."""

from dataclasses import dataclass
from typing import Any, Literal

from nolab.errors import InputError
from nolab.points._neval import NEval, parse_neval

Scope = Literal["shared", "per_sample"]


@dataclass(frozen=True)
class PointOptions:
    """Config group `points`; a scheme's ``Options`` may add to it."""

    scope: Scope = "per_sample"
    """Whether the samples of a term share their points or each draws its own."""
    neval: Any = None
    """Points per sample in the loss, N_eval: a number, a fraction of N_out, auto or {start, stop};
    null takes all of them."""
    axes: list[Any] | None = None
    """Instead of neval, points per axis of the domain: each a number, a fraction or null (the whole
    axis). The points are the product of the axes' draws."""

    def __post_init__(self) -> None:
        parse_neval(self.neval, "neval")
        if self.axes is None:
            return
        parse_axes(self.axes)
        if self.neval is not None:
            raise InputError(
                f"axes: {self.axes} sets the number of points, and so does neval={self.neval}; give one of "
                "the two and leave the other null"
            )

    @property
    def takes_some(self) -> bool:
        """Whether these options ask for less than all points."""
        return self.neval is not None or any(entry is not None for entry in self.axes or ())


def parse_axes(axes: list[Any]) -> tuple[NEval, ...]:
    """N_eval of every axis.

    Raises
    ------
    InputError : an entry is neither a number, a fraction nor null.
    """
    try:
        nevals = tuple(parse_neval(entry, "axes") for entry in axes)
    except InputError:
        nevals = ()
    if len(nevals) < len(axes) or any(neval.is_auto or not neval.is_constant for neval in nevals):
        raise InputError(
            "axes: every entry must be a whole number >= 1, a fraction in (0, 1) of the axis' points or null "
            f"(the whole axis), got {axes}"
        )
    return nevals
