"""From the config group `dataset` to a source of fields."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nolab import registry
from nolab.data.generation import ensure_store
from nolab.data.pt_files import read_pt_folder
from nolab.data.source import FieldSource, Shape
from nolab.data.store import Store
from nolab.errors import InputError
from nolab.grid import Placement


class GeneratedSource:
    """A problem's data set; its shape is known at once, its data are made on the first read.

    So a config that does not fit its data is refused before anything is generated.
    """

    def __init__(
        self,
        problem: str,
        options: Any,
        counts: dict[str, int],
        seed: int,
        data_dir: Path,
        device: torch.device,
        workers: int,
    ) -> None:
        description = registry.load("nolab.problems", problem, "dataset.problem").describe(options)
        self.domain = description.domain
        self.input_axes = description.input_axes
        self.input_names = description.input_names
        self.output_names = description.output_names
        self._shape, self._counts = description.shape, counts
        self._ensure: Callable[[], Path] = lambda: ensure_store(
            problem,
            asdict(options),
            seed=seed,
            counts=counts,
            data_dir=data_dir,
            device=device,
            workers=workers,
        )
        self._store: Store | None = None

    def ensure(self) -> Path:
        """Path of the store, generated now if it is not there."""
        return self._ensure()

    def splits(self) -> list[str]:
        return list(self._counts)

    def shapes(self, split: str) -> list[Shape]:
        return [self._shape]

    def count(self, split: str) -> int:
        return self._counts[split]

    def read(
        self, split: str, shape: Shape, indices: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        if self._store is None:
            self._store = Store(self.ensure())
        return self._store.read(split, shape, indices)


def open_file(path: Path, placement: Placement) -> FieldSource:
    """A nolab store (`.h5`) or a folder of `.pt` dictionaries.

    Raises
    ------
    InputError : the path does not exist or holds neither.
    """
    if not path.exists():
        raise InputError(f"dataset.path: {path} does not exist")
    if path.is_dir():
        return read_pt_folder(path, placement)
    if path.suffix in (".h5", ".hdf5"):
        return Store(path)
    raise InputError(
        f"dataset.path: {path} is neither a .h5 store of nolab nor a folder of files like darcy_train_16.pt"
    )
