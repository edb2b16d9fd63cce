"""nolab: train neural operators for less.

The same power as the command line, for notebooks: ``compose``, ``train``, ``resume``, ``load_run``,
``pareto_front``.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nolab.compare.selection import pareto_front
    from nolab.composition import compose
    from nolab.runs import load_run
    from nolab.training.train import resume, train

__all__ = ["compose", "load_run", "pareto_front", "resume", "train"]

_HOMES = {
    "compose": "nolab.composition",
    "train": "nolab.training.train",
    "resume": "nolab.training.train",
    "load_run": "nolab.runs",
    "pareto_front": "nolab.compare.selection",
}


def __getattr__(name: str) -> Any:
    # Loaded when first used: `nolab --help` must not wait for PyTorch.
    if name not in _HOMES:
        raise AttributeError(f"module 'nolab' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)
