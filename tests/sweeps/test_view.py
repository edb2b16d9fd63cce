"""What a sweep shows while it runs and at its end."""

import io
import time

import pytest
from rich.console import Console

from nolab.sweeps import view as module
from nolab.sweeps.attempt import Attempt, JobRecord
from nolab.sweeps.view import SweepView, counts_line, ended_line, panel, result_table, seconds_left, varying

FIGURES = {"final/rel_l2": 0.043149, "cost/train_s": 12.34}


def waiting(n):
    return [JobRecord(100 + i, []) for i in range(n)]


def running(wall, left=None):
    return JobRecord(0, [], "running", wall_seconds=wall, seconds_left=left)


def finished(wall):
    return JobRecord(0, [], "finished", wall_seconds=wall)


@pytest.mark.parametrize(
    ("records", "seconds"),
    [
        ([], None),
        (waiting(3), None),
        ([running(5.0)], None),  # nothing tells how long a job takes
        ([finished(10.0), *waiting(2)], None),  # nothing runs: between two jobs
        ([running(4.0, 6.0)], 6.0),
        ([running(4.0, 6.0), *waiting(3)], 36.0),  # 6 + 3 * 10
        ([running(4.0, 6.0), running(8.0, 4.0), *waiting(4)], 27.0),  # (6 + 4 + 4 * 11) / 2
        ([finished(8.0), running(2.0), *waiting(1)], 14.0),  # 8 - 2 + 8
        ([finished(8.0), running(20.0)], 0.0),  # longer than was thought
        ([finished(8.0), JobRecord(1, [], "skipped", wall_seconds=0.1), running(0.0)], 8.0),
    ],
)
def test_seconds_left(records, seconds):
    assert seconds_left(records) == (None if seconds is None else pytest.approx(seconds))


def test_counts():
    records = [finished(10.0), running(4.0, 6.0), *waiting(30), JobRecord(1, [], "skipped")]
    records += [JobRecord(1, [], state) for state in ("failed", "interrupted", "elsewhere", "failed")]
    assert counts_line(records) == (
        "37 jobs: 1 finished, 1 finished before, 1 run by another process, 1 running, 30 waiting, "
        "1 interrupted, 2 failed, about 5:06 left"
    )
    assert counts_line([finished(1.0)]) == "1 job: 1 finished"


def test_only_what_varies_is_shown():
    records = [
        JobRecord(i, ["model=fno", f"seed={i}", "points.axes=[null,10]"], "finished", figures=FIGURES)
        for i in range(2)
    ]
    keys = varying(records)
    assert keys == ["seed"]
    assert ended_line(records[1], keys) == "job 1 finished: seed=1: rel. L2 0.04315, 12.3 s trained"
    failed = JobRecord(2, records[0].overrides, "failed", error="no such thing")
    assert ended_line(failed, keys) == "job 2 failed: seed=0: no such thing"
    assert ended_line(JobRecord(3, ["seed=0"], "interrupted"), keys) == "job 3 interrupted: seed=0"
    diverged = JobRecord(4, ["seed=0"], "finished", figures={"final/rel_l2": None, "cost/train_s": 1.0})
    assert "rel. L2 , 1.0 s trained" in ended_line(diverged, keys)
    columns, rows = result_table([*records, JobRecord(2, ["model=fno"], "elsewhere")])
    assert columns == ["job", "seed", "state", "rel. L2", "train s", "run"]
    assert rows[1] == ["1", "1", "finished", "0.04315", "12.3", ""]
    assert rows[2] == ["2", "", "run by another process", "", "", ""]


def test_a_job_alone_is_shown_in_full():
    record = JobRecord(0, ["seed=1", "delta=4"], "finished", figures=FIGURES)
    assert "seed=1 delta=4" in ended_line(record, varying([record]))


@pytest.mark.parametrize("state", ["waiting", "running", "finished", "failed", "interrupted"])
@pytest.mark.parametrize("width", [80, 30])
def test_the_panel_of_many_jobs_fits_a_terminal(state, width):
    records = [
        JobRecord(
            i, [f"seed={i}", f"dataset.path=/a/{'long/' * 40}[{i}]"], state, error="[red] " + "x " * 400
        )
        for i in range(500)
    ]
    records += [running(1.0, 5.0), JobRecord(999, ["seed=1"], "failed", error="[/bold] bad")]
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(panel(records))
    lines = console.export_text().splitlines()
    assert "502 jobs" in " ".join(lines).replace("\n", " ")
    assert len(lines) <= 24 + 10 * (width < 80)
    assert all(len(line) <= width for line in lines)
    if width == 80:
        assert any("[/bold] bad" in line for line in lines)  # the newest failure; no markup


@pytest.fixture
def attempt(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_SECONDS_BETWEEN_LOOKS", 0.005)
    yield Attempt(tmp_path / ".sweeps" / "sweep" / "attempt")
    SweepView.close()


def test_what_ends_is_told_once(attempt, capfd):
    attempt.queue([["seed=0"], ["seed=1"], ["seed=2"]])
    SweepView.open(attempt)
    for num in (1, 0):
        attempt.write(JobRecord(num, [f"seed={num}"], "finished", figures=FIGURES))
        time.sleep(0.05)
    view = SweepView.close()
    assert [record.state for record in view.records] == ["finished", "finished", "waiting"]
    told = capfd.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in told] == ["job 1 finished", "job 0 finished"]
    assert SweepView.close() is None


def test_long_silence_is_broken_by_counts(attempt, capfd, monkeypatch):
    monkeypatch.setattr(module, "_SECONDS_BETWEEN_LINES", 0.05)
    attempt.queue([["seed=0"]])
    SweepView.open(attempt)
    time.sleep(0.3)
    SweepView.close()
    lines = capfd.readouterr().err.splitlines()
    assert 1 <= len(lines) <= 6
    assert set(lines) == {"1 job: 1 waiting"}


def test_jobs_of_a_sweeper_that_decides_as_it_goes_come_to_be_seen(attempt, capfd):
    SweepView.open(attempt)
    for num in range(3):
        attempt.write(JobRecord(num, [f"seed={num}"], "finished", figures=FIGURES))
        time.sleep(0.05)
    assert len(SweepView.close().records) == 3
    assert capfd.readouterr().err.count(" finished") == 3


def test_a_record_that_can_not_be_read_for_a_while_keeps_its_last_state(attempt):
    attempt.queue([["seed=0"]])
    SweepView.open(attempt)
    (attempt.folder / "jobs" / "0.json").write_text("{")
    time.sleep(0.05)
    assert SweepView.close().records == [JobRecord(0, ["seed=0"])]
