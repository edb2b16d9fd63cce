"""Runs on scattered points: every estimator, few points, few bits, resume, prediction, and what is refused."""

import numpy as np
import pytest
import torch

import nolab
from nolab.errors import InputError
from nolab.evaluate import evaluate_run
from nolab.training.pictures import plot_predictions

SHAPES = (
    "dataset=poisson_shapes",
    "dataset.points=[64,96,144]",
    "dataset.n_train=8",
    "dataset.n_test=3",
    "sampling.batch_size=2",
    "budget.steps=3",
    "evaluation.times=1",
    "tracking=none",
    "device=cpu",
)
MODELS = {
    "mp_pde": ("model=mp_pde", "model.hidden=8", "model.n_layers=2", "model.radius=0.4"),
    "ginot": ("model=ginot", "model.width=8", "model.heads=2", "model.centres=6", "model.cross_layers=2"),
    "gino": (
        "model=gino",
        "model.latent=9",
        "model.hidden_channels=6",
        "model.n_layers=2",
        "model.n_modes=4",
    ),
    "fnogno": (
        "model=fnogno",
        "model.latent=9",
        "model.hidden_channels=6",
        "model.n_layers=2",
        "model.n_modes=4",
    ),
}
LEVELS = ["64", "96", "144"]


@pytest.fixture
def shapes(data_dir, tmp_path):
    def compose(*more, model="mp_pde"):
        places = [f"data_dir={data_dir}", f"output_dir={tmp_path / 'outputs'}"]
        return nolab.compose([*SHAPES, *MODELS[model], *places, *more])

    return compose


@pytest.mark.parametrize(
    ("sampling", "model"),
    [
        *(("mlmc", model) for model in MODELS),
        ("mlmc sampling.scheme=random", "mp_pde"),
        *(
            pytest.param("mlmc sampling.scheme=random", model, marks=pytest.mark.slow)
            for model in MODELS
            if model != "mp_pde"
        ),
    ],
)
def test_every_model_trains_on_every_level(shapes, model, sampling):
    run = nolab.train(shapes(*f"sampling={sampling}".split(), model=model))
    assert [name for name in run.summary if name.startswith("final/rel_l2/")] == [
        f"final/rel_l2/{level}" for level in LEVELS
    ]
    assert all(0 < run.summary[f"final/rel_l2/{level}"] < 10 for level in LEVELS)
    assert run.summary["final/h1"] is None


@pytest.mark.pictures
def test_pictures_of_meshes(shapes):
    run = nolab.train(shapes())
    assert (run.path / "plots" / "prediction.png").stat().st_size > 20_000


@pytest.mark.parametrize(
    "more",
    [
        ("sampling=mixed", "sampling.batch_size=1"),
        ("sampling=coarse",),
        ("sampling=adaptive", "budget.steps=12"),
        ("sampling=fine", "neval=0.25"),
        ("sampling=mlmc", "neval=20", "points=stratified"),
        ("sampling=mlmc", "precision=amp_bf16"),
        ("hierarchy.restriction=farthest", "hierarchy.levels=[40,144]"),
        ("hierarchy.restriction=random", "hierarchy.count=2", "checkpointing=true"),
        ("dataset.finest=96", "hierarchy=two"),
        ("+dataset.residency=stream", "+dataset.memory_gib=0"),
    ],
)
def test_savings_compose(shapes, more):
    summary = nolab.train(shapes(*more)).summary
    assert 0 < summary["final/rel_l2"] < 10


def test_a_finer_level_than_the_hierarchys_is_a_zero_shot_test(shapes):
    summary = nolab.train(shapes("dataset.finest=96", "hierarchy=two")).summary
    assert "cost/samples/144" not in summary
    assert 0 < summary["final/rel_l2/144"] < 10


@pytest.mark.parametrize("model", ["mp_pde", "ginot"])
def test_a_resumed_run_ends_with_the_same_bits(shapes, model):
    more = ("sampling=mlmc", "neval=30")
    part = nolab.train(shapes("budget.steps=2", "scheduler=constant", *more, model=model))
    whole = nolab.train(shapes("budget.steps=4", "scheduler=constant", *more, model=model))
    resumed = nolab.resume(part.path, ["budget.steps=4"])
    for name, value in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], value), name


@pytest.fixture
def trained(shapes):
    return nolab.train(shapes("sampling=mlmc"))


def test_evaluation_and_prediction_agree(trained, shapes):
    errors = evaluate_run(trained)
    for level in LEVELS:
        assert errors[level]["rel_l2"] == pytest.approx(trained.summary[f"final/rel_l2/{level}"], rel=1e-5)
        assert "h1" not in errors[level]
    source = nolab_source(shapes())
    fields = source.read("test", (144,))
    predicted = trained.predict(fields.input, fields.coords, weights=fields.weights)
    weights = fields.weights[:, None].astype(float)
    error = (
        ((predicted - fields.output) ** 2 * weights).sum(axis=2) / (fields.output**2 * weights).sum(axis=2)
    ) ** 0.5
    assert error.mean() == pytest.approx(errors["144"]["rel_l2"], rel=1e-4)


def nolab_source(config):
    from omegaconf import OmegaConf

    from nolab.config import validate
    from nolab.training.setup import prepare

    return prepare(validate(OmegaConf.to_container(config, resolve=True))).source


def test_prediction_on_points_of_ones_own(trained):
    coords = np.random.default_rng(0).uniform(-0.5, 0.5, (50, 2))
    inputs = np.ones((2, 2, 50))
    shared = trained.predict(inputs, coords)
    assert shared.shape == (2, 1, 50)
    np.testing.assert_allclose(shared[0], shared[1])
    np.testing.assert_allclose(trained.predict(inputs, np.stack([coords] * 2), weights=np.ones(50)), shared)


PREDICTIONS = {
    "no coords": ({}, "coords: missing"),
    "shape": ({"coords": np.zeros((4, 2))}, r"coords: shape \(4, 2\), expected \(5, 2\)"),
    "outside": ({"coords": np.full((5, 2), 3.0)}, r"coords: axis 0 must lie in \[-1, 1\]"),
    "negative": ({"coords": np.zeros((5, 2)), "weights": -np.ones(5)}, "not negative"),
    "padding first": ({"coords": np.zeros((5, 2)), "weights": np.array([1, 0, 1, 0, 0])}, "stand at the end"),
    "weights": ({"coords": np.zeros((5, 2)), "weights": np.ones(3)}, r"weights: shape \(3,\)"),
}


def test_predictions_that_are_refused(trained):
    for given, message in PREDICTIONS.values():
        with pytest.raises(InputError, match=message):
            trained.predict(np.ones((1, 2, 5)), **given)


REFUSED = {
    "a grid model": (
        ("dataset=poisson_shapes", "model=fno"),
        "fno works on grids, and these data lie on scattered points; use model=gino or",
    ),
    "a mesh model": (("dataset=darcy", "model=mp_pde"), "mp_pde works on scattered points"),
    "h1": (("loss=h1",), "loss: h1 takes derivatives along the axes of a grid"),
    "four of three levels": (("hierarchy=four",), "hierarchy.count: 4 levels, the data hold 64, 96, 144"),
    "too many points": (("neval=145",), "more than the 144 points"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_before_anything_is_made(shapes, case):
    more, message = REFUSED[case]
    config = nolab.compose([*more, "tracking=none"]) if "dataset=" in more[0] else shapes(*more)
    with pytest.raises(InputError, match=message):
        nolab_source(config)


def test_pictures_of_clouds_in_three_dimensions(tmp_path):
    from nolab.tracking.figures import Points, Shown

    rng = np.random.default_rng(0)
    coords = rng.random((80, 3))
    fields = {name: rng.random(80) for name in ("input", "truth", "prediction")}
    rows = [Shown("80", fields, Points(coords, np.empty((0, 3), int)))]
    assert plot_predictions(tmp_path / "a.png", rows, (0, 1) * 3).stat().st_size > 20_000
