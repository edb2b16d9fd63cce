"""Replayed terms: the bookkeeping around CUDA graphs, with calls that are run again instead of replayed."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests_support import tiny_overrides
from training_support import gradient, make_engine, mean_over

import nolab
from nolab.config import OptimizerOptions
from nolab.errors import InputError
from nolab.plan import Term
from nolab.training import graphs as module
from nolab.training.graphs import TermGraphs
from nolab.training.optimizer import build_optimizer
from nolab.training.setup import Setup

PLANS = [
    mean_over(2),
    (Term(0, np.array([0, 1, 4]), np.array([0.5, -0.25, 1])), Term(2, np.array([1]), np.array([2.0]))),
    (Term(0, np.array([3, 5, 2]), np.array([0.1, 0.7, -1])), Term(2, np.array([4]), np.array([1.0]))),
]


class RunAgain:
    """All that a caller can tell of a CUDA graph: the same memory is read and written."""

    def __init__(self):
        self.recorded = 0

    def __call__(self, run):
        self.recorded += 1
        outputs = run()

        def replay():
            for kept, new in zip(outputs, run(), strict=True):
                kept.copy_(new)

        return replay, outputs


def replaying(**options):
    engine = make_engine(**options)
    capture = RunAgain()
    graphs = TermGraphs(list(engine.model.parameters()), capture)
    return make_engine(**options), replace(engine, graphs=graphs), capture


@pytest.mark.parametrize("options", [{}, {"neval": 20}, {"neval": 20, "scope": "shared", "scheme": "sobol"}])
def test_gradients_and_losses_are_those_without_graphs(options):
    plain, graphed, capture = replaying(**options)
    for step, plan in enumerate([*PLANS, *PLANS]):
        assert torch.equal(gradient(graphed, plan, step), gradient(plain, plan, step))
        want, got = plain.accumulate(plan, step), graphed.accumulate(plan, step)
        assert torch.equal(got.weighted, want.weighted)
        assert torch.equal(got.mean, want.mean)
    assert capture.recorded == 3  # 6 samples at level 2, 3 at level 0, 1 at level 2


def test_gradients_add_up_over_terms_and_survive_a_recording():
    plain, graphed, _ = replaying()
    for engine in (plain, graphed):
        engine.model.zero_grad(set_to_none=True)
        for plan in PLANS:
            engine.accumulate(plan, 0)
    for a, b in zip(plain.model.parameters(), graphed.model.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)


def test_what_a_step_returns_is_not_overwritten_by_the_next():
    _, graphed, _ = replaying()
    first = graphed.accumulate(PLANS[1], 0)
    kept = first.weighted.clone()
    graphed.accumulate(PLANS[2], 1)
    assert torch.equal(first.weighted, kept)


def test_points_that_learn_see_the_same_errors():
    plain, graphed, _ = replaying(neval=20, scheme="importance")
    for step in range(3):
        for engine in (plain, graphed):
            engine.accumulate(PLANS[0], step)
    states = [engine.points.state_dict() for engine in (plain, graphed)]
    assert str(states[0]) == str(states[1])


@pytest.mark.parametrize("to_none", [True, False])
def test_an_optimizer_makes_the_same_steps(to_none):
    """Also where gradients were dropped in between, as measuring costs does."""
    plain, graphed, _ = replaying(dtype=torch.float32)
    results = []
    for engine in (plain, graphed):
        optimizer = build_optimizer(OptimizerOptions(), engine.model)
        for step, plan in enumerate(PLANS):
            optimizer.zero_grad(set_to_none=engine is plain)
            engine.accumulate(plan, step)
            optimizer.step()
            if to_none:
                engine.model.zero_grad(set_to_none=True)
        results.append([p.detach().clone() for p in engine.model.parameters()])
    for a, b in zip(*results, strict=True):
        assert torch.equal(a, b)


def test_a_mode_has_a_graph_of_its_own():
    _, graphed, capture = replaying(modes=("half", "fp32", "fp32"), dtype=torch.float32, scale=2.0**10)
    for _ in range(2):
        graphed.accumulate(mean_over(0), 0)
        graphed.accumulate(mean_over(1), 0)
    assert capture.recorded == 2


def test_beyond_the_limit_terms_run_without(monkeypatch):
    monkeypatch.setattr(module, "LIMIT", 1)
    plain, graphed, capture = replaying()
    for plan in PLANS:
        assert torch.equal(gradient(graphed, plan), gradient(plain, plan))
    assert capture.recorded == 1


def test_a_cpu_has_no_graphs(data_dir, tmp_path):
    config = nolab.compose(tiny_overrides(data_dir, tmp_path, "cuda_graphs=true"))
    with pytest.raises(InputError, match=r"cuda_graphs: needs a CUDA device, the run's device is 'cpu'"):
        nolab.train(config)


@pytest.mark.parametrize("sampling", ["fine", "mlmc"])
def test_a_run_with_graphs_has_the_same_bits(tiny, monkeypatch, sampling):
    """The whole trainer over replayed terms: costs measured first, gradients zeroed between steps."""
    made = Counter()
    original = Setup.engine

    def engine(self, data, model):
        made["graphs"] += 1
        graphs = TermGraphs(list(model.parameters()), RunAgain())
        return replace(original(self, data, model), graphs=graphs)

    plain = nolab.train(nolab.compose(tiny(f"sampling={sampling}")))
    monkeypatch.setattr(Setup, "engine", engine)
    graphed = nolab.train(nolab.compose(tiny(f"sampling={sampling}")))
    assert made["graphs"]
    assert graphed.summary["final/rel_l2"] == plain.summary["final/rel_l2"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_cuda_graph_gives_the_gradient(tiny):
    runs = [nolab.train(nolab.compose(tiny("device=cuda", f"cuda_graphs={on}"))) for on in ("false", "true")]
    assert runs[1].summary["final/rel_l2"] == pytest.approx(runs[0].summary["final/rel_l2"], rel=1e-4)
