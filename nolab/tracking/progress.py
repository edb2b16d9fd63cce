"""Live progress on stderr: a bar on a terminal, a line now and then in a log file."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

_SECONDS_BETWEEN_LINES = 10.0
_SHARE_BETWEEN_LINES = 0.01
"""Of the time since the first line: a run of a day prints some 500 lines, one of a month some 900."""


@dataclass(frozen=True)
class Status:
    """What a reader wants to know now.

    train_errors, test_errors, samples : per level name, the last step's mean loss, the newest
        evaluation's relative L2 and the samples evaluated so far.
    seconds_left : of training, None where it can't be told yet.
    """

    step: int
    share: float
    loss: float
    train_errors: Mapping[str, float]
    test_errors: Mapping[str, float]
    samples: Mapping[str, int]
    train_seconds: float
    seconds_left: float | None


class View(Protocol):
    """Shows :class:`Status`; a context manager."""

    def __enter__(self) -> "View": ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, status: Status, *, force: bool = False) -> None:
        """Show `status`, unless it is too soon and not forced."""


class ProgressView:
    """A :class:`View` on stderr."""

    def __init__(self) -> None:
        self._console = Console(file=sys.stderr)
        self._live = Live(console=self._console, refresh_per_second=4) if self._console.is_terminal else None
        self._first_line: float | None = None
        self._last_line = 0.0

    def __enter__(self) -> "ProgressView":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, status: Status, *, force: bool = False) -> None:
        """Show `status`; without a terminal at most one line every 10 s unless forced, and ever fewer."""
        if self._live:
            self._live.update(_panel(status))
        elif force or self._is_due(time.monotonic()):
            print(_line(status), file=sys.stderr, flush=True)

    def _is_due(self, now: float) -> bool:
        """Whether a line is to be printed `now`; then it counts as printed."""
        if self._first_line is None:
            self._first_line = self._last_line = now
            return True
        wait = max(_SECONDS_BETWEEN_LINES, _SHARE_BETWEEN_LINES * (now - self._first_line))
        if now - self._last_line < wait:
            return False
        self._last_line = now
        return True


def duration(seconds: float | None) -> str:
    """Minutes and seconds, e.g. ``2:05``."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def _shown(error: float) -> str:
    """Four decimals, or three digits where they would not show it: a mean square may be any size."""
    return f"{error:.4f}" if abs(error) >= 0.01 else f"{error:.2e}"


def _panel(status: Status) -> Table:
    grid = Table.grid(padding=(0, 2))
    head = Table.grid(padding=(0, 2))
    head.add_row(
        Text(f"step {status.step}"),
        ProgressBar(total=1.0, completed=status.share, width=30),
        Text(f"{duration(status.train_seconds)} trained, {duration(status.seconds_left)} left"),
        Text(f"loss {_shown(status.loss)}"),
    )
    grid.add_row(head)
    levels = Table(box=None, pad_edge=False)
    for column in ("level", "train loss", "test rel. L2", "samples"):
        levels.add_column(column, justify="left" if column == "level" else "right")
    for name, samples in status.samples.items():
        errors = (status.train_errors.get(name), status.test_errors.get(name))
        levels.add_row(name, *("…" if e is None else _shown(e) for e in errors), f"{samples:,}")
    grid.add_row(levels)
    return grid


def _line(status: Status) -> str:
    train, test = (
        " ".join(f"{name}={_shown(error)}" for name, error in errors.items()) or "…"
        for errors in (status.train_errors, status.test_errors)
    )
    samples = " ".join(f"{name}={n}" for name, n in status.samples.items())
    return (
        f"step {status.step} ({100 * status.share:.0f} %)  train loss {train}  test rel. L2 {test}  "
        f"samples {samples}  "
        f"{duration(status.train_seconds)} trained, {duration(status.seconds_left)} left"
    )
