"""What is to be measured, and what of it is refused."""

import pytest
import torch
from torch import nn

from nolab.benchmark.counterparts import variants
from nolab.benchmark.options import BenchOptions, choose_modes, choose_shapes, read_options
from nolab.composition import compose
from nolab.config import validate
from nolab.errors import InputError
from nolab.grid import Domain
from nolab.models import fno

CPU = torch.device("cpu")


@pytest.fixture
def model():
    from tests_support import spec

    return fno.build(fno.Options(n_modes=4, hidden_channels=4, n_layers=1), spec(Domain.unit(2)))


def test_the_file_composes_to_the_defaults_and_the_rest_is_a_run():
    from hydra import compose as hydra_compose
    from hydra import initialize_config_module
    from omegaconf import OmegaConf

    with initialize_config_module("nolab.conf", version_base="1.3"):
        plain = OmegaConf.to_container(hydra_compose("bench", ["model=tfno"]), resolve=True)
    assert read_options(plain.pop("bench")) == BenchOptions()
    assert validate(plain) == validate(OmegaConf.to_container(compose(["model=tfno"]), resolve=True))


def test_one_value_stands_for_a_list_of_one():
    options = read_options({"precision": "half", "grids": 33, "batch": 4})
    assert (options.precision, options.grids, options.batch) == (["half"], [33], [4])
    assert read_options({"grids": [[9, 17], 33]}).grids == [[9, 17], 33]


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"batch": [0]}, ["bench.batch", ">= 1", "[0]"]),
        ({"batch": []}, ["bench.batch", "at least one"]),
        ({"batch": [4, 4]}, ["bench.batch", "each once"]),
        ({"grids": [33.5]}, ["bench.grids[0]", "whole number", "33.5"]),
        ({"repeats": 0}, ["bench.repeats", ">= 1"]),
        ({"reference": "yes"}, ["bench.reference", "true or false"]),
        ({"precisoin": ["half"]}, ["bench.precisoin", "Did you mean 'precision'?"]),
        (None, ["bench", "group of keys"]),
    ],
)
def test_bad_options_are_named(block, said):
    with pytest.raises(InputError) as caught:
        read_options(block)
    for text in said:
        assert text in str(caught.value)


def test_modes_that_the_device_lacks_are_left_out_with_their_reason(model):
    modes, refused = choose_modes(None, model, CPU)
    assert modes == ("fp32", "amp_bf16", "half", "mixed")
    assert list(refused) == ["tf32"]
    assert "CUDA" in refused["tf32"]


def test_modes_that_the_model_would_ignore_are_left_out():
    modes, refused = choose_modes(None, nn.Linear(2, 2), CPU)
    assert modes == ("fp32", "amp_bf16")
    assert set(refused) == {"tf32", "half", "mixed"}


def test_named_modes_are_taken_or_refused(model):
    assert choose_modes(["mixed", "fp32"], model, CPU) == (("mixed", "fp32"), {})
    with pytest.raises(InputError, match=r"bench\.precision: tf32 needs a CUDA device"):
        choose_modes(["tf32"], model, CPU)
    with pytest.raises(InputError, match=r"bench\.precision: half .* spectral layers"):
        choose_modes(["half"], nn.Linear(2, 2), CPU)


def test_grids_are_the_levels_unless_given():
    domain = Domain.unit(2)
    assert choose_shapes(None, domain, ((9, 9), (17, 17))) == ((9, 9), (17, 17))
    assert choose_shapes([33, [9, 17]], domain, ()) == ((33, 33), (9, 17))
    with pytest.raises(InputError, match=r"bench\.grids\[1\]: .* 3 points per axis, got 2x9"):
        choose_shapes([9, [2, 9]], domain, ())
    with pytest.raises(InputError, match=r"bench\.grids\[0\]: 3 sizes for a domain of 2 axes"):
        choose_shapes([[9, 9, 9]], domain, ())


def test_neuraloperator_has_reduced_precision_on_cuda_only():
    modes = ("fp32", "amp_bf16", "amp_fp16", "half", "mixed", "mixed_fp32_transform")
    assert [v.name for v in variants(modes, CPU)] == ["fp32"]
    cuda = torch.device("cuda")
    assert [v.name for v in variants(modes, cuda)] == ["fp32", "amp", "half", "amp + half", "amp + mixed"]
    assert [v.name for v in variants(("fp32", "half"), cuda)] == ["fp32", "half"]
