"""Frames of Navier–Stokes, trained and evaluated by the command's own path."""

import numpy as np
import pytest
from omegaconf import OmegaConf

import nolab
from nolab.config import validate
from nolab.data.loading import load_levels
from nolab.training.setup import prepare

FLOW = (
    "dataset=navier_stokes",
    "dataset.resolution=16",
    "dataset.history=2",
    "dataset.horizon=3",
    "dataset.n_train=6",
    "dataset.n_test=3",
    "dataset.dt=0.1",
    "dataset.finest=16",
    "hierarchy.levels=[8,16]",
    "model.n_modes=4",
    "model.hidden_channels=6",
    "model.n_layers=2",
    "sampling.batch_size=2",
    "budget.steps=2",
    "evaluation.times=1",
    "tracking=none",
    "device=cpu",
)
NAMES = ["vorticity_t3", "vorticity_t4", "vorticity_t5"]


@pytest.fixture
def flow(data_dir, tmp_path):
    def compose(*more):
        places = [f"data_dir={data_dir}", f"output_dir={tmp_path / 'outputs'}"]
        return nolab.compose([*FLOW, *places, *more])

    return compose


def test_frames_share_their_statistics(flow):
    """Mean and deviation over all frames, in and out."""
    setup = prepare(validate(OmegaConf.to_container(flow(), resolve=True)))
    assert setup.spec.frames
    normalizers = load_levels(setup.source, "train", setup.hierarchy, 1).normalizers
    inputs, outputs = setup.source.read("train", (16, 16))
    values = np.concatenate([inputs, outputs], axis=1).astype(np.float64)
    for normalizer, channels in ((normalizers.input, 2), (normalizers.output, 3)):
        assert normalizer.mean == pytest.approx([values.mean()] * channels, abs=1e-9)
        assert normalizer.std == pytest.approx([values.std()] * channels)


def test_other_channels_have_statistics_of_their_own(flow):
    levels = "hierarchy.levels=[[3,8,8],[3,16,16]]"
    config = flow("dataset.layout=space_time", "dataset.finest=null", levels, "model.n_modes=[2,4,4]")
    setup = prepare(validate(OmegaConf.to_container(config, resolve=True)))
    assert not setup.spec.frames


@pytest.mark.pictures
@pytest.mark.parametrize("sampling", ["fine", "mlmc"])
def test_a_roll_out_trains_and_reports_every_frame(flow, sampling):
    run = nolab.train(flow("model.rollout=true", f"sampling={sampling}", "sampling.batch_size=1"))
    errors = [run.summary[f"final/rel_l2_of/{name}"] for name in NAMES]
    assert all(0 < error < 10 for error in errors)
    assert (run.path / "plots" / "spectrum.png").stat().st_size > 10_000
    assert (run.path / "plots" / "prediction.png").stat().st_size > 10_000
    again = nolab.load_run(run.path)  # the roll-out is part of the saved model
    inputs, outputs = prepare(validate(OmegaConf.to_container(flow(), resolve=True))).source.read(
        "test", (16, 16)
    )
    predicted = again.predict(inputs)
    assert predicted.shape == outputs.shape
    error = np.sqrt(((predicted - outputs) ** 2).mean(axis=(2, 3)) / (outputs**2).mean(axis=(2, 3)))
    np.testing.assert_allclose(error.mean(axis=0), errors, rtol=1e-4)
