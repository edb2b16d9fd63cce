"""GINO models and samples of different size for its tests."""

import torch
from tests_support import spec

from nolab.fields import FieldBatch
from nolab.grid import Domain
from nolab.models import gino, in_float64

BOX = Domain.cloud((0.0, 1.0), (0.0, 1.0))
SMALL = {"latent": 9, "n_modes": 4, "hidden_channels": 6, "n_layers": 2, "kernel_widths": (8,)}
VARIANTS = {
    "gino": {},
    "nonlinear": {"kernel": "nonlinear", "mollifier": None},
    "unweighted": {"weighted": False, "in_radius": 0.3, "frequencies": 0},
    "fnogno": {"encoder": "distance"},
}


def make_float32(domain=BOX, channels=(2, 3), **options):
    torch.manual_seed(0)
    return gino.build(gino.Options(**{**SMALL, **options}), spec(domain, channels, (40,)))


def make(*fields, **options):
    return in_float64(make_float32(*fields, **options))


def cloud(sizes=(40, 31, 36), domain=BOX, channels=2):
    """Samples of different size, float64, padded with what must never be seen."""
    generator = torch.Generator().manual_seed(0)
    b, n, ndim = len(sizes), max(sizes), domain.ndim
    start, stop = torch.tensor([[a.start, a.stop] for a in domain.axes], dtype=torch.float64).T
    coords = start + (stop - start) * torch.rand(b, n, ndim, dtype=torch.float64, generator=generator)
    there = torch.arange(n) < torch.tensor(sizes)[:, None]
    weights = torch.rand(b, n, dtype=torch.float64, generator=generator) * there
    field = torch.randn(b, channels, n, dtype=torch.float64, generator=generator)
    return FieldBatch(
        field.masked_fill(~there[:, None], torch.nan),
        domain,
        coords=torch.where(there[..., None], coords, torch.inf),
        weights=weights / weights.sum(1, keepdim=True),
    )
