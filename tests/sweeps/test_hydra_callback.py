"""Hydra's own jobs are the ones that are announced."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from nolab.sweeps.attempt import Attempt
from nolab.sweeps.hydra_callback import Announce, Refused
from nolab.sweeps.view import SweepView

BASIC = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


def announce(folder, overrides, params=None, sweeper=BASIC):
    hydra = {
        "sweep": {"dir": str(folder)},
        "sweeper": {"_target_": sweeper, "params": params},
        "overrides": {"task": overrides},
    }
    Announce().on_multirun_start(OmegaConf.create({"hydra": hydra}))
    return [record.overrides for record in SweepView.close().records]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "outputs" / ".sweeps" / "sweep" / "attempt"


@pytest.mark.parametrize(
    ("overrides", "params", "jobs"),
    [
        ([], None, [[]]),
        (["seed=1"], None, [["seed=1"]]),
        (["seed=0,1", "delta=2"], None, [["seed=0", "delta=2"], ["seed=1", "delta=2"]]),
        (["seed=range(3)"], None, [["seed=0"], ["seed=1"], ["seed=2"]]),
        (["a=[1,2]"], None, [["a=[1,2]"]]),
        (["seed=1"], {"delta": "2,4"}, [["delta=2", "seed=1"], ["delta=4", "seed=1"]]),
        (["a=${nope}"], None, [["a=$\\{nope\\}"]]),  # as Hydra hands it on; a failure of the job
    ],
)
def test_each_job_has_a_record(folder, overrides, params, jobs):
    announced = announce(folder, overrides, params)
    assert [sorted(job) for job in announced] == [sorted(job) for job in jobs]
    assert [record.overrides for record in Attempt(folder).records()] == announced
    for job in announced:
        OverridesParser.create().parse_overrides(job)


def test_other_sweepers_announce_as_they_go(folder):
    assert announce(folder, ["seed=0,1"], sweeper="optuna.Sweeper") == []


def test_a_sweep_has_one_output_folder(folder):
    with pytest.raises(Refused, match="output_dir: a sweep has one"):
        announce(folder, ["output_dir=a,b"])
    assert SweepView.current is None
    assert not folder.exists()


def test_a_folder_that_can_not_be_made_is_bad_input(folder, tmp_path):
    (tmp_path / "outputs").touch()
    with pytest.raises(Refused, match="output_dir: can't make") as refused:
        announce(folder, ["seed=0,1"])
    assert refused.value.reason.__class__.__name__ == "InputError"
    assert SweepView.current is None
