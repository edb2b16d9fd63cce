"""Generation: the same bytes whatever the workers and the interruptions, and one generation only."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from pathlib import Path

import filelock
import numpy as np
import pytest
import torch

from nolab.data import generation
from nolab.data.generation import CHUNK, ensure_store
from nolab.data.store import Store
from nolab.errors import InputError, RunFailure
from nolab.problems import darcy

CPU = torch.device("cpu")
OPTIONS = {"resolution": 9, "modes": 16}
COUNTS = {"test": 5, "train": 2 * CHUNK + 3}

SCRIPT = """
import signal

signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background ignores it
import itertools, sys, time, torch
from pathlib import Path
from nolab.data.generation import ensure_store
from nolab.problems import darcy

quick, calls = darcy.generate, itertools.count()
data_dir, free, gate = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])

def gated(*arguments):
    print("chunk", flush=True)
    if next(calls) >= free:
        while not gate.exists():
            time.sleep(0.02)
    return quick(*arguments)

darcy.generate = gated
torch.set_num_threads(1)
path = ensure_store("darcy", {options}, seed=0, counts={counts}, data_dir=data_dir,
                    device=torch.device("cpu"), workers=1)
print(path)
"""


def generate(data_dir: Path, **changes) -> Path:
    arguments = {"seed": 0, "counts": COUNTS, "device": CPU, "progress": False, "workers": 1}
    arguments |= changes
    options = arguments.pop("options", OPTIONS)
    return ensure_store("darcy", options, data_dir=data_dir, **arguments)


def start(data_dir: Path, free: int) -> subprocess.Popen:
    """A process that generates `free` chunks, then waits for the file ``data_dir/gate``."""
    script = SCRIPT.replace("{options}", repr(OPTIONS)).replace("{counts}", repr(COUNTS))
    command = [sys.executable, "-c", script, str(data_dir), str(free), str(data_dir / "gate")]
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def chunk_files(data_dir: Path) -> list[Path]:
    return sorted(data_dir.glob("darcy/*.partial/*.npz"))


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("reference"))


@pytest.fixture
def broken_after(monkeypatch: pytest.MonkeyPatch):
    """Make the problem raise `error` once it has generated `chunks` chunks."""

    def install(chunks: int, error: BaseException) -> None:
        quick, calls = darcy.generate, []

        def failing(*arguments):
            calls.append(arguments)
            if len(calls) > chunks:
                raise error
            return quick(*arguments)

        monkeypatch.setattr(darcy, "generate", failing)

    return install


def test_store_holds_the_problems_samples(reference: Path) -> None:
    assert reference.parent.name == "darcy"
    assert reference.name.startswith(f"9x9_train{COUNTS['train']}_test5_seed0-")
    options = darcy.Options(**OPTIONS)
    with Store(reference) as store:
        assert store.splits() == ["train", "test"]
        assert store.meta.parameters["a_high"] == 12.0
        assert (store.meta.problem, store.meta.seed, store.meta.version) == ("darcy", 0, darcy.VERSION)
        assert store.meta.units == {"permeability": "1", "pressure": "1"}
        for split, count in COUNTS.items():
            a, u = store.read(split, (9, 9))
            expected_a, expected_u = darcy.generate(options, 0, split, range(count), CPU)
            assert (a == expected_a).all()
            assert np.allclose(u, expected_u, rtol=1e-6, atol=0)
    assert not list(reference.parent.glob("*.partial"))
    assert not list(reference.parent.glob("*.tmp"))


@pytest.mark.parametrize("workers", [2, 3, 0])
def test_any_number_of_workers_gives_the_same_bytes(reference: Path, tmp_path: Path, workers: int) -> None:
    before = torch.get_num_threads()
    path = generate(tmp_path, workers=workers)
    assert torch.get_num_threads() == before
    assert path.name == reference.name
    assert path.read_bytes() == reference.read_bytes()


def test_chunks_are_solved_on_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick, threads = darcy.generate, []

    def watching(*arguments):
        threads.append(torch.get_num_threads())
        return quick(*arguments)

    monkeypatch.setattr(darcy, "generate", watching)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        generate(tmp_path, workers=2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert set(threads) == {1}


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"counts": {"train": 3}},
        {"options": {"resolution": 9, "modes": 17}},
        {"options": {"resolution": 10, "modes": 16}},
    ],
)
def test_other_data_have_another_name(reference: Path, tmp_path: Path, change: dict) -> None:
    assert generate(tmp_path, **({"counts": {"train": 1}} | change)).name != reference.name


def test_equal_requests_have_one_name(reference: Path, tmp_path: Path, broken_after) -> None:
    """Defaults written out, another order of splits: the store that is there already."""
    broken_after(0, AssertionError("generated again"))
    options = {"a_low": 3, "modes": 16, "resolution": 9.0}
    counts = {"train": COUNTS["train"], "test": 5}
    assert generate(reference.parents[1], options=options, counts=counts) == reference


def test_a_killed_generation_goes_on_to_the_same_bytes(reference: Path, tmp_path: Path) -> None:
    process = start(tmp_path, free=1)
    try:
        assert process.stdout.readline() == "chunk\n"
        assert process.stdout.readline() == "chunk\n"  # the first one is saved by now
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
    kept = chunk_files(tmp_path)
    assert len(kept) == 1
    (kept[0].parent / "train-00000000.tmp").write_bytes(b"left by the kill")

    again = []
    quick = generation._Job.make
    try:
        generation._Job.make = lambda job, chunk: (again.append(chunk), quick(job, chunk))[1]
        path = generate(tmp_path)
    finally:
        generation._Job.make = quick
    assert len(again) == 3
    assert path.read_bytes() == reference.read_bytes()
    assert not list(tmp_path.glob("darcy/*.partial"))


def test_two_processes_generate_once(reference: Path, tmp_path: Path) -> None:
    first = start(tmp_path, free=0)
    second = None
    try:
        assert first.stdout.readline() == "chunk\n"  # so it holds the lock
        second = start(tmp_path, free=0)
        assert "another process generates the same data" in second.stderr.readline()
        (tmp_path / "gate").touch()
        out_first, err_first = first.communicate(timeout=60)
        out_second, err_second = second.communicate(timeout=60)
    finally:
        for process in filter(None, (first, second)):
            process.kill()
    assert (first.returncode, second.returncode) == (0, 0), err_first + err_second
    assert out_first.count("chunk") == 3  # of four: one was read above
    assert "chunk" not in out_second
    assert out_first.splitlines()[-1] == out_second.splitlines()[-1]
    assert Path(out_second.strip()).read_bytes() == reference.read_bytes()


def test_waits_for_the_lock_and_takes_what_it_finds(
    reference: Path, tmp_path: Path, broken_after, capsys
) -> None:
    broken_after(0, AssertionError("generated although another one did"))
    target = tmp_path / "darcy" / reference.name
    target.parent.mkdir()
    held = threading.Event()

    def other_job() -> None:
        with filelock.FileLock(f"{target}.lock"):
            held.set()
            time.sleep(0.3)
            target.write_bytes(reference.read_bytes())

    thread = threading.Thread(target=other_job)
    thread.start()
    held.wait()
    assert generate(tmp_path) == target
    thread.join()
    assert "waiting for it" in capsys.readouterr().err


def _not_a_zip(path: Path) -> None:
    path.write_bytes(b"damaged")


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _other_shape(path: Path) -> None:
    np.savez(path, input=np.zeros((1, 1, 9, 9), "f4"), output=np.zeros((1, 1, 9, 9), "f4"))


def _other_type(path: Path) -> None:
    values = np.zeros((CHUNK, 1, 9, 9))
    np.savez(path, input=values, output=values)


def _not_finite(path: Path) -> None:
    values = np.full((CHUNK, 1, 9, 9), np.nan, "f4")
    np.savez(path, input=values, output=values)


def _one_field(path: Path) -> None:
    np.savez(path, input=np.zeros((CHUNK, 1, 9, 9), "f4"))


def _pickle(path: Path) -> None:
    np.savez(path, input=np.array([{}], object), output=np.array([{}], object))


@pytest.mark.parametrize(
    "damage", [_not_a_zip, _cut, _flip, _other_shape, _other_type, _not_finite, _one_field, _pickle]
)
def test_a_damaged_chunk_is_made_again(reference: Path, tmp_path: Path, damage, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(generation, "write_store", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(RunFailure, match=r"cannot be written.*disk full.*are kept"):
            generate(tmp_path)
    files = chunk_files(tmp_path)
    assert len(files) == 4
    damage(files[1])
    assert generate(tmp_path).read_bytes() == reference.read_bytes()


def test_a_failed_solver_keeps_what_is_finished(reference: Path, tmp_path: Path, broken_after, monkeypatch):
    with monkeypatch.context() as patch:
        broken_after(2, RunFailure("no convergence"))
        with pytest.raises(RunFailure, match="no convergence"):
            generate(tmp_path)
        assert len(chunk_files(tmp_path)) == 2
        assert not list(tmp_path.glob("darcy/*.h5"))
        patch.undo()
    monkeypatch.undo()
    assert generate(tmp_path).read_bytes() == reference.read_bytes()


def test_interrupt_says_how_to_go_on(tmp_path: Path, broken_after, capsys) -> None:
    broken_after(1, KeyboardInterrupt())
    before = torch.get_num_threads()
    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path)
    assert "the same command goes on from there" in capsys.readouterr().err
    assert torch.get_num_threads() == before
    assert len(chunk_files(tmp_path)) == 1


def test_sigint_stops_a_process_cleanly(reference: Path, tmp_path: Path) -> None:
    process = start(tmp_path, free=1)
    assert process.stdout.readline() == "chunk\n"
    assert process.stdout.readline() == "chunk\n"
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    (tmp_path / "gate").touch()
    began = time.monotonic()
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - began < 10
    assert process.returncode not in (0, None)
    assert "interrupted. Finished samples are kept" in err
    assert len(chunk_files(tmp_path)) == 2  # the one in flight was finished, no other begun
    assert generate(tmp_path).read_bytes() == reference.read_bytes()


def test_large_grids_are_made_in_small_chunks(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(generation, "CHUNK_NODES", 2 * 81 + 5)
    quick, sizes = darcy.generate, []
    monkeypatch.setattr(darcy, "generate", lambda *given: (sizes.append(len(given[3])), quick(*given))[1])
    generate(tmp_path, counts={"train": 5})
    assert sizes == [2, 2, 1]


def test_values_that_are_not_finite_are_a_failure(tmp_path: Path, monkeypatch) -> None:
    bad = np.full((3, 1, 9, 9), np.nan, np.float32)
    monkeypatch.setattr(darcy, "generate", lambda *_: (bad, bad))
    with pytest.raises(RunFailure, match=r"darcy: samples 0\.\.2 of 'train' are not finite"):
        generate(tmp_path, counts={"train": 3})


def test_too_little_space_is_refused_before_anything_is_made(tmp_path: Path, monkeypatch, broken_after):
    broken_after(0, AssertionError("generated"))
    usage = namedtuple("usage", "total used free")(2**40, 2**40 - 2**20, 2**20)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    # 612 samples · 2 fields · 421² · 4 bytes, once in chunks and once in the store
    with pytest.raises(InputError, match=r"needs 1\.62 GiB, 0\.000977 GiB are free.*data_dir"):
        generate(tmp_path, options={"resolution": 421}, counts={"train": 512, "test": 100})


def test_a_damaged_or_foreign_store_is_refused(reference: Path, tmp_path: Path) -> None:
    target = tmp_path / "darcy" / reference.name
    target.parent.mkdir()
    target.write_bytes(reference.read_bytes()[:-50])
    with pytest.raises(InputError, match=r"is not a complete HDF5 file.*Delete the file"):
        generate(tmp_path)
    target.write_bytes(generate(tmp_path, seed=1).read_bytes())
    with pytest.raises(InputError, match="holds other data than its name says"):
        generate(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"options": {"resolutoin": 9}}, r"dataset\.resolutoin.*Did you mean 'resolution'"),
        ({"options": {"resolution": 2}}, r"dataset\.resolution: must be from 3"),
        ({"seed": -1}, "seed: must be 0 or more, got -1"),
        ({"workers": -1}, "workers: must be 0"),
        ({"counts": {}}, "at least one split"),
        ({"counts": {"train": 0}}, r"dataset\.train: must be 1 or more samples, got 0"),
        ({"counts": {"trian": 3}}, "Did you mean 'train'"),
    ],
)
def test_bad_requests(tmp_path: Path, change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        generate(tmp_path, **change)
    assert not list(tmp_path.iterdir())


def test_unknown_problem(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"dataset\.problem: 'darcie' is not known\. Did you mean 'darcy'"):
        ensure_store("darcie", {}, seed=0, counts=COUNTS, data_dir=tmp_path, device=CPU)


def test_progress_without_a_terminal_is_plain_lines(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr("nolab.data._progress.LINE_EVERY", 0.0)
    generate(tmp_path, progress=True)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert lines[0] == "darcy 9x9: 0/40 samples, starting"
    assert lines[-1].startswith("darcy 9x9: 40/40 samples, done after ")
    assert any("samples/s" in line and "left" in line for line in lines[1:-1])


def test_progress_on_a_terminal_is_a_bar(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    generate(tmp_path, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "40/40" in err
    assert "samples/s" in err


def test_no_progress_is_silent(tmp_path: Path, capsys) -> None:
    generate(tmp_path, progress=False)
    assert capsys.readouterr() == ("", "")


def limited(size: int, data_dir: Path) -> str:
    """What generation says in a child that may write files of `size` bytes; a crash of HDF5 would kill it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
            generate(data_dir)
        except RunFailure as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        said = pipe.read().decode()
    assert os.waitpid(child, 0)[1] == 0
    return said


@pytest.mark.parametrize("share", [0.1, 0.4, 0.7, 0.99])
def test_a_full_disk_keeps_what_is_finished(reference: Path, tmp_path: Path, share: float) -> None:
    """The system refuses the bytes: of a chunk (the first), or of the store at several places."""
    message = limited(int(share * reference.stat().st_size), tmp_path)
    assert "cannot be written ([Errno 27] File too large)" in message
    assert "Finished samples are kept: free some space, and the same command goes on" in message
    assert not list(tmp_path.rglob("*.tmp"))
    assert not list(tmp_path.rglob("*.h5"))
    kept = {file: file.stat().st_mtime_ns for file in chunk_files(tmp_path)}
    assert len(kept) == 4 or share == 0.1
    assert generate(tmp_path).read_bytes() == reference.read_bytes()
    assert not list(tmp_path.rglob("*.partial"))


def test_what_h5py_makes_of_a_failure_at_the_end_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("Can't decrement id ref count (unable to extend file properly)")

    monkeypatch.setattr("nolab.data._store_writing.write_attributes", fail)
    with pytest.raises(RunFailure, match=r"cannot be written \(Can't decrement id ref count"):
        generate(tmp_path)
    assert not list(tmp_path.rglob("*.tmp"))
    assert len(chunk_files(tmp_path)) == 4


def test_chunks_that_a_kill_left_beside_a_finished_store_go(reference: Path, tmp_path: Path) -> None:
    path = generate(tmp_path)
    folder = path.with_suffix(".partial")
    folder.mkdir()
    (folder / "train-00000000.npz").write_bytes(b"left by the kill")
    assert generate(tmp_path) == path
    assert not folder.exists()
    assert path.read_bytes() == reference.read_bytes()
