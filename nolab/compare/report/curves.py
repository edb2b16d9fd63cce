"""Learning curves of a run, thinned to what a screen shows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nolab.compare.records import RunRecord
from nolab.compare.report.numbers import rounded, union

X_NAMES = ("cost/train_s", "step", "cost/fine_equivalents", "cost/flops")
"""What curves are drawn against."""

_TRAIN_RECORDS = 60
_EVAL_RECORDS = 200
_EVAL_RECORDS_OF_ALL = 20_000
_EVAL_RECORDS_AT_LEAST = 40

Columns = dict[str, list[float | int | None]]


def curves(run: RunRecord, n_runs: int) -> dict[str, Columns]:
    """``{"train": {name: values}, "eval": …}``: losses and errors with what they are drawn against.

    Parameters
    ----------
    n_runs : runs that share the page; many runs keep fewer evaluations each.
    """
    limit = min(_EVAL_RECORDS, max(_EVAL_RECORDS_AT_LEAST, _EVAL_RECORDS_OF_ALL // n_runs))
    return {
        "train": _columns(run, "train/loss", _TRAIN_RECORDS),
        "eval": _columns(run, "eval/", limit),
    }


def thinned(records: Sequence[Any], limit: int) -> list[Any]:
    """At most `limit` of the records, evenly spaced, the first and the last among them."""
    if len(records) <= limit:
        return list(records)
    places = np.linspace(0, len(records) - 1, limit).round().astype(int)
    return [records[i] for i in places]


def _columns(run: RunRecord, prefix: str, limit: int) -> Columns:
    records = [r for r in run.metrics if any(name.startswith(prefix) for name in r)]
    names = [name for name in union(records) if name.startswith(prefix)]
    shown = thinned(records, limit)
    axes = [x for x in X_NAMES if any(x in record for record in shown)]
    return {name: [rounded(record.get(name)) for record in shown] for name in (*axes, *names)}
