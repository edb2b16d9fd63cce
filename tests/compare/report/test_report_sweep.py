"""The report of a real sweep that was killed and run again."""

import subprocess
import sys
import time

from report_support import shown_rows, shown_runs

from nolab.cli import main


def test_a_killed_sweep_is_reported_whole(tiny, tmp_path, open_report, capsys, monkeypatch):
    """The sweep that is killed is a process of its own; it goes on and is reported in this one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "")  # what the commands set ends with the test
    monkeypatch.setattr(sys, "argv", [])

    def here(*command):
        assert main(list(command)) == 0
        return capsys.readouterr().out.splitlines()[-1]

    arguments = ["train", "-m", *tiny("sampling=fine,mlmc", "seed=0,1")]
    with subprocess.Popen(
        [sys.executable, "-m", "nolab", *arguments],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("outputs/train/*/summary.json")) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
    finished = {path.parent.name for path in tmp_path.glob("outputs/train/*/summary.json")}
    assert 1 <= len(finished) < 4
    sweep = here(*arguments)
    page = open_report(tmp_path / here("report", sweep))
    assert page.inner_text("#facts").startswith("4 finished runs")
    assert sorted(shown_runs(page, "scatter", "points")) == sorted(shown_rows(page)) == [0, 1, 2, 3]
    text = page.inner_text("body")
    assert all(name in text for name in finished)
    page.click("tbody tr >> nth=0")
    assert "nolab train" in page.inner_text("dialog[open]")
