"""`nolab bench`: what each precision costs and errs on this model and machine."""

import sys
from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf

from nolab.commands._hydra import run_under_hydra
from nolab.commands._tables import print_table


def main(arguments: Sequence[str]) -> int:
    """Exit code of `nolab bench`; the last line on stdout is the folder of its files."""
    return run_under_hydra("bench", _bench, arguments, config_name="bench")


def _bench(config: DictConfig) -> None:
    from nolab.benchmark import COLUMNS, benchmark, read_options, remarks, tables, write_report
    from nolab.config import validate
    from nolab.training.setup import prepare

    plain = OmegaConf.to_container(config, resolve=True)
    options = read_options(plain.get("bench"))
    setup = prepare(validate({key: value for key, value in plain.items() if key != "bench"}))
    rows = benchmark(setup, options)
    for title, cells in tables(rows):
        print(title)
        print_table(COLUMNS, cells, file=sys.stdout)
        print()
    for remark in remarks(rows):
        print(remark)
    print(write_report(rows, setup, plain), flush=True)
