"""`nolab plan`: what it prints and writes, where it looks, and what it refuses before anything is measured."""

import json
import shlex
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

import nolab as package
import nolab.planning.run as run
import nolab.planning.stages as stages_module
from nolab.cli import main
from nolab.config import validate
from nolab.planning import PlanOptions
from nolab.planning.stages import matching_run, stages
from nolab.training.guard import FiniteGuard, NonFiniteLoss
from nolab.training.setup import prepare

FAST = ("plan.samples=4", "plan.resamples=20", "plan.steps=[0,2]")
COARSE = ("sampling=coarse", "sampling.level=0", "budget.steps=4")


@pytest.fixture
def refused(tiny, capsys, monkeypatch):
    """The message of a command line that must be refused before anything is measured."""

    def unwanted(*given):
        raise AssertionError("measured")

    def call(*overrides):
        monkeypatch.setattr(run, "batch_costs", unwanted)
        assert main(["plan", *tiny(*overrides)]) == 2
        return capsys.readouterr().err.strip().splitlines()[-1]

    return call


def checked(overrides):
    return validate(OmegaConf.to_container(package.compose(overrides), resolve=True))


def looked(overrides, run=None, **options):
    """The stages of a tiny config."""
    setup = prepare(checked(overrides))
    data = setup.load()
    run = None if run is None else matching_run(run, setup)
    return list(stages(setup, data, PlanOptions(samples=4, run=run and "given", **options), 2, run))


def test_a_plan_in_a_process_of_its_own(nolab, tiny):
    done = nolab("plan", *tiny(*FAST, "hierarchy=three", "delta=2", "model.n_layers=1", "neval=9"))
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    *_, recommended, last = done.stdout.splitlines()
    folder = Path(last)
    assert folder.parent.name == "plan"
    assert {path.name for path in folder.iterdir()} == {"plan.json", "plan.png"}
    assert (folder / "plan.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads((folder / "plan.json").read_text())
    assert found["config"]["plan"]["samples"] == 4
    assert found["environment"]["device"].startswith("cpu")
    for stage, step in zip(found["stages"], (0, 2), strict=True):
        assert (stage["name"], stage["step"], stage["batch_size"]) == (f"step {step}", step, 2)
        assert f"step {step}: test rel. L2 {stage['error']:.4f} at 17x17" in done.stdout
        assert [level["level"] for level in stage["levels"]] == ["5x5", "9x9", "17x17"]
        assert all(level["seconds"] > 0 for level in stage["levels"])
        assert stage["levels"][-1]["gradient"] == pytest.approx({"value": 1, "low": 1, "high": 1})
        assert stage["chosen"] in stage["ranking"]
        assert " ".join(stage["chosen"]["overrides"]) + "  <" in done.stdout
    start = "recommended: nolab train "
    assert recommended.startswith(start)
    overrides = shlex.split(recommended.removeprefix(start))
    assert overrides[-len(found["advice"]["overrides"]) :] == found["advice"]["overrides"]
    assert "hierarchy=three" in overrides
    assert "delta=2" not in overrides
    assert not any(override.startswith("plan") for override in overrides)
    prepare(checked(overrides))


def test_steps_are_those_of_coarse_training(tiny):
    """After 4 steps, straight or with a stop, the weights are those of sampling=coarse: the same gradients."""
    tiny = partial(tiny, "hierarchy=three")
    overrides = tiny("sampling=fine", "sampling.batch_size=2")
    first, second, straight = looked(overrides, steps=[0, 1, 4])
    (direct,) = looked(overrides, steps=[4])
    trained = package.train(package.compose(tiny("sampling=coarse", "sampling.level=1")))
    (at_run,) = looked(overrides, steps=[], run=str(trained.path))
    for other in (direct, at_run):
        np.testing.assert_allclose(other.gram, straight.gram, rtol=1e-6)
        assert other.error == pytest.approx(straight.error, rel=1e-6)
    assert straight.error == pytest.approx(trained.summary["final/rel_l2"], rel=1e-6)
    assert [stage.step for stage in (first, second, straight, direct, at_run)] == [0, 1, 4, 4, 4]
    assert at_run.name == f"{trained.path.name}, step 4"
    assert not np.allclose(first.gram, second.gram, rtol=1e-3)
    assert not np.allclose(second.gram, straight.gram, rtol=1e-3)


def test_every_stage_sees_the_same_samples_at_its_share_of_the_budget(tiny, monkeypatch):
    seen = []

    def record(engine, plain, indices, n_levels, step, share):
        seen.append((indices.tolist(), n_levels, step, share))
        return np.zeros((n_levels, 4, n_levels, 4))

    monkeypatch.setattr(stages_module, "gradient_gram", record)
    looked(tiny("budget.steps=8"), steps=[0, 2, 20])
    assert [row[1:] for row in seen] == [(2, 0, 0.0), (2, 2, 0.25), (2, 20, 1.0)]
    assert len(set(seen[0][0])) == 4
    assert all(row[0] == seen[0][0] for row in seen)


def test_a_loss_that_is_not_finite_ends_the_plan(tiny, capsys, monkeypatch):
    def fail(self, *given):
        raise NonFiniteLoss("the loss is nan at step 1")

    monkeypatch.setattr(FiniteGuard, "check", fail)
    assert main(["plan", *tiny(*FAST)]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "nolab: the loss is nan at step 1"


def test_a_run_is_a_stage_in_the_order_of_its_steps_and_stays_as_it_is(tiny, capsys):
    trained = package.train(package.compose(tiny(*COARSE)))
    before = {path: path.stat().st_mtime_ns for path in trained.path.rglob("*")}
    assert main(["plan", *tiny(*FAST, "plan.steps=[0,6]", f"plan.run={trained.path}")]) == 0
    folder = Path(capsys.readouterr().out.splitlines()[-1])
    found = json.loads((folder / "plan.json").read_text())["stages"]
    assert [stage["name"] for stage in found] == ["step 0", f"{trained.path.name}, step 4", "step 6"]
    assert {path: path.stat().st_mtime_ns for path in trained.path.rglob("*")} == before


def test_a_run_of_another_model_is_refused(tiny, refused):
    trained = package.train(package.compose(tiny(*COARSE)))
    wide = refused(*FAST, f"plan.run={trained.path}", "model.hidden_channels=8")
    deep = refused(*FAST, f"plan.run={trained.path}", "model.n_layers=1")
    for message in (wide, deep):
        assert "plan.run" in message
        assert "another model" in message


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["hierarchy=one"], ["one level, 17x17", "nothing to plan", "hierarchy=three"]),
        (["plan.samples=17"], ["plan.samples", "17", "16"]),
        (["plan.samples=3"], ["plan.samples", ">= 4"]),
        (["plan.step=3"], ["plan.step", "Did you mean 'plan.steps'?"]),
        (["plan.run=nowhere"], ["nowhere", "no such run directory"]),
        (["plan.steps=[3,1]"], ["plan.steps", "ascending"]),
        (["plan=3"], ["plan", "group of keys"]),
        (["detla=3"], ["detla", "Did you mean 'delta'?", "plan"]),
        (["sampling=planned"], ["sampling", "planned"]),
    ],
)
def test_bad_input_is_refused_before_anything_is_measured(refused, overrides, said):
    message = refused("plan.samples=4", *overrides)
    assert message.startswith("nolab: ")
    for text in said:
        assert text in message


def test_samples_are_32_by_default_and_no_more_than_there_are(refused):
    assert "plan.samples: 32, but the training set has 16" in refused()


def test_gradients_that_are_not_finite_end_the_plan(tiny, capsys, monkeypatch):
    monkeypatch.setattr(stages_module, "gradient_gram", lambda *given: np.full((2, 4, 2, 4), np.nan))
    assert main(["plan", *tiny(*FAST)]) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("nolab: step 0: gradients that are not finite")


def test_train_does_not_know_the_keys_of_a_plan(tiny, capsys):
    assert main(["train", *tiny("plan.samples=3")]) == 2
    assert "plan.samples: no such key" in capsys.readouterr().err
