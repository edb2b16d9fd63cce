"""Which of a run's processes this one is, as its launcher says. Knows no PyTorch.

torchrun sets RANK, LOCAL_RANK and WORLD_SIZE; submitit's jobs of several tasks have them set here.
"""

import os

from nolab.errors import InputError

TORCHRUN = "torchrun --nproc-per-node=… -m nolab train …"


def adopt_submitit() -> None:
    """In a task of a submitit job that has several, set the variables that torchrun would set."""
    if "WORLD_SIZE" in os.environ or "SUBMITIT_EXECUTOR" not in os.environ:
        return
    from submitit import JobEnvironment
    from submitit.helpers import TorchDistributedEnvironment

    if JobEnvironment().num_tasks > 1:
        TorchDistributedEnvironment().export(set_cuda_visible_devices=False)


def count() -> int:
    """Processes of the run, on all machines."""
    return _number("WORLD_SIZE", 1, least=1)


def rank() -> int:
    """Number of this process among them."""
    return _number("RANK", 0, least=0) if count() > 1 else 0


def local_rank() -> int:
    """Number of this process among those of its machine: the GPU that it takes."""
    return _number("LOCAL_RANK", 0, least=0) if count() > 1 else 0


def _number(variable: str, default: int, least: int) -> int:
    given = os.environ.get(variable, str(default))
    if not given.isdecimal() or int(given) < least:
        raise InputError(f"{variable}={given}: not a number that a launcher sets; start with {TORCHRUN}")
    return int(given)
