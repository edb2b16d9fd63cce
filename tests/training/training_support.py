"""What tests of training share: an engine on small fields, its flat gradient, and runs that are interrupted."""

from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests_support import spec
from torch import Tensor, nn
from torch.nn import functional as F

import nolab
from nolab import registry
from nolab.data.batcher import ResidentBatcher
from nolab.data.hierarchy import Hierarchy, Level
from nolab.data.pyramid import LevelTensors
from nolab.grid import Domain
from nolab.metrics.errors import Units, mse
from nolab.models import fno, in_float64, tfno
from nolab.plan import Plan, Term
from nolab.points import build_points, parse_neval
from nolab.precision import Schedule
from nolab.training import execution
from nolab.training.gradient import GradientEngine
from nolab.training.stopping import StopRequest
from nolab.training.trainer import Interrupted, Trainer

N = 6
CPU = torch.device("cpu")
SHAPES = ((5, 5), (9, 9), (17, 17))
DOMAIN = Domain.unit(2, "nodal")
MODELS = {
    "fno": (fno, fno.Options(n_modes=4, hidden_channels=8, n_layers=2), 3.0),
    "tfno": (tfno, tfno.Options(n_modes=4, hidden_channels=8, n_layers=2, rank=0.5), 1.3),
}
"""Part, options, and a factor of the spectral weights, so that they matter as much as the rest."""


def build_operator(model: str) -> nn.Module:
    """One of :data:`MODELS`."""
    part, options, factor = MODELS[model]
    operator = part.build(options, spec(DOMAIN))
    with torch.no_grad():
        for parameter in operator.parameters():
            parameter.mul_(factor if parameter.is_complex() else 1)
    return operator


def make_engine(
    modes=("fp32",) * 3,
    *,
    model="fno",
    dtype=torch.float64,
    scale=None,
    neval=None,
    scheme="random",
    scope="per_sample",
    loss=mse,
    **more,
) -> GradientEngine:
    """An engine over three nodal levels of smooth random fields.

    `modes` are the levels' (modes or schedules), `scale` is the loss's, `more` goes to the engine.
    """
    generator = torch.Generator().manual_seed(0)
    waves = (torch.randn(N, 1, 4, 4, generator=generator) for _ in range(2))
    finest = [F.interpolate(x, (17, 17), mode="bicubic", align_corners=True).to(dtype) for x in waves]
    levels = []
    for stride in (4, 2, 1):
        x, y = (field[..., ::stride, ::stride].contiguous() for field in finest)
        levels.append(LevelTensors(x, y, y.square().mean(dim=(1, 2, 3)).sqrt(), torch.zeros(1)))
    hierarchy = Hierarchy(tuple(Level(shape) for shape in SHAPES), DOMAIN, "subsample")
    torch.manual_seed(1)
    operator = build_operator(model)
    chosen = registry.load("nolab.points", scheme, "points.scheme").Options(scope=scope, neval=neval)
    return GradientEngine(
        in_float64(operator) if dtype == torch.float64 else operator,
        ResidentBatcher(levels, hierarchy, CPU, on_device=True),
        build_points(scheme, chosen, DOMAIN, 0, SHAPES, (parse_neval(neval, "neval"),) * 3),
        loss,
        Units(torch.zeros(1, dtype=dtype), torch.ones(1, dtype=dtype)),
        tuple(mode if isinstance(mode, Schedule) else Schedule.constant(mode) for mode in modes),
        CPU,
        scaler=torch.amp.GradScaler("cpu", init_scale=scale or 1.0, enabled=scale is not None),
        **more,
    )


def gradient(engine: GradientEngine, plan: Plan, step: int = 0, share: float = 0.0) -> Tensor:
    """The flat gradient of a plan in float64, complex parts as pairs, unscaled."""
    engine.model.zero_grad(set_to_none=True)
    engine.accumulate(plan, step, share)
    parts = [p.grad for p in engine.model.parameters() if p.grad is not None]
    flat = torch.cat([(torch.view_as_real(g) if g.is_complex() else g).flatten().double() for g in parts])
    return flat / engine.scaler.get_scale()


def mean_over(level: int, indices: np.ndarray | None = None) -> Plan:
    """The plan of one term: the mean loss of the samples (all of them) at `level`."""
    indices = np.arange(N) if indices is None else indices
    return (Term(level, indices, np.full(len(indices), 1 / len(indices))),)


def interrupt(monkeypatch: pytest.MonkeyPatch, config: Any, at: int, outputs: Path) -> Path:
    """Train until a signal arrives after step `at`; returns the run directory, the only unfinished one."""
    request, original = StopRequest(), Trainer._step

    @contextmanager
    def signals():
        yield request

    def step(self, share):
        original(self, share)
        if self.progress.step == at:
            request.signal = "SIGTERM"

    with monkeypatch.context() as patch:
        patch.setattr(execution, "stop_on_signals", signals)
        patch.setattr(Trainer, "_step", step)
        with pytest.raises(Interrupted, match=f"SIGTERM at step {at}.*resume="):
            nolab.train(config)
    (run_dir,) = (d for d in (outputs / "train").iterdir() if not (d / "summary.json").exists())
    return run_dir


def same_bits(a: Any, b: Any) -> bool:
    """Equal structure, equal tensors, bit for bit."""
    if isinstance(a, dict):
        return list(a) == list(b) and all(same_bits(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same_bits(x, y) for x, y in zip(a, b, strict=True))
    return torch.equal(a, b) if torch.is_tensor(a) else a == b
