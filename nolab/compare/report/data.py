"""What the page shows, as one plain dict: columns over the runs."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from nolab.compare import axes
from nolab.compare.keys import SEED, text, value, varying
from nolab.compare.records import RunRecord, Skipped
from nolab.compare.report.curves import curves
from nolab.compare.report.numbers import column, rounded, union
from nolab.compare.report.repeat import repeat_command

_ENVIRONMENT = ("started", "device", "threads", "python", "platform", "cuda", "sweep")


def report_data(
    runs: Sequence[RunRecord],
    skipped: Sequence[Skipped],
    pictures: Mapping[int, str],
    *,
    title: str,
    source: Sequence[str],
) -> dict[str, Any]:
    """Everything that the page knows, ready for JSON.

    Parameters
    ----------
    runs : at least one.
    pictures : data URIs by the run's place in `runs`, in the order of showing.
    source : folders and conditions that chose the runs.
    """
    figures = _figures(runs)
    return {
        "title": title,
        "source": list(source),
        "version": version("nolab"),
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "skipped": [{"name": str(one.path), "reason": one.reason} for one in skipped],
        "runs": {
            "id": _ids(runs),
            "path": [str(run.path) for run in runs],
            "command": [repeat_command(run) for run in runs],
            "overrides": [run.overrides for run in runs],
        },
        "keys": {key: [text(value(run, key)) for run in runs] for key in _keys(runs)},
        "figures": figures,
        "titles": {name: axes.title(name) for name in figures},
        "curves": [curves(run, len(runs)) for run in runs],
        "config": _text_columns([_texts(run.config) for run in runs]),
        "environment": _text_columns([_texts(_environment(run)) for run in runs]),
        "pictures": [{"run": place, "uri": uri} for place, uri in pictures.items()],
    }


def _ids(runs: Sequence[RunRecord]) -> list[str]:
    """Names; whole paths for runs in different folders that share one."""
    times = Counter(run.name for run in runs)
    return [run.name if times[run.name] == 1 else str(run.path) for run in runs]


def _keys(runs: Sequence[RunRecord]) -> list[str]:
    seeds = {text(value(run, SEED)) for run in runs}
    return [*varying(runs), *([SEED] if len(seeds) > 1 else [])]


def _figures(runs: Sequence[RunRecord]) -> dict[str, list[float | int | None]]:
    columns = {
        name: [rounded(run.summary.get(name)) for run in runs] for name in union(run.summary for run in runs)
    }
    return {name: values for name, values in columns.items() if any(v is not None for v in values)}


def _environment(run: RunRecord) -> dict[str, Any]:
    known = {name: run.environment.get(name) for name in _ENVIRONMENT}
    git, packages = run.environment.get("git"), run.environment.get("packages")
    if isinstance(git, dict):
        known["git"] = f"{git.get('commit')}{' (with changes)' if git.get('dirty') else ''}"
    if isinstance(packages, dict):
        known.update(packages)
    return {name: given for name, given in known.items() if given is not None}


def _texts(values: Mapping[Any, Any]) -> dict[str, str]:
    return {str(name): text(given) for name, given in values.items()}


def _text_columns(rows: Sequence[Mapping[str, str]]) -> dict[str, dict[str, Any]]:
    return {name: column([row.get(name) for row in rows]) for name in union(rows)}
