"""Where figures go: the files of the run directory; W&B is beside it in `wandb_sink.py`."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from nolab.tracking.run_directory import METRICS, SUMMARY, finite, reported, write_json, write_text
from nolab.tracking.run_files import read_records

Record = dict[str, Any]


class Sink(Protocol):
    """Receives a run's figures under the names of the summary."""

    def log(self, record: Record) -> None:
        """One record of figures; it holds ``step`` and ``cost/train_s``."""

    def image(self, name: str, path: Path) -> None:
        """A figure as a picture."""

    def finish(self, summary: Record | None) -> None:
        """End of the run; None when it did not finish."""


class FileSink:
    """`metrics.jsonl`, a line per record, and `summary.json`, written last and atomically.

    Every method raises NotWritten where its file can't be written.
    """

    def __init__(self, run_dir: Path, from_step: int = 0) -> None:
        self._run_dir, self._path = run_dir, run_dir / METRICS
        with reported(self._path):
            if self._path.exists():
                _drop_records_after(self._path, from_step)
            self._file = self._path.open("a", encoding="utf-8")

    def log(self, record: Record) -> None:
        with reported(self._path):
            self._file.write(json.dumps(finite(record)) + "\n")
            self._file.flush()

    def image(self, name: str, path: Path) -> None:
        """Pictures are in the run directory already."""

    def finish(self, summary: Record | None) -> None:
        if summary is None:
            with suppress(OSError):  # the rest of a line that could not be written is tried once more
                self._file.close()
            return
        with reported(self._path):
            self._file.close()
        with reported(self._run_dir / SUMMARY):
            write_json(self._run_dir / SUMMARY, summary)


def _drop_records_after(path: Path, step: int) -> None:
    """A resumed run repeats the steps after its checkpoint; their first records go."""
    kept = []
    for line, record in read_records(path):
        if isinstance(at := record.get("step", 0), int | float) and at <= step:
            kept.append(line)
    write_text(path, "".join(line + "\n" for line in kept))
