"""Progress of a long piece of work, on stderr: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINE_EVERY = 10.0
"""Seconds between two lines where stderr is no terminal."""


class SampleProgress:
    """Counts samples from `done` to `total`; use it as a context manager."""

    def __init__(self, label: str, total: int, done: int, show: bool) -> None:
        self.label, self.total, self.done = label, total, done
        self._first, self._began = done, time.monotonic()
        self._last_line = self._began
        self._show, self._bar = show, None
        console = Console(stderr=True)
        if show and console.is_terminal:
            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
            self._bar = Progress(TextColumn(label), *columns, TimeRemainingColumn(), console=console)
            self._task = self._bar.add_task(label, total=total, completed=done, rate="")

    def advance(self, samples: int) -> None:
        """Count `samples` more."""
        self.done += samples
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, rate=self._rate())
        elif time.monotonic() - self._last_line >= LINE_EVERY:
            self._line(f"{self._rate()}, {self._left()} left")

    def __enter__(self) -> "SampleProgress":
        self._began = self._last_line = time.monotonic()
        if self._bar is not None:
            self._bar.start()
        else:
            self._line("starting")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        else:
            elapsed = time.monotonic() - self._began
            self._line(f"{'done' if kind is None else 'stopped'} after {elapsed:.1f} s")

    def _speed(self) -> float:
        return (self.done - self._first) / max(time.monotonic() - self._began, 1e-9)

    def _rate(self) -> str:
        return f"{self._speed():.3g} samples/s"

    def _left(self) -> str:
        return f"{(self.total - self.done) / max(self._speed(), 1e-9):.0f} s"

    def _line(self, text: str) -> None:
        if self._show:
            self._last_line = time.monotonic()
            say(f"{self.label}: {self.done}/{self.total} samples, {text}")


def say(message: str) -> None:
    """One line on stderr."""
    print(message, file=sys.stderr, flush=True)
