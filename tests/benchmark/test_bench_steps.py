"""The steps that are measured: their float64 copies, and neuraloperator's beside them."""

from functools import partial

import pytest
import torch
from tests_support import spec
from torch import nn

from nolab.benchmark.counterparts import FULL, REFERENCES, Reference, find_reference
from nolab.benchmark.errors import exact, outcome, relative_error
from nolab.benchmark.fields import random_samples
from nolab.benchmark.measure import memory_bytes, seconds_per_step, speed_up
from nolab.benchmark.reference import ReferenceStep
from nolab.benchmark.step import Task, TrainingStep
from nolab.benchmark.subject import STEPS
from nolab.config import OptimizerOptions
from nolab.data.pyramid import LevelTensors
from nolab.grid import Domain
from nolab.metrics.errors import rel_l2
from nolab.models import build_model, deeponet, fno, in_float64, tfno
from nolab.points import all as all_points
from nolab.points import build_points, parse_neval, random

CPU = torch.device("cpu")
SHAPE = (16, 16)
OPTIONS = {
    "fno": fno.Options(n_modes=4, hidden_channels=6, n_layers=2),
    "tfno": tfno.Options(n_modes=4, hidden_channels=6, n_layers=2, rank=0.5, norm="group_norm"),
}


def task(count=3, neval=None, placement="nodal"):
    held = spec(Domain.unit(2, placement))
    name, scheme = ("all", all_points) if neval is None else ("random", random)
    points = build_points(name, scheme.Options(), held.domain, 0, (SHAPE,), (parse_neval(neval, "neval"),))
    samples = random_samples(held, SHAPE, None, count, seed=0)
    return Task(samples, held.domain, points, 0, rel_l2, OptimizerOptions(), "scale", CPU)


def step(name="fno", mode="fp32", **given):
    torch.manual_seed(0)
    model = build_model(name, OPTIONS[name], spec(Domain.unit(2)))
    return TrainingStep(model, mode, task(**given))


def reference(name="fno", count=3):
    build = partial(REFERENCES[name].build, OPTIONS[name], spec(Domain.unit(2)))
    samples = random_samples(spec(Domain.unit(2)), SHAPE, None, count, seed=0)
    return ReferenceStep(build, FULL, samples, OptimizerOptions(), CPU)


@pytest.mark.parametrize("name", OPTIONS)
def test_the_float64_copy_is_float64_throughout(name):
    subject = step(name)
    wide = subject.in_float64()
    dtypes = {p.dtype for p in wide.model.parameters()}
    assert dtypes <= {torch.float64, torch.complex128}
    assert wide.gradient().dtype == torch.float64
    assert exact(subject).narrowed == ()
    assert {p.dtype for p in subject.model.parameters()} <= {torch.float32, torch.complex64}


def test_the_float64_copy_holds_the_same_weights():
    model = build_model("tfno", OPTIONS["tfno"], spec(Domain.unit(2)))
    for wide, plain in zip(in_float64(model).parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(wide.to(plain.dtype), plain, rtol=0, atol=0)


def test_a_model_that_narrows_is_found_out():
    class Narrow(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, batch):
            return (batch.input * self.weight).float().double()

    assert exact(TrainingStep(Narrow(), "fp32", task())).narrowed == ("aten._to_copy.default",)


@pytest.mark.parametrize("neval", [None, 20])
def test_errors_grow_with_the_precision_that_is_lost(neval):
    errors = {}
    for mode in ("fp32", "half", "amp_bf16"):
        subject = step(mode=mode, neval=neval)
        truth, result = exact(subject).outcome, outcome(subject)
        errors[mode] = [
            relative_error(result.prediction, truth.prediction),
            relative_error(result.gradient, truth.gradient),
        ]
    for fp32, half, bf16 in zip(*errors.values(), strict=True):
        assert 0 < fp32 < 1e-5 < bf16 < 0.1
        assert fp32 < half < bf16


def test_scaled_gradients_are_scaled_back():
    plain, scaled = (outcome(step(mode=mode)).gradient for mode in ("fp32", "half"))
    assert relative_error(scaled, plain) < 1e-2


def test_a_call_makes_steps_and_gradient_makes_none():
    subject = step()
    before = [p.detach().clone() for p in subject.model.parameters()]
    outcome(subject)
    assert all(torch.equal(p, b) for p, b in zip(subject.model.parameters(), before, strict=True))
    assert all(p.grad is None for p in subject.model.parameters())
    subject()
    assert not any(torch.equal(p, b) for p, b in zip(subject.model.parameters(), before, strict=True))


@pytest.mark.parametrize("name", OPTIONS)
def test_the_reference_is_the_same_architecture(name):
    def parameters(model):
        return sum(p.numel() for p in model.parameters())

    theirs, ours = reference(name).model, step(name).model
    assert parameters(theirs) == parameters(ours)
    assert type(theirs).__module__ == "neuralop.models.fno"


def test_the_reference_on_the_sphere_lacks_one_positional_feature():
    pytest.importorskip("torch_harmonics")
    sfno = pytest.importorskip("nolab.models.sfno")
    held = spec(Domain.sphere(), shape=(9, 16))
    options = sfno.Options(n_modes=4, hidden_channels=6, n_layers=1)
    theirs, ours = REFERENCES["sfno"].build(options, held, "full"), sfno.build(options, held)
    counts = [sum(p.numel() for p in model.parameters()) for model in (theirs, ours)]
    width = 2 * options.hidden_channels  # of the lifting's first layer
    assert counts[1] - counts[0] == width


def test_a_reference_whose_library_is_missing_is_said(monkeypatch):
    monkeypatch.setitem(REFERENCES, "fno", Reference(None, "no_such_library"))
    build, reason = find_reference("fno")
    assert build is None
    assert "no_such_library" in reason


def test_the_reference_pads_where_the_period_is_longer():
    options = fno.Options(n_modes=4, hidden_channels=6, n_layers=2, period=1.5)
    padded = REFERENCES["fno"].build(options, spec(Domain.unit(2)), "full")
    assert padded.domain_padding.domain_padding == [0.25, 0.25]


def test_the_reference_trains_with_its_own_loop():
    subject = reference()
    seen = []
    subject.model.register_forward_hook(lambda module, given, out: seen.append(len(out)))
    subject()
    assert seen == [3] * STEPS
    assert outcome(subject).prediction.shape == (3, 1, *SHAPE)


def test_the_reference_is_known_to_narrow():
    """neuraloperator's spectral convolution writes into complex64, whatever its weights are."""
    subject = reference()
    truth = exact(subject)
    assert "aten.copy_.default" in truth.narrowed
    assert relative_error(outcome(subject).prediction, truth.outcome.prediction) < 1e-5


def test_memory_grows_with_the_batch_and_shrinks_with_points():
    def memory(**given):
        subject = step(**given)
        subject()
        return memory_bytes(subject, CPU)

    assert memory(count=8) > 1.5 * memory(count=3) > 0
    assert memory(neval=20) < memory()


def test_rounds_and_ratios():
    subjects = [step(), reference()]
    seconds = seconds_per_step(subjects, 3, CPU)
    assert [len(times) for times in seconds] == [3, 3]
    assert min(map(min, seconds)) > 0
    assert speed_up((2.0, 4.0, 9.0), (1.0, 2.0, 3.0)) == 2


def test_a_deeponet_has_modes_but_no_reference():
    held = spec(Domain.unit(2), shape=SHAPE)
    model = deeponet.build(deeponet.Options(), held)
    assert find_reference("deeponet") == (None, "neuraloperator has no counterpart of model deeponet")
    subject = TrainingStep(model, "fp32", task(count=2))
    truth = exact(subject)
    assert truth.narrowed == ()
    assert relative_error(outcome(subject).gradient, truth.outcome.gradient) < 1e-4


def test_in_float64_keeps_the_values_of_the_samples():
    held = task()
    wide = held.in_float64().samples
    assert isinstance(wide, LevelTensors)
    torch.testing.assert_close(wide.input.float(), held.samples.input, rtol=0, atol=0)
    assert wide.norm.dtype == torch.float64
