"""GINOT: attention as quotients of quadratures, one operator at every level, points and queries, options."""

from dataclasses import replace

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

from nolab import registry
from nolab.errors import InputError
from nolab.fields import Draw, FieldBatch, OperatorSpec
from nolab.grid import Domain
from nolab.metrics.memory import saved_bytes
from nolab.models import ginot, in_float64, set_checkpointing
from nolab.models._attention import Attention, CrossBlock, SelfBlock
from nolab.models._points import Edges, Points
from nolab.neighbourhood import Neighbourhood
from nolab.precision import arithmetic, autocast
from nolab.precision.modes import check_model
from nolab.schema import from_mapping

CPU = torch.device("cpu")
SPEC = OperatorSpec(2, 1, BOX, (30,))
SMALL = {
    "centres": 5,
    "neighbours": 6,
    "radius": 0.6,
    "width": 8,
    "heads": 2,
    "self_layers": 1,
    "cross_layers": 2,
}
SIZES = (20, 13, 17)


def make(spec=SPEC, **options):
    torch.manual_seed(0)
    return in_float64(ginot.build(ginot.Options(**{**SMALL, "frequencies": 3, **options}), spec))


def clouds_for(model, room=22):
    return batch_of(random_clouds(SIZES), model.neighbourhood, room=room)


def test_the_published_elasticity_run_by_its_parameters():
    model = ginot.build(ginot.Options(), OperatorSpec(1, 1, BOX, (972,)))
    assert sum(p.numel() for p in model.parameters()) == 484_993
    assert model.neighbourhood == Neighbourhood(0.2, 18, centres=64)


def test_attention_is_that_of_pytorch():
    """With a bias as the mask of the tokens that do not count."""
    torch.manual_seed(0)
    ours = Attention(8, 2).double()
    theirs = nn.MultiheadAttention(8, 2, batch_first=True).double()
    theirs.load_state_dict(
        {
            "in_proj_weight": torch.cat([ours.query.weight, ours.key_value.weight]),
            "in_proj_bias": torch.cat([ours.query.bias, ours.key_value.bias]),
            "out_proj.weight": ours.out.weight,
            "out_proj.bias": ours.out.bias,
        }
    )
    asking, answering = torch.randn(2, 3, 8).double(), torch.randn(2, 6, 8).double()
    out = torch.arange(6).expand(2, -1) > torch.tensor([[3], [4]])
    bias = torch.zeros(2, 6).double().masked_fill(out, -torch.inf)
    for mask, options in ((None, {}), (bias, {"key_padding_mask": out})):
        expected = theirs(asking, answering, answering, **options)[0]
        assert_same([ours(asking, answering, mask)], [expected])


def test_a_point_of_weight_two_counts_as_two_points():
    attention = in_float64(Attention(8, 2))
    asking, answering = torch.randn(1, 3, 8).double(), torch.randn(1, 4, 8).double()
    twice = attention(asking, answering[:, [0, 1, 1, 2, 3, 3, 3]], torch.zeros(1, 7).double())
    weights = torch.tensor([[1.0, 2, 1, 3]]).double()
    assert_same([attention(asking, answering, weights.log())], [twice])
    assert_same([attention(asking, answering, (weights / 7).log())], [twice])


def test_blocks_are_the_published_ones():
    torch.manual_seed(0)
    cross, own = in_float64(CrossBlock(8, 2)), in_float64(SelfBlock(8, 2))
    for block in (cross, own):
        for norm in block.norms:
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
    x, y = torch.randn(2, 3, 8).double(), torch.randn(2, 5, 8).double()
    q = cross.norms[0](x)
    q = q + cross.attention(q, cross.norms[1](y))
    assert_same([cross(x, y)], [q + cross.network(cross.norms[2](q))])
    h = x + own.attention(own.norms[0](x), own.norms[0](x))
    assert_same([own(x)], [h + own.network(own.norms[1](h))])


@pytest.mark.parametrize("weighted", [True, False])
def test_a_token_starts_as_the_mean_over_its_neighbours(weighted):
    model = make(weighted=weighted)
    batch = clouds_for(model)
    points = Points.of(batch, weighted=weighted)
    centres = batch.centres
    edges = Edges.of(batch.neighbours, points, centres, 0.6)
    features = torch.randn(3, 22, 8).double()
    found = model.encoder._grouped(features, edges)
    for b in range(3):
        for m in range(5):
            near = [j for j in batch.neighbours[b, m].tolist() if j >= 0]
            rows = [torch.cat([(centres[b, m] - batch.coords[b, j]) / 0.6, features[b, j]]) for j in near]
            w = batch.weights[b, near] if weighted else torch.ones(len(near)).double()
            expected = (w / w.sum()) @ model.encoder.group(torch.stack(rows))
            assert_same([found[b, m]], [expected])


@pytest.mark.parametrize("weighted", [True, False])
def test_what_stands_at_padding_and_in_other_samples_has_no_effect(weighted):
    """Padding holds NaN: whatever reached a result or a gradient would show."""
    model = make(weighted=weighted)
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


def test_a_permutation_of_points_permutes_the_prediction():
    model = make()
    batch = clouds_for(model)
    order = torch.randperm(22, generator=torch.Generator().manual_seed(3))
    there = batch.mask[:, order]
    found = model(permuted(batch, order))[:, 0][there]
    assert_same([found], [model(batch)[:, 0][:, order][there]])


@pytest.mark.parametrize("per_sample", [False, True])
def test_chosen_points_and_queries_there_are_columns_of_the_whole(per_sample):
    model = make(query_frequencies=2)
    batch = clouds_for(model)
    points = torch.tensor([[4, 0, 12], [5, 1, 3], [12, 0, 4]]) if per_sample else torch.tensor([4, 0, 12])
    rows = []
    model.decoder.blocks[0].register_forward_hook(lambda _, inputs, __: rows.append(inputs[0].shape[1]))
    expected = torch.gather(model(batch), 2, points.expand(3, 3)[:, None])
    assert_same([model(batch.at(Draw(points)))], [expected])
    queries = torch.gather(batch.coords, 1, points.expand(3, 3)[..., None].expand(-1, -1, 2))
    assert_same([model(replace(batch, queries=queries))], [expected])
    assert rows == [22, 3, 3]
    shared = model(replace(batch, queries=queries[0]))
    assert_same([shared[0]], [expected[0]])
    assert shared.shape == (3, 1, 3)


def test_the_prediction_depends_on_the_input_everywhere():
    model = make()
    batch = clouds_for(model)
    values = batch.input.nan_to_num().requires_grad_()
    (grad,) = torch.autograd.grad(model(replace(batch, input=values))[..., 0].sum(), values)
    assert (grad[batch.mask[:, None].expand_as(grad)] != 0).all()


def test_gradients_are_those_of_finite_differences():
    model = make(width=4, frequencies=1, cross_layers=1, centres=3)
    batch = batch_of(random_clouds((5, 4)), model.neighbourhood)
    values, coords = batch.input.nan_to_num(), batch.coords.nan_to_num()
    parameters = [model.encoder.point.weight, model.decoder.blocks[0].attention.key_value.weight]

    def prediction(values, coords, *_):
        return model(replace(batch, input=values, coords=coords))[batch.mask[:, None]]

    inputs = [values.requires_grad_(), coords.requires_grad_(), *parameters]
    assert torch.autograd.gradcheck(prediction, inputs, fast_mode=True)


def with_centres_of(coarse, fine, radius):
    """The fine batch with the centres of the coarse one."""
    near = torch.cdist(coarse.centres, fine.coords) <= radius
    table = torch.where(near, torch.arange(fine.coords.shape[1]), -1)
    return replace(fine, centres=coarse.centres, neighbours=table)


def test_levels_are_one_operator_however_their_points_lie():
    """From an even mesh to one of four times as many points, crowded in a corner; the same centres."""
    differences = {}
    for weighted in (True, False):
        model = make(weighted=weighted, width=16, radius=0.6, neighbours=1024, centres=16, frequencies=2)
        for n in (6, 16):
            errors = []
            for seed in range(3):
                meshes = two_meshes(n, seed=seed)
                coarse, fine = (batch_of([x], model.neighbourhood, weights=[w]) for x, w in meshes)
                at_coarse = model(coarse)
                error = model(with_centres_of(coarse, fine, 0.6))[..., : n * n] - at_coarse
                errors.append((error.norm() / (at_coarse - at_coarse.mean()).norm()).item())
            differences[weighted, n] = sum(errors) / 3
    assert differences[True, 6] < 0.02
    assert differences[True, 16] < 0.3 * differences[True, 6]
    assert differences[False, 16] > 20 * differences[True, 16]


@pytest.mark.parametrize("mode", ["fp32", "amp_bf16", "amp_fp16"])
def test_error_against_float64(mode):
    model = make(width=32)
    batch = clouds_for(model)
    exact = outcome(model, batch)
    narrow = make(width=32).float()
    with arithmetic(mode, CPU), autocast(mode, CPU):
        found = outcome(narrow, in_float32(batch))
    errors = [relative(found[0], exact[0]), relative(joined(found[1:]), joined(exact[1:]))]
    assert max(errors) < {"fp32": 2e-6, "amp_bf16": 4e-2, "amp_fp16": 5e-3}[mode]
    assert mode == "fp32" or errors[0] > 1e-5  # the mode is at work


def test_weights_of_points_keep_their_digits_under_autocast():
    """Logits with a bias are summed in the bias's type: log 1000 and log 1001 are the same in bfloat16."""
    attention = Attention(8, 2)
    asking, answering = torch.randn(1, 1, 8), torch.randn(1, 2, 8)
    seen = []
    attention.out.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    with torch.no_grad():
        attention.query.weight.zero_()
        attention.query.bias.zero_()
        for w in (1000.0, 1001.0):
            with autocast("amp_bf16", CPU):
                attention(asking, answering, torch.tensor([[w, 1000.0]]).log())
    assert seen[0].dtype == torch.float32
    assert (seen[0] != seen[1]).any()


def test_modes_of_spectral_layers_are_refused():
    with pytest.raises(InputError, match=r"half sets the arithmetic of spectral layers.*precision=amp_bf16"):
        check_model(make(), "half")


def test_checkpointing_gives_the_same_from_less_memory():
    model = make()
    batch = clouds_for(model)
    plain, kept = outcome(model, batch), saved_bytes(lambda: model(batch))
    set_checkpointing(model)
    assert_same(outcome(model, batch), plain, 0)
    assert saved_bytes(lambda: model(batch)) < 0.5 * kept


def test_it_compiles_to_one_graph():
    model = make(cross_layers=1)
    batch = clouds_for(model).at(Draw(torch.tensor([1, 5])))
    compiled = torch.compile(model, backend="eager", fullgraph=True, dynamic=False)
    assert_same([compiled(batch)], [model(batch)])


def test_queries_of_another_dimension_and_other_domains_are_refused():
    model = make()
    batch = clouds_for(model)
    with pytest.raises(InputError, match=r"queries: .*\(Q, 2\) or \(B, Q, 2\), got \(4, 3\)"):
        model(replace(batch, queries=torch.zeros(4, 3)))
    with pytest.raises(InputError, match="domain"):
        model(replace(batch, domain=Domain.cloud((0.0, 1.0), (0.0, 1.0))))


def test_three_dimensions_and_fewer_points_than_centres():
    domain = Domain.cloud((0, 1), (0, 1), (0, 2))
    model = make(OperatorSpec(1, 2, domain, (12,)), centres=10)
    batch = batch_of(
        random_clouds((12, 9), domain),
        model.neighbourhood,
        field=lambda x: waves(x[:, :2])[:1],
        domain=domain,
    )
    assert isinstance(batch, FieldBatch)
    assert model(batch).shape == (2, 2, 12)


def test_the_part_is_registered_and_described():
    assert "ginot" in registry.names("nolab.models")
    assert ginot.SCATTERED
    assert ginot.CONSISTENCY.endswith(".")
    assert ginot.NEVAL_SAVES.endswith(".")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"centres": 0}, r"model\.centres: must be at least 1, got 0"),
        ({"neighbours": 0}, r"model\.neighbours"),
        ({"width": 0}, r"model\.width"),
        ({"heads": 0}, r"model\.heads"),
        ({"cross_layers": 0}, r"model\.cross_layers"),
        ({"self_layers": -1}, r"model\.self_layers: must be at least 0"),
        ({"frequencies": -1}, r"model\.frequencies"),
        ({"query_frequencies": -1}, r"model\.query_frequencies"),
        ({"radius": 0}, r"model\.radius: must be > 0"),
        ({"width": 30}, r"model\.width: must be a multiple of heads \(4\), got 30"),
        ({"layers": 3}, r"model\.layers"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        from_mapping(ginot.Options, options, "model")
