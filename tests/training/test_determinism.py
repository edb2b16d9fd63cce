"""deterministic=true: a run is a function of its config and seed, bit for bit, on one machine."""

import json

import pytest
import torch
from omegaconf import OmegaConf
from training_support import same_bits

import nolab
from nolab.config import validate
from nolab.device import deterministic_kernels, make_deterministic
from nolab.errors import RunFailure
from nolab.training.setup import prepare

SMALL_FNO = ("model.n_modes=4", "model.hidden_channels=6", "model.n_layers=2", "hierarchy=two")
GRID = ("dataset.n_train=16", "dataset.n_test=4", "dataset.resolution=17", "dataset.finest=17", *SMALL_FNO)
EXPERIMENTS = {
    "fno, nested mlmc, points per sample": (*GRID, "sampling=mlmc", "neval=20", "points.scope=per_sample"),
    "mp_pde on meshes": (
        "dataset=poisson_shapes",
        "dataset.points=[64,96]",
        "hierarchy=two",
        "dataset.n_train=8",
        "dataset.n_test=2",
        "model=mp_pde",
        "model.hidden=8",
        "model.n_layers=2",
        "model.radius=0.4",
        "sampling=mlmc",
    ),
    "deeponet": (
        "experiment=deeponet_diffusion_reaction",
        "dataset.n_train=16",
        "dataset.n_test=4",
        "dataset.times=6",
        "dataset.resolution=13",
        "budget.epochs=null",
        "points.axes=[null,3]",
    ),
}  # fmt: skip
NAMES = list(EXPERIMENTS)
EVERY = ("sampling.batch_size=2", "budget.steps=4", "evaluation.times=2", "tracking=none", "device=cpu")
MEASURED = ("cost/fine_equivalents", "cost/peak_mem_gib", "cost/energy_j", "mlmc/C/", "target/train_s")
"""What follows a clock or the machine, beside the seconds."""


@pytest.fixture(autouse=True)
def as_before():
    yield
    make_deterministic(False)


def outcome(run):
    """All that a run leaves but its times: weights and optimizer, records, summary."""
    records = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    figures = [
        {k: v for k, v in record.items() if not k.endswith("_s") and not k.startswith(MEASURED)}
        for record in (*records, run.summary)
    ]
    state = {key: run.state[key] for key in ("model", "optimizer", "ema", "rng", "points", "samples")}
    return state, figures


@pytest.mark.parametrize("experiment", [*NAMES[:-1], pytest.param(NAMES[-1], marks=pytest.mark.slow)])
def test_a_seed_gives_the_same_bits_twice_and_another_seed_others(experiment, data_dir, tmp_path):
    def train(seed):
        places = (f"data_dir={data_dir}", f"output_dir={tmp_path}", f"seed={seed}", "deterministic=true")
        return nolab.train(nolab.compose([*EXPERIMENTS[experiment], *EVERY, *places]))

    first, again, other = (train(seed) for seed in (0, 0, 1))
    (state, figures), (state_again, figures_again) = outcome(first), outcome(again)
    assert same_bits(state, state_again)
    assert figures == figures_again
    assert len(figures) == 4 + 2 + 1
    assert {"final/rel_l2", "cost/flops"} <= figures[-1].keys()
    assert not same_bits(state["model"], other.state["model"])
    assert first.summary["final/rel_l2"] != other.summary["final/rel_l2"]
    recorded = json.loads((first.path / "environment.json").read_text())
    assert recorded["deterministic"] is True


def test_initial_weights_follow_the_seed(tiny):
    def weights(seed):
        config = nolab.compose(tiny(f"seed={seed}"))
        return prepare(validate(OmegaConf.to_container(config, resolve=True))).model.state_dict()

    first, again, other = (weights(seed) for seed in (0, 0, 1))
    assert same_bits(first, again)
    assert not same_bits(first, other)


@pytest.mark.slow
def test_where_data_live_and_who_made_them_changes_no_bit(tmp_path):
    """Random points per sample and a random order: made by one thread and held, or by two and streamed."""

    def train(workers, *more):
        places = (f"data_dir={tmp_path / str(workers)}", f"output_dir={tmp_path / 'out'}")
        chosen = (*EXPERIMENTS["fno, nested mlmc, points per sample"], *EVERY, *places, *more)
        return nolab.train(nolab.compose([*chosen, f"+dataset.workers={workers}", "deterministic=true"]))

    held = train(1)
    streamed = train(2, "+dataset.residency=stream", "+dataset.memory_gib=0")
    assert same_bits(held.state["model"], streamed.state["model"])


class TestRefusedOperations:
    def config(self, tiny, *more):
        config = nolab.compose(tiny(*more))
        OmegaConf.update(config, "model", {"_target_": "refused_support.Refused"}, merge=False)
        return config

    def test_they_are_named_with_the_way_out(self, tiny):
        with pytest.raises(RunFailure) as caught:
            nolab.train(self.config(tiny, "deterministic=true"))
        assert str(caught.value) == (
            "deterministic=true: put_ has no deterministic kernel on this device; use a model without it, "
            "another device, or deterministic=false"
        )

    def test_a_run_that_allows_them_has_them_in_the_same_process(self, tiny):
        nolab.train(nolab.compose(tiny("deterministic=true", "budget.steps=1")))
        assert torch.are_deterministic_algorithms_enabled()
        run = nolab.train(self.config(tiny, "deterministic=false"))
        assert not torch.are_deterministic_algorithms_enabled()
        assert json.loads((run.path / "environment.json").read_text())["deterministic"] is False

    def test_what_the_user_of_the_process_has_set_stays(self):
        torch.use_deterministic_algorithms(True)
        try:
            make_deterministic(False)
            assert torch.are_deterministic_algorithms_enabled()
            make_deterministic(True)
            make_deterministic(False)
            assert torch.are_deterministic_algorithms_enabled()
        finally:
            torch.use_deterministic_algorithms(False)

    def test_cublas_without_a_workspace_is_named(self):
        message = "Deterministic behavior was enabled with either … but this operation … uses CuBLAS"
        with pytest.raises(RunFailure, match="CuBLAS has no deterministic kernel"), deterministic_kernels():
            raise RuntimeError(message)

    def test_other_errors_pass(self):
        with pytest.raises(RuntimeError, match=r"^shapes differ$"), deterministic_kernels():
            raise RuntimeError("shapes differ")
