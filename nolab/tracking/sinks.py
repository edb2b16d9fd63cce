"""Where figures go: the files of the run directory; W&B is beside it in `wandb_sink.py`."""

import json
from pathlib import Path
from typing import Any, Protocol

from nolab.tracking.run_directory import METRICS, SUMMARY, finite, write_json, write_text

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
    """`metrics.jsonl`, a line per record, and `summary.json`, written last and atomically."""

    def __init__(self, run_dir: Path, from_step: int = 0) -> None:
        self._run_dir = run_dir
        path = run_dir / METRICS
        if path.exists():
            _drop_records_after(path, from_step)
        self._file = path.open("a", encoding="utf-8")

    def log(self, record: Record) -> None:
        self._file.write(json.dumps(finite(record)) + "\n")
        self._file.flush()

    def image(self, name: str, path: Path) -> None:
        """Pictures are in the run directory already."""

    def finish(self, summary: Record | None) -> None:
        self._file.close()
        if summary is not None:
            write_json(self._run_dir / SUMMARY, summary)


def _drop_records_after(path: Path, step: int) -> None:
    """A resumed run repeats the steps after its checkpoint; their first records go."""
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:  # the line that a kill cut off
            continue
        if record.get("step", 0) <= step:
            kept.append(line)
    write_text(path, "".join(line + "\n" for line in kept))
