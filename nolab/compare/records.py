"""Finished runs read from their files, by the thousand and without PyTorch."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite, nan
from pathlib import Path
from typing import Any

from nolab.errors import InputError
from nolab.sweeps.attempt import FOLDER, runs_of
from nolab.tracking.run_directory import CONFIG, ENVIRONMENT, METRICS, SUMMARY
from nolab.tracking.run_files import check_no_link, check_size, read_mapping, read_records


@dataclass(frozen=True)
class RunRecord:
    """A finished run: what was asked of it, and what it gave."""

    path: Path
    config: Mapping[str, Any]
    """The resolved config, flat: dotted key -> value; lists stay lists."""
    summary: Mapping[str, Any]
    """Figures of `summary.json`."""
    environment: Mapping[str, Any]
    """`environment.json`: versions, device, command, and where known `overrides` and `sweep`."""

    @property
    def name(self) -> str:
        """The run's id."""
        return self.path.name

    @property
    def overrides(self) -> tuple[str, ...] | None:
        """What was changed from the default config, None where it was not recorded."""
        overrides = self.environment.get("overrides")
        return tuple(map(str, overrides)) if isinstance(overrides, list) else None

    @property
    def sweep(self) -> str | None:
        """Id of the sweep that the run belongs to."""
        return self.environment.get("sweep")

    def figure(self, name: str) -> float:
        """A figure of the summary, NaN where the run has none (JSON null: it was not finite)."""
        return number(self.summary.get(name))

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """Records of `metrics.jsonl` in order; lines that a kill cut off are left out."""
        return [record for _, record in read_records(self.path / METRICS)]

    def records(self, figure: str) -> Iterator[dict[str, Any]]:
        """Records of `metrics.jsonl` that hold a figure; the other lines are read, and not parsed."""
        lines = read_records(self.path / METRICS, f'"{figure}"')
        return (record for _, record in lines if figure in record)

    def curve(self, x: str, y: str) -> list[tuple[float, float]]:
        """Points (x, y) of the records that hold both figures, in order; y may be NaN."""
        return [(number(r[x]), number(r[y])) for r in self.metrics if x in r and y in r]


@dataclass(frozen=True)
class Skipped:
    """A folder that looks like a run and can't be compared."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Reading:
    """What :func:`read_runs` found, in the order of the folders' names."""

    runs: list[RunRecord]
    skipped: list[Skipped]


def read_runs(paths: Sequence[str | Path]) -> Reading:
    """Every finished run in `paths`: run directories, folders that hold some at any depth, or sweeps' folders.

    Unfinished and damaged runs are skipped by name.

    Raises
    ------
    InputError : a path does not exist, or there is no run in any of them.
    """
    runs, skipped = [], []
    for path in _run_directories(paths):
        try:
            runs.append(_read(path))
        except InputError as error:
            skipped.append(Skipped(path, str(error)))
    if not runs and not skipped:
        raise InputError(f"no runs in {', '.join(map(str, paths))}: a run directory holds a {CONFIG}")
    return Reading(runs, skipped)


def _run_directories(paths: Iterable[str | Path]) -> list[Path]:
    found: dict[Path, Path] = {}  # resolved -> as given: a run that is named twice counts once
    for path in map(Path, paths):
        if not path.is_dir():
            raise InputError(f"{path}: no such folder")
        for run in runs_of(path) if FOLDER in path.absolute().parts else _below(path):
            found.setdefault(run.resolve(), run)
    return list(found.values())


def _below(path: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if CONFIG in files:
            folders.clear()
            yield Path(folder)


def _read(path: Path) -> RunRecord:
    if not (path / SUMMARY).is_file():
        raise InputError("unfinished")
    summary = _mapping(path / SUMMARY)
    _check_metrics(path / METRICS)
    environment = _mapping(path / ENVIRONMENT) if (path / ENVIRONMENT).is_file() else {}
    return RunRecord(path, dict(_flat(_mapping(path / CONFIG))), summary, environment)


def _mapping(file: Path) -> dict[str, Any]:
    try:
        return read_mapping(file)
    except InputError as error:
        raise InputError(f"{file.name}: {error}") from error


def _check_metrics(file: Path) -> None:
    """Lines are read late, and by those who can't skip the run any more."""
    try:
        check_no_link(file)
        if file.exists():
            check_size(file)
    except InputError as error:
        raise InputError(f"{file.name}: {error}") from error


def _flat(node: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def number(value: Any) -> float:
    """A JSON value as a figure; NaN for null, a boolean, text or an infinity."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return nan
    try:
        return float(value) if isfinite(value) else nan
    except OverflowError:  # JSON knows integers beyond any float
        return nan
