"""Run a task under Hydra: overrides, -m, --cfg job, --help, --config-dir."""

import logging
import os
import sys
from collections.abc import Callable, Sequence

import hydra
from omegaconf import DictConfig

from nolab.errors import InputError, RunFailure
from nolab.explain import explained

Task = Callable[[DictConfig], None]


def run_under_hydra(command: str, task: Task, arguments: Sequence[str], config_name: str = "config") -> int:
    """Compose the config from `arguments` and call `task` with it, once per job of a sweep.

    In a sweep a job that fails does not stop the others; the failures are named at the end.

    Parameters
    ----------
    config_name : the primary config, a file of conf/.

    Returns
    -------
    Exit code: 0, or of the worst failure of a sweep (a single run raises instead).
    """
    _show_log_messages()
    failures: list[tuple[list[str], Exception]] = []
    sweep = any(a in ("-m", "--multirun") for a in arguments)

    def guarded(config: DictConfig) -> None:
        if not sweep:
            task(config)
            return
        from hydra.core.hydra_config import HydraConfig

        overrides = list(HydraConfig.get().overrides.task)
        print(f"job {HydraConfig.get().job.num}: {' '.join(overrides)}", file=sys.stderr, flush=True)
        try:
            task(config)
        except (InputError, RunFailure) as error:
            print(f"nolab: {error}", file=sys.stderr, flush=True)
            failures.append((overrides, error))

    # Hydra would print its own message and exit; with this it raises, and we explain.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    sys.argv = [f"nolab {command}", *arguments]
    with explained(config_name):
        hydra.main(version_base="1.3", config_path="pkg://nolab.conf", config_name=config_name)(guarded)()
    for overrides, error in failures:
        print(f"failed: {' '.join(overrides)}: {str(error).splitlines()[0]}", file=sys.stderr)
    return max((2 if isinstance(error, InputError) else 1 for _, error in failures), default=0)


def _show_log_messages() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("nolab")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
