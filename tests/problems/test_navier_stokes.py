"""Navier–Stokes frames: the flow against plain numpy, layouts against each other, stores and runs."""

import math

import numpy as np
import pytest
import torch
import torus_support as plain

import nolab
from nolab.cli import main
from nolab.data.generation import ensure_store
from nolab.data.store import Store
from nolab.errors import InputError, RunFailure
from nolab.problems import navier_stokes
from nolab.schema import from_mapping

CPU = torch.device("cpu")
SMALL = {"resolution": 12, "start": 0, "interval": 0.1, "history": 2, "horizon": 3}
LAYOUTS = ["frames", "space_time"]


def options(**given) -> navier_stokes.Options:
    return from_mapping(navier_stokes.Options, {**SMALL, **given}, "dataset")


def frames(samples: int = 2, **given) -> np.ndarray:
    """Input and output frames of the first test samples, (n, H + T, r, r)."""
    return np.concatenate(navier_stokes.generate(options(**given), 0, "test", range(samples), CPU), axis=1)


@pytest.mark.parametrize("integrator", ["ifrk4", "crank_nicolson"])
@pytest.mark.parametrize("n", [12, 15])
def test_flow_is_that_of_plain_numpy(integrator, n):
    """With Li's forcing written out, from the initial frame on."""
    x, y = np.meshgrid(np.arange(n) / n, np.arange(n) / n, indexing="ij")
    f = 0.1 * (np.sin(2 * np.pi * (x + y)) + np.cos(2 * np.pi * (x + y)))
    found = frames(1, resolution=n, integrator=integrator, dt=0.005, viscosity=0.01, history=1, horizon=2)[0]
    w = found[0].astype(np.float64)
    expected = getattr(plain, integrator)(w, f, 0.01, 0.005, 40)
    assert np.abs(found[2] - expected).max() < 1e-6
    assert np.abs(found[2] - w).max() > 0.05


def test_initial_field_has_the_standard_deviation_of_the_script():
    start = frames(300, resolution=16, history=1, horizon=1, interval=0.001)[:, 0]
    assert start.std() == pytest.approx(0.262, rel=0.04)
    assert abs(start.mean((-2, -1))).max() < 1e-7


def test_defaults_are_those_of_li():
    default = navier_stokes.Options()
    assert (default.viscosity, default.times) == (1e-3, [float(t) for t in range(1, 21)])
    described = navier_stokes.describe(default)
    assert described.input_names == tuple(f"vorticity_t{t}" for t in range(1, 11))
    assert described.output_names == tuple(f"vorticity_t{t}" for t in range(11, 21))
    assert described.shape == (64, 64)
    assert {axis.placement for axis in described.domain.axes} == {"periodic"}


def test_layouts_hold_the_same_values():
    x, y = navier_stokes.generate(options(), 0, "train", range(2), CPU)
    x_st, y_st = navier_stokes.generate(options(layout="space_time"), 0, "train", range(2), CPU)
    assert (x.shape, y.shape) == ((2, 2, 12, 12), (2, 3, 12, 12))
    assert (x_st.shape, y_st.shape) == ((2, 2, 1, 12, 12), (2, 1, 3, 12, 12))
    assert x.dtype == y.dtype == x_st.dtype == y_st.dtype == np.float32
    assert (x_st[:, :, 0] == x).all()
    assert (y_st[:, 0] == y).all()


def test_space_time_is_described_over_the_output_times():
    described = navier_stokes.describe(options(layout="space_time"))
    t, x, y = described.domain.axes
    assert (t.placement, t.start, t.stop) == ("nodal", pytest.approx(0.2), pytest.approx(0.4))
    assert t.coordinates(3).tolist() == pytest.approx([0.2, 0.3, 0.4])
    assert (x.placement, y.placement, x.length) == ("periodic", "periodic", 1.0)
    assert (described.shape, described.input_axes) == ((3, 12, 12), (1, 2))
    assert described.input_names == ("vorticity_t0", "vorticity_t0.1")
    assert described.output_names == ("vorticity",)
    assert set(described.units) == {*described.input_names, *described.output_names}


def test_frames_are_at_their_times():
    """A later start and another history cut the same trajectory elsewhere."""
    whole = frames(history=1, horizon=9, dt=0.02)
    part = frames(start=0.4, history=2, horizon=2, interval=0.2, dt=0.02)
    assert np.abs(part - whole[:, [4, 6, 8]][:, [0, 1, 2, 2]])[:, :3].max() < 1e-6
    assert np.abs(np.diff(whole, axis=1)).max() > 1e-3


def test_solver_grid_is_strided_and_the_initial_field_one_field():
    fine, coarse = frames(resolution=24), frames(resolution=12, solve_resolution=24)
    assert (coarse == fine[..., ::2, ::2]).all()
    own = frames(resolution=12)
    assert 0 < np.linalg.norm(own - coarse) / np.linalg.norm(coarse) < 0.15  # modes that 12 points lack


def test_arithmetic_can_be_single():
    single, double = frames(arithmetic="float32"), frames()
    assert 0 < np.abs(single - double).max() < 1e-5


@pytest.mark.parametrize("viscosity", [1e-3, 1e-4, 1e-5])
def test_chosen_steps_are_accurate(viscosity):
    given = {"resolution": 24, "viscosity": viscosity, "interval": 1, "history": 1, "horizon": 2}
    chosen, fine = frames(1, **given), frames(1, **given, dt=0.005)
    assert np.linalg.norm(chosen - fine) < 1e-4 * np.linalg.norm(fine)


def test_samples_depend_on_seed_split_and_index_alone():
    def made(seed: int = 0, split: str = "train", indices: range = range(4)):
        return navier_stokes.generate(options(), seed, split, indices, CPU)

    base = made()
    assert all((x == y).all() for x, y in zip(base, made(), strict=True))
    for part, whole in zip(made(indices=range(2, 4)), base, strict=True):
        assert np.allclose(part, whole[2:], rtol=1e-6, atol=1e-7)
    for seed, split in ((1, "train"), (0, "test"), (0, "valid")):
        assert (made(seed, split)[0] != base[0]).any()
    assert (base[0][0] != base[0][1]).any()
    with pytest.raises(InputError, match=r"split: 'trian' is not known"):
        made(split="trian")


def test_unstable_steps_name_the_way_out():
    with pytest.raises(RunFailure, match=r"unstable .*dataset\.dt=0\.5"):
        frames(resolution=32, viscosity=1e-6, interval=20, dt=1)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_store_is_the_same_for_any_number_of_workers(layout, tmp_path):
    given = {**SMALL, "layout": layout}
    stores = [
        ensure_store(
            "navier_stokes",
            given,
            seed=0,
            counts={"train": 19, "test": 2},
            data_dir=tmp_path / str(workers),
            device=CPU,
            workers=workers,
            progress=False,
        )
        for workers in (1, 2)
    ]
    assert stores[0].read_bytes() == stores[1].read_bytes()
    store = Store(stores[0])
    shape = store.shapes("test")[-1]
    for stored, made in zip(
        store.read("test", shape),
        navier_stokes.generate(options(layout=layout), 0, "test", range(2), CPU),
        strict=True,
    ):
        assert (stored == made).all()


TINY = [
    "dataset=navier_stokes",
    *(f"dataset.{key}={value}" for key, value in SMALL.items()),
    "dataset.n_train=4",
    "dataset.n_test=2",
    "model.hidden_channels=4",
    "model.n_layers=1",
    "sampling.batch_size=1",
    "budget.steps=2",
    "tracking=none",
    "device=cpu",
]


def test_frames_train(tmp_path):
    levels = ["hierarchy.levels=[6,12]", "model.n_modes=4"]
    run = nolab.train(nolab.compose([*TINY, *levels, f"data_dir={tmp_path}", f"output_dir={tmp_path}"]))
    assert 0 < run.summary["final/rel_l2/12x12"] < 2


def test_space_time_trains_from_the_command_line(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    levels = ["hierarchy.levels=[[3,6,6],[3,12,12]]", "model.n_modes=[2,4,4]"]
    assert main(["train", *TINY, "dataset.layout=space_time", *levels]) == 0
    assert "3x12x12" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"resolution": 3}, r"dataset\.resolution: must be from 4 to 2048, got 3"),
        (
            {"solve_resolution": 30},
            r"dataset\.solve_resolution: must be null or a multiple of resolution = 12",
        ),
        ({"solve_resolution": 6}, r"dataset\.solve_resolution"),
        ({"solve_resolution": 8196}, r"at most 4096, got 8196"),
        ({"viscosity": 0}, r"dataset\.viscosity: must be from 0\.000001 to 1, got 0"),
        ({"viscosity": math.nan}, r"dataset\.viscosity"),
        ({"start": -1}, r"dataset\.start: must be from 0 to 1000"),
        ({"interval": 0}, r"dataset\.interval: must be from 0\.001"),
        ({"history": 0}, r"dataset\.history: must be from 1"),
        ({"horizon": 0}, r"dataset\.horizon: must be from 1 to 1000 \(frames\)"),
        ({"horizon": 1, "layout": "space_time"}, r"dataset\.horizon: must be from 2 to 1000 \(space_time\)"),
        ({"horizon": 2.5}, r"dataset\.horizon: expected a whole number"),
        ({"dt": 0}, r"dataset\.dt: must be null or from"),
        ({"dt": math.inf}, r"dataset\.dt"),
        ({"integrator": "rk4"}, r"dataset\.integrator: 'rk4' is not known\. Did you mean 'ifrk4'\?"),
        ({"arithmetic": "float16"}, r"dataset\.arithmetic: 'float16' is not known"),
        ({"viscocity": 1e-3}, r"Did you mean 'viscosity'\?"),
    ],
)
def test_bad_options(given, message):
    with pytest.raises(InputError, match=message):
        options(**given)
