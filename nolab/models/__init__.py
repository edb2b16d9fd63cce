"""Models by name, or by a user's `_target_`."""

from typing import Any

from torch import nn

from nolab import registry
from nolab.grid import Domain


def build_model(
    name: str, options: Any, in_channels: int, out_channels: int, domain: Domain, *, is_target: bool = False
) -> nn.Module:
    """A module with ``forward(FieldBatch) -> prediction`` in the target's shape.

    Parameters
    ----------
    name : a part of `nolab.models`, or the dotted path of a user's class where `is_target`, which
        is called with its own options and in_channels, out_channels and domain.

    Raises
    ------
    InputError : the options do not fit the domain, or the class can't be imported or called.
    """
    if is_target:
        return registry.instantiate(
            name, options, "model", in_channels=in_channels, out_channels=out_channels, domain=domain
        )
    return registry.load("nolab.models", name, "model.name").build(options, in_channels, out_channels, domain)
