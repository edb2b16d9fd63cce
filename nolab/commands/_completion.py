"""Tab completion: commands by us, overrides by Hydra.

The shell hands over its line in COMP_LINE. Hydra expects a line without a subcommand, so the
subcommand is taken out before Hydra looks.
"""

import os
from collections.abc import Sequence

from nolab.cli import COMMANDS
from nolab.commands._hydra import run_under_hydra

_HYDRA_COMMANDS = ("train", "generate", "plan", "bench", "info")


def main(arguments: Sequence[str]) -> int:
    """Answer `nolab -sc install=SHELL|uninstall=SHELL|query=SHELL`."""
    line = os.environ.get("COMP_LINE", "")
    words = line.split()
    if any(a.startswith("query=") for a in arguments):
        typing_command = len(words) <= 1 or (len(words) == 2 and not line.endswith(" "))
        if typing_command:
            begun = words[1] if len(words) == 2 else ""
            print(" ".join(name for name in COMMANDS if name.startswith(begun)))
            return 0
        if words[1] not in _HYDRA_COMMANDS:
            return 0
        shorter = line.replace(f" {words[1]}", "", 1)
        os.environ["COMP_LINE"] = shorter
        os.environ["COMP_POINT"] = str(len(shorter))
    return run_under_hydra("train", lambda config: None, arguments)
