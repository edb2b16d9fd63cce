"""Runs that lie on the Pareto front, for notebooks."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nolab.compare.axes import check_axis, value
from nolab.compare.front import pareto_mask
from nolab.compare.records import RunRecord, read_runs
from nolab.errors import InputError

_Item = TypeVar("_Item")


def pareto_front(runs: Iterable[_Item], x: str = "cost/train_s", y: str = "final/rel_l2") -> list[_Item]:
    """Those of the given runs on the front of cost and error, the cheapest first.

    A run is on it if no other is as good in both figures and better in one. A run without a finite value of
    either (it diverged, or did not finish) never is.

    Parameters
    ----------
    runs : run directories, or what `nolab.load_run` and `nolab.train` return.
    x, y : figures of `summary.json`, of which smaller is better.

    Raises
    ------
    InputError : something that is no run directory, or a figure that no run has.
    """
    items = list(runs)
    records = {i: record for i, item in enumerate(items) if (record := _record(item)) is not None}
    if not records:
        raise InputError(f"runs: none of the {len(items)} given is finished")
    for axis in (x, y):
        check_axis(list(records.values()), axis)
    points = np.array([[value(record.summary, axis) for axis in (x, y)] for record in records.values()])
    order = np.lexsort((points[:, 1], points[:, 0]))
    mask, places = pareto_mask(points), list(records)
    return [items[places[i]] for i in order if mask[i]]


def _record(item: Any) -> RunRecord | None:
    """The run's record, None where it is unfinished or damaged."""
    if isinstance(item, RunRecord):
        return item
    path = Path(getattr(item, "path", item))
    reading = read_runs([path])
    if [*(run.path for run in reading.runs), *(skipped.path for skipped in reading.skipped)] != [path]:
        raise InputError(
            f"{path}: a folder of runs, not a run directory; list them: Path('{path}').iterdir()"
        )
    return reading.runs[0] if reading.runs else None
