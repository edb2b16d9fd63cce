"""A W&B that fails, hangs or is slow holds up nobody; the calls of its library are stood in for."""

import json
import logging
import threading
import time
from functools import partial
from pathlib import Path

import pytest

import nolab
from nolab.tracking import wandb_run, wandb_sink
from nolab.tracking.wandb_sink import WandbSink
from nolab.training import execution

SLOW = 0.2
HANGS = "W&B is off for the rest of this run (no answer for 0.3 s); the files are complete"


class FakeRun:
    """Keeps its calls in order; `log` runs `disturb` first."""

    offline, starting_step = False, 0

    def __init__(self, disturb=lambda: None):
        self.disturb, self.calls, self.summary = disturb, [], self

    def log(self, figures, step=None, commit=None):
        self.disturb()
        self.calls.append((step, *figures.values()) if step is not None else ("row", *figures))

    def update(self, figures):
        self.calls.append(("summary", figures))

    def finish(self, exit_code):
        self.calls.append(("finish", exit_code))


@pytest.fixture
def hanging():
    """A call that does not return before the test's end."""
    ended = threading.Event()
    yield ended.wait
    ended.set()


@pytest.fixture(autouse=True)
def quiet_exit(monkeypatch):
    """Give-ups in this process leave its exit alone."""
    monkeypatch.setattr(wandb_sink, "_bound_the_exit", lambda: None)


@pytest.fixture
def sink(monkeypatch, tmp_path):
    def make(start, patience=0.3) -> WandbSink:
        monkeypatch.setattr(wandb_run, "_start", lambda *_, **__: start())
        return WandbSink(tmp_path, {}, project="p", entity=None, group=None, patience=patience)

    return make


def said(caplog):
    nolab = (record for record in caplog.records if record.name.startswith("nolab"))
    return [record.message for record in nolab if record.levelno >= logging.WARNING]


def elapsed(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def log_all(sink, n):
    for step in range(n):
        sink.log({"step": step})


def test_everything_arrives_in_order(sink, monkeypatch):
    monkeypatch.setattr("wandb.Image", lambda path: path)
    run = FakeRun(partial(time.sleep, 0.001))
    one = sink(lambda: run, 10)
    log_all(one, 40)
    one.image("plots/a", Path("a.png"))
    one.log({"step": 40})
    one.finish({"x": 1.0})
    rows = [(step, step) for step in range(40)]
    last = [("row",), ("summary", {"x": 1.0}), ("finish", 0)]
    assert run.calls == [*rows, ("row", "plots/a"), (40, 40), *last]


def test_a_failed_run_is_ended_as_one(sink):
    run = FakeRun()
    sink(lambda: run).finish(None)
    assert run.calls == [("finish", 1)]


def test_slow_calls_do_not_hold_up_who_logs(sink):
    run = FakeRun(partial(time.sleep, 0.02))
    one = sink(lambda: run, 10)
    assert elapsed(lambda: log_all(one, 25)) < 0.25 < 25 * 0.02
    one.finish({})
    assert [call for call in run.calls if call[0] not in ("row", "summary", "finish")] == [
        (step, step) for step in range(25)
    ]


def test_a_call_that_hangs_is_waited_for_at_the_end_and_not_longer(sink, hanging, caplog):
    run = FakeRun(hanging)
    one = sink(lambda: run)
    assert elapsed(lambda: log_all(one, 200)) < 0.25
    assert 0.25 < elapsed(lambda: one.finish({})) < 2
    assert said(caplog) == [HANGS]
    assert elapsed(lambda: one.finish({})) < 0.25
    assert len(said(caplog)) == 1


def test_a_start_that_hangs_is_waited_for_and_not_longer(sink, hanging, caplog):
    assert 0.25 < elapsed(lambda: sink(hanging)) < 2
    assert said(caplog) == [HANGS]


def test_what_answers_too_late_is_let_go_in_silence(sink, caplog):
    caplog.set_level(logging.INFO, "nolab")
    answer = threading.Event()
    run = FakeRun(answer.wait)
    run.offline, run.dir = True, "wandb/files"
    one = sink(lambda: run)
    log_all(one, 3)
    one.finish({})
    answer.set()
    one._thread.join(5)
    assert not one._thread.is_alive()
    assert run.calls == [(0, 0)]  # the call that was under way
    assert said(caplog) == [HANGS]


def test_a_failure_is_said_when_it_happens_and_what_follows_is_dropped(sink, caplog):
    def fail():
        raise ConnectionResetError("Connection lost")

    run = FakeRun(fail)
    one = sink(lambda: run)
    one.log({"step": 1})
    one._thread.join(5)
    assert said(caplog) == ["W&B is off for the rest of this run (Connection lost); the files are complete"]
    log_all(one, 5)
    assert elapsed(lambda: one.finish({})) < 0.25
    assert one._calls.empty()
    assert len(said(caplog)) == 1


@pytest.mark.parametrize("exits", [SystemExit(3), RuntimeError("no")])
def test_the_library_ends_neither_the_process_nor_the_run(sink, caplog, exits):
    def start():
        raise exits

    one = sink(start)
    one.log({"step": 1})
    one.finish({})
    assert said(caplog) == [f"W&B is off for the rest of this run ({exits}); the files are complete"]


def test_the_thread_does_not_hold_up_the_interpreter(sink, hanging):
    assert sink(lambda: FakeRun(hanging))._thread.daemon


@pytest.mark.parametrize("kind", ["slow", "hanging", "raising"])
def test_training_does_not_see_it(tiny, monkeypatch, hanging, caplog, kind):
    def fail():
        raise OSError("connection lost")

    run = FakeRun({"slow": partial(time.sleep, SLOW), "hanging": hanging, "raising": fail}[kind])
    monkeypatch.setattr(wandb_run, "_start", lambda *_, **__: run)
    patience = 0.3 if kind == "hanging" else 30
    monkeypatch.setattr(execution, "WandbSink", partial(WandbSink, patience=patience))
    done = nolab.train(nolab.compose(tiny("tracking=wandb")))
    records = [json.loads(line) for line in (done.path / "metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records] == [1, 2, 2, 3, 4, 4]
    figures = done.summary
    assert figures["cost/steps"] == 4
    in_the_run = sum(figures[f"cost/{bucket}_s"] for bucket in ("train", "log", "eval"))
    assert in_the_run < len(records) * SLOW / 2
    if kind == "slow":
        assert len(run.calls) == len(records) + 3
        assert said(caplog) == []
    else:
        assert len(said(caplog)) == 1
