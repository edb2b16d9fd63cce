"""Fields in memory: what importers and users' own data sets hand to nolab."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nolab.data.source import Shape
from nolab.errors import InputError
from nolab.grid import Domain, input_shape, shape_name
from nolab.mesh import MeshFields, check_mesh


@dataclass(frozen=True)
class ArraySource:
    """A :class:`~nolab.data.source.FieldSource` over arrays.

    Parameters
    ----------
    domain : the physical domain of every grid.
    data : per split, per grid shape, input (n, C_in, *shape) and output (n, C_out, *shape). All
        grids of a split hold the same samples in the same order. On scattered points MeshFields.
    input_axes : axes of the domain on which the input varies, None for all of them; its size is 1
        on the others (a source term s(x) of a solution u(t, x)).
    input_names, output_names : one name per channel.

    Raises
    ------
    InputError : shapes that do not fit each other, no samples, values that are not finite.
    """

    domain: Domain
    data: Mapping[str, Mapping[Shape, tuple[np.ndarray, np.ndarray] | MeshFields]]
    input_names: tuple[str, ...] = ("input",)
    output_names: tuple[str, ...] = ("output",)
    input_axes: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if not set(self.input_axes or ()) <= set(range(self.domain.ndim)):
            raise InputError(f"data: input_axes {self.input_axes} of a domain of {self.domain.ndim} axes")
        for split, levels in self.data.items():
            if not levels:
                raise InputError(f"data: split '{split}' holds no grid")
            counts = {len(values) for fields in levels.values() for values in fields}
            if len(counts) != 1 or 0 in counts:
                raise InputError(
                    f"data: grids of split '{split}' hold different numbers of samples: {sorted(counts)}"
                )
            for shape, fields in levels.items():
                if len(shape) != self.domain.grid_ndim:
                    raise InputError(
                        f"data: grid {shape_name(shape)} of split '{split}' has {len(shape)} axes, "
                        f"the domain has {self.domain.grid_ndim}"
                    )
                where = f"{split}/{shape_name(shape)}"
                inputs, outputs = fields[:2]
                grid = input_shape(shape, self.input_axes)
                _check_field(f"{where}/input", inputs, (len(self.input_names), *grid))
                _check_field(f"{where}/output", outputs, (len(self.output_names), *shape))
                if self.domain.is_scattered:
                    _check_geometry(where, fields, self.domain)

    def splits(self) -> list[str]:
        return list(self.data)

    def shapes(self, split: str) -> list[Shape]:
        return sorted(self.data[split], key=lambda shape: int(np.prod(shape)))

    def count(self, split: str) -> int:
        return len(next(iter(self.data[split].values()))[0])

    def read(
        self, split: str, shape: Shape, indices: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray] | MeshFields:
        rows = slice(None) if indices is None else indices
        fields = self.data[split][shape]
        inputs, outputs, *geometry = (values[rows].astype(np.float32) for values in fields[:4])
        if not self.domain.is_scattered:
            return inputs, outputs
        return MeshFields(inputs, outputs, *geometry, fields[4][rows].astype(np.int32))


def _check_geometry(where: str, fields: tuple[np.ndarray, ...], domain: Domain) -> None:
    if not isinstance(fields, MeshFields):
        raise InputError(f"data: {where} lies on scattered points, which come as MeshFields")
    _check_field(f"{where}/coords", fields.coords, (fields.output.shape[2], domain.ndim))
    _check_field(f"{where}/weights", fields.weights, (fields.output.shape[2],))
    try:
        check_mesh(fields)
    except InputError as error:
        raise InputError(f"data: {where} {error}") from None


def _check_field(name: str, field: np.ndarray, expected: tuple[int, ...]) -> None:
    if field.shape[1:] != expected:
        raise InputError(
            f"data: {name} has shape {field.shape}, expected (samples, {', '.join(map(str, expected))})"
        )
    if not np.isfinite(field).all():
        bad = np.unique(np.argwhere(~np.isfinite(field))[:, 0])
        raise InputError(f"data: {name} holds values that are not finite, in samples {bad[:5].tolist()}")
