"""The shell spectrum of fields whose waves are known."""

import numpy as np
import pytest
import torch

from nolab.metrics.spectrum import shell_spectrum


def wave(shape, k, phase=0.3):
    """cos(2π k·x + phase) on a periodic grid."""
    axes = np.meshgrid(*(np.arange(n) / n for n in shape), indexing="ij")
    return np.cos(2 * np.pi * sum(a * x for a, x in zip(k, axes, strict=True)) + phase)


@pytest.mark.parametrize("shape", [(16, 16), (15, 12), (9,), (8, 10, 12)])
def test_a_wave_lies_in_its_shell_with_its_mean_square(shape):
    k = (2, 1, -1)[: len(shape)]
    spectrum = shell_spectrum(torch.from_numpy(3 * wave(shape, k))[None])
    expected = np.zeros(min(shape) // 2 + 1)
    expected[round(np.linalg.norm(k))] = 9 / 2
    assert spectrum.shape == (1, len(expected))
    np.testing.assert_allclose(spectrum[0].numpy(), expected, atol=1e-12)


def test_shells_sum_to_the_mean_square():
    """Of waves up to the last shell, each sample by itself."""
    field = np.stack([1.5 + wave((16, 16), (3, 4)) + wave((16, 16), (0, 7)), wave((16, 16), (1, 1))])
    spectrum = shell_spectrum(torch.from_numpy(field))
    np.testing.assert_allclose(spectrum.sum(dim=1).numpy(), (field**2).mean(axis=(1, 2)), rtol=1e-12)
    assert spectrum[0, 0] == pytest.approx(1.5**2)


def test_corners_beyond_the_last_shell_are_left_out():
    assert shell_spectrum(torch.from_numpy(wave((8, 8), (4, 4)))[None]).sum() == pytest.approx(0, abs=1e-12)
