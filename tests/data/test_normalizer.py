"""One normaliser per channel: statistics of the field, by quadrature."""

import numpy as np
import pytest
import torch
from tests_support import flat_weights

from nolab.data.arrays import ArraySource
from nolab.data.batcher import open_batcher
from nolab.data.hierarchy import HierarchyOptions, build_hierarchy
from nolab.data.normalizer import Normalizer, sample_moments
from nolab.grid import Axis, Domain


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape)


def fit(fields: np.ndarray, domain: Domain) -> Normalizer:
    return Normalizer.of_samples(*sample_moments(fields, flat_weights(domain, fields)))


def test_mean_and_std_are_quadratures() -> None:
    domain = Domain((Axis("nodal"), Axis("periodic")))
    fields = 3 + 2 * noise(6, 2, 5, 4)
    normalizer = fit(fields, domain)
    weights = np.outer([1 / 8, 1 / 4, 1 / 4, 1 / 4, 1 / 8], [1 / 4] * 4)
    for c in range(2):
        mean = np.average(fields[:, c], weights=np.broadcast_to(weights, (6, 5, 4)))
        variance = np.average((fields[:, c] - mean) ** 2, weights=np.broadcast_to(weights, (6, 5, 4)))
        assert normalizer.mean[c] == pytest.approx(mean, rel=1e-12)
        assert normalizer.std[c] == pytest.approx(np.sqrt(variance), rel=1e-12)


@pytest.mark.parametrize("n", [33, 129])
def test_statistics_are_the_fields_not_the_grids(n: int) -> None:
    x = Axis("nodal").coordinates(n).numpy()
    normalizer = fit((5 + np.sin(np.pi * x))[None, None], Domain.unit(1))
    assert normalizer.mean[0] == pytest.approx(5 + 2 / np.pi, rel=1e-3)
    assert normalizer.std[0] == pytest.approx(np.sqrt(0.5 - 4 / np.pi**2), rel=4e-3)


def test_encoded_fields_have_mean_zero_and_std_one() -> None:
    domain = Domain.unit(2)
    fields = (4 + 0.1 * noise(8, 2, 9, 9)).astype(np.float32)
    encoded = fit(fields, domain).encode(fields)
    assert encoded.dtype == np.float32
    again = fit(encoded, domain)
    np.testing.assert_allclose(again.mean, 0, atol=1e-5)
    np.testing.assert_allclose(again.std, 1, atol=1e-5)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_round_trip(ndim: int) -> None:
    fields = (noise(4, 2, *(5,) * ndim) * np.array([1e3, 1e-6]).reshape(2, *(1,) * ndim)).astype(np.float32)
    normalizer = fit(fields, Domain.unit(ndim))
    decoded = normalizer.decode(normalizer.encode(fields))
    assert decoded.dtype == np.float32
    for c, scale in enumerate((1e3, 1e-6)):
        np.testing.assert_allclose(decoded[:, c], fields[:, c], rtol=1e-5, atol=1e-6 * scale)


@pytest.mark.parametrize("value", [0.0, 0.1, -7e5, 3e-14])
def test_a_constant_channel_is_shifted_to_zero(value: float) -> None:
    fields = np.stack([np.full((5, 9, 9), value), noise(5, 9, 9)], axis=1).astype(np.float32)
    normalizer = fit(fields, Domain.unit(2))
    assert normalizer.std[0] == 1.0
    assert normalizer.std[1] != 1.0
    np.testing.assert_allclose(normalizer.encode(fields)[:, 0], 0, atol=1e-9)
    np.testing.assert_allclose(normalizer.decode(normalizer.encode(fields))[:, 0], np.float32(value))


@pytest.mark.parametrize("scale", [1e-15, 1e-9, 1e12])
def test_units_do_not_matter(scale: float) -> None:
    """A permeability in m² is some 1e-13 and no constant."""
    fields = noise(5, 1, 9)
    in_units = fit(fields * scale, Domain.unit(1))
    np.testing.assert_allclose(
        in_units.encode(fields * scale), fit(fields, Domain.unit(1)).encode(fields), atol=1e-6
    )


@pytest.mark.parametrize("residency", ["device", "stream"])
def test_the_finest_level_is_fitted_and_serves_all(residency: str) -> None:
    domain = Domain.unit(2)
    x, y = noise(6, 1, 17, 17).astype(np.float32), (2 + noise(6, 1, 17, 17)).astype(np.float32)
    source = ArraySource(domain, {"train": {(17, 17): (x, y)}})
    hierarchy = build_hierarchy(HierarchyOptions([17, 9]), domain, (17, 17), [(17, 17)])
    batcher, normalizers = open_batcher(source, "train", hierarchy, torch.device("cpu"), residency)
    assert normalizers.input == fit(x, domain)
    assert normalizers.output == fit(y, domain)
    coarse = batcher.get(0, np.arange(6)).target.numpy()
    batcher.close()
    assert (coarse == normalizers.output.encode(y[..., ::2, ::2])).all()


@pytest.mark.parametrize("size", [1, 3, 7])
def test_moments_of_parts_are_those_of_all_to_the_bit(size: int) -> None:
    fields, domain = noise(20, 3, 17, 16).astype(np.float32), Domain((Axis("nodal"), Axis("periodic")))
    weights = flat_weights(domain, fields)
    parts = [sample_moments(fields[i : i + size], weights) for i in range(0, 20, size)]
    for whole, part in zip(sample_moments(fields, weights), zip(*parts, strict=True), strict=True):
        assert (whole == np.concatenate(part)).all()


def test_tensors_are_encoded_to_the_same_bits() -> None:
    fields = (1e3 + noise(20, 3, 17, 16)).astype(np.float32)
    normalizer = fit(fields, Domain.unit(2))
    assert (normalizer.encode_tensor(torch.from_numpy(fields)).numpy() == normalizer.encode(fields)).all()
