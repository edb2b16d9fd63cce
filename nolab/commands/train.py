"""`nolab train`: train a model as the config says."""

import sys
from collections.abc import Sequence

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from nolab.commands._hydra import run_under_hydra
from nolab.commands._tables import print_table


def main(arguments: Sequence[str]) -> int:
    """Exit code of `nolab train`; the last line on stdout is the run directory."""
    return run_under_hydra("train", _train, arguments)


def _train(config: DictConfig) -> None:
    from nolab.training.train import resume, train

    hydra = HydraConfig.get()
    if config.resume:
        run = resume(config.resume, list(hydra.overrides.task), trust=config.trust is True)
    else:
        group = hydra.sweep.dir.rstrip("/").rsplit("/", 1)[-1] if hydra.mode is RunMode.MULTIRUN else None
        run = train(config, group=group)
    _report(run.summary)
    print(run.path, flush=True)


def _report(summary: dict) -> None:
    prefix = "final/rel_l2/"
    rows = []
    for key, error in summary.items():
        if key.startswith(prefix):
            level = key.removeprefix(prefix)
            cost = summary.get(f"mlmc/C/{level}")
            rows.append(
                [
                    level,
                    _number(error, "{:.4f}"),
                    f"{summary[f'cost/samples/{level}']:,}" if cost is not None else "zero-shot",
                    "" if cost is None else f"{1e3 * cost:.2f}",
                ]
            )
    print_table(["level", "test rel. L2", "samples", "ms/sample"], rows, file=sys.stdout)
    target = summary["target/rel_l2"]
    reached = summary["target/train_s"]
    h1, r2 = (_number(summary[f"final/{name}"], "{:.4f}") for name in ("h1", "r2"))
    print(f"H1 {h1}, R² {r2} at the finest level")
    print(
        f"{summary['cost/train_s']:.1f} s training ({summary['cost/steps']} steps, "
        f"{summary['cost/fine_equivalents']:.0f} fine-equivalents, {summary['cost/flops'] / 1e12:.2f} TFLOP), "
        f"{summary['cost/eval_s']:.1f} s evaluation, {summary['cost/peak_mem_gib']:.2f} GiB at peak"
    )
    if target is not None:
        print(f"target {target}: " + (f"reached after {reached:.1f} s" if reached else "missed"))


def _number(value: float | None, form: str) -> str:
    return "not finite" if value is None else form.format(value)
