"""neuraloperator's counterparts: of nolab's models and of its precision modes."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from nolab.fields import OperatorSpec
from nolab.precision import Mode


@dataclass(frozen=True)
class Variant:
    """A precision of neuraloperator's.

    name : in tables.
    mode : nolab's, beside which it stands.
    block : `fno_block_precision`: full, half (transforms and products) or mixed (products only).
    amp : its Trainer's `mixed_precision`.
    """

    name: str
    mode: Mode
    block: str = "full"
    amp: bool = False


FULL = Variant("fp32", "fp32")
_REDUCED = (
    Variant("amp", "amp_bf16", amp=True),
    Variant("amp", "amp_fp16", amp=True),
    Variant("half", "half", "half"),
    Variant("amp + half", "mixed", "half", amp=True),
    Variant("amp + mixed", "mixed", "mixed", amp=True),
    Variant("amp + mixed", "mixed_fp32_transform", "mixed", amp=True),
)


def variants(modes: tuple[Mode, ...], device: torch.device) -> tuple[Variant, ...]:
    """float32, and on CUDA what neuraloperator has beside `modes`; each once."""
    if device.type != "cuda":
        return (FULL,)
    beside: dict[str, Variant] = {}
    for variant in _REDUCED:
        if variant.mode in modes:
            beside.setdefault(variant.name, variant)
    return (FULL, *beside.values())


def fourier(options: Any, spec: OperatorSpec, block: str) -> nn.Module:
    """neuraloperator's FNO, or TFNO where the options have a factorisation, with nolab's options.

    Its padding stands for a period above 1: as much of it, on both sides, with memory of its own.
    """
    from neuralop.models import FNO

    ndim = spec.domain.ndim
    periods = _per_axis(options.period, ndim)
    factorized = ("factorization", "rank", "implementation")
    return FNO(
        n_modes=_per_axis(options.n_modes, ndim),
        domain_padding=[(p - 1) / 2 for p in periods] if max(periods) > 1 else None,
        **{name: getattr(options, name) for name in factorized if hasattr(options, name)},
        **_common(options, spec, block),
    )


def spherical(options: Any, spec: OperatorSpec, block: str) -> nn.Module:
    """neuraloperator's SFNO with nolab's options; its positions are two angles, nolab's three coordinates."""
    from neuralop.models import SFNO

    modes = options.n_modes
    return SFNO(
        n_modes=(modes, 2 * modes) if isinstance(modes, int) else tuple(modes),
        **_common(options, spec, block),
    )


def _common(options: Any, spec: OperatorSpec, block: str) -> dict[str, Any]:
    return {
        "in_channels": spec.in_channels,
        "out_channels": spec.out_channels,
        "hidden_channels": options.hidden_channels,
        "n_layers": options.n_layers,
        "lifting_channel_ratio": options.lifting_channel_ratio,
        "projection_channel_ratio": options.projection_channel_ratio,
        "positional_embedding": "grid" if options.positional_embedding else None,
        "non_linearity": getattr(F, options.non_linearity),
        "norm": options.norm,
        "use_channel_mlp": options.use_channel_mlp,
        "channel_mlp_expansion": options.channel_mlp_expansion,
        "channel_mlp_skip": options.channel_mlp_skip,
        "fno_skip": options.fno_skip,
        "fno_block_precision": block,
    }


Build = Callable[[Any, OperatorSpec, str], nn.Module]


@dataclass(frozen=True)
class Reference:
    """neuraloperator's counterpart of a model.

    build : from nolab's options, the fields and `fno_block_precision` to a module.
    needs : a module that must be importable.
    """

    build: Build
    needs: str = "neuralop"


REFERENCES = {
    "fno": Reference(fourier),
    "tfno": Reference(fourier),
    "sfno": Reference(spherical, "torch_harmonics"),
}
"""By nolab's name of the model."""


def find_reference(model: str) -> tuple[Build | None, str]:
    """The model's counterpart, or None and why there is none."""
    reference = REFERENCES.get(model)
    if reference is None:
        return None, f"neuraloperator has no counterpart of model {model}"
    if importlib.util.find_spec(reference.needs) is None:
        return None, f"neuraloperator's {model} needs {reference.needs}, which is not installed"
    return reference.build, ""


def _per_axis(value: Any, ndim: int) -> tuple:
    return tuple(value) if isinstance(value, tuple | list) else (value,) * ndim
