"""From the config group `dataset` to a source of fields."""

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nolab import registry
from nolab.data._disk import check_disk
from nolab.data._store_format import DTYPE
from nolab.data.generation import ensure_store
from nolab.data.importers.assemble import assemble
from nolab.data.importers.hdf5 import is_store
from nolab.data.importers.options import FileOptions, refuse_keys
from nolab.data.importers.proposal import complete
from nolab.data.importers.recognise import recognise
from nolab.data.source import FieldSource, Shape
from nolab.data.store import Store
from nolab.errors import InputError
from nolab.grid import shape_name
from nolab.mesh import MeshFields


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
        describe = registry.load("nolab.problems", problem, "dataset.problem").describe
        description = describe(options)
        self.domain = description.domain
        self.input_axes = description.input_axes
        self.input_names = description.input_names
        self.output_names = description.output_names
        self._shapes, self._counts = description.shapes, counts
        points = sum(map(prod, description.shapes)) * len(description.output_names)
        check_disk(data_dir, sum(counts.values()) * points * DTYPE.itemsize)
        kept = {"counts": counts, "seed": seed, "data_dir": data_dir, "device": device, "workers": workers}
        self._ensure: Callable[[], Path] = partial(ensure_store, problem, asdict(options), **kept)
        self._like: Callable[..., GeneratedSource] = partial(GeneratedSource, problem, **kept)
        self._store: Store | None = None
        self._describe, self._options = describe, options

    def at(self, shape: Shape) -> "GeneratedSource":
        """The same samples, generated on another grid.

        Raises
        ------
        InputError : no resolution of the problem gives that grid.
        """
        for size in dict.fromkeys(shape):
            try:
                options = replace(self._options, resolution=size)
            except (TypeError, InputError):  # no such option, or out of its range
                continue
            if self._describe(options).shape == shape:
                return self._like(options=options)
        raise InputError(
            f"hierarchy.restriction: solve needs a dataset.resolution that gives the level {shape_name(shape)}, and "
            "there is none; name other levels, or use subsample, average or spectral"
        )

    def ensure(self) -> Path:
        """Path of the store, generated now if it is not there."""
        return self._ensure()

    def splits(self) -> list[str]:
        return list(self._counts)

    def shapes(self, split: str) -> list[Shape]:
        return list(self._shapes)

    def count(self, split: str) -> int:
        return self._counts[split]

    def read(
        self, split: str, shape: Shape, indices: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray] | MeshFields:
        return self._opened.read(split, shape, indices)

    @property
    def neighbours_folder(self) -> Path:
        """The store's."""
        return self._opened.neighbours_folder

    @property
    def _opened(self) -> Store:
        if self._store is None:
            self._store = Store(self.ensure())
        return self._store


def open_file(options: FileOptions) -> FieldSource:
    """A nolab store, or what the importers make of the path.

    Raises
    ------
    InputError : the path does not exist, its format is not known, it is damaged, or it leaves open how it
        is to be read.
    """
    path = Path(options.path).expanduser()
    if path.is_file() and is_store(path):
        refuse_keys(options, "is a store of nolab, which says it itself")
        return Store(path)
    contents = recognise(path, options.test_path and Path(options.test_path).expanduser())
    return assemble(contents, complete(contents, options))
