"""MATLAB files, v5 and v7.3: Li et al.'s layouts, and what is refused."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from files_support import numbers, opened, write_mat

from nolab.errors import InputError
from nolab.grid import Axis, Domain

both = pytest.mark.parametrize("version", ["5", "7.3"])


@both
def test_darcy_in_two_files(tmp_path: Path, version: str) -> None:
    coeff, sol = numbers(4, 9, 9), numbers(4, 9, 9, seed=1)
    train = write_mat(tmp_path / "piececonst_r9_N4_smooth1.mat", version, coeff=coeff, sol=sol, Kcoeff=sol)
    test = write_mat(tmp_path / "piececonst_r9_N4_smooth2.mat", version, coeff=coeff + 1, sol=sol)
    for source in (opened(tmp_path), opened(train, test_path=str(test))):
        assert source.domain == Domain.unit(2, "nodal")
        assert (source.splits(), source.count("train")) == (["train", "test"], 4)
        assert (source.input_names, source.output_names) == (("coeff",), ("sol",))
        inputs, outputs = source.read("train", (9, 9))
        assert (inputs[:, 0] == coeff).all()
        assert (outputs[:, 0] == sol).all()
        assert (source.read("test", (9, 9), np.array([1, 3]))[0][:, 0] == coeff[[1, 3]] + 1).all()


@both
def test_navier_stokes_ten_frames_in_ten_out(tmp_path: Path, version: str) -> None:
    u, t = numbers(6, 8, 8, 20), np.arange(1.0, 21.0)[None]
    path = write_mat(tmp_path / "NavierStokes_V1e-5_N6_T20.mat", version, u=u, a=u[..., 0] - 1, t=t)
    source = opened(path, frames_in=10, frames_out=7, n_train=3, n_test=2)
    assert source.domain == Domain.unit(2, "periodic")
    inputs, outputs = source.read("train", (8, 8))
    assert (inputs == u[:3, ..., :10].transpose(0, 3, 1, 2)).all()
    assert (outputs == u[:3, ..., 10:17].transpose(0, 3, 1, 2)).all()
    assert (source.read("test", (8, 8))[0] == u[4:, ..., :10].transpose(0, 3, 1, 2)).all()
    assert source.input_names[::9] == ("u_t0", "u_t9")
    assert source.output_names[::6] == ("u_t10", "u_t16")
    rest = opened(path, frames_in=10, n_test=1)
    assert (len(rest.output_names), rest.count("train")) == (10, 5)
    # From the initial vorticity: to the first frames as channels, or to a field over time and space.
    first = opened(path, input="a", frames_out=2, n_test=1)
    assert (first.read("train", (8, 8))[1] == u[:5, ..., :2].transpose(0, 3, 1, 2)).all()
    spacetime = opened(path, input="a", n_test=1)
    assert spacetime.domain.axes[0] == Axis("nodal", 1.0, 20.0)
    assert spacetime.input_axes == (1, 2)
    inputs, outputs = spacetime.read("test", (20, 8, 8))
    assert inputs.shape == (1, 1, 1, 8, 8)
    assert (inputs[0, 0, 0] == u[5, ..., 0] - 1).all()
    assert (outputs[0, 0] == u[5].transpose(2, 0, 1)).all()


@both
def test_burgers(tmp_path: Path, version: str) -> None:
    a, u = numbers(5, 16), numbers(5, 16, seed=1)
    extra = {"a_smooth": a, "a_x": a}
    source = opened(write_mat(tmp_path / "burgers_data_R10.mat", version, a=a, u=u, **extra), n_train=3)
    assert source.domain == Domain.unit(1, "periodic")
    assert [source.count(split) for split in ("train", "test")] == [3, 2]
    assert (source.read("train", (16,))[0][:, 0] == a[:3]).all()
    assert (source.read("test", (16,))[1][:, 0] == u[3:]).all()


def test_what_is_no_array_of_numbers_is_not_read(tmp_path: Path) -> None:
    cell = np.empty(1, object)
    cell[0] = np.ones(2)
    held = {"cells": cell, "text": "hello", "struct": {"x": 1.0}, "z": np.ones((3, 4)) * 1j}
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {**held, "u": numbers(3, 4)})
    for name in held:
        with pytest.raises(InputError, match=rf"{name}.*(not an array of numbers|is complex)"):
            opened(path, input=name, output="u", placement="nodal", n_test=1).read("train", (4,))


def test_complex_and_cells_in_v73(tmp_path: Path) -> None:
    path = write_mat(tmp_path / "a.mat", "7.3", u=numbers(3, 4))
    with h5py.File(path, "a") as file:
        file["z"] = np.ones((4, 3), np.dtype([("real", "f8"), ("imag", "f8")]))
        file.create_dataset("cell", (4, 3), dtype=h5py.ref_dtype)
    for name in ("z", "cell"):
        with pytest.raises(InputError, match=rf"dataset\.input: {name} its type .* is not a real number"):
            opened(path, input=name, output="u", placement="nodal", n_test=1)


@both
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9])
def test_truncated(tmp_path: Path, version: str, share: float) -> None:
    path = write_mat(tmp_path / "a.mat", version, coeff=numbers(40, 9, 9), sol=numbers(40, 9, 9, seed=1))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match=r"a\.mat"):
        opened(path, n_test=2).read("train", (9, 9))
