"""What W&B gets, read back from its own offline files; no account and no network."""

import functools
import json
import logging
import math
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import wandb
import yaml

import nolab
from nolab.tracking import wandb_run, wandb_sink
from nolab.tracking.sinks import FileSink, Sink
from nolab.tracking.wandb_sink import WandbSink
from nolab.training.trainer import Trainer

NO_ACCOUNT = {"WANDB_API_KEY": "", "NETRC": "/nonexistent", "HOME": "/nonexistent"}


def offline_folders(run_dir: Path) -> list[Path]:
    """W&B's folders of a run, oldest first."""
    return sorted((run_dir / "wandb").glob("offline-run-*"), key=lambda path: path.stat().st_ctime_ns)


@functools.cache  # a folder is read when its run has ended
def inspect(folder: Path, *options: str) -> str:
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", *options, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def records(folder: Path, kind: str) -> list[dict]:
    """All records of one kind in a folder's log, as W&B's own reader gives them."""
    lines = [json.loads(line) for line in inspect(folder).splitlines()]
    return [line[kind] for line in lines if line["type"] == kind]


def history(folder: Path) -> list[dict]:
    """The rows: W&B's step and our figures."""
    rows = [record["item"] for record in records(folder, "history")]
    hidden = ("_runtime", "_timestamp")
    return [{k: v for k, v in row.items() if k not in hidden and "plots/" not in k} for row in rows]


def rows_of(metrics: Path) -> list[dict]:
    """What the rows should be: the records of a step in one, without nulls."""
    rows: dict[int, dict] = {}
    for line in metrics.read_text().splitlines():
        record = {k: v for k, v in json.loads(line).items() if v is not None}
        rows.setdefault(record["step"], {"_step": record["step"]}).update(record)
    return list(rows.values())


def summary(folder: Path) -> dict:
    return json.loads(inspect(folder, "--summary"))


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What nolab logged; wandb logs much of its own."""
    return [record.message for record in caplog.records if record.name.startswith("nolab")]


@pytest.mark.parametrize("goes_on", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_real_run_and_its_continuation_say_what_the_files_say(nolab, tiny, goes_on):
    done = nolab("train", *tiny("tracking=wandb", "tracking.group=sweep-7"), **NO_ACCOUNT)
    assert done.returncode == 0, done.stderr
    run_dir = Path(done.stdout.splitlines()[-1])
    (folder,) = offline_folders(run_dir)
    hints = [line for line in done.stderr.splitlines() if "wandb sync" in line]
    assert len(hints) == 1
    assert hints[0].endswith(f"wandb sync {folder}")
    assert "W&B is off" not in done.stderr

    (run,) = records(folder, "run")
    assert (run["run_id"], run["display_name"]) == (run_dir.name, run_dir.name)
    assert (run["project"], run["run_group"], run["job_type"]) == ("nolab", "sweep-7", "train")
    config = {key: value for key, value in run["config"]["update"].items() if not key.startswith("_")}
    assert {**config, "resume": None, "trust": False} == yaml.safe_load((run_dir / "config.yaml").read_text())
    axes = {metric["glob_name"]: metric["step_metric"] for metric in records(folder, "metric")}
    assert axes == dict.fromkeys(("train/*", "eval/*", "points/*"), "cost/train_s")

    assert history(folder) == rows_of(run_dir / "metrics.jsonl")
    assert [row["_step"] for row in history(folder)] == [1, 2, 3, 4]
    check_summary(folder, run_dir)
    picture = summary(folder)["summary"]["plots/prediction"]
    assert picture["_type"] == "image-file"
    stored = folder / "files" / picture["path"]
    assert stored.read_bytes() == (run_dir / "plots" / "prediction.png").read_bytes()

    if not goes_on:
        return
    more = nolab("train", f"resume={run_dir}", "budget.steps=6", **NO_ACCOUNT)
    assert more.returncode == 0, more.stderr
    _, newest = offline_folders(run_dir)
    assert f"wandb sync {newest}\n" in more.stderr
    assert history(newest) == rows_of(run_dir / "metrics.jsonl")
    assert [row["_step"] for row in history(newest)] == [1, 2, 3, 4, 5, 6]
    check_summary(newest, run_dir)


def check_summary(folder: Path, run_dir: Path) -> None:
    written, expected = summary(folder), json.loads((run_dir / "summary.json").read_text())
    assert (written["state"], written["exit_code"]) == ("finished", 0)
    for name, value in expected.items():
        assert written["summary"].get(name) == value, name
    assert [k for k, v in written["summary"].items() if isinstance(v, dict)] == ["plots/prediction"]


class TestOffline:
    @pytest.fixture(autouse=True)
    def without_account(self, monkeypatch, tmp_path):
        monkeypatch.setattr(wandb_run, "logged_in", lambda: False)
        monkeypatch.delenv("WANDB_MODE", raising=False)
        monkeypatch.setenv("WANDB_SERVICE", "")
        monkeypatch.delenv("WANDB_SERVICE")  # what wandb sets here goes with the test
        yield
        with suppress(ConnectionError, SystemExit):  # of a process that a test has killed
            wandb.teardown()

    def start(self, run_dir: Path, from_step: int = 0) -> list[Sink]:
        run_dir.mkdir(exist_ok=True)
        options = {"project": "p", "entity": None, "group": None}
        return [FileSink(run_dir, from_step), WandbSink(run_dir, {"delta": 2}, **options)]

    def log(self, pair: list[Sink], steps: range, loss: float) -> None:
        for step in steps:
            for sink in pair:
                sink.log({"step": step, "cost/train_s": step / 8, "train/loss": loss / step})

    def test_steps_that_a_resumed_run_repeats_are_there_once(self, tmp_path, caplog):
        caplog.set_level(logging.INFO, "nolab")
        run_dir = tmp_path / "run"
        first = self.start(run_dir)
        self.log(first, range(1, 5), 1.0)
        for sink in first:
            sink.finish(None)
        second = self.start(run_dir, from_step=2)
        self.log(second, range(3, 7), 2.0)
        for sink in second:
            sink.finish({"train/loss": 7.0, "cost/energy_j": None, "final/rel_l2": math.nan})

        second[1].finish({})  # nothing is left to say
        failed, newest = offline_folders(run_dir)
        assert said(caplog) == [f"W&B offline: wandb sync {folder}" for folder in (failed, newest)]
        assert [row["_step"] for row in history(failed)] == [1, 2, 3, 4]
        assert summary(failed)["state"] == "failed"
        assert history(newest) == rows_of(run_dir / "metrics.jsonl")
        assert [row["train/loss"] * row["step"] for row in history(newest)] == [1, 1, 2, 2, 2, 2]
        assert {row["run_id"] for folder in (failed, newest) for row in records(folder, "run")} == {"run"}
        figures = summary(newest)["summary"]
        assert figures["train/loss"] == 7.0  # and not that of the last row
        assert figures.get("final/rel_l2") is None

    def test_a_run_that_the_user_has_open_stays_theirs(self, tmp_path):
        theirs = wandb.init(dir=str(tmp_path), mode="offline", settings=wandb.Settings(silent=True))
        pair = self.start(tmp_path / "run")
        self.log(pair, range(1, 3), 1.0)
        for sink in pair:
            sink.finish({})
        assert wandb.run is theirs
        theirs.finish()
        assert history(Path(theirs.dir).parent) == []
        assert len(history(*offline_folders(tmp_path / "run"))) == 2

    def test_disabled_by_the_user_means_silence(self, tmp_path, monkeypatch, caplog):
        monkeypatch.setenv("WANDB_MODE", "disabled")
        with caplog.at_level(logging.INFO, "nolab"):
            pair = self.start(tmp_path / "run")
            self.log(pair, range(1, 3), 1.0)
            for sink in pair:
                sink.finish({})
        assert said(caplog) == []
        assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["metrics.jsonl", "summary.json"]

    def test_the_service_killed_mid_run_costs_w_and_b_alone(self, tiny, monkeypatch, caplog):
        """The real library's own process dies after the second step."""
        monkeypatch.setattr(wandb_sink, "_bound_the_exit", lambda: None)
        kill_at(monkeypatch, 2)
        run = nolab.train(nolab.compose(tiny("tracking=wandb", "budget.steps=6", "evaluation.times=3")))
        (warning,) = [line for line in said(caplog) if "W&B" in line]
        assert warning.startswith("W&B is off for the rest of this run (")
        steps = [json.loads(line)["step"] for line in (run.path / "metrics.jsonl").read_text().splitlines()]
        assert steps == [1, 2, 2, 3, 4, 4, 5, 6, 6]
        assert run.summary["cost/steps"] == 6
        assert len(offline_folders(run.path)) == 1


def kill_at(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Kill W&B's process after step `at`."""
    original = Trainer._step

    def step(self, share):
        original(self, share)
        if self.progress.step == at:
            process = wandb.setup()._connection._proc._process
            process.kill()
            process.wait()

    monkeypatch.setattr(Trainer, "_step", step)


class FakeRun:
    """A run of which W&B's server has the steps before `starting_step`."""

    offline = False

    def __init__(self, starting_step: int, failing: str = "") -> None:
        self.starting_step, self.failing = starting_step, failing
        self.rows: list[tuple[int | None, dict]] = []
        self.summary: dict = {}

    def log(self, figures: dict, step: int | None = None, commit: bool | None = None) -> None:
        if self.failing == "log":
            raise OSError("connection lost\nwhile retrying")
        self.rows.append((step, figures))

    def finish(self, exit_code: int) -> None:
        if self.failing == "finish":
            raise TimeoutError


class TestAgainstAServer:
    def make(self, monkeypatch, run_dir: Path, run: FakeRun) -> WandbSink:
        monkeypatch.setattr(wandb_run, "_start", lambda *_, **__: run)
        return WandbSink(run_dir, {}, project="p", entity=None, group=None)

    @pytest.mark.parametrize(
        ("has", "sent"),
        [(0, [1, 2, 3, 4]), (2, [2, 3, 4]), (3, [3, 4]), (4, [4]), (9, [])],
        ids=["nothing", "less than the checkpoint", "all to the checkpoint", "more", "all"],
    )
    def test_what_the_server_lacks_is_sent_and_nothing_twice(self, monkeypatch, tmp_path, has, sent):
        (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2}\n')
        run = FakeRun(has)
        sink = self.make(monkeypatch, tmp_path, run)
        for step in (3, 4):
            sink.log({"step": step})
        sink.finish(None)
        assert run.rows == [(step, {"step": step}) for step in sent]

    @pytest.mark.parametrize(
        ("failing", "reason"),
        [
            ("start", "no network"),
            ("log", "connection lost while retrying"),
            ("picture", "[Errno 2] No such file or directory: 'missing.png'"),
            ("finish", "TimeoutError"),
        ],
    )
    def test_failures_warn_once_in_one_line(self, monkeypatch, tmp_path, caplog, failing, reason):
        with caplog.at_level(logging.WARNING, "nolab"):
            if failing == "start":

                def fail(*_, **__):
                    raise RuntimeError("no network")

                monkeypatch.setattr(wandb_run, "_start", fail)
                sink = WandbSink(tmp_path, {}, project="p", entity=None, group=None)
            else:
                sink = self.make(monkeypatch, tmp_path, FakeRun(0, failing))
            for step in (1, 2):
                sink.log({"step": step})
            if failing == "picture":
                sink.image("a", Path("missing.png"))
            sink.finish({})
            sink.finish({})
        assert said(caplog) == [f"W&B is off for the rest of this run ({reason}); the files are complete"]
