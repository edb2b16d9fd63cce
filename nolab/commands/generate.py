"""`nolab generate`: make a data set's store ahead of training."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from nolab.commands._hydra import run_under_hydra


def main(arguments: Sequence[str]) -> int:
    """Exit code of `nolab generate`; the last line on stdout is the store's path."""
    return run_under_hydra("generate", _generate, arguments)


def _generate(config: DictConfig) -> None:
    from nolab.config import validate
    from nolab.data.opening import GeneratedSource
    from nolab.data.solved import SolvedLevels
    from nolab.device import choose_device
    from nolab.errors import InputError
    from nolab.training.setup import open_levels, open_source

    checked = validate(OmegaConf.to_container(config, resolve=True))
    device = choose_device(checked.device)
    if checked.hierarchy.restriction == "solve":
        source, _ = open_levels(checked, device)
    else:
        source = open_source(checked.dataset, Path(checked.data_dir), device)
    if not isinstance(source, GeneratedSource | SolvedLevels):
        raise InputError("dataset: only data sets that nolab makes itself are generated, e.g. dataset=darcy")
    print(source.ensure(), flush=True)
