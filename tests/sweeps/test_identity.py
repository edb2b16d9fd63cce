"""Which jobs, and which sweeps, are the same one."""

import copy

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

import nolab
from nolab.sweeps.identity import job_identity, sweep_identity

CONFIG = OmegaConf.to_container(nolab.compose([]), resolve=True)
FREE = {"output_dir", "data_dir", "tracking", "resume", "trust"}
"""Keys that change no result."""


def leaves(node, path=()):
    """Paths of every value below a mapping."""
    if isinstance(node, dict) and node:
        for key, child in node.items():
            yield from leaves(child, (*path, key))
    else:
        yield path


def changed(path, value):
    config = copy.deepcopy(CONFIG)
    node = config
    for key in path[:-1]:
        node = node[key]
    assert node[path[-1]] != value
    node[path[-1]] = value
    return config


def backwards(node):
    if isinstance(node, dict):
        return {key: backwards(node[key]) for key in reversed(node)}
    return node


@pytest.mark.parametrize("path", list(leaves(CONFIG)), ids=".".join)
def test_every_key_but_paths_and_tracking_tells_jobs_apart(path):
    same = job_identity(changed(path, "another")) == job_identity(CONFIG)
    assert same == (path[0] in FREE)


def test_the_order_of_keys_is_nothing():
    assert list(backwards(CONFIG)) != list(CONFIG)
    assert job_identity(backwards(CONFIG)) == job_identity(CONFIG)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])).filter(lambda s: "$" not in s),
    st.sampled_from(["1e-3", "yes", "null", "12:30", "=", "2020-01-01", "1_0", "", "~", "0x1f", ".5", "é"]),
    st.lists(st.integers() | st.floats(allow_nan=False) | st.just("on")),
)


@given(st.dictionaries(st.sampled_from(["a", "b", "seed", "on", "1"]), VALUES, min_size=1))
@settings(max_examples=60, deadline=None)
def test_a_config_that_comes_back_from_its_file_is_the_same_job(config):
    config = {"group": config, **config}
    read = yaml.safe_load(OmegaConf.to_yaml(OmegaConf.create(config)))
    assert job_identity(read) == job_identity(config)


OVERRIDES = ["sampling=fine,mlmc", "seed=0,1", "+note=1", "~scheduler=cosine", "name=a", "hierarchy=two"]


@given(st.permutations(OVERRIDES))
@settings(max_examples=20, deadline=None)
def test_the_order_of_a_sweeps_overrides_is_nothing(overrides):
    assert sweep_identity(overrides) == sweep_identity(OVERRIDES)


@pytest.mark.parametrize(
    "more",
    [
        "hydra/launcher=joblib",
        "hydra.launcher.n_jobs=2",
        "+hydra.launcher.verbose=1",
        "output_dir=elsewhere",
        "data_dir=elsewhere",
        "tracking=none",
        "tracking.project=other",
    ],
)
def test_launcher_paths_and_tracking_leave_a_sweep_what_it_is(more):
    assert sweep_identity([*OVERRIDES, more]) == sweep_identity(OVERRIDES)


@pytest.mark.parametrize("index", range(len(OVERRIDES)))
def test_each_other_override_makes_another_sweep(index):
    fewer = OVERRIDES[:index] + OVERRIDES[index + 1 :]
    assert sweep_identity(fewer) != sweep_identity(OVERRIDES)
    assert sweep_identity([*fewer, OVERRIDES[index] + "x"]) != sweep_identity(OVERRIDES)
