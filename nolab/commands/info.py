"""`nolab info`: what can be chosen, what a config would do, what a data file holds."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from nolab.commands import info_data
from nolab.commands._hydra import run_under_hydra
from nolab.commands._tables import print_table

if TYPE_CHECKING:
    from nolab.points import PointSampler
    from nolab.training.setup import Setup

USAGE = """Usage: nolab info                 choices of every group, versions, devices
       nolab info GROUP=CHOICE …  what this config would do, without data or training
       nolab info data PATH …     what a data file holds, how nolab reads it, what to train with"""


def main(arguments: Sequence[str]) -> int:
    """Exit code of `nolab info`."""
    if arguments and arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0
    if arguments and arguments[0] == "data":
        return info_data.main(arguments[1:])
    if arguments:
        return run_under_hydra("info", _describe_config, arguments)
    return _describe_choices()


def _describe_choices() -> int:
    import torch

    from nolab import registry
    from nolab.device import choose_device
    from nolab.explain import group_choices
    from nolab.tracking.environment import device_name, package_versions

    print_table(["group", "choices"], [[g, ", ".join(c)] for g, c in group_choices().items()], sys.stdout)
    print(f"problems that nolab generates: {', '.join(registry.names('nolab.problems'))}")
    print(
        f"device=auto takes: {device_name(choose_device('auto'))}; CUDA in this PyTorch: {torch.version.cuda}"
    )
    print("  ".join(f"{name} {version}" for name, version in package_versions().items()))
    return 0


def _describe_config(config: DictConfig) -> None:
    from nolab import registry
    from nolab.config import validate
    from nolab.training.setup import TEST, TRAIN, prepare

    checked = validate(OmegaConf.to_container(config, resolve=True))
    setup = prepare(checked)
    parameters = sum(p.numel() * (2 if p.is_complex() else 1) for p in setup.model.parameters())
    print(f"model {checked.model.name}: {parameters:,} real parameters, on {setup.device}")
    if not checked.model.is_target:
        module = registry.load("nolab.models", checked.model.name, "model.name")
        print(f"  level consistency: {module.CONSISTENCY}\n  N_eval: {module.NEVAL_SAVES}")
    counts = ", ".join(f"{setup.source.count(split)} {split}" for split in (TRAIN, TEST))
    axes = ", ".join(f"[{a.start:g}, {a.stop:g}] {a.placement}" for a in setup.source.domain.axes)
    print(
        f"data: {counts}; {axes}; {' '.join(setup.source.input_names)} → {' '.join(setup.source.output_names)}"
    )
    rows = [
        [level.name, f"{n:.4g}", str(schedule), _points_shown(setup.points, i)]
        for i, (level, n, schedule) in enumerate(
            zip(setup.hierarchy.levels, setup.estimator.counts, setup.precision, strict=True)
        )
    ]
    print_table(["level", "samples/step", "precision", "points in the loss"], rows, sys.stdout)
    print(_neval_savings(setup))
    zero_shot = ", ".join(level.name for level in setup.finer_levels())
    print(f"{setup.estimator.steps_per_epoch} steps an epoch; zero-shot test grids: {zero_shot or 'none'}")


def _points_shown(points: "PointSampler", level: int) -> str:
    if points.is_auto(level):
        return "auto"
    first, last = (points.counts(share)[level] for share in (0.0, 1.0))
    return str(first) if first == last else f"{first} to {last}"


def _neval_savings(setup: "Setup") -> str:
    """What fewer points would save of a step at the finest level, in FLOPs."""
    from nolab.training.savings import finest_batch, neval_flops

    level = setup.hierarchy.finest
    flops = neval_flops(setup, [level.points, *(level.points // k for k in (8, 64) if level.points >= k)])
    full = flops[level.points]
    parts = [f"{n} points {value / 1e9:.3g} ({value / full - 1:+.0%})" for n, value in flops.items()]
    return f"GFLOP of {finest_batch(setup)} samples at {level.name}, forward and backward: {', '.join(parts)}"
