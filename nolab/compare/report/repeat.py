"""The command that repeats a run."""

import json
import shlex
from pathlib import Path

from nolab.compare.records import RunRecord
from nolab.tracking.run_directory import CONFIG


def repeat_command(run: RunRecord) -> str:
    """A line for a shell that trains the run anew; a line of Python where no command was recorded."""
    arguments = _arguments(run)
    if arguments is None:
        file = json.dumps(str((run.path / CONFIG).resolve()), ensure_ascii=False)
        return f"import nolab; from omegaconf import OmegaConf; nolab.train(OmegaConf.load({file}))"
    command = shlex.join(["nolab", "train", *arguments])
    cwd = run.environment.get("cwd")
    return f"cd {shlex.quote(cwd)} && {command}" if isinstance(cwd, str) and cwd else command


def _arguments(run: RunRecord) -> list[str] | None:
    if run.overrides is not None:
        return list(run.overrides)
    command = run.environment.get("command")
    if not isinstance(command, list) or not all(isinstance(word, str) for word in command):
        return None
    # Under Hydra the program's name is "nolab train", in one word.
    words = [*Path(command[0]).name.split(" "), *command[1:]] if command else []
    if words[:2] not in (["nolab", "train"], ["__main__.py", "train"]):
        return None
    # A sweep's command is that of all its jobs.
    return None if {"-m", "--multirun"} & set(words) else words[2:]
