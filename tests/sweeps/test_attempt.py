"""Records of jobs, and the runs that they name."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nolab.sweeps.attempt import Attempt, JobRecord, read_record, runs_of


@pytest.fixture
def attempt(tmp_path):
    return Attempt(tmp_path / "outputs" / ".sweeps" / "0123456789abcdef" / "one")


def test_a_queue_is_read_as_it_was_written(attempt):
    attempt.queue([[f"seed={i}"] for i in range(12)])
    assert attempt.records() == [JobRecord(i, [f"seed={i}"]) for i in range(12)]  # 10 after 9, not after 1
    attempt.write(
        JobRecord(3, ["seed=3"], "failed", "train/x", "bad", True, 0.5, None, 2.0, {"final/rel_l2": 1})
    )
    assert attempt.read(3).error == "bad"
    assert attempt.read(99) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff", b'{"num": 1}', b'{"num": 1, "overrides": []}', b"[" * 9999],
)
def test_a_damaged_record_is_none(attempt, content):
    attempt.queue([["seed=0"], ["seed=1"]])
    file = attempt.folder / "jobs" / "1.json"
    file.write_bytes(content)
    assert read_record(file) is None
    assert [record.num for record in attempt.records()] == [0]


@given(st.binary(max_size=40))
def test_whatever_a_record_holds_reading_it_raises_nothing(tmp_path_factory, content):
    file = tmp_path_factory.getbasetemp() / "record.json"
    file.write_bytes(content)
    assert read_record(file) is None


def test_all_attempts_at_a_sweep_have_one_id(attempt):
    others = [Attempt(attempt.sweep / f"attempt{i}") for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda a: a.sweep_id(), [attempt, *others]))
    assert len(ids) == 1
    assert ids.pop().endswith("-01234567")
    assert not list(attempt.sweep.rglob("*.tmp"))


def test_processes_that_begin_a_sweep_at_once_agree_on_its_id(attempt):
    code = (
        "import sys; from pathlib import Path; from nolab.sweeps.attempt import Attempt;"
        "print(Attempt(Path(sys.argv[1])).sweep_id())"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True)
        for folder in (attempt.folder, attempt.folder, attempt.sweep / "two")
    ]
    assert len({process.communicate(timeout=60)[0] for process in processes}) == 1
    assert all(process.returncode == 0 for process in processes)


def test_runs_of_a_sweep_of_an_attempt_and_of_all(attempt, monkeypatch):
    output_dir = attempt.output_dir
    second = Attempt(attempt.sweep / "two")
    other = Attempt(output_dir / ".sweeps" / "fedcba9876543210" / "one")
    for each, runs in ((attempt, ["a", None, "gone"]), (second, ["a", "b"]), (other, ["c"])):
        each.sweep_id()
        for num, run in enumerate(runs):
            each.write(JobRecord(num, [], run=run and f"train/{run}"))
    for name in "abc":
        (output_dir / "train" / name).mkdir(parents=True)

    def names(folder):
        return [run.name for run in runs_of(folder)]

    assert names(attempt.sweep) == ["a", "b"]
    assert names(attempt.folder) == ["a"]
    assert names(second.folder) == ["a", "b"]
    assert names(output_dir / ".sweeps") == ["a", "b", "c"]
    monkeypatch.chdir(output_dir.parent)
    relative = attempt.sweep.relative_to(output_dir.parent)
    assert [str(run) for run in runs_of(relative)] == ["outputs/train/a", "outputs/train/b"]
    assert names(relative.parent) == ["a", "b", "c"]


def test_a_moved_output_folder_keeps_its_sweeps(attempt, tmp_path):
    (attempt.output_dir / "train" / "a").mkdir(parents=True)
    attempt.sweep_id()
    attempt.write(JobRecord(0, [], run="train/a"))
    attempt.output_dir.rename(tmp_path / "moved")
    (run,) = runs_of(tmp_path / "moved" / ".sweeps" / attempt.sweep.name)
    assert run == tmp_path / "moved" / "train" / "a"


def test_a_record_is_never_seen_in_part(attempt):
    """One writer and one reader: every state that is read is one that was written."""
    attempt.queue([["seed=0"]])
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(
            lambda: [attempt.write(JobRecord(0, ["x" * n], share=float(n))) for n in range(60)]
        )
        while not writing.done():
            record = attempt.read(0)
            assert record is not None
            assert record.overrides == ["seed=0"] or len(record.overrides[0]) == record.share
    assert json.loads((attempt.folder / "jobs" / "0.json").read_text())["share"] == 59
