"""`transform=auto` follows the table of measurements, which comes with the package."""

import pytest
import torch

from nolab.spectral import SpectralConv, choice
from nolab.spectral.choice import most_modes

CPU, F32, F64 = torch.device("cpu"), torch.float32, torch.float64


@pytest.fixture
def table(monkeypatch):
    limits = {"cpu float32": {"1": {"64": 8, "256": 40}, "2": {"32": 10}}, "cpu float64": {"1": {"64": 4}}}
    monkeypatch.setattr(choice, "_read", limits)


@pytest.mark.parametrize(
    ("key", "modes"),
    [
        ((CPU, F32, 1, 64), 8),
        ((CPU, F32, 1, 65), 8),
        ((CPU, F32, 1, 127), 8),
        ((CPU, F32, 1, 129), 40),
        ((CPU, F32, 1, 4096), 40),
        ((CPU, F32, 1, 3), 8),
        ((CPU, F32, 2, 500), 10),
        ((CPU, F64, 1, 256), 4),
        ((CPU, F32, 3, 16), 32),  # not measured
        ((torch.device("cuda"), F32, 1, 64), 32),
    ],
)
def test_the_nearest_measured_size_counts(table, key, modes):
    assert most_modes(*key) == modes


@pytest.mark.parametrize(
    ("n_modes", "n", "dtype", "path"),
    [
        ((8,), 64, F32, "_by_products"),
        ((10,), 64, F32, "_by_fft"),
        ((10,), 256, F32, "_by_products"),
        ((8,), 64, F64, "_by_fft"),
        ((10, 10), 32, F32, "_by_products"),
        ((10, 16), 32, F32, "_by_fft"),
        ((12, 10), 32, F32, "_by_fft"),
    ],
)
def test_a_layer_takes_the_faster_path(table, monkeypatch, n_modes, n, dtype, path):
    taken = []
    for name in ("_by_products", "_by_fft"):
        original = getattr(SpectralConv, name)
        monkeypatch.setattr(
            SpectralConv, name, lambda *a, name=name, original=original: taken.append(name) or original(*a)
        )
    SpectralConv(1, 1, n_modes)(torch.randn(1, 1, *(n,) * len(n_modes), dtype=dtype))
    assert taken == [path]


def test_the_table_that_comes_with_the_package():
    limits = choice._limits()
    for device in ("cpu float32", "cpu float64"):
        assert set(limits[device]) == {"1", "2", "3"}
        for sizes in limits[device].values():
            assert all(0 <= modes <= int(n) for n, modes in sizes.items())
