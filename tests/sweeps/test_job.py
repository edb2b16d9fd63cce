"""One job's record, whatever becomes of the job."""

import contextlib
import logging
import sys
from pathlib import Path

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from omegaconf.errors import ConfigKeyError

from nolab.errors import InputError
from nolab.sweeps import job as module
from nolab.sweeps.attempt import Attempt
from nolab.sweeps.claims import HeldElsewhere
from nolab.sweeps.job import Job, SweepTask
from nolab.tracking.progress import Status


@pytest.fixture
def attempt(tmp_path):
    return Attempt(tmp_path / "outputs" / ".sweeps" / "sweep" / "attempt")


@pytest.fixture
def call(attempt, monkeypatch):
    """Call a task as Hydra does for job 3; returns the record that it leaves."""
    hydra = {
        "sweep": {"dir": str(attempt.folder)},
        "job": {"num": 3},
        "overrides": {"task": ["seed=0", "delta=${nope}"]},
    }
    monkeypatch.setattr(HydraConfig, "get", staticmethod(lambda: OmegaConf.create(hydra)))

    def run(work):
        SweepTask(work)(OmegaConf.create({"seed": 0}))
        return attempt.read(3)

    return run


def raising(error):
    def work(config, job):
        print("said before")
        raise error

    return work


def test_a_task_that_ends_is_finished(call, attempt):
    def work(config, job):
        assert config.seed == 0
        assert attempt.read(3).state == "running"
        assert job.sweep == attempt.sweep_id()

    record = call(work)
    assert record.state == "finished"
    assert record.overrides == ["seed=0", "delta=${nope}"]  # as written


def test_work_may_tell_its_end_itself(call):
    summary = {"final/rel_l2": 0.1, "cost/train_s": 2.0, "cost/steps": 4}
    record = call(lambda config, job: job.end("skipped", summary))
    assert record.state == "skipped"
    assert record.figures == {"final/rel_l2": 0.1, "cost/train_s": 2.0}


@pytest.mark.parametrize(
    ("error", "line", "bad_input"),
    [
        (InputError("delta: no\nmore"), "delta: no", True),
        (ConfigKeyError("no key"), "no key", True),
        (RuntimeError("CUDA error: x\n\nlong"), "CUDA error: x", False),
        (RuntimeError(), "RuntimeError", False),
        (SystemExit(3), "3", False),
        (MemoryError(), "MemoryError", False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_failure_is_told_and_stops_nobody(call, attempt, capfd, error, line, bad_input):
    record = call(raising(error))
    assert (record.state, record.error, record.bad_input) == ("failed", line, bad_input)
    log = attempt.log_file(3).read_text()
    assert "said before" in attempt.output_file(3).read_text()
    assert "Traceback" in log
    assert capfd.readouterr() == ("", "")


def test_a_job_of_another_process_is_left_to_it(call, attempt):
    record = call(raising(HeldElsewhere(None)))
    assert (record.state, record.error, record.run) == ("elsewhere", None, None)
    run_dir = attempt.output_dir / "train" / "run"
    run_dir.mkdir(parents=True)
    assert call(raising(HeldElsewhere(run_dir))).run == "train/run"


def test_an_interruption_goes_on_to_the_sweep(call, attempt):
    with pytest.raises(KeyboardInterrupt):
        call(raising(KeyboardInterrupt()))
    assert attempt.read(3).state == "interrupted"


@pytest.mark.parametrize("error", [InputError("bad"), KeyboardInterrupt()], ids=["failed", "interrupted"])
def test_a_run_directory_that_is_gone_is_not_named(call, attempt, error):
    def work(config, job):
        run_dir = attempt.output_dir / "train" / "run"
        run_dir.mkdir(parents=True)
        job.uses(run_dir)
        assert attempt.read(3).run == "train/run"
        run_dir.rmdir()
        raise error

    with contextlib.suppress(KeyboardInterrupt):
        call(work)
    assert attempt.read(3).run is None


def test_what_is_printed_and_logged_goes_to_files_and_nowhere_else(call, attempt, capfd):
    logger = logging.getLogger("nolab")
    before = logger.handlers[:], logger.level, logger.propagate

    def work(config, job):
        print("out")
        print("err", file=sys.stderr)
        logging.getLogger("nolab.part").info("logged")

    for _ in range(2):
        call(work)
    assert attempt.output_file(3).read_text() == "out\n" * 2
    assert attempt.log_file(3).read_text() == "err\nlogged\n" * 2
    assert capfd.readouterr() == ("", "")
    assert (logger.handlers, logger.level, logger.propagate) == before


def test_progress_is_written_once_a_second_and_when_forced(attempt, monkeypatch):
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    job = Job(attempt, 0, [])

    def show(share, **how):
        job.show(Status(1, share, 0.1, {}, {}, {}, 1.0, 10 * (1 - share)), **how)
        return attempt.read(0).share

    assert show(0.1) == 0.0
    now = 101.5
    assert show(0.2) == 0.2
    assert attempt.read(0).seconds_left == 8.0
    assert attempt.read(0).wall_seconds == 1.5
    assert show(0.3) == 0.2
    assert show(0.4, force=True) == 0.4
    job.end("finished")
    assert attempt.read(0).seconds_left is None


def test_runs_are_named_relative_to_the_output_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    attempt = Attempt(Path("outputs/.sweeps/sweep/attempt"))
    job = Job(attempt, 0, [])
    (tmp_path / "outputs" / "train" / "run").mkdir(parents=True)
    job.uses(Path("outputs/train/run"))
    assert attempt.read(0).run == "train/run"
