"""What an axis can show: the figures of runs, what they are called, and those that are refused."""

from collections.abc import Mapping, Sequence
from math import isfinite, nan
from typing import Any

from nolab.compare.records import RunRecord, number
from nolab.errors import InputError, unknown

SAMPLES = "cost/samples"
"""Samples of all levels; runs record them per level."""

_TITLES = {
    "cost/train_s": "training time [s]",
    "cost/eval_s": "evaluation time [s]",
    "cost/log_s": "logging time [s]",
    "cost/warmup_s": "warm-up time [s]",
    "cost/steps": "optimizer steps",
    SAMPLES: "samples",
    "cost/fine_equivalents": "fine-equivalent samples",
    "cost/flops": "training FLOPs",
    "cost/peak_mem_gib": "peak memory [GiB]",
    "cost/saved_gib": "memory saved for the backward [GiB]",
    "cost/energy_j": "energy [J]",
    "target/train_s": "training time to the target [s]",
}
_MEASURES = {"rel_l2": "relative L2 error", "h1": "relative H1 error", "mse": "mean squared error"}
_LARGER_IS_BETTER = ("r2",)


def value(figures: Mapping[str, Any], name: str) -> float:
    """A figure of a summary or of a record of metrics, NaN where there is none."""
    if name != SAMPLES:
        return number(figures.get(name))
    levels = [number(given) for key, given in figures.items() if key.startswith(f"{SAMPLES}/")]
    return sum(levels) if levels else nan


def title(name: str) -> str:
    """A figure's name in words, with its unit: ``final/rel_l2/65x65`` -> ``relative L2 error at 65x65``."""
    if name in _TITLES:
        return _TITLES[name]
    level_of = name.removeprefix(f"{SAMPLES}/")
    if level_of != name:
        return f"samples at {level_of}"
    kind, _, rest = name.partition("/")
    measure, _, level = rest.partition("/")
    if kind not in ("final", "best") or measure not in _MEASURES:
        return name
    words = _MEASURES[measure] if kind == "final" else f"best {_MEASURES[measure]}"
    return f"{words} at {level}" if level else words


def check_axis(runs: Sequence[RunRecord], name: str) -> None:
    """Refuse a figure that the runs do not have, or of which larger is better.

    Raises
    ------
    InputError : with the nearest name, or the way out.
    """
    if name.split("/")[1:2] and name.split("/")[1] in _LARGER_IS_BETTER:
        raise InputError(
            f"{name}: larger is better, and a front takes figures of which smaller is: final/rel_l2"
        )
    known = {key for run in runs for key, given in run.summary.items() if given is None or _is_number(given)}
    if any(key.startswith(f"{SAMPLES}/") for key in known):
        known.add(SAMPLES)
    if name not in known:
        raise unknown("figure", name, sorted(known))
    if not any(isfinite(value(run.summary, name)) for run in runs):
        raise InputError(f"{name}: no run has a finite value of it")


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)
