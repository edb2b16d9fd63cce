"""Schedules of precision: which mode a level has at which share of the run."""

from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

import nolab
from nolab.composition import compose
from nolab.config import validate
from nolab.errors import InputError
from nolab.precision import MODES, PrecisionOptions, Schedule, build_schedule
from nolab.schema import from_mapping

CPU = torch.device("cpu")
PHASES = (("mixed", 0.25), ("mixed_fp32_transform", 0.5), ("fp32", 0.25))
FILES = sorted(path.stem for path in (Path(__file__).parents[2] / "conf" / "precision").glob("*.yaml"))


@pytest.mark.parametrize(
    ("share", "mode"),
    [
        (0.0, "mixed"),
        (0.25 - 1e-9, "mixed"),
        (0.25, "mixed_fp32_transform"),
        (0.75 - 1e-9, "mixed_fp32_transform"),
        (0.75, "fp32"),
        (1.0, "fp32"),
        (1.5, "fp32"),
    ],
)
def test_a_phase_begins_where_the_one_before_ends(share, mode):
    assert build_schedule(PrecisionOptions("schedule", PHASES), CPU).at(share) == mode


def test_ends_are_sums_of_shares():
    schedule = build_schedule(PrecisionOptions("schedule", PHASES), CPU)
    assert schedule.phases == ((0.25, "mixed"), (0.75, "mixed_fp32_transform"), (1.0, "fp32"))
    assert schedule.modes == ("mixed", "mixed_fp32_transform", "fp32")


def test_rounding_of_the_shares_leaves_no_gap_at_the_end():
    """0.1 ten times adds up to less than one."""
    phases = (("half", 0.1),) * 9 + (("fp32", 0.1),)
    schedule = build_schedule(PrecisionOptions("schedule", phases), CPU)
    assert schedule.phases[-1][0] < 1
    assert schedule.at(1.0) == schedule.at(0.95) == "fp32"


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "tf32"])
def test_one_mode_is_a_constant_schedule(mode):
    schedule = build_schedule(PrecisionOptions(mode), CPU)
    assert schedule == Schedule.constant(mode)
    assert {schedule.at(share) for share in (0.0, 0.5, 1.0)} == {mode}
    assert schedule.has_float16 is MODES[mode].has_float16
    assert str(schedule) == mode


@pytest.mark.parametrize(
    ("phases", "expected"),
    [((("amp_bf16", 0.5), ("fp32", 0.5)), False), ((("fp32", 0.5), ("half", 0.5)), True)],
)
def test_one_phase_in_float16_is_enough_to_scale_the_loss(phases, expected):
    assert build_schedule(PrecisionOptions("schedule", phases), CPU).has_float16 is expected


def test_text():
    schedule = build_schedule(PrecisionOptions("schedule", PHASES), CPU)
    assert str(schedule) == "mixed until 25% → mixed_fp32_transform until 75% → fp32 until 100%"


@pytest.mark.parametrize(
    "phases",
    [
        (),
        (("mixed", 0.5),),
        (("mixed", 0.5), ("fp32", 0.6)),
        (("mixed", 0.0), ("fp32", 1.0)),
        (("mixed", -0.5), ("fp32", 1.5)),
    ],
)
def test_shares_that_are_no_division_of_the_run(phases):
    with pytest.raises(InputError, match=r"phases.*shares > 0 that add up to 1"):
        PrecisionOptions("schedule", phases)


def test_shares_are_not_looked_at_without_a_schedule():
    assert PrecisionOptions("half", (("mixed", 0.5),)).mode == "half"


def test_unknown_modes_are_named():
    with pytest.raises(InputError, match=r"^precision\.mode: 'shedule' .*Did you mean 'schedule'"):
        build_schedule(PrecisionOptions("shedule"), CPU)
    with pytest.raises(InputError, match=r"^precision\.phases: 'mixd' .*Did you mean 'mixed'"):
        build_schedule(PrecisionOptions("schedule", (("mixd", 1.0),)), CPU)


def test_modes_of_another_device_are_refused_in_every_phase():
    with pytest.raises(InputError, match=r"^precision\.phases: tf32 needs a CUDA device"):
        build_schedule(PrecisionOptions("schedule", (("half", 0.5), ("tf32", 0.5))), CPU)


def test_a_level_overrides_the_run():
    options = PrecisionOptions("schedule", PHASES)
    assert build_schedule(options, CPU, "half") == Schedule.constant("half")
    constant = PrecisionOptions("fp32", PHASES)
    assert build_schedule(constant, CPU, "schedule") == build_schedule(options, CPU)


def test_a_level_with_a_schedule_needs_phases():
    with pytest.raises(InputError, match=r"^level 0: schedule needs precision\.phases; choose"):
        build_schedule(PrecisionOptions("fp32"), CPU, "schedule", "level 0")


def test_phases_of_a_wrong_type():
    with pytest.raises(InputError, match=r"phases"):
        from_mapping(PrecisionOptions, {"mode": "schedule", "phases": [["mixed", "much"]]}, "precision")


@pytest.mark.parametrize("name", FILES)
def test_files_of_the_group_build(name):
    config = validate(OmegaConf.to_container(compose([f"precision={name}"]), resolve=True))
    assert config.precision.mode == name
    assert config.precision.stabilizer == "scale"
    if name == "tf32":
        with pytest.raises(InputError, match="tf32 needs a CUDA device"):
            build_schedule(config.precision, CPU)
        return
    schedule = build_schedule(config.precision, CPU)
    assert schedule.modes == ((name,) if name != "schedule" else tuple(mode for mode, _ in PHASES))


def test_every_mode_has_a_file():
    assert set(FILES) == {*MODES, "schedule"}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("precision.stabilizer=tan", r"^precision\.stabilizer: 'tan' .*Did you mean 'tanh'"),
        ("precision.mode=hlf", "Did you mean 'half'"),
        ("hierarchy.levels=[{size: 9, precision: mixt}, 17]", r"\(9x9\): precision: 'mixt'"),
        ("hierarchy.levels=[{size: 9, precision: schedule}, 17]", r"9x9.*schedule needs precision\.phases"),
    ],
)
def test_mistakes_are_found_before_the_run(tiny, override, message):
    with pytest.raises(InputError, match=message):
        nolab.train(nolab.compose(tiny(override)))
