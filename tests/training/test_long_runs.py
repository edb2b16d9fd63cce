"""A run of any length keeps its memory, its step time and the size of its files: `scripts/soak.py` says so."""

import json
from pathlib import Path

import pytest
from training_support import interrupt

import nolab

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def soak(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import soak

    return soak


@pytest.mark.parametrize(
    ("leak", "slowing", "is_steady"), [(0.0, 0.0, True), (2.0, 0.0, False), (0.0, 0.5, False)]
)
def test_growth_is_seen(soak, leak, slowing, is_steady):
    """MiB per 10⁴ steps, and the share by which a step takes longer at the end."""
    samples, seconds = [], 0.0
    for step in range(0, 100_001, 1000):
        stall = 1000.0 if step == 50_000 else 0.0
        warm_up = 2**28 if step < 10_000 else 2**30
        samples.append(soak.Sample(step, int(warm_up + leak * 2**20 * step / 1e4), seconds))
        seconds += 2.0 * (1 + slowing * step / 1e5) + stall
    found = soak.growth(samples)
    assert found["is_steady"] is is_steady
    assert found["rss_mib_per_10000_steps"] == pytest.approx(leak, abs=1e-3)


@pytest.mark.slow
def test_some_thousand_steps_leave_no_trace(soak, tmp_path):
    result = soak.soak(6000, tmp_path)
    assert result["rss_mib_last"] - result["rss_mib_first"] < 3
    assert result["step_time_last_over_first"] < 1.5
    assert result["metrics.jsonl_lines"] == 100 + 10


@pytest.mark.slow
def test_records_do_not_grow_with_the_number_of_resumes(tiny, monkeypatch, tmp_path):
    """Five steps, interrupted after each: every record is there once."""
    config = nolab.compose(tiny("budget.steps=5", "evaluation.times=1"))
    run_dir = interrupt(monkeypatch, config, 1, tmp_path / "outputs")
    for step in range(2, 5):
        resume_until(monkeypatch, run_dir, step)
    nolab.resume(run_dir)
    steps = [json.loads(line)["step"] for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 5, 5]


def resume_until(monkeypatch, run_dir, at):
    """Go on with a run until a signal arrives after step `at`."""
    with monkeypatch.context() as patch:
        patch.setattr(nolab, "train", lambda config: nolab.resume(run_dir))
        interrupt(monkeypatch, None, at, run_dir.parents[1])
