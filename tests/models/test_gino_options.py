"""GINO's options: what is refused, and the config files."""

from pathlib import Path

import pytest
import torch
import yaml
from gino_support import BOX, cloud, make
from tests_support import spec

from nolab import registry
from nolab.errors import InputError
from nolab.grid import Domain
from nolab.models import gino
from nolab.schema import from_mapping


def test_it_asks_the_data_for_nothing_and_says_what_it_is():
    assert "gino" in registry.names("nolab.models")
    assert make().neighbourhood is None
    assert gino.SCATTERED
    assert gino.CONSISTENCY
    assert gino.NEVAL_SAVES
    assert make().remark((40,)) is None
    assert make(latent=4, n_modes=8).remark((40,)).startswith("carries 3x2 of 8x5 modes")


@pytest.mark.parametrize(("file", "encoder"), [("gino", "gno"), ("fnogno", "distance")])
def test_the_config_files_are_options(file, encoder):
    values = yaml.safe_load((Path(__file__).parents[2] / "conf" / "model" / f"{file}.yaml").read_text())
    assert values.pop("name") == "gino"
    options = from_mapping(gino.Options, values, "model")
    assert options.encoder == encoder
    assert isinstance(gino.build(options, spec(BOX, (1, 1), (40,))), torch.nn.Module)


BAD = [
    ({"latent": 1}, r"latent: must be at least 2 on every axis, got 1"),
    ({"latent": ()}, r"latent: must be at least 2"),
    ({"latent": (8, 1)}, r"latent: must be at least 2"),
    (
        {"latent": (8, 8, 8)},
        r"latent: must be one number or one per axis of the domain \(2\), got \(8, 8, 8\)",
    ),
    ({"kernel_widths": (8, 0)}, r"kernel_widths: must be widths >= 1"),
    ({"frequencies": -1}, r"frequencies: must be at least 0, got -1"),
    (
        {"in_radius": 0.05},
        r"in_radius: must be at least 0\.0884, half the diagonal of a latent cell.*got 0\.05",
    ),
    ({"out_radius": float("nan")}, r"out_radius: must be at least"),
    ({"out_radius": float("inf")}, r"out_radius: must be at least"),
    ({"n_modes": 0}, r"n_modes: must be at least 1"),
    ({"n_modes": (4, 4, 4)}, r"n_modes: must be one number or one per axis"),
    ({"period": 0.5}, r"period: must be at least 1"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        make(**options)


@pytest.mark.parametrize(
    ("key", "value"), [("encoder", "sdf"), ("kernel", "quadratic"), ("mollifier", "gauss"), ("radius", 0.1)]
)
def test_unknown_values_are_refused(key, value):
    with pytest.raises(InputError, match=key):
        from_mapping(gino.Options, {key: value}, "model")


def test_grids_and_other_domains_are_refused():
    with pytest.raises(InputError, match=r"gino is for scattered points.*model=fno"):
        gino.build(gino.Options(), spec(Domain.unit(2)))
    with pytest.raises(InputError, match="domain: the model lives on"):
        make()(cloud(domain=Domain.cloud((0.0, 1.0), (0.0, 2.0))))
