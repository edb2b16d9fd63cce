"""Runs are read from their files, whatever state those are in."""

import math
import re
import subprocess
import sys
import time

import pytest
from compare_support import make_run

from nolab.compare.records import read_runs
from nolab.errors import InputError
from nolab.sweeps.attempt import Attempt, JobRecord


def test_runs_are_found_at_any_depth_and_once(tmp_path):
    for name in ("a/one", "a/two", "b/deep/three"):
        make_run(tmp_path / name)
    make_run(tmp_path / "a" / ".hidden")
    (tmp_path / "a" / "no_run").mkdir()
    reading = read_runs([tmp_path, tmp_path / "a" / "one", tmp_path / "a"])
    assert [run.name for run in reading.runs] == ["one", "two", "three"]
    assert reading.skipped == []


def test_a_record_holds_config_figures_and_curve(tmp_path):
    make_run(tmp_path / "run", ["sampling=fine", "optimizer.lr=1e-3"], error=0.04, seconds=8.0, times=2)
    (run,) = read_runs([tmp_path / "run"]).runs
    assert run.config["sampling.estimator"] == "fine"
    assert run.config["optimizer.betas"] == [0.9, 0.999]
    assert run.overrides == ("sampling=fine", "optimizer.lr=1e-3")
    assert run.figure("final/rel_l2") == 0.04
    assert math.isnan(run.figure("cost/energy_j"))
    assert math.isnan(run.figure("no/such"))
    assert run.curve("cost/train_s", "eval/rel_l2") == [
        (4.0, pytest.approx(0.12)),
        (8.0, pytest.approx(0.04)),
    ]


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("summary.json", None, "unfinished"),
        ("summary.json", b"{", r"summary.json: damaged"),
        ("summary.json", b"[1]", r"summary.json: damaged: expected a mapping"),
        ("summary.json", b"[" * 100_000, r"summary.json: damaged"),
        ("summary.json", b"\xff\xfe", r"summary.json: damaged"),
        ("config.yaml", b"a: [", r"config.yaml: damaged"),
        ("config.yaml", b"!!python/object/apply:os.system ['true']", r"config.yaml: damaged"),
        ("environment.json", b"null", r"environment.json: damaged: expected"),
    ],
)
def test_what_can_not_be_read_is_skipped_by_name(tmp_path, file, content, reason):
    make_run(tmp_path / "good")
    bad = make_run(tmp_path / "bad")
    (bad / file).unlink()
    if content is not None:
        (bad / file).write_bytes(content)
    reading = read_runs([tmp_path])
    assert [run.name for run in reading.runs] == ["good"]
    (skipped,) = reading.skipped
    assert skipped.path == bad
    assert re.match(reason, skipped.reason)


def test_a_curve_leaves_out_what_a_kill_cut_off(tmp_path):
    run = make_run(tmp_path / "run", times=2)
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 7, "eval/rel_')
    (record,) = read_runs([run]).runs
    assert len(record.curve("step", "eval/rel_l2")) == 2


def test_a_figure_that_is_no_number_is_nan(tmp_path):
    run = make_run(tmp_path / "run", **{"cost/flops": "many", "cost/steps": True})
    (record,) = read_runs([run]).runs
    assert math.isnan(record.figure("cost/flops"))
    assert math.isnan(record.figure("cost/steps"))


def test_a_sweeps_folder_stands_for_the_runs_of_its_jobs(tmp_path, monkeypatch):
    output_dir = tmp_path / "outputs"
    names = ("other", "first", "second", "unfinished")
    runs = {name: make_run(output_dir / "train" / name, finished=name != "unfinished") for name in names}
    sweep = output_dir / ".sweeps" / "0123456789abcdef"
    for attempt, jobs in (("one", ["first", None]), ("two", ["first", "second", "unfinished", "gone"])):
        folder = Attempt(sweep / attempt)
        folder.sweep_id()
        for num, run in enumerate(jobs):
            folder.write(JobRecord(num, [], run=run and f"train/{run}"))
    reading = read_runs([sweep])
    assert [run.name for run in reading.runs] == ["first", "second"]
    assert [skipped.path for skipped in reading.skipped] == [runs["unfinished"]]
    assert [run.name for run in read_runs([sweep / "one"]).runs] == ["first"]
    assert [run.name for run in read_runs([output_dir / ".sweeps"]).runs] == ["first", "second"]
    assert [run.name for run in read_runs([runs["other"], sweep, output_dir]).runs] == [
        "other",
        "first",
        "second",
    ]
    monkeypatch.chdir(output_dir)
    assert [run.name for run in read_runs([".sweeps/0123456789abcdef"]).runs] == ["first", "second"]


def test_no_runs_is_bad_input(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        read_runs([tmp_path / "missing"])
    with pytest.raises(InputError, match="no runs in"):
        read_runs([tmp_path])


def test_thousands_are_read_in_seconds_and_without_pytorch(tmp_path):
    for i in range(1000):
        make_run(tmp_path / f"run{i:04}", times=1)
    code = (
        "import sys, time; from nolab.compare.records import read_runs; start = time.perf_counter();"
        f"assert len(read_runs([{str(tmp_path)!r}]).runs) == 1000;"
        "assert 'torch' not in sys.modules; print(time.perf_counter() - start)"
    )
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 10
    assert time.perf_counter() - start < 15
