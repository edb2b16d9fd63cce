"""Any choice of one axis works with any choice of the others: whole runs of a few steps."""

import itertools
from pathlib import Path

import pytest
import torch

import nolab

DATA = Path(__file__).parents[3] / "shared" / "data" / "neuralop_darcy"


def train(tiny, *overrides):
    return nolab.train(nolab.compose(tiny(*overrides)))


def weights(run):
    return torch.cat([torch.view_as_real(p + 0j).flatten() for p in run.state["model"].values()])


AXES = (["fine", "coarse", "mlmc", "mixed"], ["null", "16"], ["fp32", "amp_bf16"], ["fno", "tfno"])
PAIRS = {
    (sampling, neval, precision, AXES[3][(i // 2 + j) % 2])
    for i, sampling in enumerate(AXES[0])
    for j, (neval, precision) in enumerate(zip(AXES[1], AXES[2][:: 1 - 2 * (i % 2)], strict=True))
}
"""Eight of the 32 choices, among which any two choices of different axes meet."""


def test_any_two_choices_meet():
    for a, b in itertools.combinations(range(4), 2):
        assert {(row[a], row[b]) for row in PAIRS} == set(itertools.product(AXES[a], AXES[b]))


@pytest.mark.parametrize(
    ("sampling", "neval", "precision", "model"),
    [pytest.param(*row, marks=() if row in PAIRS else pytest.mark.slow) for row in itertools.product(*AXES)],
)
def test_choices_compose(tiny, sampling, neval, precision, model):
    overrides = [f"sampling={sampling}", f"neval={neval}", f"precision={precision}", f"model={model}"]
    run = train(tiny, *overrides)
    assert run.summary["cost/steps"] == 4
    assert 0 < run.summary["final/rel_l2"] < 1.5


@pytest.mark.parametrize("loss", ["mse", "h1"])
@pytest.mark.parametrize("scheme", ["nested", "random"])
def test_losses_with_both_schemes(tiny, loss, scheme):
    assert train(tiny, f"loss={loss}", f"sampling.scheme={scheme}", "delta=1.5").finished


def test_levels_override_precision_and_neval(tiny):
    """Same seed: only the coarse level's arithmetic and points differ from the plain run."""
    plain = train(tiny, "hierarchy.levels=[9,17]")
    for entry in ("{size: 9, precision: amp_bf16}", "{size: 9, neval: 20}"):
        other = train(tiny, f"hierarchy.levels=[{entry},17]")
        assert not torch.equal(weights(plain), weights(other))
    same = train(tiny, "hierarchy.levels=[{size: 9, precision: fp32}, {stride: 1, neval: 289}]")
    assert torch.equal(weights(plain), weights(same))


@pytest.mark.parametrize("residency", ["host", "stream"])
def test_where_the_data_live_changes_no_bit(tiny, residency):
    resident = train(tiny, "dataset.n_train=32")
    other = train(tiny, "dataset.n_train=32", f"+dataset.residency={residency}")
    # A streamed data set's normalisers come from the same samples here, since all fit the sample limit.
    assert torch.equal(weights(resident), weights(other))


def test_training_learns(tiny):
    """300 steps on 32 small samples: far below predicting the mean."""
    run = train(
        tiny, "dataset.n_train=64", "dataset.n_test=16", "budget.steps=300", "scheduler=cosine", "delta=1.5"
    )
    assert run.summary["final/rel_l2"] < 0.25
    assert run.summary["best/rel_l2"] <= run.summary["final/rel_l2"]


def test_a_run_predicts_what_it_was_evaluated_on(tiny):
    from nolab.training.setup import open_source

    run = train(tiny)
    source = open_source(run.settings.dataset, Path(run.config.data_dir), torch.device("cpu"))
    inputs, outputs = source.read("test", (17, 17))
    predicted = nolab.load_run(run.path).predict(inputs, source.domain.coordinates((17, 17)))
    weights_ = source.domain.weights((17, 17)).numpy()
    error = ((predicted - outputs) ** 2 * weights_).sum((1, 2, 3)) ** 0.5
    norm = (outputs**2 * weights_).sum((1, 2, 3)) ** 0.5
    assert (error / norm).mean() == pytest.approx(run.summary["final/rel_l2"], rel=1e-4)


@pytest.mark.parametrize("hierarchy", ["one", "two", "three"])
def test_average_and_spectral_hierarchies(tiny, hierarchy):
    for restriction in ("average", "spectral"):
        assert train(tiny, f"hierarchy={hierarchy}", f"hierarchy.restriction={restriction}").finished


@pytest.mark.skipif(not DATA.is_dir(), reason="neuraloperator's Darcy files are not here")
def test_neuraloperators_own_darcy_files(tiny):
    keep = [o for o in tiny("sampling.batch_size=8", "budget.steps=60") if not o.startswith("dataset.")]
    run = nolab.train(nolab.compose([*keep, "dataset=file", f"dataset.path={DATA}"]))
    assert {k for k in run.summary if k.startswith("final/rel_l2/")} == {
        "final/rel_l2/8x8",
        "final/rel_l2/16x16",
        "final/rel_l2/32x32",
    }
    assert run.summary["final/rel_l2/16x16"] < 0.4
    assert run.summary["final/rel_l2/32x32"] < 0.4


@pytest.mark.parametrize(
    ("precision", "n_layers"),
    [("fp32", 1), *(pytest.param(name, 2, marks=pytest.mark.slow) for name in ("fp32", "schedule"))],
)
def test_a_compiled_run_has_the_same_errors(tiny, monkeypatch, precision, n_layers):
    """Compiled to graphs, not to machine code, which would take minutes."""
    made, original = [], torch.compile

    def graphs_only(model, **options):
        made.append(options)
        return original(model, backend="eager", fullgraph=True, **options)

    monkeypatch.setattr(torch, "compile", graphs_only)
    common = ("sampling=mlmc", f"precision={precision}", f"model.n_layers={n_layers}")
    plain, compiled = train(tiny, *common), train(tiny, *common, "compile=true")
    assert made == [{"dynamic": False}]
    assert compiled.summary["final/rel_l2"] == pytest.approx(plain.summary["final/rel_l2"], rel=1e-5)


@pytest.mark.parametrize("model", ["fno", "tfno"])
def test_a_checkpointed_run_has_the_same_bits_from_less_memory(tiny, model):
    plain, less = (train(tiny, f"model={model}", f"checkpointing={on}") for on in ("false", "true"))
    assert less.summary["final/rel_l2"] == plain.summary["final/rel_l2"]
    assert less.summary["cost/saved_gib"] < 0.7 * plain.summary["cost/saved_gib"]
