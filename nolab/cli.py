"""`nolab COMMAND ...`: dispatch only."""

import importlib
import os
import sys
from collections.abc import Sequence

from nolab import processes
from nolab.errors import InputError, RunFailure, first_line, printable, unknown

COMMANDS = {
    "train": "train a model: Hydra overrides, -m for sweeps",
    "generate": "make a data set's store ahead of training: Hydra overrides",
    "plan": "what multi-level gradients would gain on a config, before training: Hydra overrides",
    "bench": "time, memory and errors of each precision on this machine: Hydra overrides",
    "evaluate": "errors of a finished run, also on grids finer than it was trained on",
    "pareto": "the Pareto front of finished runs: table, figures, time to target, speed-ups",
    "report": "one HTML page to compare finished runs, or a W&B workspace",
    "predict": "apply a finished run's model to inputs in a file",
    "info": "what can be chosen, what a config would do, what a data file holds",
}

_LONGEST = 4000

HELP = """nolab: train neural operators for less.

Usage: nolab COMMAND ...

{commands}

Start here:
  nolab train                                   the default run: Darcy flow, FNO, nested MLMC
  nolab train sampling=fine budget.seconds=60   choose groups and set keys
  nolab train -m delta=1,2,4 seed=0,1,2         a sweep; the same command again goes on where it stopped
  nolab pareto outputs/train                    error against cost of its runs
  nolab train --help                            every group and its choices
  nolab train --cfg job delta=4                 the composed config, without running it

Tab completion:  eval "$(nolab -sc install=bash)"   (bash; zsh and fish alike)
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Exit code 0 on success, 1 on a failed run, 2 on bad input.

    With ``NOLAB_TRACEBACK=1`` errors keep their traceback.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        rows = "\n".join(f"  {name:10} {text}" for name, text in COMMANDS.items())
        print(HELP.format(commands=rows))
        return 0
    try:
        return _dispatch(arguments)
    except (InputError, RunFailure) as error:
        if os.environ.get("NOLAB_TRACEBACK") == "1":
            raise
        _tell(error)
        return 2 if isinstance(error, InputError) else 1
    except (MemoryError, RuntimeError) as error:
        from nolab.training.memory import is_out_of_memory

        if not is_out_of_memory(error) or os.environ.get("NOLAB_TRACEBACK") == "1":
            raise
        _tell(f"out of memory ({first_line(error)}); take smaller grids, batches or models")
        return 1
    except KeyboardInterrupt:
        _tell("interrupted")
        return 1
    except BrokenPipeError:  # the reader of our output has gone, e.g. `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _tell(message: object) -> None:
    """One message on stderr that fits a screen whatever was given; of a run's processes it says which one speaks."""
    try:
        rank = processes.rank()
    except InputError:  # which is then the message
        rank = 0
    text = printable(str(message))
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}… ({len(text)} characters)"
    print(f"nolab (process {rank}): {text}" if rank else f"nolab: {text}", file=sys.stderr)


def _dispatch(arguments: list[str]) -> int:
    name, rest = arguments[0], arguments[1:]
    if name in ("-sc", "--shell-completion", "--shell_completion"):
        return importlib.import_module("nolab.commands._completion").main(arguments)
    if name in ("-V", "--version"):
        from importlib.metadata import version

        print(f"nolab {version('nolab')}")
        return 0
    if name.startswith("-"):
        raise InputError(f"the command comes first: nolab train {' '.join(arguments)}")
    if name not in COMMANDS:
        if "=" in name:
            raise InputError(f"the command comes first: nolab train {' '.join(arguments)}")
        raise unknown("command", name, COMMANDS)
    if name != "train" and processes.count() > 1:
        raise InputError(f"torchrun is for nolab train; `nolab {name}` is one process")
    return importlib.import_module(f"nolab.commands.{name}").main(rest)
