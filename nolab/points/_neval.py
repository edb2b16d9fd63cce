"""N_eval, the number of points in the loss, in all the ways in which a user may give it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nolab.errors import InputError

Amount = int | float
"""A number of points, or a fraction in (0, 1) of those that there are."""


@dataclass(frozen=True)
class NEval:
    """Points per sample in the loss; by default all of them.

    Parameters
    ----------
    amount : N_eval, or its first value where it grows; None takes all points.
    stop : the last value where it grows; None grows to all points.
    grows : whether N_eval goes from `amount` to `stop` in the course of the run.
    is_auto : N_eval is to be measured; nothing else is given then.
    """

    amount: Amount | None = None
    stop: Amount | None = None
    grows: bool = False
    is_auto: bool = False

    @property
    def is_constant(self) -> bool:
        """Whether every step of a run has the same N_eval."""
        return not self.grows

    def count(self, n_points: int, share: float) -> int | None:
        """N_eval on a grid of `n_points`, or None for all points.

        A growing N_eval is start, 2 start, 4 start, …, stop, each for as long a part of the run: the
        geometric growth start·(stop/start)^share in doublings, so that the shapes of a run stay few
        and its last phase has exactly `stop`.

        Parameters
        ----------
        share : of the run that is done, in [0, 1].

        Raises
        ------
        RuntimeError : N_eval is `auto`, which has to be measured first.
        """
        if self.is_auto:
            raise RuntimeError("neval=auto has not been measured yet")
        count = _resolve(self.amount, n_points)
        if self.grows:
            count = _grown(count, _resolve(self.stop, n_points), share)
        return None if count >= n_points else count

    def exceeds(self, n_points: int) -> bool:
        """Whether the user gave a number that is more than the grid has."""
        return isinstance(self.amount, int) and self.amount > n_points

    def __str__(self) -> str:
        if self.is_auto:
            return "auto"
        if self.grows:
            return f"{{start: {_shown(self.amount)}, stop: {_shown(self.stop)}}}"
        return _shown(self.amount)


def parse_neval(value: Any, key: str) -> NEval:
    """N_eval as it stands in the config under `key`.

    Raises
    ------
    InputError : naming the key, the value and what is allowed.
    """
    if value is None:
        return NEval()
    if value == "auto":
        return NEval(is_auto=True)
    if isinstance(value, Mapping):
        return _parse_schedule(value, key)
    return NEval(_parse_amount(value, key))


def _parse_amount(value: Any, key: str) -> Amount:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if isinstance(value, float) and value == 1:
            raise InputError(
                f"{key}: 1.0 could mean one point or all of them; write 1 for one point, null for all"
            )
        if 1 <= value < 1e300 and value == int(value):
            return int(value)
        if 0 < value < 1:
            return float(value)
    raise InputError(
        f"{key}: must be a whole number >= 1, a fraction in (0, 1) of the points, auto, {{start: …, stop: …}} "
        f"or null (all points), got {value!r}"
    )


def _parse_schedule(value: Mapping[str, Any], key: str) -> NEval:
    given = dict(value)
    if set(given) != {"start", "stop"} or given["start"] is None:
        raise InputError(f"{key}: a growing N_eval is {{start: …, stop: …}}, got {given}")
    start = _parse_amount(given["start"], key)
    stop = None if given["stop"] is None else _parse_amount(given["stop"], key)
    # A number and a fraction can only be compared on a grid; where start is more there, N_eval is stop.
    if type(start) is type(stop) and start >= stop:
        raise InputError(f"{key}: start must lie below stop, got {given}")
    return NEval(start, stop, grows=True)


def _resolve(amount: Amount | None, n_points: int) -> int:
    if amount is None:
        return n_points
    return amount if isinstance(amount, int) else max(1, round(amount * n_points))


def _grown(start: int, stop: int, share: float) -> int:
    ratio = -(-stop // start)  # rounded up
    doublings = (ratio - 1).bit_length()  # the fewest with start·2^doublings >= stop
    phase = min(int(share * (doublings + 1)), doublings)
    return min(start << phase, stop)


def _shown(amount: Amount | None) -> str:
    return "null" if amount is None else f"{amount:g}" if isinstance(amount, float) else str(amount)
