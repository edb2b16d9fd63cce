"""The folder of one attempt at a sweep: a record per job, written by whoever runs it."""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Literal

from nolab import processes
from nolab.errors import InputError
from nolab.schema import from_mapping
from nolab.tracking.run_directory import write_json
from nolab.tracking.run_files import read_mapping

FOLDER = ".sweeps"
JOBS = "jobs"
SWEEP = "sweep.json"

State = Literal["waiting", "running", "finished", "skipped", "elsewhere", "failed", "interrupted"]

ENDED: tuple[State, ...] = ("finished", "skipped", "elsewhere", "failed", "interrupted")


@dataclass
class JobRecord:
    """What is known of a job; the parent process and the job's own may be on different machines."""

    num: int
    overrides: list[str]
    state: State = "waiting"
    run: str | None = None
    """Its run directory, relative to the output folder."""
    error: str | None = None
    """First line of what went wrong."""
    bad_input: bool = False
    """The failure is one of the user's input: exit code 2."""
    share: float = 0.0
    """Share of its budget that is used."""
    seconds_left: float | None = None
    wall_seconds: float = 0.0
    """Since the job began."""
    figures: dict[str, float | None] = field(default_factory=dict)
    """A few of the summary's."""


class Attempt:
    """The folder ``<output_dir>/.sweeps/<sweep>/<attempt>``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def sweep(self) -> Path:
        """Folder of the sweep, which all attempts at it share."""
        return self.folder.parent

    @property
    def output_dir(self) -> Path:
        """The folder that run directories are relative to."""
        return self.sweep.parent.parent

    def sweep_id(self) -> str:
        """``<time of the first attempt>-<hash>``: the same for every attempt and job of the sweep."""
        file = self.sweep / SWEEP
        self.sweep.mkdir(parents=True, exist_ok=True)
        content = json.dumps({"id": f"{time.strftime('%Y%m%d-%H%M%S')}-{self.sweep.name[:8]}"})
        temporary = self.folder / f".{SWEEP}.{os.getpid()}.tmp"
        temporary.parent.mkdir(exist_ok=True)
        temporary.write_text(content + "\n", encoding="utf-8")
        try:
            os.link(temporary, file)  # whoever is first makes it, and it is never seen half-written
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
        return json.loads(file.read_text(encoding="utf-8"))["id"]

    def output_file(self, num: int) -> Path:
        """What job `num` prints on stdout, its results."""
        return self.folder / JOBS / f"{_process(num)}.out"

    def log_file(self, num: int) -> Path:
        """What job `num` logs, and its traceback."""
        return self.folder / JOBS / f"{_process(num)}.log"

    def queue(self, jobs: Sequence[Sequence[str]]) -> None:
        """Records of the jobs to come, in Hydra's order."""
        for num, overrides in enumerate(jobs):
            self.write(JobRecord(num, list(overrides)))

    def write(self, record: JobRecord) -> None:
        """Write a job's record atomically."""
        (self.folder / JOBS).mkdir(parents=True, exist_ok=True)
        write_json(self._file(record.num), asdict(record))

    def read(self, num: int) -> JobRecord | None:
        """A job's record, None if there is none."""
        return read_record(self._file(num))

    def records(self) -> list[JobRecord]:
        """The records that there are, in order of their numbers."""
        found = (read_record(file) for file in (self.folder / JOBS).glob("*.json"))
        return sorted((record for record in found if record is not None), key=lambda record: record.num)

    def _file(self, num: int) -> Path:
        return self.folder / JOBS / f"{num}.json"


def _process(num: int) -> str:
    """Job `num`, and which of its processes where it is not the first."""
    return f"{num}.{processes.rank()}" if processes.rank() > 0 else str(num)


def read_record(file: Path) -> JobRecord | None:
    """A job's record, None where there is none or it can't be read."""
    try:
        data = read_mapping(file)
        return from_mapping(JobRecord, data) if len(data) == len(fields(JobRecord)) else None
    except InputError:
        return None


def runs_of(sweep: Path) -> list[Path]:
    """Run directories of the jobs in ``.sweeps``, in one sweep of it or in one attempt, each once, that exist."""
    above = sweep.parts[: len(sweep.parts) - 1 - sweep.parts[::-1].index(FOLDER)]
    output_dir = Path(*above)
    records = (read_record(file) for file in sorted(sweep.glob(f"**/{JOBS}/*.json")))
    named = dict.fromkeys(Path(record.run) for record in records if record and record.run)
    # "../x" is no run of this folder.
    inside = [run for run in named if run.parts and ".." not in run.parts and not run.is_absolute()]
    return [output_dir / run for run in inside if (output_dir / run).is_dir()]
