"""Run a task under Hydra: overrides, -m, --cfg job, --help, --config-dir."""

import logging
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial

import hydra
from omegaconf import DictConfig

from nolab import processes
from nolab.commands._sweep import run_sweep, without_job
from nolab.errors import InputError
from nolab.explain import explained
from nolab.sweeps.job import Job

Task = Callable[[DictConfig], None]
Work = Callable[[DictConfig, Job], None]


def run_under_hydra(
    command: str,
    task: Task,
    arguments: Sequence[str],
    config_name: str = "config",
    work: Work | None = None,
) -> int:
    """Compose the config from `arguments` and call `task` with it, or `work` once per job of a sweep.

    Both are functions of a module: launchers send them to other processes.

    Parameters
    ----------
    config_name : the primary config, a file of conf/.
    work : of one job of a sweep; None: the task.

    Returns
    -------
    Exit code: 0, or of the worst failure of a sweep (a single run raises instead).
    """
    _show_log_messages()
    # Hydra would print its own message and exit; with this it raises, and we explain.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    sys.argv = [f"nolab {command}", *arguments]

    def run(function: Task) -> None:
        with explained(config_name):
            hydra.main(version_base="1.3", config_path="pkg://nolab.conf", config_name=config_name)(
                function
            )()

    if _is_multirun(arguments):
        if processes.count() > 1:
            raise InputError(
                "-m: the processes that torchrun starts are one run, not a sweep; for runs of several processes each "
                "use hydra/launcher=submitit_slurm hydra.launcher.tasks_per_node=…, without torchrun"
            )
        return run_sweep(run, work or partial(without_job, task), arguments, show_output=work is None)
    run(task)
    return 0


def _is_multirun(arguments: Sequence[str]) -> bool:
    """Whether the command line asks for a sweep.

    Raises
    ------
    InputError : it asks for a sweep and to be shown a config.
    """
    if not any(a in ("-m", "--multirun") or a.upper() == "HYDRA.MODE=MULTIRUN" for a in arguments):
        return False
    if shows := [a for a in arguments if a.split("=")[0] in ("--cfg", "-c", "--info", "-i", "--help", "-h")]:
        raise InputError(f"{shows[0]}: shows one config and runs nothing; leave -m out")
    return True


def _show_log_messages() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("nolab")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO if processes.rank() == 0 else logging.WARNING)
    logger.propagate = False
