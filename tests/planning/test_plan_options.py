"""The block `plan`, and what of it is refused."""

import pytest

from nolab.composition import compose
from nolab.config import validate
from nolab.errors import InputError
from nolab.planning.options import PlanOptions, read_options


def test_the_file_composes_to_the_defaults_and_the_rest_is_a_run():
    from hydra import compose as hydra_compose
    from hydra import initialize_config_module
    from omegaconf import OmegaConf

    with initialize_config_module("nolab.conf", version_base="1.3"):
        plain = OmegaConf.to_container(hydra_compose("plan", ["model=tfno"]), resolve=True)
    assert read_options(plain.pop("plan")) == PlanOptions()
    assert validate(plain) == validate(OmegaConf.to_container(compose(["model=tfno"]), resolve=True))


def test_one_step_stands_for_a_list_of_one():
    assert read_options({"steps": 50}).steps == [50]
    assert read_options({"steps": [], "run": "somewhere"}).steps == []


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"steps": [-1]}, ["plan.steps", ">= 0", "[-1]"]),
        ({"steps": [5, 2]}, ["plan.steps", "ascending", "[5, 2]"]),
        ({"steps": [5, 5]}, ["plan.steps", "each once"]),
        ({"steps": []}, ["plan.steps", "one step or more where run is null"]),
        ({"steps": [1.5]}, ["plan.steps[0]", "whole number", "1.5"]),
        ({"steps": "many"}, ["plan.steps[0]", "whole number", "'many'"]),
        ({"samples": 3}, ["plan.samples", ">= 4", "3"]),
        ({"resamples": 10}, ["plan.resamples", ">= 20", "10"]),
        ({"run": 3}, ["plan.run", "text", "3"]),
        ({"smaples": 3}, ["plan.smaples", "Did you mean 'samples'?"]),
        (None, ["plan", "group of keys"]),
    ],
)
def test_bad_options_are_named(block, said):
    with pytest.raises(InputError) as caught:
        read_options(block)
    for text in said:
        assert text in str(caught.value)
