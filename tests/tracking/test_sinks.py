"""Sinks keep the figures, and a broken tracker never reaches the run."""

import itertools
import json
from types import SimpleNamespace

import pytest

from nolab.tracking import progress, sinks
from nolab.tracking.progress import ProgressView, Status, duration
from nolab.tracking.run_directory import NotWritten


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

    @pytest.mark.parametrize("line", [b"\0" * 40, b"\xff\xfe", b"3", b"[1]", b'{"step": "x"}', b"[" * 5000])
    def test_lines_that_are_no_records_are_dropped(self, tmp_path, line):
        """A power cut may leave anything."""
        (tmp_path / "metrics.jsonl").write_bytes(b'{"step": 1}\n' + line + b"\n")
        sinks.FileSink(tmp_path, from_step=2).finish(None)
        assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1}\n'

    def test_a_full_disk_is_told_and_the_end_comes_all_the_same(self, tmp_path, monkeypatch):
        sink = sinks.FileSink(tmp_path)
        sink._file.close()
        sink._file = open("/dev/full", "a", encoding="utf-8")  # noqa: SIM115
        with pytest.raises(NotWritten, match=r"metrics.jsonl can't be written \(No space left on device\)"):
            sink.log({"step": 1})
        sink.finish(None)


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


@pytest.mark.parametrize(
    ("seconds", "least", "most"), [(900, 80, 95), (86_400, 400, 700), (30 * 86_400, 600, 1000)]
)
def test_a_log_file_stays_readable_however_long_the_run(monkeypatch, seconds, least, most):
    """A status now and then of a clock that starts anywhere: some hundred lines, no gap above a hundredth."""
    every = max(2, seconds // 40_000)
    now, began = [0.0], 1e6
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: began + now[0]))
    view, printed = ProgressView(), []
    status = Status(3, 0.5, 0.25, {}, {}, {}, 61.0, 61.0)
    monkeypatch.setattr(progress, "_line", lambda status: printed.append(now[0]))
    for tick in range(0, seconds, every):
        now[0] = float(tick)
        view.show(status)
    assert printed[0] == 0
    assert least < len(printed) < most
    assert all(b - a <= max(10, 0.01 * b) + every for a, b in itertools.pairwise(printed))


def test_durations():
    assert [duration(s) for s in (0, 5.4, 65, 3600, None)] == ["0:00", "0:05", "1:05", "60:00", "?"]
