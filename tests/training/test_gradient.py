"""The two laws of unbiased estimators, in float64, on a real model and real terms."""

import numpy as np
import pytest
import torch
from tests_support import spec

from nolab import registry
from nolab.data.batcher import ResidentBatcher
from nolab.data.hierarchy import Hierarchy, Level
from nolab.data.pyramid import LevelTensors
from nolab.estimators import mlmc
from nolab.grid import Domain
from nolab.metrics.errors import Units, mse, rel_l2
from nolab.models import fno
from nolab.plan import Term
from nolab.points import build_points, parse_neval
from nolab.training.gradient import GradientEngine

N = 6
CPU = torch.device("cpu")
SHAPES = ((5, 5), (9, 9), (17, 17))
DOMAIN = Domain.unit(2, "nodal")


def make_engine(neval=None, scheme="random", scope="per_sample", loss=mse):
    """An FNO in float64 on three nodal levels of random fields."""
    generator = torch.Generator().manual_seed(0)
    finest = [torch.randn(N, 1, 17, 17, generator=generator, dtype=torch.float64) for _ in range(2)]
    levels = []
    for stride in (4, 2, 1):
        x, y = (field[..., ::stride, ::stride].contiguous() for field in finest)
        levels.append(LevelTensors(x, y, y.square().mean(dim=(1, 2, 3)).sqrt(), torch.zeros(1)))
    hierarchy = Hierarchy(tuple(Level(shape) for shape in SHAPES), DOMAIN, "subsample")
    torch.manual_seed(1)
    options = fno.Options(n_modes=4, hidden_channels=4, n_layers=2)
    model = fno.build(options, spec(DOMAIN)).double()
    for module in model.modules():  # .double() leaves complex parameters as they are
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.is_complex():
                module._parameters[name] = torch.nn.Parameter(parameter.detach().to(torch.complex128))
    chosen = registry.load("nolab.points", scheme, "points.scheme").Options(scope=scope, neval=neval)
    points = build_points(scheme, chosen, DOMAIN, 0, SHAPES, (parse_neval(neval, "neval"),) * 3)
    units = Units(torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64))
    batcher = ResidentBatcher(levels, hierarchy, CPU, on_device=True)
    return GradientEngine(model, batcher, points, loss, units, ("fp32",) * 3, CPU)


def gradient(engine, plan, step=0):
    """The flat gradient of a plan, complex parts as pairs."""
    engine.model.zero_grad(set_to_none=True)
    engine.accumulate(plan, step)
    parts = [p.grad for p in engine.model.parameters() if p.grad is not None]
    flat = [torch.view_as_real(g).flatten() if g.is_complex() else g.flatten() for g in parts]
    return torch.cat(flat)


def fine_plan():
    return (Term(2, np.arange(N), np.full(N, 1 / N)),)


@pytest.mark.parametrize("scheme", [mlmc.Nested, mlmc.Random])
@pytest.mark.parametrize("loss", [mse, rel_l2])
def test_full_index_sets_give_the_fine_gradient(scheme, loss):
    engine = make_engine(loss=loss)
    expected = gradient(engine, fine_plan())
    actual = gradient(engine, scheme((N, N, N), N, seed=3).plan(2))
    assert (actual - expected).norm() <= 1e-13 * expected.norm()


@pytest.mark.parametrize("scheme", [mlmc.Nested, mlmc.Random])
def test_telescoping_sum_is_what_a_step_computes(scheme):
    """The plan's gradient equals the paper's formula, written out sum by sum."""
    engine, sizes = make_engine(), (4, 2, 1)
    estimator = scheme(sizes, N, seed=3)
    plan = estimator.plan(1)
    if scheme is mlmc.Nested:
        draws = [plan[0].indices[:n] for n in sizes]
    else:
        draws = [plan[level].indices[:n] for level, n in enumerate(sizes)]

    def mean(level, draw):
        return gradient(engine, (Term(level, draw, np.full(len(draw), 1 / len(draw))),))

    expected = mean(0, draws[0])
    for level in (1, 2):
        expected = expected + mean(level, draws[level]) - mean(level - 1, draws[level])
    assert (gradient(engine, plan) - expected).norm() <= 1e-13 * expected.norm()


@pytest.mark.parametrize("scheme", [mlmc.Nested, mlmc.Random])
def test_mean_over_plans_converges_to_the_fine_gradient(scheme):
    """Within 5 standard errors, in the direction where the deviation is largest and in norm."""
    engine = make_engine()
    expected = gradient(engine, fine_plan())
    # Per-sample gradients make the mean over thousands of plans a matrix product.
    single = torch.stack(
        [
            torch.stack([gradient(engine, (Term(level, np.array([i]), np.ones(1)),)) for i in range(N)])
            for level in range(3)
        ]
    )
    estimator, steps = scheme((4, 2, 1), N, seed=0), 6000
    weights = np.zeros((steps, 3, N))
    for step in range(steps):
        for term in estimator.plan(step):
            np.add.at(weights[step, term.level], term.indices, term.weights)
    samples = torch.einsum("sli,lip->sp", torch.from_numpy(weights), single)
    error = (samples.mean(0) - expected).norm()
    standard_error = (samples.var(0).sum() / steps).sqrt()
    assert error < 3 * standard_error
    assert standard_error < 0.1 * expected.norm()  # the test can see a bias of that size


@pytest.mark.parametrize("scope", ["shared", "per_sample"])
@pytest.mark.parametrize("scheme", ["random", "stratified", "sobol", "epoch", "importance"])
def test_drawn_points_are_unbiased_for_mse(scheme, scope):
    """Importance learns from the errors while it draws: it is unbiased in every state."""
    engine, full = make_engine(40, scheme, scope), make_engine()
    expected = gradient(full, fine_plan())
    drawn = torch.stack([gradient(engine, fine_plan(), step) for step in range(300)])
    standard_error = (drawn.var(0).sum() / len(drawn)).sqrt()
    assert (drawn.mean(0) - expected).norm() < 3 * standard_error
    assert 0 < standard_error < 0.2 * expected.norm()


def test_terms_add_up_and_losses_are_returned_per_term():
    engine = make_engine()
    plan = (Term(0, np.array([0, 1]), np.array([0.5, -0.25])), Term(2, np.array([1]), np.array([2.0])))
    parts = sum(gradient(engine, (term,)) for term in plan)
    assert torch.allclose(gradient(engine, plan), parts, rtol=1e-12, atol=1e-14)
    losses = engine.accumulate(plan, 0)
    single = [engine.accumulate((Term(0, np.array([i]), np.ones(1)),), 0).weighted[0] for i in (0, 1)]
    assert losses.weighted[0] == pytest.approx(float(0.5 * single[0] - 0.25 * single[1]))
    assert losses.mean[0] == pytest.approx(float(single[0] + single[1]) / 2)


def test_repeated_samples_count_twice():
    engine = make_engine()
    twice = gradient(engine, (Term(1, np.array([3, 3]), np.array([0.5, 0.5])),))
    once = gradient(engine, (Term(1, np.array([3]), np.array([1.0])),))
    assert torch.allclose(twice, once, rtol=1e-12, atol=1e-14)
