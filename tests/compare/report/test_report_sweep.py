"""The report of a real sweep that was killed and run again."""

import subprocess
import sys
import time
from pathlib import Path

from report_support import shown_rows, shown_runs


def test_a_killed_sweep_is_reported_whole(nolab, tiny, tmp_path, open_report):
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
    done = nolab(*arguments)
    assert done.returncode == 0, done.stderr
    reported = nolab("report", done.stdout.splitlines()[-1])
    assert reported.returncode == 0, reported.stderr
    page = open_report(tmp_path / Path(reported.stdout.splitlines()[-1]))
    assert page.inner_text("#facts").startswith("4 finished runs")
    assert sorted(shown_runs(page, "scatter", "points")) == sorted(shown_rows(page)) == [0, 1, 2, 3]
    text = page.inner_text("body")
    assert all(name in text for name in finished)
    page.click("tbody tr >> nth=0")
    assert "nolab train" in page.inner_text("dialog[open]")
