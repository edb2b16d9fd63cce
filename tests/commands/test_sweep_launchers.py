"""Sweeps whose jobs run in other processes, under Hydra's launchers."""

import pytest
from sweeps_support import LENGTH, end, records, start, steps, summaries
from tests_support import tiny_overrides


@pytest.mark.parametrize(
    ("launcher", "batch_sizes"),
    [
        pytest.param(("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"), (2, 900, 4), id="joblib"),
        pytest.param(
            ("hydra/launcher=submitit_local", "hydra.launcher.timeout_min=5"),
            (900, 2),
            id="submitit",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_jobs_in_other_processes(tmp_path, launcher, batch_sizes):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    data_dir, output_dir = tmp_path / "data", tmp_path / "outputs"
    batches = ",".join(map(str, batch_sizes))
    overrides = tiny_overrides(data_dir, output_dir, *LENGTH, f"sampling.batch_size={batches}")
    code, stdout, stderr = end(start(tmp_path, ["train", "-m", *overrides, *launcher]))

    assert code == 2, stderr
    assert "Traceback" not in stderr
    (attempt,) = records(output_dir)
    assert [job["state"] for job in attempt] == ["failed" if b == 900 else "finished" for b in batch_sizes]
    for job, batch_size in zip(attempt, batch_sizes, strict=True):
        assert f"sampling.batch_size={batch_size}" in job["overrides"]
    assert len(summaries(output_dir)) == len(batch_sizes) - 1
    runs = list((output_dir / "train").glob("2*"))  # nothing is left of the failed one
    assert len(runs) == len(batch_sizes) - 1
    assert all(len(steps(file.parent)) == len(set(steps(file.parent))) for file in summaries(output_dir))
    (failed,) = (job for job in attempt if job["state"] == "failed")
    last = stderr.splitlines()[-1]
    assert last.startswith(f"failed: sampling.batch_size=900: {failed['error']}")
    assert "900" in failed["error"]
    assert failed["bad_input"]
    (folder,) = output_dir.glob(".sweeps/*")
    assert stdout.splitlines()[-1] == str(folder)

    # The first job that came made the data, and the others waited for it.
    logs = [file.read_text() for file in folder.glob("*/jobs/*.log")]
    assert len(logs) == len(batch_sizes)
    assert len(list(data_dir.rglob("*.h5"))) == 1
    assert sum(log.count("0/20 samples, starting") for log in logs) == 1, logs
