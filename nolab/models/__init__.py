"""Models by name, or by a user's `_target_`."""

from typing import Any

from torch import nn

from nolab import registry
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
    InputError : the options do not fit the fields, or the class can't be imported or called.
    """
    if is_target:
        return registry.instantiate(name, options, "model", spec=spec)
    return registry.load("nolab.models", name, "model.name").build(options, spec)
