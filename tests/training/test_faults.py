"""Runs that were killed early, that two processes want, and whose disk is full."""

import json
import logging
import os
import pickle
import resource
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from tests_support import tiny_overrides
from training_support import interrupt, same_bits

import nolab
from nolab.errors import InputError, RunFailure
from nolab.tracking.run_directory import NotWritten, held
from nolab.tracking.sinks import FileSink
from nolab.training.checkpoint import save_checkpoint
from nolab.training.guard import NonFiniteLoss

RUN = ("budget.steps=6", "evaluation.times=3", "optimizer.ema=0.9", "evaluation.checkpoint_seconds=1e-9")


def state_of(run_dir):
    """The last checkpoint, but for clocks."""
    state = torch.load(run_dir / "checkpoints" / "last.pt", weights_only=True)
    return {key: value for key, value in state.items() if key not in ("clock", "energy")}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a run that was interrupted after step 3, its config, and the undisturbed run's directory."""
    folder = tmp_path_factory.mktemp("made")
    config = nolab.compose(tiny_overrides(folder / "data", folder / "outputs", *RUN))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nolab.training.execution.draw_pictures", lambda *_: None)
        whole = nolab.train(config)
        return interrupt(patch, config, 3, folder / "outputs"), config, whole.path


@pytest.fixture
def cut(made, tmp_path):
    """A copy of the interrupted run, and the undisturbed one's state."""
    run_dir, _, whole = made
    return Path(shutil.copytree(run_dir, tmp_path / "run")), state_of(whole)


@pytest.fixture
def config(made, tmp_path):
    """Of a new run, that ends as the undisturbed one."""
    return OmegaConf.merge(made[1], {"output_dir": str(tmp_path / "outputs")})


def records(run_dir):
    return [json.loads(line)["step"] for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


def test_without_a_checkpoint_it_starts_at_step_0(cut, caplog):
    run_dir, expected = cut
    shutil.rmtree(run_dir / "checkpoints")
    with caplog.at_level(logging.WARNING, "nolab"):
        nolab.resume(run_dir)
    assert f"{run_dir} has no checkpoint yet: starting at step 0" in caplog.messages
    assert same_bits(state_of(run_dir), expected)
    assert records(run_dir) == [1, 2, 2, 3, 4, 4, 5, 6, 6]


@pytest.mark.slow
def test_a_finished_run_without_checkpoints_is_left_alone(cut):
    run_dir, _ = cut
    nolab.resume(run_dir)
    shutil.rmtree(run_dir / "checkpoints")
    before = (run_dir / "summary.json").read_bytes(), (run_dir / "metrics.jsonl").read_bytes()
    with pytest.raises(InputError, match="is finished, and its checkpoints are gone; train anew"):
        nolab.resume(run_dir, ["budget.steps=9"])
    assert ((run_dir / "summary.json").read_bytes(), (run_dir / "metrics.jsonl").read_bytes()) == before


def test_without_a_config_it_is_no_run(cut):
    run_dir, _ = cut
    (run_dir / "config.yaml").unlink()
    with pytest.raises(InputError, match=r"not a run directory of nolab \(it has no config.yaml\)"):
        nolab.resume(run_dir)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(cut, caplog):
    run_dir, expected = cut
    os.truncate(run_dir / "checkpoints" / "last.pt", 3000)
    (run_dir / "checkpoints" / ".failed.pt.tmp").write_bytes(b"left by a kill")
    with pytest.raises(InputError, match=r"last.pt: damaged.*--checkpoint previous"):
        nolab.load_run(run_dir).state  # noqa: B018
    assert nolab.load_run(run_dir, checkpoint="previous").state["step"] == 3
    with caplog.at_level(logging.WARNING, "nolab"):
        nolab.resume(run_dir)
    assert any("last.pt: damaged" in m and m.endswith("previous.pt, step 3") for m in caplog.messages)
    assert same_bits(state_of(run_dir), expected)
    assert records(run_dir) == [1, 2, 2, 3, 4, 4, 5, 6, 6]
    names = {path.name for path in (run_dir / "checkpoints").iterdir()}
    assert names == {"best.pt", "last.pt", "previous.pt", "damaged.pt"}


def test_a_state_that_does_not_fit_changes_no_file(cut):
    run_dir, _ = cut
    path = run_dir / "checkpoints" / "last.pt"
    state = torch.load(path, weights_only=True)
    save_checkpoint(path, {**state, "step": 0, "optimizer": {}})
    before = {file: file.read_bytes() for file in run_dir.rglob("*") if file.is_file()}
    with pytest.raises(InputError, match="checkpoint's optimizer does not fit"):
        nolab.resume(run_dir)
    assert {file: file.read_bytes() for file in run_dir.rglob("*") if file.is_file()} == before


HOLD = """
import sys
from pathlib import Path
from nolab.tracking.run_directory import held
from nolab.tracking.sinks import FileSink
with held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_process_trains_a_run(cut):
    run_dir, expected = cut
    command = [sys.executable, "-c", HOLD, str(run_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="another process trains this run"):
            nolab.resume(run_dir)
        holder.kill()  # -9: the system lets go of its lock
        holder.wait()
    with held(run_dir), pytest.raises(InputError, match="another process trains this run"):
        nolab.resume(run_dir)  # from a thread of the same process, as it were
    nolab.resume(run_dir)
    assert same_bits(state_of(run_dir), expected)


@pytest.mark.slow
def test_a_run_holds_its_directory_while_it_trains(config, monkeypatch):
    seen = []

    def look(run_dir, *_):
        with pytest.raises(InputError, match="another process trains"), held(run_dir):
            pass
        seen.append(run_dir)

    monkeypatch.setattr("nolab.training.execution.draw_pictures", look)
    run = nolab.train(config)
    nolab.resume(run.path, ["budget.steps=7"])
    assert seen == [run.path] * 2
    with held(run.path):
        pass


def full_from(monkeypatch, name, times):
    """The disk is full from the given write of a file of that name on."""
    sync, seen = os.fsync, []

    def fsync(descriptor):
        if name in os.readlink(f"/proc/self/fd/{descriptor}"):
            seen.append(name)
            if len(seen) >= times:
                raise OSError(28, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.parametrize(
    ("name", "times", "said"),
    [
        (
            ".last.pt.tmp",
            1,
            r"last.pt can't be written \(No space left on device\); there is no checkpoint yet",
        ),
        (".last.pt.tmp", 4, r"last.pt can't be written .*; the checkpoint of step 3 is whole \(last.pt\)"),
        pytest.param(
            ".summary.json.tmp",
            1,
            r"summary.json can't be written .*; the checkpoint of step 6 is whole",
            marks=pytest.mark.slow,
        ),
        (
            ".environment.json.tmp",
            1,
            r"environment.json can't be written .*; nothing has been trained. .*anew",
        ),
        (".config.yaml.tmp", 1, r"config.yaml can't be written .*; nothing has been trained"),
    ],
)
def test_a_full_disk_ends_the_run_and_not_what_it_was_worth(made, config, monkeypatch, name, times, said):
    with monkeypatch.context() as patch:
        full_from(patch, name, times)
        with pytest.raises(RunFailure, match=said) as caught:
            nolab.train(config)
    (run_dir,) = Path(config.output_dir, "train").iterdir()
    assert not list(run_dir.rglob("*.tmp"))
    if "nothing has been trained" in said:
        return
    assert str(caught.value).endswith(f"Free some space, then: nolab train resume={run_dir}")
    nolab.resume(run_dir)
    assert same_bits(state_of(run_dir), state_of(made[2]))
    assert records(run_dir) == records(made[2])


def test_a_loss_that_is_not_finite_is_told_though_its_state_is_lost(config, monkeypatch):
    full_from(monkeypatch, ".failed.pt.tmp", 1)
    wrong = OmegaConf.merge(config, {"optimizer": {"lr": 1e30}})
    with pytest.raises(NonFiniteLoss, match=r"at step .* Its state is lost: .*failed.pt can't be written"):
        nolab.train(wrong)


def test_a_failed_write_is_the_same_in_another_process():
    error = NotWritten(Path("last.pt"), OSError(28, "No space left on device"))
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is NotWritten
    assert str(again) == str(error) == "last.pt can't be written (No space left on device)"


@contextmanager
def largest_file(size):
    """The system refuses bytes of a file beyond `size`."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.slow
def test_pytorchs_writer_meets_a_full_disk(made, config):
    size = (made[2] / "checkpoints" / "last.pt").stat().st_size
    with largest_file(size // 2), pytest.raises(RunFailure) as caught:
        nolab.train(config)
    (run_dir,) = Path(config.output_dir, "train").iterdir()
    assert str(caught.value) == (
        f"{run_dir}/checkpoints/last.pt can't be written (File too large); there is no checkpoint yet. "
        f"Free some space, then: nolab train resume={run_dir}"
    )
    assert not list((run_dir / "checkpoints").iterdir())
    nolab.resume(run_dir)
    assert same_bits(state_of(run_dir), state_of(made[2]))


@pytest.mark.parametrize("missing", [1, 60, 600, 1500, 200_000])
def test_pytorchs_writer_meets_a_full_disk_anywhere(tmp_path, missing):
    """Between large values PyTorch hides what the file said, at the archive's end it is Python that writes."""
    path, values = tmp_path / "last.pt", torch.zeros(100_000)
    save_checkpoint(path, {"step": 1, "values": values})
    before = path.read_bytes()
    with (
        largest_file(len(before) - missing),
        pytest.raises(RunFailure, match=r"last.pt can't be written \(File too"),
    ):
        save_checkpoint(path, {"step": 2, "values": values})
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"last.pt": before}


def test_records_meet_a_full_disk(made, cut):
    """The line that was cut short is dropped when the run goes on."""
    run_dir, expected = cut
    with (run_dir / "metrics.jsonl").open(
        "a"
    ) as file:  # larger than a checkpoint, and dropped if that is all
        file.write(" " * 2**20 + "\n")
    sink = FileSink(run_dir, 3)
    with largest_file((run_dir / "metrics.jsonl").stat().st_size + 10):
        with pytest.raises(RunFailure, match=r"metrics.jsonl can't be written \(File too large\)"):
            sink.log({"step": 4, "train/loss": 1.0})
        sink.finish(None)
    assert not (run_dir / "metrics.jsonl").read_text().endswith("\n")
    nolab.resume(run_dir)
    assert same_bits(state_of(run_dir), expected)
    assert records(run_dir) == records(made[2])
