"""FNO and TFNO: parity with neuraloperator, points, levels, options."""

import pytest
import torch
from neuralop.models.fno import FNO, TFNO
from tests_support import spec

from nolab import registry
from nolab.errors import InputError
from nolab.fields import Draw, FieldBatch, take_points
from nolab.grid import Axis, Domain
from nolab.models import fno, tfno
from nolab.models._fno import _positions
from nolab.precision import arithmetic, autocast
from nolab.schema import from_mapping

SMALL = {"n_modes": 6, "hidden_channels": 8, "n_layers": 2}


def make(part=fno, domain=None, channels=(2, 3), **options):
    torch.manual_seed(0)
    return part.build(part.Options(**{**SMALL, **options}), spec(domain or Domain.unit(2), channels))


def smooth_batch(model, n):
    x, y = model.domain.coordinates((n, n)).float()
    field = torch.stack([torch.sin(3 * x) * y, torch.exp(x * y)])[None]
    return FieldBatch(field, model.domain)


PARITY = [
    (fno, FNO, {}),
    (fno, FNO, {"norm": "group_norm", "fno_skip": "soft-gating", "non_linearity": "relu"}),
    (
        fno,
        FNO,
        {"norm": "instance_norm", "use_channel_mlp": False, "fno_skip": None, "lifting_channel_ratio": 0},
    ),
    (tfno, TFNO, {"rank": 0.3}),
    (tfno, TFNO, {"factorization": "cp", "implementation": "reconstructed", "channel_mlp_skip": None}),
]


@pytest.mark.parametrize("shape", [(16,), (16, 12), (8, 6, 8)])
@pytest.mark.parametrize(("part", "peer", "options"), PARITY)
def test_parity_with_neuraloperator_both_ways(part, peer, options, shape):
    ndim = len(shape)
    ours = make(part, Domain.unit(ndim, "periodic"), discretization="index", **options)
    activation = getattr(torch.nn.functional, options.get("non_linearity", "gelu"))
    arguments = {**SMALL, **options, "n_modes": (6,) * ndim, "non_linearity": activation}
    torch.manual_seed(0)
    theirs = peer(in_channels=2, out_channels=3, positional_embedding="grid", **arguments)
    batch = FieldBatch(torch.randn(2, 2, *shape), ours.domain)

    def assert_same():
        expected = theirs(batch.input)
        assert (ours(batch) - expected).norm() < 1e-5 * expected.norm()

    assert_same()  # the same seed draws the same parameters
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.mul_(1.1)
    state = theirs.state_dict()
    state.pop("_metadata")
    ours.load_state_dict(state)
    assert_same()
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.mul_(0.9)
    theirs.load_state_dict(ours.state_dict())
    assert_same()


@pytest.mark.parametrize("part", [fno, tfno])
@pytest.mark.parametrize("per_sample", [False, True])
def test_points_are_a_gather_of_the_full_prediction(part, per_sample):
    model = make(part)
    batch = FieldBatch(torch.randn(4, 2, 9, 11), model.domain)
    points = torch.randint(99, (4, 7) if per_sample else (7,))
    few, full = model(batch.at(Draw(points))), take_points(model(batch), points)
    assert few.shape == (4, 3, 7)
    assert torch.allclose(few, full, atol=1e-6)
    gradients = [torch.autograd.grad(y.square().sum(), list(model.parameters())) for y in (few, full)]
    for a, b in zip(*gradients, strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-5 * b.abs().max().item())


@pytest.mark.parametrize("part", [fno, tfno])
@pytest.mark.parametrize("shape", [(12,), (9, 10), (6, 7, 5)])
def test_shape_is_the_targets(part, shape):
    model = make(part, Domain.unit(len(shape), "cell"))
    target = torch.randn(2, 3, *shape)
    assert model(FieldBatch(torch.randn(2, 2, *shape), model.domain, target)).shape == target.shape


def test_levels_are_one_operator():
    """Nodal 17 and 33 agree with 129 at second order only if the transform is consistent."""
    errors = {}
    for discretization in ("consistent", "index"):
        model = make(discretization=discretization)
        with torch.no_grad():
            outputs = {n: model(smooth_batch(model, n)) for n in (17, 33, 129)}
        fine = outputs[129]
        errors[discretization] = [
            ((outputs[n] - fine[..., :: 128 // (n - 1), :: 128 // (n - 1)]).norm() / outputs[n].norm()).item()
            for n in (17, 33)
        ]
    coarse, finer = errors["consistent"]
    assert coarse / finer > 3
    assert finer < errors["index"][1] / 5


def test_positions_are_the_domains_coordinates():
    domain = Domain((Axis("nodal", -1, 3), Axis("cell", 0, 2)))
    key = (torch.float32, torch.device("cpu"))
    positions = _positions(domain, (5, 4), False, *key)
    assert torch.allclose(positions[0, :, 0], torch.tensor([0, 0.25, 0.5, 0.75, 1]))
    assert torch.allclose(positions[1, 0], torch.tensor([0.125, 0.375, 0.625, 0.875]))
    assert torch.allclose(_positions(domain, (5, 4), True, *key)[0, :, 0], torch.arange(5) / 5)
    assert _positions(domain, (5, 4), False, *key) is positions


# Dynamo takes a second for a layer at a size: one layer by default, and more than one size once.
COMPILED = [
    (fno, "half", "eager", 1, (9, 17)),
    (tfno, "mixed", "eager", 1, (9,)),
    *(
        pytest.param(part, mode, backend, 2, (9, 17), marks=pytest.mark.slow)
        for part, mode, backend in (
            (fno, "fp32", "aot_eager"),
            (fno, "half", "eager"),
            (tfno, "fp32", "eager"),
            (tfno, "mixed", "eager"),
        )
    ),
]


@pytest.mark.parametrize(("part", "mode", "backend", "n_layers", "sizes"), COMPILED)
def test_the_whole_model_compiles_to_one_graph(part, mode, backend, n_layers, sizes):
    """The grid's constants are looked up, not rebuilt, inside the compiled step."""
    torch.compiler.reset()
    model, cpu = make(part, n_layers=n_layers), torch.device("cpu")
    compiled = torch.compile(model, backend=backend, fullgraph=True, dynamic=False)
    for n in sizes:
        batch = FieldBatch(torch.randn(2, 2, n, n), model.domain)
        results = []
        for operator in (compiled, model):
            with arithmetic(mode, cpu):
                with autocast(mode, cpu):
                    y = operator(batch)
                gradients = torch.autograd.grad(y.float().square().mean(), list(model.parameters()))
            results.append((y, *gradients))
        for a, b in zip(*results, strict=True):
            assert torch.allclose(a, b, rtol=1e-5, atol=1e-6 * b.abs().max().item())


def test_without_positions_the_periodic_operator_commutes_with_shifts():
    model = make(domain=Domain.unit(2, "periodic"), positional_embedding=False)
    x = torch.randn(1, 2, 12, 13)
    shifted = model(FieldBatch(x.roll((3, 5), (2, 3)), model.domain))
    assert torch.allclose(shifted, model(FieldBatch(x, model.domain)).roll((3, 5), (2, 3)), atol=1e-5)


def test_the_domain_of_the_batch_is_checked():
    with pytest.raises(InputError, match="domain"):
        make()(FieldBatch(torch.randn(1, 2, 8, 8), Domain.unit(2, "cell")))


def test_parts_are_registered_and_described():
    names = registry.names("nolab.models")
    assert {"fno", "tfno"} <= set(names)
    assert not any(name.startswith("_") for name in names)
    for part in (fno, tfno):
        assert part.CONSISTENCY.endswith(".")
        assert part.NEVAL_SAVES.endswith(".")


def test_options_from_plain_mappings():
    options = from_mapping(tfno.Options, {"n_modes": [8, 6], "period": [1, 1.2], "rank": 0.2}, "model")
    assert options.n_modes == (8, 6)
    assert options.period == (1.0, 1.2)
    assert from_mapping(fno.Options, {"n_modes": 8, "period": 1}, "model").n_modes == 8


@pytest.mark.parametrize(
    ("part", "options", "message"),
    [
        (fno, {"n_modes": 0}, r"model\.n_modes"),
        (fno, {"n_modes": [8, 0]}, r"model\.n_modes"),
        (fno, {"n_modes": []}, r"model\.n_modes"),
        (fno, {"hidden_channels": 0}, r"model\.hidden_channels"),
        (fno, {"n_layers": 0}, r"model\.n_layers"),
        (fno, {"lifting_channel_ratio": -1}, r"model\.lifting_channel_ratio"),
        (fno, {"projection_channel_ratio": 0}, r"model\.projection_channel_ratio"),
        (fno, {"channel_mlp_expansion": 0.001}, r"model\.channel_mlp_expansion"),
        (fno, {"norm": "group"}, "Did you mean 'group_norm'"),
        (fno, {"non_linearity": "gleu"}, "Did you mean 'gelu'"),
        (fno, {"discretization": "indices"}, "Did you mean 'index'"),
        (fno, {"period": 0.9}, r"model\.period"),
        (fno, {"rank": 0.1}, r"model\.rank"),
        (tfno, {"rank": 0}, r"model\.rank"),
        (tfno, {"factorization": "tuckr"}, "Did you mean 'tucker'"),
    ],
)
def test_bad_options(part, options, message):
    with pytest.raises(InputError, match=message):
        from_mapping(part.Options, options, "model")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_modes": (4, 4, 4)}, "n_modes"),
        ({"period": (1.5, 1.5, 1.5)}, "period"),
        ({"period": 1.5, "discretization": "index"}, "period"),
        ({"period": 1.5, "transform": "fft"}, "period"),
    ],
)
def test_options_that_do_not_fit(options, message):
    with pytest.raises(InputError, match=message):
        make(**options)


@pytest.mark.parametrize(
    ("discretization", "shape", "said"),
    [
        ("consistent", (33, 33), None),
        ("consistent", (9, 33), "7x9 of 16x9 modes"),  # |k| <= 3 of -8..7
        ("consistent", (9, 9), "7x4 of 16x9 modes"),
        ("index", (8, 16), "8x9 of 16x9 modes"),  # Nyquist included
    ],
)
def test_a_coarse_grid_is_remarked_on(discretization, shape, said):
    domain = Domain.unit(2, "nodal")
    model = fno.build(fno.Options(n_modes=16, hidden_channels=4, discretization=discretization), spec(domain))
    remark = model.remark(shape)
    assert remark is None if said is None else said in remark
