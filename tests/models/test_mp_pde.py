"""MP-PDE: the published layer in float64, means over one domain at every level, bundles of frames, options."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scattered_support import (
    BOX,
    assert_same,
    batch_of,
    in_float32,
    joined,
    one_sample,
    outcome,
    permuted,
    random_clouds,
    relative,
    two_meshes,
    waves,
)
from torch import nn
from torch.nn import functional as F

from nolab import registry
from nolab.errors import InputError
from nolab.fields import Draw, FieldBatch, OperatorSpec
from nolab.grid import Domain
from nolab.metrics.memory import saved_bytes
from nolab.models import in_float64, mp_pde, set_checkpointing
from nolab.models._message_passing import MessageLayer, normalized
from nolab.models._points import Edges, Points
from nolab.neighbourhood import Neighbourhood
from nolab.precision import arithmetic, autocast
from nolab.precision.modes import check_model
from nolab.schema import from_mapping

CPU = torch.device("cpu")
SPEC = OperatorSpec(2, 1, BOX, (30,))
SMALL = {"hidden": 6, "n_layers": 2, "radius": 0.6, "neighbours": 7}
SIZES = (20, 13, 17)
VARIANTS = {
    "published": {"weighted": False, "graph": "nearest"},
    "weighted": {},
    "without positions": {"positions": False},
}


def make(spec=SPEC, **options):
    torch.manual_seed(0)
    return in_float64(mp_pde.build(mp_pde.Options(**{**SMALL, **options}), spec))


def clouds_for(model, room=22, field=waves):
    return batch_of(random_clouds(SIZES), model.neighbourhood, room=room, field=field)


def series(n_frames, channels=3, **options):
    """A model of frames, and a batch of `channels` input frames."""
    spec = OperatorSpec(channels, n_frames, BOX, (30,), frames=True)
    model = make(spec, **{"hidden": 12, **options})
    return model, clouds_for(model, field=lambda x: np.sin(np.outer(np.arange(1, channels + 1), x[:, 0])))


@pytest.mark.parametrize("weighted", [True, False])
def test_a_layer_is_the_published_one_edge_by_edge(weighted):
    """Eq. 8 and 9 in loops, with the inputs of φ put side by side, and the norm of each sample's real points."""
    wanted = Neighbourhood(0.6, 7)
    batch = batch_of(random_clouds(SIZES), wanted, room=22)
    points = Points.of(batch, weighted=weighted)
    edges = Edges.of(batch.neighbours, points, points.coords, 0.6)
    torch.manual_seed(0)
    layer = MessageLayer(5, 2, 2).double()
    h = torch.randn(3, 22, 5, dtype=torch.float64)
    found = layer(h, points.values, edges, points.measure)
    for b, size in enumerate(SIZES):
        changed = []
        for i in range(size):
            messages, shares = [], []
            for j in batch.neighbours[b, i].tolist():
                if j < 0:
                    continue
                u = batch.input[b, :, i] - batch.input[b, :, j]
                x = (batch.coords[b, i] - batch.coords[b, j]) / 0.6
                edge = torch.cat([h[b, i], h[b, j], u, x])
                messages.append(F.silu(layer.second(F.silu(layer.first(edge)))))
                shares.append(batch.weights[b, j] if weighted else torch.ones(()).double())
            share = torch.stack(shares) / sum(shares)
            message = share @ torch.stack(messages)
            changed.append(h[b, i] + layer.update(torch.cat([h[b, i], message])))
        changed = torch.stack(changed)
        w = batch.weights[b, :size] if weighted else torch.full((size,), 1 / size, dtype=torch.float64)
        mean = w @ changed
        variance = w @ (changed - mean) ** 2
        expected = (changed - mean) / (variance + 1e-5).sqrt()
        assert (found[b, :size] - expected).abs().max() < 1e-11


def test_the_plain_norm_is_instance_norm():
    h = torch.randn(2, 9, 4, dtype=torch.float64)
    plain = torch.full((2, 9), 1 / 9, dtype=torch.float64)
    expected = F.instance_norm(h.transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(normalized(h, plain), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", VARIANTS)
def test_what_stands_at_padding_and_in_other_samples_has_no_effect(name):
    """Padding holds NaN: whatever reached a result or a gradient would show."""
    model = make(**VARIANTS[name])
    batch = clouds_for(model)
    found = outcome(model, batch)
    assert all(part.isfinite().all() for part in found)
    alone = [outcome(model, one_sample(batch, i, size)) for i, size in enumerate(SIZES)]
    for i, size in enumerate(SIZES):
        assert_same([found[0][i, :, :size]], [alone[i][0][0]])
    assert_same(found[1:], [sum(parts) for parts in zip(*(a[1:] for a in alone), strict=True)])


def test_padding_has_no_gradient():
    model = make()
    batch = clouds_for(model)
    values = batch.input.nan_to_num(3.0).requires_grad_()
    coords = batch.coords.nan_to_num(0.1).requires_grad_()
    prediction = model(replace(batch, input=values, coords=coords))
    grads = torch.autograd.grad(
        torch.where(batch.mask[:, None], prediction, 0).square().sum(), (values, coords)
    )
    assert (grads[0][~batch.mask[:, None].expand_as(values)] == 0).all()
    assert (grads[1][~batch.mask] == 0).all()
    assert all((grad != 0).any() for grad in grads)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_permutation_of_points_permutes_the_prediction(name):
    model = make(**VARIANTS[name])
    batch = clouds_for(model)
    order = torch.randperm(22, generator=torch.Generator().manual_seed(3))
    there = batch.mask[:, order]
    found = model(permuted(batch, order))[:, 0][there]
    assert_same([found], [model(batch)[:, 0][:, order][there]])


@pytest.mark.parametrize("positions", [True, False])
def test_without_positions_the_prediction_moves_with_the_points(positions):
    model = make(positions=positions)
    batch = clouds_for(model, room=None)
    shifted = replace(batch, coords=batch.coords + torch.tensor([0.13, -0.21], dtype=torch.float64))
    change = (model(shifted) - model(batch))[batch.mask[:, None]].abs().max()
    assert (change < 1e-12) == (not positions)
    assert change < 1e-12 or change > 1e-4


@pytest.mark.parametrize("per_sample", [False, True])
def test_chosen_points_are_columns_of_the_whole_and_save_the_decoder(per_sample):
    model = make()
    batch = clouds_for(model)
    points = torch.tensor([4, 0, 12])
    points = torch.stack([points, points + 1, points.flip(0)]) if per_sample else points
    rows = []
    model.decoder.register_forward_hook(lambda _, inputs, __: rows.append(inputs[0].shape[1]))
    whole = model(batch)
    found = model(batch.at(Draw(points)))
    assert_same([found], [torch.gather(whole, 2, points.expand(3, 3)[:, None])])
    assert rows == [22, 3]


def test_gradients_are_those_of_finite_differences():
    model = make(hidden=3, neighbours=4)
    batch = batch_of(random_clouds((5, 4)), model.neighbourhood)
    values, coords = batch.input.nan_to_num(), batch.coords.nan_to_num()
    parameters = [p for p in model.parameters() if p.ndim > 1][2:4]

    def prediction(values, coords, *_):
        return model(replace(batch, input=values, coords=coords))[batch.mask[:, None]]

    inputs = [values.requires_grad_(), coords.requires_grad_(), *parameters]
    assert torch.autograd.gradcheck(prediction, inputs, fast_mode=True)


def test_levels_are_one_operator_however_their_points_lie():
    """From an even mesh to one of four times as many points, crowded in a corner."""
    differences = {}
    for weighted in (True, False):
        model = make(weighted=weighted, hidden=8, radius=0.6, neighbours=576)
        for n in (6, 12):
            coarse, fine = (
                model(batch_of([coords], model.neighbourhood, weights=[w])) for coords, w in two_meshes(n)
            )
            error = fine[..., : n * n] - coarse
            differences[weighted, n] = (error.norm() / (coarse - coarse.mean()).norm()).item()
    assert differences[True, 6] < 0.03
    assert differences[True, 12] < 0.4 * differences[True, 6]
    assert differences[False, 12] > 20 * differences[True, 12]


@pytest.mark.parametrize("mode", ["fp32", "amp_bf16", "amp_fp16"])
def test_error_against_float64(mode):
    model = make(hidden=32, n_layers=3)
    batch = clouds_for(model)
    exact = outcome(model, batch)
    narrow = make(hidden=32, n_layers=3).float()
    with arithmetic(mode, CPU), autocast(mode, CPU):
        found = outcome(narrow, in_float32(batch))
    errors = [relative(found[0], exact[0]), relative(joined(found[1:]), joined(exact[1:]))]
    assert max(errors) < {"fp32": 2e-6, "amp_bf16": 4e-2, "amp_fp16": 5e-3}[mode]
    assert mode == "fp32" or errors[0] > 1e-5  # the mode is at work


def test_modes_of_spectral_layers_are_refused():
    with pytest.raises(InputError, match=r"half sets the arithmetic of spectral layers.*precision=amp_bf16"):
        check_model(make(), "half")


def test_near_neighbours_differ_under_autocast_too():
    """bfloat16 can't tell W·100 from W·100.1; φ takes their difference before it rounds."""
    torch.manual_seed(0)
    layer = MessageLayer(4, 1, 1)
    nn.init.zeros_(layer.first.bias)
    values = torch.tensor([[[100.0], [100.1]]])
    table = torch.tensor([[[1], [0]]])
    points = Points(values, torch.zeros(1, 2, 1), torch.full((1, 2), 0.5))
    edges = Edges.of(table, points, points.coords, 1.0)
    with autocast("amp_bf16", CPU):
        found = layer._first(torch.zeros(1, 2, 4), values, edges)[0, :, 0]
    expected = torch.tensor([[-0.1], [0.1]]) * layer.first.weight[:, 8]
    assert found.dtype == torch.bfloat16
    assert (found - expected).abs().max() < 5e-3 * expected.abs().max()


def test_checkpointing_gives_the_same_from_less_memory():
    model = make()
    batch = clouds_for(model)
    plain, kept = outcome(model, batch), saved_bytes(lambda: model(batch))
    set_checkpointing(model)
    assert_same(outcome(model, batch), plain, 0)
    assert saved_bytes(lambda: model(batch)) < 0.5 * kept


def test_it_compiles_to_one_graph():
    model, batch = series(4, bundle=2, n_layers=1)
    batch = batch.at(Draw(torch.tensor([1, 5])))
    compiled = torch.compile(model, backend="eager", fullgraph=True, dynamic=False)
    assert_same([compiled(batch)], [model(batch)])


def test_frames_are_the_newest_one_and_convolutions_in_time():
    """Eq. 10 with the kernels and the stride of the published decoder of 20 frames."""
    model, batch = series(20, hidden=128, n_layers=1)
    first, _, last = model.decoder.network
    shape = (first.out_channels, first.kernel_size, first.stride, last.kernel_size, last.stride)
    assert shape == (8, (15,), (4,), (10,), (1,))
    hidden = []
    model.decoder.register_forward_hook(lambda _, inputs, __: hidden.append(inputs[0]))
    found = model(batch)
    signal = hidden[0][1, 5]  # (H,)
    slope = last(F.silu(first(signal[None, None])))[0, 0]
    expected = batch.input[1, -1, 5] + torch.arange(1, 21).double() / 20 * slope
    assert_same([found[1, :, 5]], [expected])


@pytest.mark.parametrize(
    ("hidden", "n_frames"), [(128, 20), (128, 25), (128, 50), (128, 1), (6, 6), (7, 3), (64, 10)]
)
def test_the_decoder_makes_as_many_frames_as_asked(hidden, n_frames):
    decoder = mp_pde.TimeDecoder(hidden, n_frames)
    assert decoder(torch.randn(2, 3, hidden), torch.randn(2, 3, 1)).shape == (2, 3, n_frames)


@pytest.mark.parametrize("bundle", [1, 2, 3, 5, 7])
def test_bundles_follow_from_the_frames_before_them(bundle):
    model, batch = series(7, bundle=bundle)
    one = make(OperatorSpec(3, bundle, BOX, (30,), frames=True), hidden=12)
    one.load_state_dict(model.state_dict())
    known = batch.input
    while known.shape[1] < 3 + 7:
        known = torch.cat([known, one(replace(batch, input=known[:, -3:]))], dim=1)
    there = batch.mask[:, None].expand(-1, 7, -1)
    assert_same([model(batch)[there]], [known[:, 3:10][there]])
    chosen = torch.tensor([[3, 0], [1, 2], [5, 5]])
    assert_same([model(batch.at(Draw(chosen)))], [model(batch).gather(2, chosen[:, None].expand(-1, 7, -1))])


def test_pushforward_cuts_gradients_between_bundles_in_training_alone():
    cut, batch = series(4, bundle=2, pushforward=True)
    whole, _ = series(4, bundle=2)
    assert_same([cut(batch)], [whole(batch)], 0)

    def reaches(model):
        values = batch.input.nan_to_num().requires_grad_()
        prediction = model(replace(batch, input=values))
        sums = [torch.where(batch.mask, prediction[:, t], 0).sum() for t in (1, 3)]
        reached = []
        for total in sums:
            (grad,) = torch.autograd.grad(total, values, retain_graph=True, allow_unused=True)
            reached.append(grad is not None and bool((grad != 0).any()))
        return reached

    assert reaches(whole.train()) == [True, True]
    # The second bundle sees nothing of the input but its last frame, which is in the window of three.
    assert reaches(cut.eval()) == [True, True]
    grads = {}
    for name, model in (("cut", cut.train()), ("whole", whole)):
        grads[name] = outcome(model, batch)[1:]
    known = whole(batch)[:, :2].detach()
    one = make(OperatorSpec(3, 2, BOX, (30,), frames=True), hidden=12)
    one.load_state_dict(whole.state_dict())
    first = outcome(one, batch)[1:]
    second = outcome(one, replace(batch, input=torch.cat([batch.input[:, 2:], known], dim=1)))[1:]
    assert_same(grads["cut"], [a + b for a, b in zip(first, second, strict=True)])
    assert max((a - b).abs().max() for a, b in zip(grads["cut"], grads["whole"], strict=True)) > 1e-6


def test_what_a_model_asks_of_the_data():
    assert make().neighbourhood == Neighbourhood(0.6, 7)
    assert make(graph="nearest").neighbourhood == Neighbourhood(None, 7)
    assert make().remark((10,)) is None
    assert make().remark((30,)) == "keeps 7 of some 11 neighbours within the radius, drawn at random"
    assert make(graph="nearest").remark((10**6,)) is None


def test_queries_off_the_points_and_other_domains_are_refused():
    model = make()
    batch = clouds_for(model)
    with pytest.raises(InputError, match="queries"):
        model(replace(batch, queries=torch.zeros(1, 2)))
    with pytest.raises(InputError, match="domain"):
        model(replace(batch, domain=Domain.cloud((0.0, 1.0), (0.0, 1.0))))


def test_three_dimensions():
    domain = Domain.cloud((0, 1), (0, 1), (0, 2))
    model = make(OperatorSpec(1, 2, domain, (12,)))
    batch = batch_of(
        random_clouds((12, 9), domain), model.neighbourhood, field=lambda x: x[:, :1].T, domain=domain
    )
    assert isinstance(batch, FieldBatch)
    assert model(batch).shape == (2, 2, 12)


def test_the_part_is_registered_and_described():
    assert "mp_pde" in registry.names("nolab.models")
    assert mp_pde.SCATTERED
    assert mp_pde.CONSISTENCY.endswith(".")
    assert mp_pde.NEVAL_SAVES.endswith(".")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden": 0}, r"model\.hidden: must be at least 1, got 0"),
        ({"n_layers": 0}, r"model\.n_layers"),
        ({"neighbours": 0}, r"model\.neighbours"),
        ({"radius": 0}, r"model\.radius: must be > 0"),
        ({"radius": float("inf")}, r"model\.radius"),
        ({"graph": "radus"}, r"model\.graph: .*Did you mean 'radius'"),
        ({"bundle": 0}, r"model\.bundle: must be at least 1 or null"),
        ({"width": 3}, r"model\.width"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        from_mapping(mp_pde.Options, options, "model")


@pytest.mark.parametrize(
    ("n_frames", "options", "message"),
    [
        (None, {"bundle": 1}, r"model\.bundle: must be null where .* not frames .*, got 1"),
        (None, {"pushforward": True}, r"model\.pushforward: must be false where .* not frames"),
        (
            4,
            {"bundle": 5},
            r"model\.bundle: must be at most the number of output frames \(4\) or null, got 5",
        ),
        (4, {"pushforward": True}, r"model\.pushforward: must be false where one bundle holds all 4"),
        (7, {"hidden": 6}, r"model\.hidden: must be at least the frames made at once \(7\), got 6"),
    ],
)
def test_options_that_do_not_fit(n_frames, options, message):
    spec = SPEC if n_frames is None else OperatorSpec(3, n_frames, BOX, (30,), frames=True)
    with pytest.raises(InputError, match=message):
        make(spec, **options)
