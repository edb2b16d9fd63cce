"""Models by name, or by a user's `_target_`."""

from types import ModuleType
from typing import Any

from torch import nn

from nolab import registry
from nolab.errors import InputError
from nolab.fields import OperatorSpec
from nolab.models._checkpointing import Checkpointed, set_checkpointing
from nolab.models._float64 import in_float64

__all__ = ["Checkpointed", "build_model", "in_float64", "set_checkpointing"]


def build_model(name: str, options: Any, spec: OperatorSpec, *, is_target: bool = False) -> nn.Module:
    """A module with ``forward(FieldBatch) -> prediction`` in the target's shape.

    Parameters
    ----------
    name : a part of `nolab.models`, or the dotted path of a user's class where `is_target`, which
        is called with its own options and `spec`.
    spec : the fields between which the model maps.

    Raises
    ------
    InputError : the model works on grids and the fields lie on scattered points, or the other way round; the
        options do not fit the fields, or the class can't be imported or called.
    """
    if is_target:
        return registry.instantiate(name, options, "model", spec=spec)
    module = registry.load("nolab.models", name, "model.name")
    if _is_scattered(module) != spec.domain.is_scattered:
        others = [
            other
            for other in registry.names("nolab.models")
            if _is_scattered(registry.load("nolab.models", other, "model.name")) != _is_scattered(module)
        ]
        own, given = (
            ("scattered points", "a grid") if _is_scattered(module) else ("grids", "scattered points")
        )
        raise InputError(
            f"model: {name} works on {own}, and these data lie on {given}; use model={' or '.join(others)}"
        )
    return module.build(options, spec)


def _is_scattered(module: ModuleType) -> bool:
    """Whether a model's module says that it works on scattered points."""
    return getattr(module, "SCATTERED", False)
