"""One live view over all jobs of a sweep, and what is told at its end."""

import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from statistics import mean
from typing import ClassVar

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nolab.sweeps.attempt import ENDED, Attempt, JobRecord
from nolab.tracking.progress import duration

_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_BETWEEN_LINES = 30.0
_MOST_SHOWN = 12


class SweepView:
    """Watches an attempt's records from a thread: a table on a terminal, lines in a log file."""

    current: ClassVar["SweepView | None"] = None
    """The view of the multirun of this process."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self._records: dict[int, JobRecord] = {record.num: record for record in attempt.records()}
        self._all_known = bool(self._records)  # else the sweeper decides as it goes
        self._stream = sys.stderr  # a job in this process sends what it prints elsewhere
        console = Console(file=self._stream)
        self._live = Live(console=console, refresh_per_second=2) if console.is_terminal else None
        self._told: set[int] = set()
        self._last_line = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="sweep view", daemon=True)

    @classmethod
    def open(cls, attempt: Attempt) -> None:
        """Begin to watch."""
        cls.current = cls(attempt)
        if cls.current._live:
            cls.current._live.start()
        cls.current._thread.start()

    @classmethod
    def close(cls) -> "SweepView | None":
        """End the watch, if there was one, after a last look."""
        view, cls.current = cls.current, None
        if view is not None:
            view._stop.set()
            view._thread.join()
            view._look()
            if view._live:
                view._live.stop()
        return view

    @property
    def records(self) -> list[JobRecord]:
        """The jobs as they were when last looked at."""
        return [self._records[num] for num in sorted(self._records)]

    def _watch(self) -> None:
        while not self._stop.wait(_SECONDS_BETWEEN_LOOKS):
            self._look()

    def _look(self) -> None:
        if not self._all_known:
            self._records = {record.num: record for record in self.attempt.records()}
        for num, record in self._records.items():
            if record.state not in ENDED:
                self._records[num] = self.attempt.read(num) or record
        if self._live:
            self._live.update(panel(self.records))
        else:
            self._print_news()

    def _print_news(self) -> None:
        for record in self.records:
            if record.state in ENDED and record.num not in self._told:
                self._told.add(record.num)
                self._print(ended_line(record, varying(self.records)))
        if time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._print(counts_line(self.records))

    def _print(self, line: str) -> None:
        self._last_line = time.monotonic()
        print(line, file=self._stream, flush=True)


def counts_line(records: Sequence[JobRecord]) -> str:
    """E.g. ``12 jobs: 3 finished, 2 running, 7 waiting, about 5:10 left``."""
    counts: Counter[str] = Counter(record.state for record in records)
    states = ("finished", "skipped", "elsewhere", "running", "waiting", "interrupted", "failed")
    parts = [f"{counts[state]} {_WORDS.get(state, state)}" for state in states if counts[state]]
    left = seconds_left(records)
    ending = "" if left is None else f", about {duration(left)} left"
    return f"{len(records)} job{'s' * (len(records) != 1)}: {', '.join(parts)}{ending}"


_WORDS = {"skipped": "finished before", "elsewhere": "run by another process"}


def seconds_left(records: Sequence[JobRecord]) -> float | None:
    """Seconds until the last job ends, None where nothing tells yet.

    Jobs that wait are taken to last as long as the mean of those that ran, at as many at once as run now.
    """
    running = [record for record in records if record.state == "running"]
    waiting = sum(record.state == "waiting" for record in records)
    lengths = [record.wall_seconds for record in records if record.state == "finished"]
    lengths += [r.wall_seconds + r.seconds_left for r in running if r.seconds_left is not None]
    if not running or not lengths:
        return None
    length = mean(lengths)
    left = sum(
        max(0.0, length - r.wall_seconds) if r.seconds_left is None else r.seconds_left for r in running
    )
    return (left + waiting * length) / len(running)


def ended_line(record: JobRecord, keys: Sequence[str]) -> str:
    """E.g. ``job 3 finished: sampling=fine seed=1: rel. L2 0.0431, 12.3 s trained``."""
    line = f"job {record.num} {_WORDS.get(record.state, record.state)}: {shown_overrides(record, keys)}"
    if record.state == "failed":
        return f"{line}: {record.error}"
    figures = _figures(record)
    return f"{line}: rel. L2 {figures[0]}, {figures[1]} s trained" if record.figures else line


def panel(records: Sequence[JobRecord]) -> Table:
    """Counts, some running jobs with their progress, and the last failures: no higher than a terminal."""
    grid = Table.grid(padding=(0, 2))
    ended = sum(record.state in ENDED for record in records)
    head = Table.grid(padding=(0, 2))
    head.add_row(ProgressBar(total=max(1, len(records)), completed=ended, width=30), counts_line(records))
    grid.add_row(head)
    jobs = Table.grid(padding=(0, 2))
    keys = varying(records)
    running = [record for record in records if record.state == "running"]
    for record in running[:_MOST_SHOWN]:
        jobs.add_row(
            Text(f"job {record.num}"),
            ProgressBar(total=1.0, completed=record.share, width=20),
            Text(f"{duration(record.seconds_left)} left"),
            Text(shown_overrides(record, keys), overflow="ellipsis", no_wrap=True),
        )
    for record in [record for record in records if record.state == "failed"][-_MOST_SHOWN:]:
        jobs.add_row(
            Text(f"job {record.num}", style="red"),
            Text("failed"),
            Text(""),
            Text(record.error or "", overflow="ellipsis", no_wrap=True),
        )
    grid.add_row(jobs)
    return grid


def result_table(records: Sequence[JobRecord]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of all jobs: what varies between them, how each ended and with what."""
    keys = varying(records)
    columns = ["job", *keys, "state", "rel. L2", "train s", "run"]
    rows = []
    for record in records:
        given = dict(override.partition("=")[::2] for override in record.overrides)
        state = _WORDS.get(record.state, record.state)
        cells = [str(record.num), *(given.get(key, "") for key in keys), state, *_figures(record)]
        rows.append([*cells, record.run or ""])
    return columns, rows


def shown_overrides(record: JobRecord, keys: Sequence[str]) -> str:
    """The job's overrides of `keys`, those that vary; of all keys where none does."""
    return " ".join(o for o in record.overrides if not keys or o.partition("=")[0] in keys)


def varying(records: Sequence[JobRecord]) -> list[str]:
    """Keys whose values differ between the jobs, as they were written."""
    values: dict[str, set[str]] = {}
    for record in records:
        for override in record.overrides:
            key, _, value = override.partition("=")
            values.setdefault(key, set()).add(value)
    return [key for key, given in values.items() if len(given) > 1]


def _figures(record: JobRecord) -> tuple[str, str]:
    error, seconds = record.figures.get("final/rel_l2"), record.figures.get("cost/train_s")
    return ("" if error is None else f"{error:.4g}"), ("" if seconds is None else f"{seconds:.1f}")
