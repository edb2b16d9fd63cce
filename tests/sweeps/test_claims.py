"""The run directory of a job: found again, held by one, and never another's."""

import json
import subprocess
import sys

import filelock
import pytest
import yaml

from nolab.errors import InputError
from nolab.sweeps.claims import HeldElsewhere, claim
from nolab.sweeps.identity import job_identity


@pytest.fixture
def config(tmp_path):
    return {"output_dir": str(tmp_path / "outputs"), "name": "train", "seed": 0, "budget": {"steps": 4}}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "outputs" / "train"


def leave(config, *, content=None, checkpoint=False, summary=False):
    """A claim's run directory as a job leaves it after some of its files."""
    with claim(config) as claimed:
        content = yaml.safe_dump(config) if content is None else content
        (claimed.run_dir / "config.yaml").write_text(content)
        if checkpoint:
            (claimed.run_dir / "checkpoints").mkdir()
            (claimed.run_dir / "checkpoints" / "last.pt").touch()
        if summary:
            (claimed.run_dir / "summary.json").write_text("{}")
    return claimed.run_dir


def runs(folder):
    return sorted(path for path in folder.iterdir() if path.name != ".jobs")


def pointer(config, folder):
    return folder / ".jobs" / f"{job_identity(config)}.json"


@pytest.mark.parametrize(
    ("left", "finished", "resumable"),
    [
        ({}, False, False),
        ({"checkpoint": True}, False, True),
        ({"checkpoint": True, "summary": True}, True, True),
    ],
)
def test_what_a_job_left_is_its_own_again(config, folder, left, finished, resumable):
    run_dir = leave(config, **left)
    with claim({**config, "tracking": {"sink": "none"}, "data_dir": "moved"}) as again:
        assert (again.run_dir, again.finished, again.resumable) == (run_dir, finished, resumable)
    with claim({**config, "seed": 1}) as other:
        assert other.run_dir != run_dir
        assert not other.finished
    assert runs(folder) == [run_dir]


def test_an_empty_directory_is_taken_away_after_a_failure(config, folder):
    def fail():
        with claim(config) as claimed:
            assert claimed.run_dir.is_dir()
            raise InputError("bad")

    with pytest.raises(InputError):
        fail()
    assert runs(folder) == []
    assert not pointer(config, folder).exists()


def test_a_directory_with_a_file_stays_after_a_failure(config, folder):
    def fail():
        with claim(config) as claimed:
            (claimed.run_dir / "config.yaml").write_text(yaml.safe_dump(config))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert len(runs(folder)) == 1


def test_a_directory_of_a_process_killed_before_its_first_file_is_used(config, folder):
    run_dir = leave(config)
    (run_dir / "config.yaml").unlink()
    with claim(config) as again:
        assert again.run_dir == run_dir
    assert runs(folder) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe",
        b'{"run": null}',
        b'{"run": ""}',
        b'{"run": "."}',
        b'{"run": ".."}',
        b'{"run": "missing"}',
        b'{"run": "../../x"}',
        b'{"run": "OUTSIDE"}',
        b'{"run": ".jobs"}',
        b'{"run": "nul\\u0000"}',
        b'{"run": ["x"]}',
    ],
)
def test_a_pointer_that_is_no_runs_name_is_ignored(config, folder, tmp_path, content):
    outside = tmp_path / "x"
    outside.mkdir()
    (folder / ".jobs").mkdir(parents=True)
    pointer(config, folder).write_bytes(content.replace(b"OUTSIDE", str(outside).encode()))
    run_dir = leave(config)
    assert run_dir.parent == folder
    assert run_dir.name[:2] == "20"
    assert runs(folder) == [run_dir]
    assert outside.is_dir()
    assert not list(outside.iterdir())
    assert json.loads(pointer(config, folder).read_text()) == {"run": run_dir.name}


@pytest.mark.parametrize(
    "content",
    ["", "[", "[1]", "[" * 1200, "seed: 0", "!!python/object/apply:os.system ['true']", "a: 1\n\x00"],
)
def test_a_run_whose_config_is_damaged_is_left_alone(config, content):
    damaged = leave(config, content=content, checkpoint=True)
    with claim(config) as new:
        assert new.run_dir != damaged
        assert not new.resumable
    assert (damaged / "checkpoints" / "last.pt").exists()


def test_a_run_that_was_trained_on_is_another_jobs(config, folder):
    longer = {**config, "budget": {"steps": 8}}
    run_dir = leave(config, checkpoint=True, summary=True)
    (run_dir / "config.yaml").write_text(yaml.safe_dump(longer))
    fresh = leave(config)
    assert fresh != run_dir
    with claim(config) as again:
        assert again.run_dir == fresh
    with claim(longer) as other:  # never asked for in a sweep, so nothing points to it
        assert other.run_dir not in (run_dir, fresh)


HOLD = """
import sys, json
from nolab.sweeps.claims import claim
with claim(json.loads(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_process_holds_a_job(config, folder):
    command = [sys.executable, "-c", HOLD, json.dumps(config)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(HeldElsewhere), claim(config):
            pass
        with claim({**config, "seed": 1}):
            pass
        (held,) = runs(folder)
        holder.kill()  # -9: the system lets go of its lock
        holder.wait()
        with claim(config) as ours:
            assert ours.run_dir == held


def test_another_locks_timeout_inside_is_no_claim_of_another(config):
    with pytest.raises(filelock.Timeout), claim(config):
        raise filelock.Timeout("data")


def test_folders_that_cannot_be_made_are_bad_input(config, tmp_path):
    (tmp_path / "outputs").touch()
    with pytest.raises(InputError, match="output_dir: can't make"), claim(config):
        pass
