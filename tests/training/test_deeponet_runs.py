"""DeepONet runs from end to end: inputs along one axis, queries off the grid, what info says of N_eval."""

import numpy as np
import pytest

import nolab
from nolab.cli import main
from nolab.errors import InputError
from nolab.evaluate import evaluate_run

SMALL = (
    "experiment=deeponet_diffusion_reaction",
    "dataset.n_train=16",
    "dataset.n_test=4",
    "dataset.times=6",
    "dataset.resolution=13",
    "sampling.batch_size=4",
    "budget.epochs=null",
    "budget.steps=4",
    "evaluation.times=1",
    "tracking=none",
    "device=cpu",
)


@pytest.fixture(scope="module")
def run(data_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("deeponet")
    return nolab.train(
        nolab.compose([*SMALL, "points.axes=[null,3]", f"data_dir={data_dir}", f"output_dir={folder}"])
    )


@pytest.fixture(scope="module")
def sources():
    return np.random.default_rng(0).standard_normal((5, 1, 1, 13))


def test_all_times_and_some_places(run):
    assert run.summary["points/neval/6x13"] == 6 * 3
    assert (run.path / "plots" / "prediction.png").is_file()
    assert evaluate_run(run)["6x13"]["mse"] == pytest.approx(run.summary["final/mse"])


def test_the_finest_grid_fills_axes_on_which_the_input_does_not_vary(run, sources):
    assert run.predict(sources).shape == (5, 1, 6, 13)
    assert run.predict(sources[:, 0]).shape == (5, 1, 6, 13)


def test_another_grid_by_its_coordinates(run, sources):
    coords = run.domain.coordinates((11, 13)).numpy()
    finer = run.predict(sources, coords)
    assert finer.shape == (5, 1, 11, 13)
    np.testing.assert_allclose(finer[:, :, ::2], run.predict(sources), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("per_sample", [False, True])
def test_queries_on_the_grid_give_its_values(run, sources, per_sample):
    queries = run.domain.coordinates((6, 13)).flatten(1).T.numpy()  # (N, 2)
    whole = run.predict(sources)
    if per_sample:  # each sample its own order of the same points
        orders = np.stack([np.random.default_rng(i).permutation(len(queries)) for i in range(5)])
        whole = np.take_along_axis(whole.reshape(5, 1, -1), orders[:, None], axis=2)
        queries = queries[orders]
    answered = run.predict(sources, queries=queries)
    np.testing.assert_allclose(answered, whole.reshape(5, 1, -1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"queries": np.zeros((3, 1))}, r"queries: shape \(3, 1\), expected \(Q, 2\) or \(5 samples, Q, 2\)"),
        ({"queries": np.zeros((2, 3, 2))}, "queries: shape"),
        ({"queries": np.full((3, 2), 1.5)}, r"queries: axis 0 must lie in \[0, 1\]"),
        ({"queries": np.full((3, 2), np.nan)}, r"queries: axis 0 must lie in \[0, 1\]"),
        ({"queries": np.zeros((0, 2))}, "queries: shape"),
        ({"coords": np.zeros((2, 7, 13))}, "not the grid of the run's domain"),
        ({"coords": np.zeros((2, 13))}, "coords: shape"),
    ],
)
def test_bad_places(run, sources, arguments, said):
    with pytest.raises(InputError, match=said):
        run.predict(sources, **arguments)


def test_inputs_that_vary_where_they_should_not(run):
    with pytest.raises(InputError, match="do not vary along axis 0, so its size is 1, not 6"):
        run.predict(np.ones((2, 1, 6, 13)))


def test_a_grid_model_refuses_queries(tiny):
    run = nolab.train(nolab.compose(tiny("budget.steps=1")))
    with pytest.raises(InputError, match=r"answers on grids only.*deeponet"):
        run.predict(np.ones((1, 1, 17, 17)), queries=np.zeros((3, 2)))


def test_predict_reads_queries_from_a_file(run, sources, tmp_path, capsys):
    np.save(tmp_path / "x.npy", sources)
    np.save(tmp_path / "q.npy", np.array([[0.0, 0.5], [1.0, 0.25]]))
    assert (
        main(["predict", str(run.path), str(tmp_path / "x.npy"), "--queries", str(tmp_path / "q.npy")]) == 0
    )
    assert np.load(capsys.readouterr().out.strip()).shape == (5, 1, 2)


@pytest.mark.parametrize(
    ("model", "saves"), [("deeponet", "trunk"), ("fno", "projection head"), ("tfno", "projection head")]
)
def test_info_says_what_neval_saves(tiny, capsys, model, saves):
    keep = [o for o in tiny() if not o.startswith("model.")]
    assert main(["info", f"model={model}", *keep]) == 0
    out = capsys.readouterr().out
    assert saves in out
    line = next(line for line in out.splitlines() if line.startswith("GFLOP of"))
    assert "289 points" in line
    assert "36 points" in line
    share = float(line.rpartition("(")[2].rpartition("%")[0])
    assert -100 < share < 0
