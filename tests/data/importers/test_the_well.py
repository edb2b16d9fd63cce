"""The Well: folders per split, fields of several tensor orders, boundary conditions."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from files_support import opened, write_well

from nolab.errors import InputError
from nolab.grid import Axis


@pytest.mark.parametrize("below", ["", "data"])
def test_folders_are_splits_and_files_follow_one_another(tmp_path: Path, below: str) -> None:
    first = write_well(tmp_path / below / "train" / "a.hdf5", 3, seed=0)
    second = write_well(tmp_path / below / "train" / "b.hdf5", 2, seed=10)
    for i, split in enumerate(("valid", "test")):
        write_well(tmp_path / below / split / "a.hdf5", 2, seed=20 + 10 * i)
    source = opened(tmp_path, frames_in=2, frames_out=1)
    assert (source.splits(), source.count("train")) == (["train", "valid", "test"], 5)
    assert source.domain.axes == (Axis("periodic", 0.0, 2.0), Axis("nodal", 0.0, 3.0))
    expected_names = "density_t0 density_t1 depth profile velocity0_t0 velocity0_t1 velocity1_t0 velocity1_t1"
    assert source.input_names == tuple(expected_names.split())
    assert source.output_names == ("density_t2", "velocity0_t2", "velocity1_t2")
    inputs, outputs = source.read("train", (8, 6), np.array([1, 2, 3, 4]))
    for row, (held, sample) in enumerate([(first, 1), (first, 2), (second, 0), (second, 1)]):
        assert (inputs[row, :2] == held["density"][sample, :2]).all()
        assert (inputs[row, 2] == held["depth"][sample]).all()
        assert (inputs[row, 3] == held["profile"]).all()
        assert (inputs[row, 6:] == held["velocity"][sample, :2, ..., 1]).all()
        assert (outputs[row, 0] == held["density"][sample, 2]).all()
        assert (outputs[row, 1:] == np.moveaxis(held["velocity"][sample, 2], -1, 0)).all()


def test_one_file_and_walls(tmp_path: Path) -> None:
    held = write_well(tmp_path / "a.hdf5", 6, periodic=False)
    source = opened(tmp_path / "a.hdf5", input=["density", "depth"], output="density", frames_in=1, n_test=2)
    assert source.domain.axes[0] == Axis("nodal", 0.0, 1.75)
    assert (source.read("test", (8, 6))[1] == held["density"][4:, 1:]).all()
    assert opened(tmp_path / "a.hdf5", frames_in=1, n_test=1, placement=["periodic", "cell"]).domain.axes == (
        Axis("periodic", 0.0, 2.0),
        Axis("cell", -0.3, 3.3),
    )


def test_what_does_not_fit(tmp_path: Path) -> None:
    write_well(tmp_path / "train" / "a.hdf5", 3)
    with pytest.raises(InputError, match=r"has no test split, but: train"):
        opened(tmp_path, frames_in=1)
    write_well(tmp_path / "test" / "a.hdf5", 3, seed=5, steps=4)
    with pytest.raises(InputError, match=r"frames_out: density holds 4 frames; frames_in=2 and frames_out=3"):
        opened(tmp_path, frames_in=2, frames_out=3)
    with h5py.File(tmp_path / "test" / "b.hdf5", "w") as file:
        file["u"] = np.ones(3)
    with pytest.raises(InputError, match=r"b\.hdf5: not a file of The Well"):
        opened(tmp_path, frames_in=2)
    write_well(tmp_path / "test" / "b.hdf5", 3, seed=7)
    with pytest.raises(InputError, match=r"b\.hdf5.* has shape \(3, 5, 8, 6\), .* has \(3, 4, 8, 6\)"):
        opened(tmp_path, frames_in=2)
    with h5py.File(tmp_path / "test" / "b.hdf5", "a") as file:
        del file["t0_fields/depth"]
    with pytest.raises(InputError, match=r"b\.hdf5: holds the fields \['density', 'profile', 'velocity'\]"):
        opened(tmp_path, frames_in=2)
    write_well(tmp_path / "c.hdf5", 3, grid="spherical")
    with pytest.raises(InputError, match="its grid is spherical"):
        opened(tmp_path / "c.hdf5", frames_in=2)


def test_attributes_that_contradict_the_shape(tmp_path: Path) -> None:
    write_well(tmp_path / "a.hdf5", 3)
    with h5py.File(tmp_path / "a.hdf5", "a") as file:
        file["t0_fields/density"].attrs["time_varying"] = False
    with pytest.raises(InputError, match=r"density has shape .* its attributes declare the axes nxy"):
        opened(tmp_path / "a.hdf5", frames_in=1, n_test=1)
