"""A comparison for scripts: JSON and CSV."""

import csv
import io
from typing import Any

from nolab.compare.comparison import Comparison
from nolab.compare.groups import Group
from nolab.compare.keys import text
from nolab.compare.spread import Spread
from nolab.compare.targets import Targets
from nolab.tracking.run_directory import finite


def as_dict(comparison: Comparison) -> dict[str, Any]:
    """The whole comparison for JSON; figures that are not finite (misses) are None."""
    options = comparison.options
    return finite(
        {
            "x": options.x,
            "y": options.y,
            "by": comparison.keys,
            "where": options.where,
            "groups": [
                {**_group(group), "front": on_front, "baseline": group is comparison.baseline}
                for group, on_front in zip(comparison.groups, comparison.front, strict=True)
            ],
            "reference": comparison.reference,
            "hypervolume": comparison.hypervolume,
            "baseline": None if comparison.baseline is None else comparison.baseline.label,
            "baseline_hypervolume": comparison.baseline_hypervolume,
            "targets": None if comparison.targets is None else _targets(comparison, comparison.targets),
            "skipped": [{"run": str(run.path), "reason": run.reason} for run in comparison.skipped],
            "remarks": comparison.remarks,
        }
    )


def as_csv(comparison: Comparison) -> str:
    """The groups as CSV: a row each, with a column for each key, plain numbers and ``inf`` for a miss."""
    x, y = comparison.options.x, comparison.options.y
    spreads = [f"{name} {part}" for name in (x, y) for part in ("median", "q1", "q3")]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["group", *comparison.keys, "runs", "failed", *spreads, "front", "baseline"])
    for group, on_front in zip(comparison.groups, comparison.front, strict=True):
        quartiles = [part for s in (group.x, group.y) for part in (s.median, s.low, s.high)]
        settings = [text(given) for given in group.settings.values()]
        flags = [int(on_front), int(group is comparison.baseline)]
        writer.writerow([group.label, *settings, len(group.runs), group.failed, *quartiles, *flags])
    return file.getvalue()


def _group(group: Group) -> dict[str, Any]:
    return {
        "label": group.label,
        "settings": group.settings,
        "runs": [str(run.path) for run in group.runs],
        "seeds": group.seeds,
        "missing_seeds": group.missing_seeds,
        "failed": group.failed,
        "x": _spread(group.x),
        "y": _spread(group.y),
    }


def _targets(comparison: Comparison, targets: Targets) -> dict[str, Any]:
    against = targets.against or [None] * len(comparison.groups)
    return {
        "errors": targets.errors,
        "equal_error": targets.equal_error,
        "equal_cost": targets.equal_cost,
        "groups": [
            {
                "label": group.label,
                "reached": [{**_spread(cell.cost), "runs": cell.count} for cell in cells],
                "against_baseline": None if found is None else vars(found),
            }
            for group, cells, found in zip(comparison.groups, targets.reached, against, strict=True)
        ],
    }


def _spread(spread: Spread) -> dict[str, float]:
    return {"median": spread.median, "q1": spread.low, "q3": spread.high}
