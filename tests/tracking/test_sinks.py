"""Sinks keep the figures, and a broken tracker never reaches the run."""

import json
import logging

from nolab.tracking import sinks
from nolab.tracking.progress import ProgressView, Status, duration


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


class TestFileSink:
    def test_records_are_readable_at_once_and_the_summary_comes_last(self, tmp_path):
        sink = sinks.FileSink(tmp_path)
        sink.log({"step": 1, "train/loss": float("nan")})
        assert read_lines(tmp_path / "metrics.jsonl") == [{"step": 1, "train/loss": None}]
        assert not (tmp_path / "summary.json").exists()
        sink.finish({"final/rel_l2": 0.5})
        assert json.loads((tmp_path / "summary.json").read_text()) == {"final/rel_l2": 0.5}

    def test_an_unfinished_run_has_no_summary(self, tmp_path):
        sinks.FileSink(tmp_path).finish(None)
        assert not (tmp_path / "summary.json").exists()

    def test_going_on_drops_what_came_after_the_checkpoint(self, tmp_path):
        (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"ste')
        sinks.FileSink(tmp_path, from_step=2).finish(None)
        assert read_lines(tmp_path / "metrics.jsonl") == [{"step": 1}, {"step": 2}]


class TestWandbSink:
    def make(self, tmp_path):
        return sinks.WandbSink(tmp_path, {}, project="p", entity=None, group=None)

    def test_failing_to_start_leaves_a_quiet_sink(self, tmp_path, monkeypatch, caplog):
        def fail(*_):
            raise RuntimeError("no network")

        monkeypatch.setattr(sinks, "_start", fail)
        with caplog.at_level(logging.WARNING, "nolab"):
            sink = self.make(tmp_path)
            sink.log({"step": 1})
            sink.image("a", tmp_path / "missing.png")
            sink.finish({"x": 1})
        assert [r.message for r in caplog.records] == [
            "W&B is off for the rest of this run (no network); the files are complete"
        ]

    def test_failing_in_the_middle_gives_up_once(self, tmp_path, monkeypatch, caplog):
        class Broken:
            def log(self, record):
                raise OSError("connection lost")

        monkeypatch.setattr(sinks, "_start", lambda *_: Broken())
        with caplog.at_level(logging.WARNING, "nolab"):
            sink = self.make(tmp_path)
            sink.log({"step": 1})
            sink.log({"step": 2})
            sink.finish({})
        assert len(caplog.records) == 1

    def test_logged_in_means_a_key_or_a_netrc_entry(self, tmp_path, monkeypatch):
        monkeypatch.delenv("WANDB_API_KEY", raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))
        assert not sinks._logged_in()
        (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password secret\n")
        (tmp_path / ".netrc").chmod(0o600)
        assert sinks._logged_in()
        (tmp_path / ".netrc").unlink()
        monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
        assert sinks._logged_in()


def test_without_a_terminal_progress_is_a_line_now_and_then(capsys):
    status = Status(3, 0.5, 0.25, {"9x9": 0.25}, {"9x9": 0.125}, {"9x9": 40}, 61.0, 61.0)
    with ProgressView() as view:
        for _ in range(5):
            view.show(status)
        view.show(status, force=True)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "step 3 (50 %)" in lines[0]
    assert "train loss 9x9=0.2500  test rel. L2 9x9=0.1250" in lines[0]
    assert "1:01 left" in lines[0]


def test_durations():
    assert [duration(s) for s in (0, 5.4, 65, 3600, None)] == ["0:00", "0:05", "1:05", "60:00", "?"]
