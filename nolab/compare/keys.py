"""What tells runs apart: config keys by the names that people type, and those that vary."""

import json
from collections.abc import Sequence
from typing import Any

from nolab.compare.records import RunRecord
from nolab.errors import InputError, unknown

SEED = "seed"
SWEEP = "sweep"

_CHOICE = {
    "model": "model.name",
    "dataset": "dataset.problem",
    "hierarchy": "hierarchy.levels",
    "sampling": "sampling.estimator",
    "points": "points.scheme",
    "precision": "precision.mode",
    "optimizer": "optimizer.name",
    "scheduler": "scheduler.name",
    "loss": "loss.name",
    "tracking": "tracking.sink",
}
"""The key that says which choice of a group a run has."""

_NOT_COMPARED = ("output_dir", "data_dir", "resume", "trust", "tracking", "name", SEED)
"""Keys (or groups) that never make runs different experiments; seeds are what is aggregated."""


def value(run: RunRecord, key: str) -> Any:
    """A run's value of `key`: a dotted config key, a group's name, the end of one key, or ``sweep``.

    None where the run has no such key. A group without a selecting key (budget) gives what the run's
    overrides say of it.
    """
    if key == SWEEP:
        return run.sweep
    if key in run.config:
        return run.config[key]
    if key in _CHOICE and run.config.get(_CHOICE[key]) is not None:
        return run.config[_CHOICE[key]]
    chosen = dict(_assignments(run)).get(key)
    if chosen is not None:
        return chosen
    ends = [name for name in run.config if name.endswith(f".{key}")]
    return run.config[ends[0]] if len(ends) == 1 else None


def text(value: Any) -> str:
    """A value as it is typed on the command line, e.g. ``null``, ``[17,33]``, ``0.5``."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)


def check_key(runs: Sequence[RunRecord], key: str) -> None:
    """Refuse a key that no run has.

    Raises
    ------
    InputError : with the nearest key that there is.
    """
    known = {name for run in runs for name in run.config} | set(_CHOICE) | {SWEEP}
    if key in known or any(value(run, key) is not None for run in runs):
        return
    ends = sorted(name for name in known if name.endswith(f".{key}"))
    if len(ends) > 1:
        raise InputError(f"'{key}' is the end of several keys: {', '.join(ends)}; write one of them in full")
    raise unknown("config key", key, sorted(known))


def matching(runs: Sequence[RunRecord], conditions: Sequence[str]) -> list[RunRecord]:
    """The runs for which every ``KEY=VALUE`` holds; ``KEY=A,B`` holds for either value.

    Raises
    ------
    InputError : a condition without ``=``, or with a key that no run has.
    """
    kept = list(runs)
    for condition in conditions:
        key, equals, given = condition.partition("=")
        if not equals or not key:
            raise InputError(f"'{condition}': write KEY=VALUE, e.g. sampling=fine")
        check_key(runs, key)
        allowed = (given, *given.split(","))
        kept = [run for run in kept if any(_is(value(run, key), each) for each in allowed)]
    return kept


def _is(value: Any, given: str) -> bool:
    """Whether a value is what was typed; numbers in any notation."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(given) == value
        except ValueError:
            return False
    return text(value) == given


def varying(runs: Sequence[RunRecord]) -> list[str]:
    """Keys that tell the runs apart, seeds aside: what was swept.

    They are taken from the runs' overrides where every run has recorded them, else from their configs. A
    key that splits the runs just as an earlier one does (`sampling.delta` after `delta`) is left out.
    """
    if not runs:
        return []
    if all(run.overrides is not None for run in runs):
        candidates = dict.fromkeys(key for run in runs for key, _ in _assignments(run))
    else:
        candidates = dict.fromkeys(key for run in runs for key in run.config)
    keys, splits = [], []
    for key in candidates:
        if key in _NOT_COMPARED or key.partition(".")[0] in _NOT_COMPARED:
            continue
        split = _partition([text(value(run, key)) for run in runs])
        if len(set(split)) > 1 and split not in splits:
            keys.append(key)
            splits.append(split)
    return keys


def _partition(labels: Sequence[str]) -> tuple[int, ...]:
    """For each label the number of its class, classes numbered as they appear."""
    numbers: dict[str, int] = {}
    return tuple(numbers.setdefault(label, len(numbers)) for label in labels)


def _assignments(run: RunRecord) -> list[tuple[str, str]]:
    """(key, value) of the run's overrides; deletions and Hydra's own keys aside."""
    pairs = []
    for override in run.overrides or ():
        key, equals, given = override.partition("=")
        key = key.lstrip("+").partition("@")[0]
        if equals and not key.startswith(("~", "hydra")):
            pairs.append((key, given))
    return pairs
