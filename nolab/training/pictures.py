"""Pictures of a finished run: predictions beside the truth, and their spectra on periodic domains."""

from pathlib import Path

import numpy as np
import torch

from nolab.data.hierarchy import Level
from nolab.data.reading import read_level
from nolab.metrics.spectrum import shell_spectrum
from nolab.precision import arithmetic
from nolab.tracking import run_directory as folder
from nolab.tracking.figures import Points, Shown, plot_predictions, plot_spectra
from nolab.tracking.sinks import Sink
from nolab.training.optimizer import averaged
from nolab.training.setup import TEST
from nolab.training.trainer import Trainer

_SPECTRUM_SAMPLES = 16


def draw_pictures(run_dir: Path, trainer: Trainer, sinks: list[Sink]) -> None:
    """In the run's folder of plots, and in every sink."""
    domain = trainer.setup.hierarchy.domain
    with averaged(trainer.ema, trainer.model):
        if domain.ndim <= 2 or domain.is_scattered:
            _send(sinks, "prediction", _predictions(run_dir / folder.PLOTS, trainer))
        if domain.ndim > 1 and all(axis.placement == "periodic" for axis in domain.axes):
            _send(sinks, "spectrum", _spectra(run_dir / folder.PLOTS, trainer))


def _send(sinks: list[Sink], name: str, path: Path) -> None:
    for sink in sinks:
        sink.image(f"plots/{name}", path)


def _predictions(plots: Path, trainer: Trainer) -> Path:
    """First test sample at the coarsest and the finest level of the hierarchy, on scattered points at every level;
    of frames the last one."""
    hierarchy = trainer.setup.hierarchy
    channel = -1 if trainer.setup.spec.frames else 0
    ends = hierarchy.levels[0], hierarchy.finest
    rows = []
    for level in dict.fromkeys(hierarchy.levels if hierarchy.domain.is_scattered else ends):
        fields = {name: field[0, channel] for name, field in _fields(trainer, level, 1).items()}
        points = _points(trainer, level) if hierarchy.domain.is_scattered else None
        if points is not None:  # padding stands at the end
            fields = {name: field[: len(points.coords)] for name, field in fields.items()}
        rows.append(Shown(level.name, fields, points))
    extent = tuple(end for axis in hierarchy.domain.axes for end in (axis.start, axis.stop))
    return plot_predictions(plots / "prediction.png", rows, extent)


def _points(trainer: Trainer, level: Level) -> Points:
    """Where the first test sample's points lie."""
    setup = trainer.setup
    mesh = read_level(setup.source, TEST, level.shape, setup.hierarchy.restriction, np.array([0]))
    there, cells = mesh.weights[0] > 0, mesh.cells[0]
    return Points(mesh.coords[0][there], cells[(cells >= 0).all(axis=1)])


def _spectra(plots: Path, trainer: Trainer) -> Path:
    """Of the last output channel at the finest level, the mean over some test samples."""
    finest = trainer.setup.hierarchy.finest
    fields = _fields(trainer, finest, _SPECTRUM_SAMPLES)
    shown = {name: fields[name][:, -1] for name in ("truth", "prediction")}
    shown["error"] = shown["prediction"] - shown["truth"]
    spectra = {
        name: shell_spectrum(torch.from_numpy(field)).mean(dim=0).numpy() for name, field in shown.items()
    }
    title = f"{trainer.setup.source.output_names[-1]}, {finest.name}"
    return plot_spectra(plots / "spectrum.png", spectra, title)


@torch.no_grad()
def _fields(trainer: Trainer, level: Level, n: int) -> dict[str, np.ndarray]:
    """Input, truth and prediction of the first `n` test samples in physical units, (n, C, *S)."""
    data, tensors = trainer.data, trainer.data.tests[level]
    first = torch.arange(min(n, len(tensors.input)), device=tensors.input.device)
    batch = tensors.take(first).to(trainer.setup.device).batch(trainer.setup.hierarchy.domain)
    trainer.model.eval()
    decode = data.normalizers.output.decode
    with arithmetic("fp32", trainer.setup.device, trainer.setup.config.precision.stabilizer):
        prediction = trainer.model(batch)
    return {
        "input": data.normalizers.input.decode(batch.input.cpu().numpy()),
        "truth": decode(batch.target.cpu().numpy()),
        "prediction": decode(prediction.float().cpu().numpy()),
    }
