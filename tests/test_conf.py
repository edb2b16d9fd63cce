"""Every file under conf/ composes and validates; every experiment runs for a few steps."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

import nolab
from nolab.config import validate
from nolab.explain import config_keys, group_choices

CONF = Path(nolab.__file__).parents[1] / "conf"
FILES = [
    (group, choice)
    for group, choices in group_choices().items()
    for choice in choices
    if group not in ("experiment", "debug")
]
EXPERIMENTS = [(group, choice) for group in ("experiment", "debug") for choice in group_choices()[group]]

NEEDS = {("dataset", "file"): ["dataset.path=somewhere"]}


def checked(*overrides):
    return validate(OmegaConf.to_container(nolab.compose(list(overrides)), resolve=True))


@pytest.mark.parametrize(("group", "choice"), FILES + EXPERIMENTS)
def test_every_file_composes_and_validates(group, choice):
    checked(f"{group}={choice}", *NEEDS.get((group, choice), []))


def test_every_group_has_a_default():
    defaults = OmegaConf.load(CONF / "config.yaml").defaults
    named = {next(iter(entry)) for entry in defaults if isinstance(entry, dict) or hasattr(entry, "keys")}
    assert set(group_choices()) <= named


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda p: str(p.relative_to(CONF)))
def test_every_file_is_one_commented_screen(path):
    lines = path.read_text().splitlines()
    assert lines[0].startswith("#") or path.parent.name == "help"
    assert len(lines) <= 60


@pytest.mark.parametrize(("group", "choice"), EXPERIMENTS)
def test_every_experiment_states_its_command(group, choice):
    text = (CONF / group / f"{choice}.yaml").read_text()
    assert f"# nolab train {group}={choice}" in text or f"# nolab train -m {group}={choice}" in text


@pytest.mark.parametrize(("group", "choice"), EXPERIMENTS)
def test_every_experiment_runs_for_a_few_steps(group, choice, data_dir, tmp_path):
    """On a small grid with few samples, everything else as it stands in the file."""
    darcy = ["dataset.resolution=33", "dataset.finest=33"]
    paper = ["hierarchy.levels=[5,9,17,33]", "sampling.batch_size=2"]
    deeponet = ["sampling.batch_size=8", "neval=5"]
    flow = [
        "dataset.resolutions=[4,6]",
        "dataset.solve_resolution=4",
        "dataset.length=0.8",
        "dataset.spin_up=0.1",
    ]
    flow += ["dataset.history=3", "dataset.horizon=2", "dataset.stride=1", "hierarchy=two"]
    small = {
        "darcy_mlmc_paper": [*darcy, *paper],
        "coarse_then_zero_shot": ["dataset.resolution=33", "dataset.finest=17"],
        "deeponet_diffusion_reaction": [*deeponet, "dataset.times=11", "dataset.resolution=20"],
        "deeponet_dynamical": deeponet,
        "deeponet_heat": [*deeponet, "dataset.resolution=8"],
        "darcy_li": ["dataset.resolution=41", "dataset.finest=21", "sampling.batch_size=4"],
        "navier_stokes_rollout": ["dataset.resolution=32", "dataset.horizon=2", "dataset.history=2"],
        "race_shapes": ["dataset.points=[64,96,128]", "model.hidden=8"],
        "race_elasticity": ["dataset.rings=4", "dataset.rays=32", "model.centres=16"],
        "elasticity_ginot": ["dataset.rings=4", "dataset.rays=32", "model.centres=16", "neval=20"],
        "race_cylinder": [*flow, "model.hidden=8", "dataset.n_train=8"],
        "sfno_shallow_water": ["dataset.resolution=17", "dataset.degrees=6", "dataset.hours=0.2"],
    }.get(choice, darcy)
    run = nolab.train(
        nolab.compose(
            [
                f"{group}={choice}",
                "dataset.n_train=32",
                "dataset.n_test=4",
                *small,
                "budget.steps=3",
                "budget.epochs=null",
                "evaluation.times=1",
                "tracking=none",
                f"data_dir={data_dir}",
                f"output_dir={tmp_path}",
            ]
        )
    )
    assert run.summary["cost/steps"] == 3
    assert 0 < run.summary["final/rel_l2"] < 2


def test_keys_of_the_schema_stand_in_the_files():
    keys = set(config_keys())
    assert {
        "delta",
        "neval",
        "seed",
        "device",
        "budget.target_error",
        "sampling.scheme",
        "points.scope",
    } <= keys


@pytest.mark.parametrize(
    ("overrides", "read"),
    [
        (["delta=4"], lambda c: c.sampling.options.delta == 4),
        (["neval=16"], lambda c: c.points.options.neval == 16),
        (["sampling=fine"], lambda c: c.sampling.name == "fine"),
        (["budget.seconds=60"], lambda c: (c.budget.seconds, c.budget.steps) == (60, None)),
        (
            ["hierarchy.levels=[{size: 9, neval: 4}]"],
            lambda c: c.hierarchy.levels == [{"size": 9, "neval": 4}],
        ),
    ],
)
def test_knobs_reach_their_groups(overrides, read):
    assert read(checked(*overrides))


def test_the_packaged_configs_are_these_files():
    from importlib import resources

    assert (resources.files("nolab.conf") / "config.yaml").read_text() == (CONF / "config.yaml").read_text()
