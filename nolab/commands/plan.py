"""`nolab plan`: what multi-level gradients would gain here, before training."""

import shlex
import sys
from collections.abc import Sequence

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from nolab.commands._hydra import run_under_hydra
from nolab.commands._tables import print_table

_PLANNED = ("sampling", "plan", "delta")
"""Groups and keys of the user's that the recommendation replaces."""


def main(arguments: Sequence[str]) -> int:
    """Exit code of `nolab plan`; the last line on stdout is the folder of its files."""
    return run_under_hydra("plan", _plan, arguments, config_name="plan")


def _plan(config: DictConfig) -> None:
    from nolab.config import validate
    from nolab.planning import Table, paragraphs, plan, read_options, write_report
    from nolab.training.setup import prepare

    plain = OmegaConf.to_container(config, resolve=True)
    options = read_options(plain.get("plan"))
    setup = prepare(validate({key: value for key, value in plain.items() if key != "plan"}))
    planned = plan(setup, options)
    for part in paragraphs(planned):
        if isinstance(part, Table):
            print_table(part.columns, part.rows, file=sys.stdout)
        else:
            print(part)
        print()
    print("recommended:", _command(planned.advice.overrides))
    print(write_report(planned, setup, plain), flush=True)


def _command(overrides: Sequence[str]) -> str:
    """`nolab train` with what the user gave, and the recommendation."""
    given = [str(override) for override in HydraConfig.get().overrides.task]
    kept = [item for item in given if item.lstrip("+").partition("=")[0].partition(".")[0] not in _PLANNED]
    return shlex.join(["nolab", "train", *kept, *overrides])
