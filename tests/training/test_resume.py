"""N steps = k steps + resume + N-k steps, bit for bit."""

import json
from pathlib import Path

import pytest
import torch
from training_support import interrupt, same_bits

import nolab

RUN = ("budget.steps=6", "evaluation.times=3", "scheduler=cosine", "optimizer.ema=0.9", "neval=20")


def state_of(run_dir):
    return torch.load(Path(run_dir) / "checkpoints" / "last.pt", weights_only=True)


@pytest.fixture
def interrupted(monkeypatch, tmp_path):
    """Train until a signal arrives after step `at`; returns the run directory."""

    return lambda config, at: interrupt(monkeypatch, config, at, tmp_path / "outputs")


@pytest.mark.parametrize(
    ("scheme", "at"),
    [
        ("nested", 1),
        ("random", 2),
        ("nested", 5),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (("random", 1), ("nested", 2), ("random", 5))
        ),
    ],
)
def test_resumed_run_ends_with_the_same_bits(tiny, interrupted, at, scheme):
    config = nolab.compose(tiny(*RUN, f"sampling.scheme={scheme}"))
    whole = nolab.train(config)
    cut_dir = interrupted(config, at)
    resumed = nolab.resume(cut_dir)
    assert resumed.path == cut_dir
    a, b = state_of(whole.path), state_of(cut_dir)
    for key in ("model", "optimizer", "ema", "rng", "step", "samples", "best", "errors"):
        assert same_bits(a[key], b[key]), key
    for name in ("final/rel_l2", "final/h1", "best/rel_l2", "cost/flops", "cost/samples/9x9"):
        assert whole.summary[name] == resumed.summary[name]


def test_records_after_the_checkpoint_are_not_doubled(tiny, interrupted):
    run_dir = interrupted(nolab.compose(tiny(*RUN)), 3)
    with (run_dir / "metrics.jsonl").open("a") as file:  # a kill later than the checkpoint
        file.write('{"step": 4, "train/loss": 9.0}\n{"step": 5, "trai')
    nolab.resume(run_dir)
    records = map(json.loads, (run_dir / "metrics.jsonl").read_text().splitlines())
    steps = [record["step"] for record in records if "train/loss" in record]
    assert steps == [1, 2, 3, 4, 5, 6]


def test_the_clock_goes_on(tiny, interrupted):
    run_dir = interrupted(nolab.compose(tiny(*RUN)), 3)
    before = state_of(run_dir)["clock"]["train"]
    assert nolab.resume(run_dir).summary["cost/train_s"] > before > 0


def test_a_finished_run_trains_on_with_a_larger_budget(tiny):
    run = nolab.train(nolab.compose(tiny()))
    longer = nolab.resume(run.path, ["budget.steps=7", "tracking=none"])
    assert longer.summary["cost/steps"] == 7
    assert longer.config.budget.steps == 7


def test_gradient_clipping_bounds_the_first_step(tiny):
    """Adam divides by the gradient's size, so compare its first moment: it is (1-β)·g."""
    moments = []
    for clip in ("null", "1e-6"):
        run = nolab.train(nolab.compose(tiny("budget.steps=1", f"optimizer.clip_norm={clip}")))
        state = run.state["optimizer"]["state"]
        moments.append(sum(s["exp_avg"].abs().square().sum().item() for s in state.values()) ** 0.5)
    assert moments[0] > 1e-4
    assert moments[1] == pytest.approx(0.1 * 1e-6, rel=1e-2)


def test_a_loss_that_is_not_finite_ends_the_run(tiny, tmp_path):
    with pytest.raises(nolab.errors.RunFailure, match=r"step \d+, level (9x9|17x17), samples .*failed.pt"):
        nolab.train(nolab.compose(tiny("optimizer.lr=1e30", "budget.steps=20")))
    (run_dir,) = (tmp_path / "outputs" / "train").iterdir()
    assert (run_dir / "checkpoints" / "failed.pt").is_file()
    assert not (run_dir / "summary.json").exists()
