"""Runs on disk: their figures, and their models put to use."""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from nolab import registry
from nolab.composition import resolved
from nolab.config import SELECTORS, RunConfig, validate
from nolab.data.geometry import check_box, geometry_tensors
from nolab.data.pyramid import Normalizers
from nolab.device import choose_device
from nolab.errors import InputError, first_line, unknown
from nolab.explain import explained
from nolab.fields import FieldBatch
from nolab.grid import Domain, shape_name
from nolab.models import build_model
from nolab.precision import arithmetic
from nolab.tracking.run_directory import CHECKPOINTS, CONFIG, SUMMARY
from nolab.tracking.run_files import read_mapping
from nolab.training.checkpoint import CHOICES, PREVIOUS, load_checkpoint
from nolab.training.room import built_within_memory
from nolab.training.spec import TrainedOn

_TRUST = "--trust, or load_run(…, trust=True)"


def load_run(
    path: str | Path, *, checkpoint: str = "last", device: str = "auto", trust: bool = False
) -> "Run":
    """Open a run directory.

    Parameters
    ----------
    checkpoint : ``last``, ``best``, or ``previous``, the one before the last.
    trust : allow the run's config to name Python code outside nolab, by `_target_` or as a part whose name has a
        dot. Only for runs of your own: that code is imported and called.

    Raises
    ------
    InputError : it is no run directory, or its config or checkpoint can't be used.
    """
    read_config(Path(path))
    return Run(Path(path), checkpoint=checkpoint, device=device, trust=trust)


def read_config(path: Path) -> DictConfig:
    """The resolved config of a run.

    Raises
    ------
    InputError : there is no such run, or its config is damaged or not resolved.
    """
    if not path.is_dir():
        raise InputError(f"{path}: no such run directory")
    file = path / CONFIG
    if not file.is_file():
        raise InputError(f"{path}: not a run directory of nolab (it has no {CONFIG})")
    try:
        config = read_mapping(file)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
    for key, value in _leaves(config):
        # A run's config is written resolved; resolving one of somebody else's would read the environment.
        if isinstance(value, str) and "${" in value:
            raise InputError(f"{file}: {key} is '{value:.80}', a run's config has no interpolations")
    return OmegaConf.create(config)


def refuse_code(config: DictConfig, path: Path, way_out: str) -> None:
    """Refuse a run whose config names Python code outside nolab: a `_target_` or a part with a dot, at any depth.

    Raises
    ------
    InputError : naming the code, and the flag that trusts it.
    """
    for key, value in _leaves(resolved(config)):
        names = re.split(r"[.\[]", key)
        if "_target_" in names:
            named = key.partition("._target_")[0]
        elif names[-1] == SELECTORS.get(names[0]) and registry.is_outside(value):
            named = key.rpartition(".")[0]
        else:
            continue
        raise InputError(
            f"{path}: its {named} is code outside nolab ({value}), which is imported only if you trust the run: "
            f"{way_out}"
        )


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Values of a config at any depth, by their dotted keys."""
    if isinstance(value, dict) and value:
        for name, child in value.items():
            yield from _leaves(child, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for i, child in enumerate(value):
            yield from _leaves(child, f"{key}[{i}]")
    else:
        yield key, value


class Run:
    """A run directory. Config and figures are read at once, the model when it is first used."""

    def __init__(
        self, path: Path, *, checkpoint: str = "last", device: str = "auto", trust: bool = False
    ) -> None:
        if checkpoint not in CHOICES:
            raise unknown("checkpoint", checkpoint, CHOICES)
        self.path = path
        self.device = choose_device(device)
        self._checkpoint, self._trust = checkpoint, trust

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @cached_property
    def config(self) -> DictConfig:
        """The resolved config."""
        return read_config(self.path)

    def settings_with(self, overrides: Sequence[str], allowed: tuple[str, ...]) -> RunConfig:
        """The validated config with some keys changed.

        Parameters
        ----------
        overrides : ``key=value``, dotted keys that the config has or its schema knows.
        allowed : top-level keys that may change.

        Raises
        ------
        InputError : an override that can't be read, or of another key.
        """
        for override in overrides:
            key, equals, _ = override.partition("=")
            if not equals or key.partition(".")[0] not in allowed or "_target_" in key:
                raise InputError(
                    f"override '{override}': write key=value; only {', '.join(allowed)} may change here"
                )
        with explained():
            changed = cast(DictConfig, OmegaConf.merge(self.config, OmegaConf.from_dotlist(list(overrides))))
            if not self._trust:
                refuse_code(changed, self.path, _TRUST)
            plain = resolved(changed)
        return validate(plain)

    @property
    def finished(self) -> bool:
        """Whether the run ended; its summary is written last."""
        return (self.path / SUMMARY).is_file()

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The figures of `summary.json`.

        Raises
        ------
        InputError : the run is not finished, or the file is damaged.
        """
        file = self.path / SUMMARY
        if not file.is_file():
            raise InputError(
                f"{self.path}: not finished (no {SUMMARY}); go on with nolab train resume={self.path}"
            )
        try:
            return read_mapping(file)
        except InputError as error:
            raise InputError(f"{file}: {error}") from error

    @cached_property
    def state(self) -> dict[str, Any]:
        """The checkpoint, on the CPU.

        Raises
        ------
        InputError : it is missing or damaged.
        """
        try:
            return load_checkpoint(self._file)
        except InputError as error:
            if self._checkpoint != "last" or not self._file.with_name(PREVIOUS).is_file():
                raise
            raise InputError(
                f"{error}; the one before it: --checkpoint previous, or checkpoint='previous'"
            ) from error

    @cached_property
    def trained_on(self) -> TrainedOn:
        """The fields that the model was trained on, as the checkpoint describes them.

        Raises
        ------
        InputError : the checkpoint describes none; naming the part.
        """
        try:
            return TrainedOn.from_dict(self.state["spec"])
        except InputError as error:
            raise InputError(f"{self._file}: damaged: {error}") from error

    @property
    def domain(self) -> Domain:
        """The physical domain that the model was trained on."""
        return self.trained_on.domain

    @property
    def normalizers(self) -> Normalizers:
        """The normalisers of input and output that the model was trained with."""
        return self.trained_on.normalizers

    @cached_property
    def model(self) -> nn.Module:
        """The trained model in eval mode: the averaged weights, where the run kept them.

        Raises
        ------
        InputError : the weights do not fit the config, or the config names code and is not trusted.
        """
        part = self.settings.model
        build = partial(
            build_model, part.name, part.options, self.trained_on.fields, is_target=part.is_target
        )
        model = built_within_memory(build, self.device, training=False)
        try:
            model.load_state_dict(self.state["model"])
            if self.state["ema"] is not None:
                for parameter, average in zip(model.parameters(), self.state["ema"]["average"], strict=True):
                    if average.shape != parameter.shape:
                        raise ValueError(f"an average of shape {tuple(average.shape)}")
                    parameter.data.copy_(average)
        except Exception as error:  # a file's values raise nearly anything; none of it is a bug of ours
            raise InputError(
                f"{self.path}: the checkpoint does not fit the run's model ({first_line(error)})"
            ) from error
        return model.to(self.device).eval()

    @cached_property
    def settings(self) -> RunConfig:
        """The validated config; it names code only in a trusted run."""
        return self.settings_with((), allowed=())

    @torch.no_grad()
    def predict(
        self,
        inputs: np.ndarray | torch.Tensor,
        coords: np.ndarray | torch.Tensor | None = None,
        *,
        queries: np.ndarray | torch.Tensor | None = None,
        weights: np.ndarray | torch.Tensor | None = None,
    ) -> np.ndarray:
        """Predict in physical units, on any grid of the run's domain or at any coordinates in it.

        Parameters
        ----------
        inputs : (B, C_in, *S), or (B, *S) for one channel; S is 1 on axes on which it does not vary.
        coords : (ndim, *S), the coordinates of the grid; checked against the domain's own, since
            values on another domain or with other end points would be read wrongly. None: the
            grid is the domain's with S points (on axes on which the input does not vary, with as many
            as the finest training level has). Where the run's points are scattered: (N, ndim), or (B, N, ndim)
            per sample.
        queries : (Q, ndim) shared by the samples or (B, Q, ndim) per sample: coordinates in the domain
            at which to predict instead, for models that answer off the grid (DeepONet).
        weights : of scattered points, quadrature weights (N,) or (B, N) in any scale, 0 on padding at a sample's end;
            None: equal.

        Returns
        -------
        (B, C_out, *S), or (B, C_out, Q) at `queries`, float32; at padding its values mean nothing.

        Raises
        ------
        InputError : shapes, coordinates or values that the run can't use.
        """
        fields = torch.as_tensor(np.asarray(inputs), dtype=torch.float32)
        fields = self._checked_inputs(fields)
        places = None if coords is None else np.asarray(coords)
        geometry = self._geometry(fields, places, None if weights is None else np.asarray(weights))
        grid = tuple(fields.shape[2:]) if self.domain.is_scattered else self._grid(fields, places)
        where = None if queries is None else self._checked_queries(np.asarray(queries), len(fields))
        encode, decode = self.normalizers.input.encode, self.normalizers.output.decode
        zero = torch.tensor(self.normalizers.output.zero, device=self.device)
        outputs = []
        for chunk in torch.arange(len(fields)).split(16):
            batch = FieldBatch(
                torch.from_numpy(encode(fields[chunk].numpy())).to(self.device),
                self.domain,
                grid=grid,
                zero=zero,
                queries=where if where is None or where.ndim == 2 else where[chunk],
                **{name: values[chunk].to(self.device) for name, values in geometry.items()},
            )
            with arithmetic("fp32", batch.input.device, self.settings.precision.stabilizer):
                outputs.append(decode(self.model(batch).float().cpu().numpy()))
        return np.concatenate(outputs)

    @property
    def input_axes(self) -> tuple[int, ...] | None:
        """Axes of the domain on which the input varies, None for all of them."""
        return self.trained_on.input_axes

    @property
    def _file(self) -> Path:
        return self.path / CHECKPOINTS / f"{self._checkpoint}.pt"

    def _checked_inputs(self, fields: torch.Tensor) -> torch.Tensor:
        channels, ndim = len(self.trained_on.input_names), self.domain.grid_ndim
        if fields.ndim == ndim + 1 and channels == 1:
            fields = fields.unsqueeze(1)
        if fields.ndim != ndim + 2 or fields.shape[1] != channels or len(fields) == 0:
            grid = ", ".join(f"n{i + 1}" for i in range(ndim))
            raise InputError(f"inputs: shape {tuple(fields.shape)}, expected (samples, {channels}, {grid})")
        axes = range(ndim) if self.input_axes is None else self.input_axes
        for axis, n in enumerate(fields.shape[2:]):
            if axis in axes and n < 3:
                raise InputError(
                    f"inputs: a grid needs at least 3 points per axis, got {shape_name(fields.shape[2:])}"
                )
            if axis not in axes and n != 1:
                raise InputError(f"inputs: they do not vary along axis {axis}, so its size is 1, not {n}")
        if not torch.isfinite(fields).all():
            raise InputError("inputs: values that are not finite")
        return fields

    def _geometry(
        self, fields: torch.Tensor, coords: np.ndarray | None, weights: np.ndarray | None
    ) -> dict[str, torch.Tensor]:
        """What a batch holds of scattered points, of all samples."""
        if self.domain.is_scattered:
            size = len(fields), fields.shape[2]
            wanted = getattr(self.model, "neighbourhood", None)
            return geometry_tensors(coords, weights, size, self.domain, wanted)
        if weights is not None:
            raise InputError("weights: are for runs on scattered points; a grid has its own")
        return {}

    def _grid(self, fields: torch.Tensor, coords: np.ndarray | None) -> tuple[int, ...]:
        """The output's grid: the input's, and on axes on which that does not vary `coords`' or the finest."""
        other = self.trained_on.finest if coords is None else coords.shape[1:]
        if coords is not None and len(other) != self.domain.ndim:
            raise InputError(f"coords: shape {coords.shape}, expected ({self.domain.ndim}, then the grid)")
        axes = range(self.domain.ndim) if self.input_axes is None else self.input_axes
        grid = tuple(n if axis in axes else other[axis] for axis, n in enumerate(fields.shape[2:]))
        if coords is not None:
            self._check_coords(coords, grid)
        return grid

    def _checked_queries(self, queries: np.ndarray, n_samples: int) -> torch.Tensor:
        ndim = self.domain.ndim
        per_sample = queries.ndim == 3 and queries.shape[0] == n_samples
        if not (queries.ndim == 2 or per_sample) or queries.shape[-1] != ndim or queries.shape[-2] < 1:
            raise InputError(
                f"queries: shape {queries.shape}, expected (Q, {ndim}) or ({n_samples} samples, Q, {ndim})"
            )
        check_box(queries, self.domain, "queries")
        return torch.as_tensor(queries, dtype=torch.float32, device=self.device)

    def _check_coords(self, coords: np.ndarray, shape: tuple[int, ...]) -> None:
        expected = self.domain.coordinates(shape).numpy()
        if coords.shape != expected.shape:
            raise InputError(f"coords: shape {coords.shape}, expected {expected.shape} (axis, then the grid)")
        spacing = min(
            axis.length / axis.intervals(n) for axis, n in zip(self.domain.axes, shape, strict=True)
        )
        if not np.allclose(coords, expected, rtol=0, atol=1e-3 * spacing):
            axes = "; ".join(f"{a.placement} on [{a.start:g}, {a.stop:g}]" for a in self.domain.axes)
            raise InputError(
                f"coords: not the grid of the run's domain ({axes}); resample the inputs onto it"
            )
