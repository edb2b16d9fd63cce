"""GINO and FNOGNO: geometry per sample, padding, points and queries."""

from dataclasses import replace

import pytest
import torch
from gino_support import BOX, SMALL, VARIANTS, cloud, make, make_float32
from tests_support import spec
from torch.func import functional_call

from nolab.errors import InputError
from nolab.fields import Draw, FieldBatch, take_points, tensors_of
from nolab.grid import Domain
from nolab.metrics.memory import saved_bytes
from nolab.models import gino, in_float64, set_checkpointing


def one(batch, i):
    """Sample i alone, without its padding."""
    n = int(batch.mask[i].sum())
    return FieldBatch(
        batch.input[i : i + 1, :, :n],
        batch.domain,
        coords=batch.coords[i : i + 1, :n],
        weights=batch.weights[i : i + 1, :n],
    )


@pytest.fixture(params=VARIANTS)
def model(request):
    return make(**VARIANTS[request.param])


def test_samples_know_nothing_of_one_another_nor_of_padding(model):
    batch = cloud()
    together = model(batch)
    assert together.shape == (3, 3, 40)
    for i in range(3):
        alone = model(one(batch, i))
        assert torch.allclose(together[i : i + 1, :, : alone.shape[2]], alone, rtol=1e-9, atol=1e-12)
        assert alone.std(dim=2).min() > 1e-6
    together.masked_fill(~batch.mask[:, None], 0).square().sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_the_order_of_points_means_nothing(model):
    batch = cloud(sizes=(40, 40))
    order = torch.randperm(40)
    shuffled = replace(
        batch,
        input=batch.input[..., order],
        coords=batch.coords[:, order],
        weights=batch.weights[:, order],
    )
    assert torch.allclose(model(shuffled), model(batch)[..., order], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("per_sample", [False, True])
def test_points_are_a_gather_of_the_full_prediction(model, per_sample):
    batch = cloud()
    points = torch.randint(31, (3, 7) if per_sample else (7,))
    few, full = model(batch.at(Draw(points))), take_points(model(batch), points)
    assert few.shape == (3, 3, 7)
    assert torch.allclose(few, full, rtol=1e-9, atol=1e-12)
    gradients = [torch.autograd.grad(y.square().sum(), list(model.parameters())) for y in (few, full)]
    for a, b in zip(*gradients, strict=True):
        assert torch.allclose(a, b, rtol=1e-7, atol=1e-10)


def test_queries_at_the_points_are_the_points_prediction(model):
    batch = cloud(sizes=(40, 40))
    assert torch.allclose(model(replace(batch, queries=batch.coords)), model(batch), rtol=1e-9, atol=1e-12)
    shared = batch.coords[0, :11]
    expected = model(replace(batch, queries=shared.expand(2, -1, -1)))
    assert torch.allclose(model(replace(batch, queries=shared)), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", [(5,), (5, 3), (1, 2, 5, 2)])
def test_queries_of_another_dimension_are_refused(shape):
    batch = replace(cloud(), queries=torch.rand(shape))
    with pytest.raises(InputError, match=r"queries: expected .*\(Q, 2\) or \(B, Q, 2\), got"):
        make()(batch)


def test_gradients_are_right():
    """Those of the parameters, of the input, and of the queries, in which a mollified prediction is smooth."""
    model = make(kernel="nonlinear", mollifier="half_cos", latent=4, n_modes=2, hidden_channels=2, n_layers=1)
    batch = cloud(sizes=(6, 5))
    names, values = zip(*model.named_parameters(), strict=True)

    def predict(field, queries, *parameters):
        moved = replace(batch, input=field.nan_to_num(), queries=queries)
        return functional_call(model, dict(zip(names, parameters, strict=True)), (moved,))

    field, queries = batch.input.nan_to_num().requires_grad_(), torch.rand(2, 3, 2).double().requires_grad_()
    assert torch.autograd.gradcheck(predict, (field, queries, *values), atol=1e-6, fast_mode=True)


def test_fnogno_sees_where_the_points_are_and_nothing_else():
    model, batch = make(encoder="distance"), cloud()
    prediction = model(batch)
    assert torch.equal(model(replace(batch, input=batch.input + 1)), prediction)
    moved = replace(batch, coords=batch.coords * 0.9, queries=batch.coords[:, :31])
    assert (model(moved) - prediction[..., :31]).abs().max() > 1e-6


def test_distances_are_over_the_boxs_diameter():
    box = Domain.cloud((0.0, 3.0), (0.0, 4.0))
    model = make(box, encoder="distance", latent=3, out_radius=2.0, n_modes=2)
    batch = FieldBatch(
        torch.zeros(1, 2, 2).double(),
        box,
        coords=torch.tensor([[[3.0, 4.0], [0.0, 0.0]]]).double(),  # the second is padding
        weights=torch.tensor([[1.0, 0.0]]).double(),
    )
    distance = model.encoder(batch)
    assert distance.shape == (1, 1, 3, 3)
    assert distance[0, 0, 0, 0] == 1
    assert distance[0, 0, 2, 0] == pytest.approx(4 / 5)


@pytest.mark.parametrize("name", VARIANTS)
def test_checkpointing_gives_the_same_bits_from_less_memory(name):
    model, batch = make(**VARIANTS[name]), cloud()

    def outcome():
        kept = saved_bytes(lambda: model(batch))
        loss = model(batch).masked_fill(~batch.mask[:, None], 0).square().sum()
        return loss.detach(), torch.autograd.grad(loss, list(model.parameters())), kept

    plain = outcome()
    set_checkpointing(model)
    loss, gradients, kept = outcome()
    assert torch.equal(loss, plain[0])
    assert all(torch.equal(a, b) for a, b in zip(gradients, plain[1], strict=True))
    assert kept < 0.7 * plain[2]


def test_few_points_save_the_output_integrals_memory():
    model, batch = make(encoder="distance", n_layers=1), cloud(sizes=(400, 400))
    few, full = (saved_bytes(lambda b=b: model(b)) for b in (batch.at(Draw(torch.arange(20))), batch))
    assert few < 0.2 * full


@pytest.mark.parametrize(("ndim", "latent"), [(2, (5, 8)), (3, 4)])
def test_boxes_of_two_and_three_dimensions(ndim, latent):
    box = Domain.cloud(*[(-1.0, 2.0 + i) for i in range(ndim)])
    batch = cloud(domain=box)
    model = make(box, latent=latent)
    assert model(batch).shape == (3, 3, 40)
    assert model(batch.at(Draw(torch.arange(5)))).shape == (3, 3, 5)


def test_frames_are_rolled_out():
    fields = replace(spec(BOX, (2, 3), (40,)), frames=True)
    model = in_float64(gino.build(gino.Options(**SMALL, rollout=True), fields))
    batch = cloud()
    frames = model(batch)
    assert frames.shape == (3, 3, 40)
    field = batch.input
    for frame in frames.split(1, dim=1):
        assert torch.allclose(model.network(replace(batch, input=field)), frame)
        field = torch.cat([field[:, 1:], frame], dim=1)


@pytest.mark.parametrize("encoder", ["gno", pytest.param("distance", marks=pytest.mark.slow)])
def test_the_whole_model_compiles_to_one_graph(encoder):
    model, batch = make_float32(encoder=encoder, n_layers=1), one(cloud(), 0)
    batch = replace(batch, **{name: value.float() for name, value in tensors_of(batch).items()})
    torch._dynamo.reset()
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    assert torch.equal(compiled(batch), model(batch))
