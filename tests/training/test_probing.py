"""Per-sample gradients of a probe against autograd, and what a probe leaves as it was."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from training_support import N, gradient, make_engine, mean_over

from nolab.metrics.errors import mse, rel_l2
from nolab.training import probing
from nolab.training.probing import gradient_gram, gradient_moments

SOME = np.array([0, 3, 4])


def corrections(engine, indices, loss=mse):
    """d_ℓ of each sample by autograd on the model alone, (levels, n, parameters)."""
    parameters = list(engine.model.parameters())

    def one(level, index):
        batch = engine.batcher.get(level, np.array([index]))
        value = loss(engine.model(batch), batch, engine.units).sum()
        parts = torch.autograd.grad(value, parameters)
        return torch.cat([(torch.view_as_real(g) if g.is_complex() else g).flatten() for g in parts])

    gradients = torch.stack([torch.stack([one(level, i) for i in indices]) for level in range(3)])
    return torch.cat([gradients[:1], gradients[1:] - gradients[:-1]]).numpy()


@pytest.mark.parametrize("loss", [mse, rel_l2])
@pytest.mark.parametrize("model", ["fno", "tfno"])
def test_the_gram_matrix_is_that_of_single_gradients(model, loss):
    engine = make_engine(model=model, loss=loss)
    d = corrections(engine, SOME, loss)
    expected = np.einsum("kip,ljp->kilj", d, d)
    actual = gradient_gram(engine, engine.model, SOME, 3)
    assert actual.shape == (3, 3, 3, 3)
    assert actual.dtype == np.float64
    scale = np.sqrt(np.einsum("kiki->ki", expected))
    assert (np.abs(actual - expected) <= 1e-12 * scale[:, :, None, None] * scale[None, None]).all()


def test_moments_are_those_of_the_population():
    """With all samples: covariance and mean as autograd and numpy have them."""
    engine = make_engine()
    d = corrections(engine, range(N))
    moments = gradient_moments(engine, engine.model, np.arange(N), 3, 0, 0.0)
    centred = d - d.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(
        moments.covariance, np.einsum("kip,lip->kl", centred, centred) / (N - 1), rtol=1e-9
    )
    assert moments.n_samples == N


def test_a_probe_leaves_everything_as_it_was():
    engine = make_engine(neval=40, scheme="importance")
    engine.accumulate(mean_over(2), 0)  # points learn, gradients are there
    engine.model.eval()
    addresses = [p.grad for p in engine.model.parameters()]
    before = deepcopy((engine.model.state_dict(), engine.points.state_dict(), torch.get_rng_state()))
    gradient_gram(engine, engine.model, SOME, 3, step=5, share=0.3)
    after = (engine.model.state_dict(), engine.points.state_dict(), torch.get_rng_state())
    torch.testing.assert_close(after, before, rtol=0, atol=0, equal_nan=True)
    assert not engine.model.training
    for p, address in zip(engine.model.parameters(), addresses, strict=True):
        assert p.grad is address  # recorded graphs write there
        assert not p.grad.any()


def test_a_probe_that_fails_leaves_everything_as_it_was():
    engine = make_engine(neval=40, scheme="importance")
    engine.accumulate(mean_over(2), 0)
    before = deepcopy((engine.points.state_dict(), torch.get_rng_state()))
    engine.model.eval()
    with pytest.raises(IndexError):
        gradient_gram(engine, engine.model, np.array([0, N]), 3)
    after = (engine.points.state_dict(), torch.get_rng_state())
    torch.testing.assert_close(after, before, rtol=0, atol=0, equal_nan=True)
    assert not engine.model.training
    assert not any(p.grad.any() for p in engine.model.parameters())


def test_frozen_parameters_are_left_out():
    engine = make_engine()
    full = gradient_gram(engine, engine.model, SOME, 3)
    next(engine.model.parameters()).requires_grad_(False)
    part = gradient_gram(engine, engine.model, SOME, 3)
    assert (np.einsum("kiki->ki", part) < np.einsum("kiki->ki", full)).all()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_points_are_those_of_the_step(share):
    """The same points in every probe of a step, others in the next."""
    engine = make_engine(neval=40)
    first = gradient_gram(engine, engine.model, SOME, 3, 5, share)
    assert np.array_equal(first, gradient_gram(engine, engine.model, SOME, 3, 5, share))
    assert not np.allclose(first, gradient_gram(engine, engine.model, SOME, 3, 6, share))


@pytest.mark.parametrize("scale", [1.0, 2.0**8])
def test_half_precision_gives_unscaled_gradients(scale):
    half = make_engine(("half",) * 3, dtype=torch.float32, scale=scale)
    full = make_engine(dtype=torch.float32)
    expected = np.einsum("kiki->ki", gradient_gram(full, full.model, SOME, 3))
    actual = np.einsum("kiki->ki", gradient_gram(half, half.model, SOME, 3))
    np.testing.assert_allclose(actual[0], expected[0], rtol=0.03)
    assert half.scaler.get_scale() == scale


def test_a_probe_fits_into_float16_where_a_step_does():
    """At the largest scale that a step of 16 samples stands, one sample's weight is not 16 times as much."""
    scale = 1.0
    while True:
        engine = make_engine(("half",) * 3, dtype=torch.float32, scale=scale)
        some = np.arange(16) % N
        if not gradient(engine, mean_over(2, some)).isfinite().all() or scale > 2.0**40:
            break
        assert np.isfinite(gradient_gram(engine, engine.model, SOME, 3)).all()
        scale *= 4
    assert 1 < scale <= 2.0**40


def test_a_sketch_keeps_inner_products():
    """Of the engine's gradients, each within what a count sketch of that width scatters."""
    engine, width = make_engine(), 400
    exact = gradient_gram(engine, engine.model, SOME, 3)
    sketched = gradient_gram(engine, engine.model, SOME, 3, most_bytes=9 * 8 * width)
    assert not np.allclose(exact, sketched, rtol=1e-6)
    scale = np.sqrt(np.einsum("kiki->ki", exact))
    limit = 5 * np.sqrt(2 / width) * scale[:, :, None, None] * scale[None, None]
    assert (np.abs(sketched - exact) < limit).all()
    again = gradient_gram(engine, engine.model, SOME, 3, most_bytes=9 * 8 * width)
    assert np.array_equal(sketched, again)


def test_a_sketch_is_right_on_average(monkeypatch):
    """Over many placements and signs of the entries; without the signs collisions would add up."""
    length, width, new = 500, 40, torch.Generator
    parameters = [torch.nn.Parameter(torch.zeros(length - 20)), torch.nn.Parameter(torch.zeros(10) + 0j)]
    x, y = torch.rand(2, length, generator=new().manual_seed(0), dtype=torch.float64)
    found = []
    for seed in range(400):

        class Seeded:
            def manual_seed(self, _, seed=seed):
                return new().manual_seed(seed)

        with monkeypatch.context() as patch:
            patch.setattr(torch, "Generator", Seeded)
            sketch = probing._Sketch(parameters, 1, 8 * width)
        assert sketch(x).shape == (width,)
        found.append(float(sketch(x) @ sketch(y)))
    standard_error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - float(x @ y)) < 4 * standard_error
    assert 0 < standard_error < 0.1 * float(x @ y)


def test_vectors_that_fit_are_not_sketched():
    parameters = [torch.nn.Parameter(torch.zeros(30)), torch.nn.Parameter(torch.zeros(10) + 0j)]
    vector = torch.arange(50.0)
    assert probing._Sketch(parameters, 3, 3 * 8 * 50)(vector) is vector
    assert len(probing._Sketch(parameters, 3, 3 * 8 * 50 - 1)(vector)) == 49
