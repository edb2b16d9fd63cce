"""What is to be measured: the keys `bench.…`, checked against the device, the model and the domain."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from nolab.errors import InputError
from nolab.grid import Domain, full_shape, shape_name
from nolab.precision import Mode, check_mode, check_model
from nolab.schema import check, from_mapping

USUAL_MODES: tuple[Mode, ...] = ("fp32", "tf32", "amp_bf16", "half", "mixed")
"""Modes that are measured where none is named."""

_LISTS = ("precision", "grids", "batch")


@dataclass(frozen=True)
class BenchOptions:
    """The block `bench` of conf/bench.yaml."""

    precision: list[str] | None = None
    """Modes; null: those of USUAL_MODES that the device has and the model takes."""
    grids: list[list[int] | int] | None = None
    """Grids, each a size or a list of sizes per axis; null: the levels of the hierarchy."""
    batch: list[int] = field(default_factory=lambda: [4, 16])
    """Samples per step."""
    repeats: int = 9
    """Timed rounds."""
    reference: bool = True
    """Beside neuraloperator's own implementation of the model."""

    def __post_init__(self) -> None:
        for name in _LISTS:
            values = getattr(self, name)
            check(
                values is None or (values and all(values.count(value) == 1 for value in values)),
                name,
                values,
                "a list of at least one, each once",
            )
        check(all(n >= 1 for n in self.batch), "batch", self.batch, ">= 1")
        check(self.repeats >= 1, "repeats", self.repeats, ">= 1")


def read_options(block: Any) -> BenchOptions:
    """The block `bench` of a config; one value may stand for a list of one.

    Raises
    ------
    InputError : naming the key, what was given and what is allowed.
    """
    if isinstance(block, Mapping):
        block = {
            key: [value] if key in _LISTS and isinstance(value, int | float | str) else value
            for key, value in block.items()
        }
    return from_mapping(BenchOptions, block, "bench")


def choose_modes(
    named: list[str] | None, model: nn.Module, device: torch.device
) -> tuple[tuple[Mode, ...], dict[Mode, str]]:
    """The modes to measure, and of the usual ones those that are left out, each with its reason.

    Raises
    ------
    InputError : a mode that was named is unknown, or the device or the model does not take it.
    """
    if named is not None:
        for mode in named:
            _check_taken(mode, model, device)
        return tuple(named), {}
    refused: dict[Mode, str] = {}
    for mode in USUAL_MODES:
        try:
            _check_taken(mode, model, device)
        except InputError as error:
            refused[mode] = str(error)
    return tuple(mode for mode in USUAL_MODES if mode not in refused), refused


def choose_shapes(
    grids: list[list[int] | int] | None, domain: Domain, levels: tuple[tuple[int, ...], ...]
) -> tuple[tuple[int, ...], ...]:
    """The grids to measure, those of `levels` where none is given.

    Raises
    ------
    InputError : a grid that does not fit the domain, or of fewer than 3 points per axis.
    """
    if grids is None:
        return levels
    return tuple(_shape(grid, f"bench.grids[{i}]", domain) for i, grid in enumerate(grids))


def _check_taken(mode: str, model: nn.Module, device: torch.device) -> None:
    check_mode(mode, device, "bench.precision")
    check_model(model, mode, "bench.precision")


def _shape(grid: int | list[int], where: str, domain: Domain) -> tuple[int, ...]:
    shape = full_shape(grid, domain, where)
    if min(shape) < 3:
        raise InputError(f"{where}: a grid needs at least 3 points per axis, got {shape_name(shape)}")
    return shape
