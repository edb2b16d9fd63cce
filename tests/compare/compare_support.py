"""Run directories made up for the tests of comparing, as `nolab train` would have left them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

BASE = {
    "delta": 2,
    "neval": None,
    "seed": 0,
    "device": "auto",
    "name": "train",
    "output_dir": "outputs",
    "data_dir": "data",
    "evaluation": {"times": 10, "checkpoint_seconds": 300},
    "model": {"name": "fno", "n_modes": 12, "hidden_channels": 24, "n_layers": 4},
    "dataset": {"problem": "darcy", "n_train": 512, "n_test": 100, "resolution": 129, "finest": 65},
    "hierarchy": {"levels": None, "count": 3, "restriction": "subsample"},
    "sampling": {"estimator": "mlmc", "scheme": "nested", "batch_size": 4, "delta": 2},
    "points": {"scheme": "random", "scope": "per_sample", "neval": None, "axes": None},
    "precision": {"mode": "fp32", "stabilizer": "scale"},
    "optimizer": {"name": "adamw", "lr": 0.005, "weight_decay": 0.0001, "betas": [0.9, 0.999]},
    "scheduler": {"name": "cosine"},
    "loss": {"name": "rel_l2"},
    "budget": {"steps": None, "seconds": 60.0, "target_error": None, "default_steps": 1000},
    "tracking": {"sink": "none"},
}
"""A resolved config, shortened."""

LEVELS = ("17x17", "33x33", "65x65")
_CHOICE = {"sampling": "estimator", "model": "name", "precision": "mode", "points": "scheme"}


def make_run(
    folder: Path,
    overrides: Sequence[str] = (),
    *,
    error: float | None = 0.05,
    seconds: float = 60.0,
    sweep: str | None = None,
    times: int = 10,
    finished: bool = True,
    **figures: Any,
) -> Path:
    """Write the files of a run into `folder`; its error falls to `error` over `seconds` of training.

    Parameters
    ----------
    overrides : ``key=value`` that change :data:`BASE` and are recorded; ``sampling=fine`` chooses.
    error : final relative L2 at the finest level, None as of a run that diverged.
    times : evaluations, the learning curve's points; ten training records lie between two of them.
    figures : further figures of the summary, e.g. ``**{"cost/flops": 1e12}``.
    """
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(changed(BASE, overrides), sort_keys=False))
    environment = {
        "command": ["nolab", "train", *overrides],
        "overrides": list(overrides),
        "sweep": sweep,
        "python": "3.11.7",
        "platform": "Linux",
        "device": "cpu (2 cores)",
        "threads": 2,
        "packages": {"nolab": "0.1.0", "torch": "2.13.0"},
        "git": {"commit": "0" * 40, "dirty": False},
        "started": "2026-11-21T12:00:00+0000",
    }
    (folder / "environment.json").write_text(json.dumps(environment))
    records = list(_records(error, seconds, times))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    if finished:
        summary = {
            "final/rel_l2": error,
            **{f"final/rel_l2/{level}": error for level in LEVELS},
            "final/h1": None if error is None else 2 * error,
            "final/mse": None if error is None else error**2,
            "final/r2": None if error is None else 1 - error**2,
            "best/rel_l2": error,
            "target/rel_l2": None,
            "target/train_s": None,
            **_costs(seconds, 1000),
            **{f"mlmc/C/{level}": 0.002 * 4**i for i, level in enumerate(LEVELS)},
            **{f"mlmc/n/{level}": 16 // 2 ** (2 * i) for i, level in enumerate(LEVELS)},
            **figures,
        }
        (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def changed(config: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """A copy of `config` with overrides applied as Hydra would: ``delta`` and ``neval`` reach the groups."""
    result = json.loads(json.dumps(config))
    for override in overrides:
        key, _, text = override.partition("=")
        value = yaml.safe_load(text)
        *groups, last = key.split(".")
        if key in _CHOICE:
            groups, last = [key], _CHOICE[key]
        node = result
        for group in groups:
            node = node[group]
        node[last] = value
    result["sampling"]["delta"], result["points"]["neval"] = result["delta"], result["neval"]
    return result


def _records(error: float | None, seconds: float, times: int):
    for mark in range(1, 10 * times + 1):
        share = mark / (10 * times)
        now = None if error is None else error * (1 + 4 * (1 - share))
        record = {"step": round(1000 * share), **_costs(seconds * share, round(1000 * share))}
        yield {**record, "train/loss": now, "train/lr": 0.005 * (1 - share)}
        if mark % 10 == 0:
            yield {
                **record,
                "eval/rel_l2": now,
                **{f"eval/rel_l2/{level}": now for level in LEVELS},
            }


def _costs(seconds: float, steps: int) -> dict[str, Any]:
    return {
        "cost/train_s": seconds,
        "cost/eval_s": 0.1 * seconds,
        "cost/log_s": 0.01 * seconds,
        "cost/warmup_s": 1.0,
        "cost/steps": steps,
        **{f"cost/samples/{level}": 16 * steps // 4**i for i, level in enumerate(LEVELS)},
        "cost/fine_equivalents": 3.0 * steps,
        "cost/flops": 1e11 * seconds,
        "cost/peak_mem_gib": 0.5,
        "cost/saved_gib": 0.1,
        "cost/energy_j": None,
        "precision/skipped_steps": 0,
    }
