"""`previous.pt`: whenever a process is killed while it writes a checkpoint, a whole one is there."""

import logging
import os
import signal

import pytest

from nolab.errors import InputError, RunFailure
from nolab.training.checkpoint import (
    RUN_STATE,
    load_checkpoint,
    newest_checkpoint,
    save_checkpoint,
    set_aside_damaged,
)


def state(step):
    return dict.fromkeys(RUN_STATE, 0) | {"step": step}


def save(folder, *steps):
    for step in steps:
        save_checkpoint(folder / "last.pt", state(step))


def steps(folder):
    return {path.name: load_checkpoint(path)["step"] for path in sorted(folder.iterdir())}


def test_the_checkpoint_before_is_kept(tmp_path):
    save(tmp_path, 1)
    assert steps(tmp_path) == {"last.pt": 1}
    save(tmp_path, 2, 3)
    save_checkpoint(tmp_path / "best.pt", state(2))
    save_checkpoint(tmp_path / "best.pt", state(3))
    assert steps(tmp_path) == {"best.pt": 3, "last.pt": 3, "previous.pt": 2}
    assert newest_checkpoint(tmp_path).state["step"] == 3


def test_where_a_file_has_one_name_only(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    save(tmp_path, 1, 2, 3)
    assert steps(tmp_path) == {"last.pt": 3, "previous.pt": 2}


def test_two_names_of_one_file_leave_nothing_behind(tmp_path):
    """As a kill between the two renames leaves it."""
    save(tmp_path, 1)
    os.link(tmp_path / "last.pt", tmp_path / "previous.pt")
    save(tmp_path, 2)
    assert steps(tmp_path) == {"last.pt": 2, "previous.pt": 1}


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("at", range(6))
def test_a_kill_at_any_instant_leaves_a_whole_checkpoint(tmp_path, links, at):
    save(tmp_path, 1, 2)
    child = os.fork()
    if child == 0:
        calls = []

        def counted(call):
            def replacement(*arguments, **keys):
                if call is os.link and not links:
                    raise OSError(95, "Operation not supported")
                if len(calls) == at:
                    os.kill(os.getpid(), signal.SIGKILL)
                calls.append(call)
                return call(*arguments, **keys)

            return replacement

        for name in ("fsync", "link", "replace", "unlink"):
            setattr(os, name, counted(getattr(os, name)))
        try:
            save(tmp_path, 3)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    found = newest_checkpoint(tmp_path)
    assert found.state["step"] in (1, 2, 3)
    if links:
        assert found.path.name == "last.pt"
        assert found.state["step"] >= 2
    save(tmp_path, 4)
    assert load_checkpoint(tmp_path / "last.pt")["step"] == 4


@pytest.mark.parametrize("damage", ["cut", "missing", "flipped"])
def test_a_damaged_last_one_is_told_and_never_replaces_the_whole_one(tmp_path, caplog, damage):
    save(tmp_path, 1, 2)
    last = tmp_path / "last.pt"
    data = bytearray(last.read_bytes())
    if damage == "missing":
        last.unlink()
    else:
        data[data.index(b"step") + 7] ^= 1  # of the pickle
        last.write_bytes(data[:-100] if damage == "cut" else data)
    with caplog.at_level(logging.WARNING):
        found = newest_checkpoint(tmp_path)
    assert (found.path.name, found.state["step"]) == ("previous.pt", 1)
    (message,) = caplog.messages
    assert str(last) in message
    assert "missing" in message if damage == "missing" else "damaged" in message
    assert message.endswith(f"going on from {tmp_path / 'previous.pt'}, step 1")
    set_aside_damaged(found)
    assert (tmp_path / "damaged.pt").exists() == (damage != "missing")
    save(tmp_path, 2)  # the first checkpoint that the resumed run writes
    assert load_checkpoint(tmp_path / "previous.pt")["step"] == 1
    save(tmp_path, 3)
    assert load_checkpoint(tmp_path / "previous.pt")["step"] == 2


@pytest.mark.parametrize("best", [True, False])
def test_both_damaged(tmp_path, best):
    save(tmp_path, 1, 2)
    for name in ("last.pt", "previous.pt"):
        os.truncate(tmp_path / name, 100)
    if best:
        save_checkpoint(tmp_path / "best.pt", state(1))
    with pytest.raises(InputError, match=r"last.pt: damaged.*previous.pt: damaged") as caught:
        newest_checkpoint(tmp_path)
    assert ("copy best.pt there to last.pt" in str(caught.value)) == best
    assert "delete both" in str(caught.value)


def test_none_at_all(tmp_path):
    assert newest_checkpoint(tmp_path / "checkpoints") is None


@pytest.mark.parametrize("name", ["last.pt", "best.pt"])
def test_a_full_disk_leaves_what_there_was(tmp_path, name, monkeypatch):
    save(tmp_path, 1, 2)
    save_checkpoint(tmp_path / "best.pt", state(2))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFailure, match=rf"{name} can't be written \(No space left on device\)"):
        save_checkpoint(tmp_path / name, state(3))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
