"""Runs with the estimators that learn: bitwise resume at awkward moments, and what records hold."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from estimators_support import costs_of
from omegaconf import OmegaConf
from tests_support import TINY
from training_support import interrupt, same_bits

import nolab
from nolab.config import validate
from nolab.errors import InputError
from nolab.estimators.curriculum import Curriculum
from nolab.moments import Moments
from nolab.training import trainer as trainer_module
from nolab.training.savings import finest_batch, neval_flops
from nolab.training.setup import prepare

STEPS = 8
RUN = [
    *(override for override in TINY if not override.startswith("sampling.")),
    f"budget.steps={STEPS}",
    "evaluation.times=4",
    "neval=20",
]
PROBING = ["sampling.probe_samples=2", "sampling.overhead=0.5", "sampling.batch_size=2", "sampling.memory=0"]
COARSE, FINE = "{estimator: coarse, batch_size: 2", "{estimator: fine, batch_size: 2"
ADAPTIVE = "{estimator: adaptive, batch_size: 2, probe_samples: 2, overhead: 0.5, memory: 0"
DELAYED = "{estimator: delayed, batch_size: 1"

LEVELS = "hierarchy.levels=[5,9,17]"

CONFIGS = {
    "adaptive": (["sampling=adaptive", *PROBING], (2, 3, 4), [0, 3, 6]),
    "auto": (
        ["sampling=auto", "sampling.probe_samples=2", "sampling.overhead=0.9", "sampling.memory=0"],
        (3, 4),
        [0, 3, 6],
    ),
    "shares": (
        [
            "sampling=curriculum",
            f"sampling.phases=[{COARSE}, share: 0.25}},{ADAPTIVE}, share: 0.5}},{FINE}}}]",
        ],
        (2, 5),
        [2, 5],
    ),
    "patience": (
        [
            "sampling=curriculum",
            f"sampling.phases=[{COARSE}, patience: 1}},{FINE}, patience: 1}},{ADAPTIVE}}}]",
            f"evaluation.times={STEPS}",
        ],
        (4, 5),
        [4, 7],
    ),
    "delayed": (["sampling=delayed", "sampling.batch_size=1", LEVELS], (1, 5), []),
    "delayed, then fine": (
        ["sampling=curriculum", f"sampling.phases=[{DELAYED}, share: 0.5}},{FINE}}}]"],
        (4,),
        [],
    ),
    "chances": (
        ["sampling=mlmc", "sampling.counts=[4,0.5,0.25]", "sampling.alpha=[0.9,0.8]", LEVELS],
        (5,),
        [],
    ),
    "half, delayed": (
        ["sampling=delayed", "sampling.batch_size=1", "precision=half", "sampling.delta=1"],
        (1, 3),
        [],
    ),
}
"""Overrides; after which steps to interrupt, among them those before, at and after probes and new phases; probes."""


@pytest.fixture
def costs(monkeypatch):
    """Fixed C_ℓ; the list says what the coming runs measure."""
    seconds, measure = [[1.0, 4.0, 16.0]], trainer_module.measure_costs

    def measured(engine, plain, plan, n_levels):
        return replace(measure(engine, plain, plan, n_levels), seconds=tuple(seconds[0])[:n_levels])

    def measured_batches(engine, plain, batch_size, n_samples, n_levels):
        return costs_of(seconds[0][:n_levels])

    monkeypatch.setattr(trainer_module, "measure_costs", measured)
    monkeypatch.setattr(trainer_module, "measure_batch_costs", measured_batches)
    return seconds


@pytest.fixture
def probes(monkeypatch):
    """The steps of all probes that are made; corrections are small in the odd ones, so that plans change."""
    steps, take = [], trainer_module.gradient_moments

    def taken(engine, plain, indices, n_levels, step, share):
        steps.append(step)
        found = take(engine, plain, indices, n_levels, step, share)
        scale = np.diag([1.0] + [0.01 if step % 2 else 1.0] * (n_levels - 1))
        return Moments(scale @ found.covariance @ scale, scale @ found.mean @ scale, found.n_samples)

    monkeypatch.setattr(trainer_module, "gradient_moments", taken)
    return steps


@pytest.fixture
def stagnant(monkeypatch):
    """A curriculum whose test error never improves, so that patience ends after two evaluations."""
    observe = Curriculum.observe
    monkeypatch.setattr(Curriculum, "observe", lambda self, _, share: observe(self, 1.0, share))


@pytest.fixture
def train(data_dir, tmp_path):
    def run(*more):
        return nolab.train(config(*more))

    def config(*more):
        return nolab.compose([*RUN, f"data_dir={data_dir}", f"output_dir={tmp_path / 'outputs'}", *more])

    run.config = config
    return run


def state_of(run_dir):
    return torch.load(Path(run_dir) / "checkpoints" / "last.pt", weights_only=True)


CUTS = {
    "adaptive": 3,
    "auto": 4,
    "shares": 5,
    "patience": 5,
    "delayed": 5,
    "delayed, then fine": 4,
    "chances": 5,
    "half, delayed": 3,
}
"""The one interruption that is made by default: where the estimator has learnt, by then, what it needs to go on."""


@pytest.mark.parametrize(
    ("name", "cuts"),
    [
        *((name, (at,)) for name, at in CUTS.items()),
        *(
            pytest.param(name, cuts, marks=pytest.mark.slow)
            for name, (_, cuts, _) in CONFIGS.items()
            if len(cuts) > 1
        ),
    ],
)
def test_resumed_runs_end_with_the_same_bits(
    name, cuts, train, costs, probes, stagnant, monkeypatch, tmp_path
):
    overrides, _, probed = CONFIGS[name]
    first, second = costs[0], [5.0, 6.0, 7.0]
    whole = train(*overrides)
    assert probes == probed
    expected = state_of(whole.path)
    for at in cuts:
        probes.clear()
        costs[0] = first
        cut = interrupt(monkeypatch, train.config(*overrides), at, tmp_path / "outputs")
        costs[0] = second  # what the second machine measures decides nothing
        resumed = nolab.resume(cut)
        assert probes == probed
        found = state_of(cut)
        for key in set(expected) - {"clock", "energy"}:
            assert same_bits(found[key], expected[key]), (at, key)
        for figure in ("final/rel_l2", "best/rel_l2", "cost/samples/17x17", "cost/samples/9x9"):
            assert resumed.summary[figure] == whole.summary[figure], (at, figure)


@pytest.mark.parametrize("sampling", ["adaptive", "auto"])
def test_records_and_summary_hold_variances_and_samples_per_step(sampling, train, costs, probes):
    run = train(f"sampling={sampling}", *PROBING)
    records = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    for record in (*records, run.summary):
        for level in ("9x9", "17x17"):
            assert record[f"mlmc/V/{level}"] > 0
            assert record[f"mlmc/n/{level}"] >= 0
    last = [record for record in records if "eval/rel_l2" in record][-1]
    assert last["mlmc/V/9x9"] == run.summary["mlmc/V/9x9"]
    known = state_of(run.path)["estimator"]["probes"]["known"]
    assert known["covariance"][1][1] == pytest.approx(run.summary["mlmc/V/17x17"])
    for level, seconds in (("9x9", 1.0), ("17x17", 4.0)):
        assert run.summary[f"mlmc/C/{level}"] == seconds
        assert run.summary[f"mlmc/n/{level}"] == run.summary[f"cost/samples/{level}"] / STEPS
    first = 8  # samples of the first probe, at both levels; 2 later
    seen = first + 2 * (len(probes) - 1)
    assert run.summary["cost/samples/9x9"] + run.summary["cost/samples/17x17"] >= 2 * seen + STEPS


def test_curriculum_records_hold_what_the_phase_knows(train, costs):
    overrides, *_ = CONFIGS["shares"]
    run = train(*overrides)
    records = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    with_variances = {r["step"] for r in records if "train/loss" in r and "mlmc/V/9x9" in r}
    assert with_variances == {3, 4, 5, 6}  # steps 2 to 5, counted when they are done
    samples = {r["step"]: r["cost/samples/17x17"] for r in records if "train/loss" in r}
    assert samples[2] == 0
    assert samples[8] - samples[6] == 2 * 2


def test_probes_that_overflow_teach_nothing(train, costs, monkeypatch):
    """Float16 may overflow while the scale of the loss adapts: the run goes on with what it knows."""
    original = trainer_module.gradient_moments

    def overflowing(*arguments):
        moments = original(*arguments)
        moments.covariance[0, 0] = float("nan")
        return moments

    monkeypatch.setattr(trainer_module, "gradient_moments", overflowing)
    run = train("sampling=adaptive", *PROBING, "budget.steps=2")
    assert "mlmc/V/9x9" not in run.summary
    assert run.summary["cost/steps"] == 2


@pytest.mark.parametrize("sampling", ["adaptive", "auto", "curriculum", "delayed"])
def test_every_choice_runs_as_it_stands(sampling, train, costs):
    run = train(f"sampling={sampling}", LEVELS, "neval=null")
    assert run.summary["cost/steps"] == STEPS
    assert 0 < run.summary["final/rel_l2"] < 1


@pytest.mark.parametrize(
    ("counts", "batch"), [("[4,0.5]", 1), ("[4,3]", 3), (None, 4)], ids=["chance", "samples", "coarse only"]
)
def test_flops_are_those_of_whole_samples(counts, batch, train):
    """`nolab info` on a level with a chance, or with nothing at all."""
    overrides = ["sampling=coarse"] if counts is None else ["sampling=mlmc", f"sampling.counts={counts}"]
    setup = prepare(validate(OmegaConf.to_container(train.config(*overrides), resolve=True)))
    assert finest_batch(setup) == batch
    few, many = neval_flops(setup, [10, 200]).values()
    assert 0 < few < many


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["sampling=mlmc", "sampling.counts=[4,2,1]"], r"sampling\.counts: 3 numbers for 2 levels"),
        (["sampling=mlmc", "sampling.alpha=nan"], r"sampling\.alpha: must be from -1e6 to 1e6, got nan"),
        (
            ["sampling=mlmc", "sampling.alpha=0", "sampling.counts=[4,0.5]"],
            r"sampling\.alpha: 0\.0 leaves out",
        ),
        (["sampling=mlmc", "sampling.counts=[inf,0.5]"], r"sampling\.counts: whole numbers"),
        (["sampling=adaptive", "sampling.overhead=2"], r"sampling\.overhead: must be in \(0, 1\), got 2"),
        (["sampling=auto", "dataset.n_train=1", "sampling.batch_size=1"], r"sampling: variances need 2"),
        (
            ["sampling=curriculum", f"sampling.phases=[{COARSE}}},{FINE}}}]"],
            r"sampling\.phases\[0\]: give it",
        ),
        (["sampling=delayed", "sampling.batch_size=9"], r"level 0 .* would get 18 samples"),
    ],
)
def test_bad_input_is_refused_before_training(overrides, message, train):
    with pytest.raises(InputError, match=message):
        train(*overrides)
