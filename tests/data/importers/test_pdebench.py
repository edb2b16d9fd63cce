"""PDEBench's HDF5 layouts: trajectories, Darcy flow, a group per seed."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from files_support import centres, numbers, opened, write_hdf5

from nolab.errors import InputError
from nolab.grid import Axis, Domain


def test_trajectories_in_one_dimension(tmp_path: Path) -> None:
    tensor = numbers(6, 11, 16)
    grid = {"x_coordinate": centres(16), "t_coordinate": np.arange(12) * 0.2}  # a time more than frames
    path = write_hdf5(tmp_path / "1D_Advection_Sols_beta0.1.hdf5", tensor=tensor, **grid)
    source = opened(path, frames_in=2, frames_out=3, n_test=2)
    # Periodic from the first cell's centre on: the period is the domain's length.
    assert source.domain == Domain((Axis("periodic", 0.03125, 1.03125),))
    assert opened(path, frames_in=1, n_test=2, placement="cell").domain == Domain.unit(1, "cell")
    inputs, outputs = source.read("test", (16,))
    assert (inputs == tensor[4:, :2]).all()
    assert (outputs == tensor[4:, 2:5]).all()


def test_flow_of_several_fields(tmp_path: Path) -> None:
    names = ("density", "pressure", "Vx")
    fields = {name: numbers(4, 5, 8, 6, seed=i) for i, name in enumerate(names)}
    path = write_hdf5(tmp_path / "flow.hdf5", **fields, x_coordinate=centres(8), y_coordinate=centres(6, 2.0))
    source = opened(path, frames_in=2, frames_out=1, n_test=1)
    assert source.domain.axes[1].length == pytest.approx(2.0)
    inputs, outputs = source.read("train", (8, 6))
    assert (inputs == np.concatenate([fields[name][:3, :2] for name in names], axis=1)).all()
    assert (outputs == np.stack([fields[name][:3, 2] for name in names], axis=1)).all()
    assert source.output_names == ("density_t2", "pressure_t2", "Vx_t2")
    one = opened(path, frames_in=2, output="pressure", n_test=1)
    assert (one.read("train", (8, 6))[1] == fields["pressure"][:3, 2:]).all()


def test_darcy(tmp_path: Path) -> None:
    nu, tensor = numbers(5, 8, 8), numbers(5, 1, 8, 8, seed=1)
    grid = {"x_coordinate": centres(8), "y_coordinate": centres(8)}
    source = opened(write_hdf5(tmp_path / "2D_DarcyFlow.hdf5", nu=nu, tensor=tensor, **grid), n_test=1)
    assert source.domain == Domain.unit(2, "cell")
    inputs, outputs = source.read("train", (8, 8))
    assert (inputs == nu[:4, None]).all()
    assert (outputs == tensor[:4]).all()


def write_seeds(path: Path, data: np.ndarray) -> Path:
    arrays = {f"{i:04d}__data": sample for i, sample in enumerate(data)}
    for i in range(len(data)):
        grid = {"t": np.linspace(0, 5, data.shape[1]), "x": centres(8, 2.0) - 1, "y": centres(8, 2.0) - 1}
        arrays |= {f"{i:04d}__grid__{letter}": values for letter, values in grid.items()}
    return write_hdf5(path, **arrays)


def test_a_group_per_seed(tmp_path: Path) -> None:
    data = numbers(12, 6, 8, 8, 2)
    path = write_seeds(tmp_path / "2D_diff-react_NA_NA.h5", data)
    source = opened(path, frames_in=2, frames_out=4, n_train=8, n_test=3)
    assert source.domain == Domain((Axis("cell", -1.0, 1.0),) * 2)
    inputs, outputs = source.read("test", (8, 8), np.array([0, 2]))
    channels = data.transpose(0, 4, 1, 2, 3)  # (N, C, T, X, Y): a component's frames side by side
    assert (inputs == channels[[9, 11]][:, :, :2].reshape(2, 4, 8, 8)).all()
    assert (outputs == channels[[9, 11]][:, :, 2:].reshape(2, 8, 8, 8)).all()
    assert source.input_names == ("data0_t0", "data0_t1", "data1_t0", "data1_t1")


def test_seeds_that_differ_or_are_broken(tmp_path: Path) -> None:
    path = write_seeds(tmp_path / "a.h5", numbers(3, 6, 8, 8, 1))
    with h5py.File(path, "a") as file:
        del file["0001/data"]
        file["0001/data"] = numbers(5, 8, 8, 1)
    with pytest.raises(InputError, match=r"0001/data has shape \(1, 5, 8, 8, 1\)"):
        opened(path, frames_in=1, n_test=1)
    with h5py.File(path, "a") as file:
        del file["0001/data"]
        file["0001/data"] = h5py.ExternalLink("elsewhere.h5", "/data")
    with pytest.raises(InputError, match=r"0001/data: a link to elsewhere"):
        opened(path, frames_in=1, n_test=1)


@pytest.mark.parametrize(
    "x", [np.array([0, 1, 2, 4.0]), np.arange(4.0)[::-1], np.arange(3.0), np.full(4, np.nan)]
)
def test_coordinates_that_are_no_regular_grid(tmp_path: Path, x: np.ndarray) -> None:
    path = write_hdf5(tmp_path / "a.hdf5", tensor=numbers(3, 5, 4), x_coordinate=x)
    with pytest.raises(InputError, match="along x are not 4 evenly spaced ascending ones"):
        opened(path, frames_in=1, n_test=1)
