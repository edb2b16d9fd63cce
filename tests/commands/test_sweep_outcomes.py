"""How sweeps end, and what is told of them; in this process, which is quicker."""

import json
import logging
import os
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from sweeps_support import records, states, summaries

import nolab
from nolab.cli import main
from nolab.commands._sweep import run_sweep
from nolab.sweeps.attempt import Attempt, JobRecord
from nolab.sweeps.view import SweepView


@pytest.fixture
def command(monkeypatch, capfd, tmp_path) -> Callable[..., SimpleNamespace]:
    """The command line in this process, in an empty folder."""
    logger = logging.getLogger("nolab")
    before = logger.handlers[:], logger.level, logger.propagate
    monkeypatch.setenv("HYDRA_FULL_ERROR", "")  # what the command sets ends with the test
    monkeypatch.setenv("NOLAB_SWEEP", "")
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> SimpleNamespace:
        capfd.readouterr()
        code = main(arguments)
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return SimpleNamespace(code=code, out=out.splitlines(), err=err.splitlines())

    yield run
    logger.handlers[:], logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


def test_an_error_that_is_not_the_users_input_stops_no_other_job(command, tiny, tmp_path, monkeypatch):
    (tmp_path / "my_failing_model.py").write_text(
        textwrap.dedent("""
        def build(spec, width):
            raise RuntimeError("no luck\\nlong story")
        """)
    )
    (tmp_path / "my" / "model").mkdir(parents=True)
    (tmp_path / "my" / "model" / "mine.yaml").write_text("_target_: my_failing_model.build\nwidth: 4\n")
    monkeypatch.syspath_prepend(tmp_path)
    overrides = [o for o in tiny() if not o.startswith("model.")]
    done = command("train", "-m", "--config-dir", "my", *overrides, "model=mine,deeponet", "seed=0")
    assert done.code == 1
    assert states(tmp_path / "outputs") == [["failed", "finished"]]
    assert done.err[-1].startswith("failed: model=mine: no luck (its log: ")
    log = Path(done.err[-1].split("its log: ")[1].rstrip(")"))
    assert "Traceback" in log.read_text()
    assert "long story" in log.read_text()


def test_bad_input_of_a_job_outweighs_and_stops_no_other(command, tiny, tmp_path):
    done = command("train", "-m", *tiny("delta=${nope},-1,2"))
    assert done.code == 2
    assert states(tmp_path / "outputs") == [["failed", "failed", "finished"]]
    assert [line.startswith("failed: delta=") for line in done.err[-2:]] == [True, True]
    assert "nope" in done.err[-2]
    assert len(summaries(tmp_path / "outputs")) == 1
    assert len(list((tmp_path / "outputs" / "train").glob("2*"))) == 1
    assert [line.split()[-1] for line in done.out[1:-1]][-1] == records(tmp_path / "outputs")[0][2]["run"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["output_dir=a,b"], "nolab: output_dir: a sweep has one"),
        (["output_dir=file/below", "seed=0,1"], "nolab: output_dir: can't make file/below"),
        (["model=fno,nosuch"], "nolab: model: 'nosuch' is not known"),
        (["seeed=0,1"], "nolab: seeed: no such key. Did you mean 'seed'"),
    ],
)
def test_a_sweep_that_can_not_begin_is_one_message(command, tmp_path, overrides, message):
    (tmp_path / "file").touch()
    done = command("train", "-m", *overrides)
    assert done.code == 2
    assert len(done.err) == 1
    assert done.err[0].startswith(message)
    assert done.out == []
    assert SweepView.current is None


def test_a_sweep_resumes_nothing_by_name(command, tiny):
    done = command("train", "-m", *tiny("resume=somewhere", "seed=0,1"))
    assert done.code == 2
    assert "without -m" in done.err[-1]


def test_a_run_that_was_trained_on_is_left_alone(command, tiny, tmp_path):
    sweep = ("train", "-m", *tiny("seed=0,1", "budget.steps=2"))
    assert command(*sweep).code == 0
    first = summaries(tmp_path / "outputs")
    raised = first[0].parent
    nolab.resume(raised, ["budget.steps=3"])
    before = {file: file.stat().st_mtime_ns for file in raised.rglob("*") if file.is_file()}
    again = command(*sweep, "hydra.verbose=false")
    assert again.code == 0
    assert sorted(states(tmp_path / "outputs")[-1]) == ["finished", "skipped"]
    assert {file: file.stat().st_mtime_ns for file in raised.rglob("*") if file.is_file()} == before
    assert len(summaries(tmp_path / "outputs")) == 3
    assert json.loads((raised / "summary.json").read_text())["cost/steps"] == 3
    environments = (tmp_path / "outputs" / "train").glob("*/environment.json")
    (group,) = {json.loads(file.read_text())["sweep"] for file in environments}
    (sweep_file,) = (tmp_path / "outputs" / ".sweeps").glob("*/sweep.json")
    assert json.loads(sweep_file.read_text()) == {"id": group}
    assert again.out[-1] == str(sweep_file.parent)


def test_data_sets_are_generated_by_a_sweep(command, tiny, tmp_path):
    small = ("data_dir=stores", "dataset.resolution=5", "dataset.finest=5")
    done = command("generate", "-m", *tiny(*small, "dataset.seed=1,2"))
    assert done.code == 0
    assert states(tmp_path / "outputs") == [["finished", "finished"]]
    assert len(list((tmp_path / "stores").rglob("*.h5"))) == 2
    # What every job printed, then the table of the sweep.
    assert [line for line in done.out if line.startswith("job ")][:2] == [
        "job 0: dataset.seed=1",
        "job 1: dataset.seed=2",
    ]
    assert sum(line.endswith(".h5") for line in done.out) == 2
    assert done.out[-3].split()[:3] == ["0", "1", "finished"]


class TestLaunchersThatFail:
    @pytest.fixture
    def sweep(self, tmp_path, capfd, monkeypatch):
        """Run two jobs under a launcher that is a function of the attempt; returns (exit code, stderr)."""
        monkeypatch.setenv("NOLAB_SWEEP", "")

        def run(launcher):
            def launch(task):
                attempt = Attempt(tmp_path / ".sweeps" / os.environ["NOLAB_SWEEP"])
                attempt.queue([["seed=0"], ["seed=1"]])
                SweepView.open(attempt)
                launcher(attempt)

            return run_sweep(
                launch, None, ["seed=0,1"], show_output=False
            ), capfd.readouterr().err.splitlines()

        return run

    def test_a_job_whose_process_dies_is_told(self, sweep):
        def launcher(attempt):
            attempt.write(JobRecord(0, ["seed=0"], "finished", figures={}))
            attempt.write(JobRecord(1, ["seed=1"], "running"))

        code, err = sweep(launcher)
        assert code == 1
        assert err[-1].startswith("failed: seed=1: its process ended without a word (its log: ")
        assert err[-2].startswith("2 jobs: 1 finished, 1 running")

    def test_a_launcher_that_fails_is_told(self, sweep):
        def launcher(attempt):
            attempt.write(JobRecord(0, ["seed=0"], "failed", error="delta: no", bad_input=True))
            raise RuntimeError("worker died\nlong story")

        code, err = sweep(launcher)
        assert code == 2  # of the worst
        assert "nolab: the launcher failed: worker died" in err
        assert err[-1].startswith("failed: seed=0: delta: no")
        assert not any("without a word" in line or "long story" in line for line in err)

    def test_ctrl_c_is_told(self, sweep):
        def launcher(attempt):
            attempt.write(JobRecord(0, ["seed=0"], "interrupted"))
            raise KeyboardInterrupt

        code, err = sweep(launcher)
        assert code == 1
        assert err[-1].startswith("interrupted; the same command goes on")
