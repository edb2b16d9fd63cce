"""`nolab info data PATH`: what it says of a file, and that what it proposes trains."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from files_support import centres, numbers, write_hdf5, write_mat, write_well
from omegaconf import OmegaConf

import nolab
from nolab.cli import main
from nolab.config import validate
from nolab.training.setup import prepare

TINY = ("model.n_modes=2", "model.hidden_channels=4", "model.n_layers=1", "sampling.batch_size=1")
SHORT = ("budget.steps=2", "evaluation.times=1", "tracking=none", "device=cpu")


@pytest.fixture
def told(capsys: pytest.CaptureFixture):
    """Runs the command in this process; what it prints."""

    def run(*arguments: object, code: int = 0) -> str:
        assert main(["info", "data", *map(str, arguments)]) == code
        said = capsys.readouterr()
        return said.out if code == 0 else said.err

    return run


def proposal(text: str) -> list[str]:
    """The overrides of the last line, to train with."""
    words = shlex.split(text.strip().splitlines()[-1])
    assert words[:3] == ["nolab", "train", "dataset=file"]
    return words[2:]


def darcy(folder: Path) -> Path:
    for i in (1, 2):
        arrays = {"coeff": numbers(6, 9, 9, seed=i), "sol": numbers(6, 9, 9, seed=i + 2)}
        write_mat(folder / f"piececonst_r9_smooth{i}.mat", "5", **arrays)
    return folder


def burgers(folder: Path) -> Path:
    return write_mat(folder / "burgers.mat", "7.3", a=numbers(8, 16), u=numbers(8, 16, seed=1))


def navier_stokes(folder: Path) -> Path:
    return write_mat(folder / "ns.mat", "7.3", u=numbers(6, 8, 8, 20))


def advection(folder: Path) -> Path:
    grid = {"x_coordinate": centres(16), "t_coordinate": np.arange(12.0)}
    return write_hdf5(folder / "1D_Advection.hdf5", tensor=numbers(8, 11, 16), **grid)


def well(folder: Path) -> Path:
    for i, split in enumerate(("train", "valid", "test")):
        write_well(folder / split / "a.hdf5", 4, seed=10 * i)
    return folder


def plain(folder: Path) -> Path:
    np.savez(folder / "d.npz", first=numbers(8, 9, 9), second=numbers(8, 9, 9, seed=1))
    return folder / "d.npz"


FILES = [
    (
        darcy,
        ["MATLAB 5", "coeff → sol", "[0, 1] nodal", "9x9", "0 of 6 test inputs", "levels", "3x3 5x5 9x9"],
    ),
    (burgers, ["MATLAB 7.3", "a → u", "periodic", "dataset.n_test=1"]),
    (
        navier_stokes,
        ["(6, 8, 8, 20)", "u_t0 … u_t9 (10 channels)", "dataset.frames_in=10 dataset.frames_out=10"],
    ),
    (advection, ["PDEBench, trajectories", "[0.03125, 1.03125] periodic", "dataset.frames_in=5"]),
    (
        well,
        ["The Well", "density", "[0, 2] periodic × [0, 3] nodal", "valid", "hierarchy=one", "sampling=fine"],
    ),
    (plain, [".npz", "guesses", "dataset.input=first dataset.output=second"]),
]


@pytest.mark.parametrize(("make", "said"), FILES, ids=[make.__name__ for make, _ in FILES])
def test_what_it_proposes_trains(told, tmp_path: Path, monkeypatch, make, said: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    text = told(make(tmp_path))
    for words in said:
        assert words in text, text
    overrides = [*proposal(text), *TINY, *SHORT]
    setup = prepare(validate(OmegaConf.to_container(nolab.compose(overrides), resolve=True)))
    assert len(setup.load().tests) == len(setup.hierarchy)
    if make is navier_stokes:
        assert main(["train", *overrides]) == 0


def test_keys_are_those_of_the_config(told, tmp_path: Path) -> None:
    text = told(
        navier_stokes(tmp_path), "frames_in=3", "dataset.n_test=2", "frames_out=4", "placement=[cell,nodal]"
    )
    assert "u_t0, u_t1, u_t2 → u_t3, u_t4, u_t5, u_t6 on [0, 1] cell × [0, 1] nodal" in text
    assert "guesses" not in text
    assert "dataset.frames_in=3" in proposal(text)


def test_statistics_and_what_training_refuses(told, tmp_path: Path) -> None:
    a, u = numbers(10, 9), numbers(10, 9, seed=1)
    a[8], u[0, :2], u[9, 0] = a[1], np.nan, np.inf
    np.savez(tmp_path / "d.npz", a=a, u=u)
    keys = ("input=a", "output=u", "placement=nodal", "n_test=3")
    text = told(tmp_path / "d.npz", *keys)
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if "/" in line.split(" ")[0]}
    for name, part in (("train", slice(7)), ("test", slice(7, 10))):
        held = a[part].astype(np.float64)
        expected = [f"{v:.4g}" for v in (held.min(), held.mean(), held.max())]
        assert rows[f"{name}/a"] == [*expected, "0"]
    assert rows["train/u"][-1] == "2"
    assert rows["test/u"][-1] == "1"
    assert f"{np.nanmax(u[:7]):.4g}" == rows["train/u"][2]
    assert "train: 2 values are not finite; training refuses them" in text
    assert "1 of 3 test inputs are training inputs too; training refuses them" in text


def test_reads_a_part_of_large_data_unless_told(told, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("nolab.data.importers.summary.READ_AT_MOST", 2 * 9 * 4 * 3)
    monkeypatch.setattr("nolab.data.importers.summary._BLOCK", 2 * 9 * 4 * 2)
    path = write_hdf5(tmp_path / "d.h5", a=numbers(10, 9), u=numbers(10, 9, seed=1))
    keys = (path, "input=a", "output=u", "placement=nodal", "n_test=2")
    assert "of the first 3 of 8 train samples; --all reads all" in told(*keys)
    everything = told(*keys, "--all")
    assert "of the first" not in everything
    assert f"{numbers(10, 9)[:8].min():.4g}" in everything


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one path is needed"),
        (["a", "b"], "one path is needed"),
        (["a", "--al"], "'--al' is no option"),
        (["d.npz", "inputs=a"], "dataset.inputs: 'inputs' is not known. Did you mean 'input'?"),
        (["d.npz", "n_test=many"], "dataset.n_test: expected a whole number"),
        (["d.npz", "placement=nodl"], "dataset.placement: 'nodl' is not known. Did you mean 'nodal'?"),
        (["d.npz", "input=[a"], "'input=[a' is no KEY=VALUE"),
        (["nowhere"], "dataset.path: nowhere does not exist"),
    ],
)
def test_bad_arguments(told, arguments: list[str], message: str) -> None:
    assert message in told(*arguments, code=2)


def test_a_damaged_file(nolab, tmp_path: Path) -> None:
    path = advection(tmp_path)
    path.write_bytes(path.read_bytes()[:3000])
    done = nolab("info", "data", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert "not a complete HDF5 file" in done.stderr
    assert "Traceback" not in done.stderr
