"""DeepONet: one operator by every path, rows of the trunk, sensors, boundary conditions, options."""

from math import pi, prod

import pytest
import torch
from torch import nn

from nolab import registry
from nolab.errors import InputError
from nolab.fields import Draw, FieldBatch, OperatorSpec, take_points
from nolab.grid import Axis, Domain
from nolab.models import _deeponet, deeponet
from nolab.models._networks import CoordinateLayer
from nolab.models._sensors import Sensors
from nolab.schema import from_mapping

LINE = Domain((Axis("nodal", -1.0, 2.0),))
PLANE = Domain((Axis("cell", 0.0, 3.0), Axis("nodal", 1.0, 2.0)))
GRIDS = {1: (LINE, (11,)), 2: (PLANE, (6, 5))}

SMALL = {"branch": "mlp", "trunk": "mlp", "branch_hidden": (6, 6), "trunk_hidden": (6, 6), "basis": 5}
MODELS = {
    "mlp": SMALL,
    "cnn and resnet": {"branch_hidden": (6,), "cnn_channels": (3, 4), "trunk_width": 6, "basis": 5},
    "shared basis": {**SMALL, "outputs": "split_branch", "fourier_features": 2},
    "gated": {**SMALL, "variant": "gated", "activation": "tanh"},
    "gated, shared basis": {**SMALL, "variant": "gated", "outputs": "split_branch"},
    "zero boundary": {**SMALL, "hard_boundary": "both"},
}


def make(domain=PLANE, shape=(6, 5), channels=(2, 3), **options):
    """A small model in float64 whose biases, too, are not zero."""
    torch.manual_seed(0)
    spec = OperatorSpec(*channels, domain, shape)
    model = deeponet.build(deeponet.Options(**{**SMALL, **options}), spec).double()
    if model.bias is not None:
        nn.init.normal_(model.bias)
    return model


def make_batch(domain=PLANE, shape=(6, 5), samples=4, channels=(2, 3)):
    zero = torch.linspace(-1, 1, channels[1], dtype=torch.float64)
    return FieldBatch(torch.randn(samples, channels[0], *shape, dtype=torch.float64), domain, zero=zero)


def outcome(model, batch, weights, select=lambda prediction: prediction):
    """The prediction, and the parameters' gradients of a weighted sum of it."""
    prediction = select(model(batch))
    loss = (prediction * weights).sum()
    return [prediction, *torch.autograd.grad(loss, list(model.parameters()))]


def assert_same(found, expected):
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert (a - b).abs().max() <= 1e-12 * b.abs().max()


def coordinates(domain, shape):
    return domain.coordinates(shape).flatten(1).T  # (N, ndim)


def trunk_rows(model, batch):
    """Rows that pass the trunk's first layer in a forward."""
    rows = []
    layer = next(m for m in model.networks.trunk.modules() if isinstance(m, CoordinateLayer))
    handle = layer.register_forward_hook(lambda _, inputs, __: rows.append(inputs[0][..., 0].numel()))
    prediction = model(batch)
    handle.remove()
    return sum(rows), prediction


def static(monkeypatch):
    """Plan rows as on a GPU."""
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)


PATHS = {
    "rows per sample": lambda m: m.setattr(_deeponet, "_SCAN", 0),
    "distinct rows, gathered": lambda m: m.setattr(_deeponet, "_GATHER", 0),
    "distinct rows, dense product": lambda m: m.setattr(_deeponet, "_GATHER", 1e9),
    "static rows": static,
}


@pytest.mark.parametrize("ndim", GRIDS)
@pytest.mark.parametrize("name", MODELS)
def test_every_path_gives_the_same_prediction_and_gradient(monkeypatch, name, ndim):
    domain, shape = GRIDS[ndim]
    model, batch = make(domain, shape, **MODELS[name]), make_batch(domain, shape)
    where, n_points = coordinates(domain, shape), prod(shape)

    shared = torch.randperm(n_points)[:7]
    weights = torch.randn(4, 3, 7, dtype=torch.float64)
    expected = outcome(model, batch, weights, lambda full: take_points(full, shared))
    assert_same(outcome(model, batch.at(Draw(shared)), weights), expected)
    queries = FieldBatch(batch.input, domain, zero=batch.zero, queries=where[shared])
    assert_same(outcome(model, queries, weights), expected)

    for n_chosen in (2, 9):  # B·P below and above N
        points = torch.rand(4, n_points).topk(n_chosen).indices
        weights = torch.randn(4, 3, n_chosen, dtype=torch.float64)
        expected = outcome(model, batch, weights, lambda full, points=points: take_points(full, points))
        for choose in PATHS.values():
            with monkeypatch.context() as patch:
                choose(patch)
                assert_same(outcome(model, batch.at(Draw(points)), weights), expected)
        queries = FieldBatch(batch.input, domain, zero=batch.zero, queries=where[points])
        assert_same(outcome(model, queries, weights), expected)


@pytest.mark.parametrize("outputs", ["split_both", "split_branch"])
def test_separate_networks_meet_in_an_inner_product_per_output(outputs):
    model, batch = make(outputs=outputs), make_batch()
    coefficients = model.networks.branch(batch.input).view(4, 3, 5)
    basis = model.networks.trunk(2 * _deeponet._grid_positions(PLANE, (6, 5)) - 1)  # (N, G·5)
    prediction = model(batch).flatten(2)
    for c in range(3):
        group = basis[:, 5 * c : 5 * c + 5] if outputs == "split_both" else basis
        assert torch.allclose(prediction[:, c], coefficients[:, c] @ group.T + model.bias[c], rtol=1e-12)


def test_gated_networks_are_the_published_recursion():
    """arXiv 2110.01654, equations of the modified DeepONet, pair by pair."""
    model, batch = make(channels=(2, 1), **MODELS["gated"]), make_batch(channels=(2, 1))
    nets = model.networks
    for b, u in enumerate(batch.input.flatten(1)):
        for n, y in enumerate(2 * _deeponet._grid_positions(PLANE, (6, 5)) - 1):
            encoded = nets.encode_input(u).tanh(), nets.encode_point(y).tanh()
            ends = []
            for network, h in ((nets.branch, u), (nets.trunk, y)):
                for layer in network.layers[:-1]:
                    z = layer(h).tanh()
                    h = (1 - z) * encoded[0] + z * encoded[1]
                ends.append(network.layers[-1](h))
            expected = ends[0] @ ends[1] + model.bias[0]
            assert torch.allclose(model(batch)[b, 0].flatten()[n], expected, rtol=1e-12)
        if b == 1:
            break


def test_a_residual_trunk_adds_what_its_blocks_change():
    trunk = make(trunk="resnet", trunk_width=4, trunk_blocks=2, trunk_layers=2).networks.trunk
    x = torch.randn(3, 2, dtype=torch.float64)
    h = trunk.lifting(x).relu()
    for first, second in trunk.blocks:
        h = h + second(first(h).relu()).relu()
    assert torch.allclose(trunk(x), trunk.projection(h), rtol=1e-12)


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("n_rows", [21, 22, 64, 65])
def test_products_are_dense_where_that_costs_less(monkeypatch, groups, n_rows):
    """One point per sample: up to 64 rows, each times the outputs that share it."""
    picked = []
    monkeypatch.setattr(
        _deeponet, "take_points", lambda field, points: picked.append(points) or take_points(field, points)
    )
    rows = _deeponet.Rows(place=torch.tensor([[3], [20]]))
    combined = _deeponet.combine(torch.randn(2, 3, 5), torch.randn(n_rows, groups, 5), rows)
    assert combined.shape == (2, 3, 1)
    assert bool(picked) == (n_rows * 3 // groups <= 64)


@pytest.mark.parametrize(
    ("samples", "n_chosen", "way", "rows"),
    [
        (4, None, None, 30),  # the whole grid: N
        (4, 7, None, 7),  # shared: P
        (4, 2, "own", 8),  # points that no two samples share: B·P
        (4, 2, "equal", 2),  # all samples want the same
        (9, 20, "own", 30),  # B·P = 180: never more than N
        (1, 1, "own", 1),  # N > 16·B·P: its own rows
        (4, 7, "static", 28),  # B·P < N, where rows must not depend on the data
        (5, 7, "static", 30),  # B·P >= N there
    ],
)
def test_the_trunk_runs_once_per_distinct_point(monkeypatch, samples, n_chosen, way, rows):
    model, batch = make(), make_batch(samples=samples)
    points = None
    if way is None and n_chosen:
        points = torch.randperm(30)[:n_chosen]
    elif way == "equal":
        points = torch.tensor([[3, 8]]).expand(samples, -1)
    elif way is not None:
        points = (torch.arange(samples * n_chosen) % 30).view(samples, n_chosen)
    if way == "static":
        static(monkeypatch)
    counted, prediction = trunk_rows(model, batch if points is None else batch.at(Draw(points)))
    assert counted == rows
    assert prediction.shape[:2] == (samples, 3)


def test_gated_networks_run_on_every_pair_and_no_more():
    model, batch = make(**MODELS["gated"]), make_batch()
    rows = []
    model.networks.trunk.layers[1].register_forward_hook(
        lambda _, inputs, __: rows.append(inputs[0][..., 0].numel())
    )
    model(batch)
    model(batch.at(Draw(torch.arange(7))))
    model(batch.at(Draw(torch.zeros(4, 2, dtype=torch.long))))
    assert rows == [4 * 30, 4 * 7, 4 * 2]


@pytest.mark.parametrize("name", ["mlp", "gated", "zero boundary"])
@pytest.mark.parametrize("per_sample", [False, True])
def test_a_permutation_of_points_permutes_the_prediction(name, per_sample):
    model, batch = make(**MODELS[name]), make_batch()
    points = torch.rand(4, 30).topk(6).indices if per_sample else torch.randperm(30)[:6]
    order = torch.tensor([5, 3, 0, 1, 4, 2])
    permuted = model(batch.at(Draw(points[..., order])))
    assert torch.allclose(permuted, model(batch.at(Draw(points)))[..., order], rtol=1e-12)


@pytest.mark.parametrize("sides", ["start", "stop", "both", None])
def test_a_hard_boundary_is_zero_to_the_last_bit_in_physical_units(sides):
    """50 nodes: 49·(1/49) is not 1 in floating point, so a distance from rounded coordinates fails."""
    domain, mean, std = Domain((Axis("nodal", -1.0, 2.0), Axis("cell"))), 0.75, 0.5
    model = make(domain, (50, 4), (1, 1), hard_boundary=(sides, None))
    zero = torch.tensor([-mean / std], dtype=torch.float64)
    field = torch.randn(3, 1, 50, 4, dtype=torch.float64)
    physical = model(FieldBatch(field, domain, zero=zero)) * std + mean
    ends = torch.tensor([[-1.0, 0.3], [2.0, 0.3]], dtype=torch.float64)
    queried = model(FieldBatch(field, domain, zero=zero, queries=ends)) * std + mean  # (3, 1, 2)
    for end, side in enumerate(("start", "stop")):
        for values in (physical[:, :, -end], queried[..., end]):
            assert (values == 0).all() if sides in (side, "both") else (values != 0).all()
    assert (physical[:, :, 1:-1] != 0).all()


def test_the_distance_to_the_boundary_is_scaled_to_at_most_one():
    position = torch.linspace(0, 1, 101, dtype=torch.float64)[:, None].expand(-1, 2)
    for sides in (("start", None), ("both", "stop"), ("both", "both")):
        distance = _deeponet._distance(position, sides)
        assert distance.min() == 0
        assert 0 < distance.max() <= 1
    assert _deeponet._distance(torch.tensor([[0.5, 0.5]]), ("both", "both")) == 1


def test_a_hard_boundary_needs_the_zero():
    batch = FieldBatch(torch.randn(1, 2, 6, 5, dtype=torch.float64), PLANE)
    with pytest.raises(InputError, match="zero"):
        make(hard_boundary="both")(batch)


def test_fourier_features_make_the_prediction_periodic():
    domain = Domain((Axis("periodic", -1.0, 3.0), Axis("nodal")))
    model = make(domain, (6, 5), fourier_features=3)
    field = torch.randn(2, 2, 6, 5, dtype=torch.float64)
    y = torch.rand(8, 1, dtype=torch.float64)
    start, stop = (torch.cat([torch.full_like(y, x), y], 1) for x in (-1.0, 3.0))
    at_start, at_stop = (model(FieldBatch(field, domain, queries=q)) for q in (start, stop))
    assert torch.equal(at_start, at_stop)
    shifted = torch.tensor([[0.7, 0.2], [4.7, 0.2], [0.8, 0.2]], dtype=torch.float64)
    a, b, c = model(FieldBatch(field, domain, queries=shifted)).unbind(-1)
    assert torch.allclose(a, b, rtol=1e-12)
    assert not torch.allclose(a, c)
    without = make(domain, (6, 5))
    a, b, _ = without(FieldBatch(field, domain, queries=shifted)).unbind(-1)
    assert not torch.allclose(a, b)


@pytest.mark.parametrize(
    ("placement", "n", "m"),
    [
        ("nodal", 65, 33),
        ("nodal", 9, 9),
        ("nodal", 9, 2),
        ("periodic", 12, 4),
        ("cell", 9, 3),
        ("cell", 7, 7),
    ],
)
def test_sensors_that_are_grid_points_take_their_values(placement, n, m):
    domain = Domain.unit(1, placement)
    sensors, field = Sensors(domain, (m,)), torch.randn(2, 3, n)
    near = (domain.axes[0].coordinates(m)[:, None] - domain.axes[0].coordinates(n)).abs()
    assert near.min(1).values.max() < 1e-12
    assert torch.equal(sensors.read(field), field[..., near.argmin(1)])
    assert sensors.lie_on((n,))


def test_restriction_commutes_with_sensors_on_nested_grids():
    field = torch.randn(2, 1, 65, 65)
    sensors = Sensors(Domain.unit(2), (33, 33))
    assert torch.equal(sensors.read(field), sensors.read(field[..., ::2, ::2]))


@pytest.mark.parametrize("placement", ["nodal", "cell"])
@pytest.mark.parametrize(("n", "m"), [(17, 33), (16, 33), (33, 32), (10, 7), (8, 4), (6, 12)])
def test_linear_fields_are_interpolated_exactly(placement, n, m):
    domain = Domain((Axis(placement, -1.0, 3.0), Axis(placement)))
    x, y = domain.coordinates((n, n))
    found = Sensors(domain, (m, m)).read((2 * x - 3 * y + 1)[None, None])[0, 0]
    x, y = domain.coordinates((m, m))
    # Beyond the outermost cell centres the value of that cell stands.
    edges = [axis.coordinates(n)[[0, -1]].tolist() for axis in domain.axes]
    expected = 2 * x.clamp(*edges[0]) - 3 * y.clamp(*edges[1]) + 1
    assert torch.allclose(found, expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(("n", "m"), [(16, 20), (9, 16), (12, 13)])
def test_interpolation_wraps_around_a_periodic_axis(n, m):
    sensors, field = Sensors(Domain.unit(1, "periodic"), (m,)), torch.randn(1, 1, n, dtype=torch.float64)
    found = sensors.read(field)[0, 0]
    place = torch.arange(m, dtype=torch.float64) * n / m
    left = place.long()
    assert left[-1] == n - 1  # its right neighbour is the first sample
    expected = torch.lerp(field[0, 0, left], field[0, 0, (left + 1) % n], place - left)
    assert torch.allclose(found, expected, rtol=1e-12)
    assert not sensors.lie_on((n,))


@pytest.mark.parametrize("placement", ["nodal", "cell", "periodic"])
def test_levels_differ_by_the_interpolation_only(placement):
    """No level contains the 37 sensors, and the error falls like h²."""
    domain, n_sensors = Domain.unit(1, placement), 37
    model = make(domain, (n_sensors,), (1, 1))
    queries = torch.rand(20, 1, dtype=torch.float64)

    def predict(n):
        x = domain.axes[0].coordinates(n)
        return model(FieldBatch(torch.sin(2 * pi * x)[None, None], domain, queries=queries))

    with torch.no_grad():
        errors = [(predict(n) - predict(n_sensors)).abs().max() for n in (65, 129)]
        assert errors[0] > 3 * errors[1] > 0
        assert errors[0] < 0.01


def test_an_input_that_does_not_vary_along_an_axis():
    domain = Domain.unit(2)
    model = make(domain, (1, 100), (1, 1), branch="cnn", cnn_channels=(3, 4))
    field = torch.randn(2, 1, 1, 100, dtype=torch.float64)
    prediction = model(FieldBatch(field, domain, grid=(101, 100)))
    assert prediction.shape == (2, 1, 101, 100)
    points = torch.randint(10100, (2, 3))
    few = model(FieldBatch(field, domain, grid=(101, 100), points=points))
    assert torch.allclose(few, take_points(prediction, points), rtol=1e-12)
    assert model.sensors.shape == (1, 100)
    assert model.remark((51, 100)) is None
    with pytest.raises(InputError, match="axis 0"):
        model(FieldBatch(field.expand(-1, -1, 101, -1), domain))
    assert make(domain, (1, 100), (1, 1), sensors=34).sensors.shape == (1, 34)


@pytest.mark.parametrize(
    ("placement", "sensors", "shape", "said"),
    [
        ("nodal", None, (65, 65), None),
        ("nodal", None, (129, 129), None),
        ("nodal", None, (33, 65), "interpolates its input linearly onto the 65x65 sensors"),
        ("nodal", (33, 17), (33, 33), None),
        ("cell", 32, (64, 64), "onto the 32x32 sensors"),
        ("cell", 32, (96, 32), None),
    ],
)
def test_a_grid_without_the_sensors_is_remarked_on(placement, sensors, shape, said):
    remark = make(Domain.unit(2, placement), (65, 65), sensors=sensors).remark(shape)
    assert remark is None if said is None else said in remark


@pytest.mark.parametrize("shape", [(9,), (9, 1), (6, 7, 5)])
def test_the_convolutional_branch_pools_while_the_grid_allows(shape):
    """Its input reaches the MLP from every sensor, the last of an odd axis included."""
    model = make(Domain.unit(len(shape)), shape, branch="cnn", cnn_channels=(2, 3, 4), activation="tanh")
    field = torch.randn(1, 2, *shape, dtype=torch.float64, requires_grad=True)
    hidden = model.networks.branch.mlp.layers[0]
    assert hidden.in_features == 4 * prod(-(-n // 8) for n in shape)
    grid = tuple(max(n, 2) for n in shape)
    model(FieldBatch(field, model.domain, grid=grid)).sum().backward()
    assert (field.grad != 0).all()


def test_autocast_keeps_the_coordinates_exact():
    model, batch = make(fourier_features=2, hard_boundary="both").float(), make_batch()
    batch = FieldBatch(batch.input.float(), PLANE, zero=batch.zero.float())
    kinds = []
    for module in (model.networks.trunk.layers[0], model.networks.trunk.layers[1]):
        module.register_forward_hook(lambda _, __, output: kinds.append(output.dtype))
    exact = model(batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = model(batch)
    assert kinds == [torch.float32] * 3 + [torch.bfloat16]
    assert 0 < (rounded - exact).norm() < 0.02 * exact.norm()
    rounded.float().square().sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("name", MODELS)
def test_the_state_dict_goes_round(name):
    model, other = make(**MODELS[name]), make(**MODELS[name])
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.normal_()
    batch = make_batch()
    assert not torch.allclose(model(batch), other(batch))
    other.load_state_dict(model.state_dict())
    assert torch.equal(model(batch), other(batch))
    assert set(model.state_dict()) == {name for name, _ in model.named_parameters()}


FEW, MANY = torch.arange(12).view(4, 3), torch.arange(36).view(4, 9) % 30


@pytest.mark.parametrize(
    ("name", "points"), [("mlp", FEW[0]), ("cnn and resnet", MANY), ("gated", FEW), ("shared basis", FEW)]
)
def test_compiles_without_graph_breaks(name, points):
    """Nothing depends on the points' values: not the rows, and no branch of the program."""
    torch.compiler.reset()
    model, batch = make(**MODELS[name], hard_boundary="both", sensors=4), make_batch().at(Draw(points))
    compiled = torch.compile(model, backend="eager", fullgraph=True, dynamic=False)
    assert torch.allclose(compiled(batch), model(batch), rtol=1e-12)


def test_learns_the_antiderivative():
    torch.manual_seed(0)
    domain, k = Domain.unit(1), torch.arange(1, 4)
    x = domain.axes[0].coordinates(33).float()
    amplitudes = torch.randn(300, 3)
    u = (amplitudes @ torch.cos(pi * k[:, None] * x))[:, None]  # (300, 1, 33)
    s = 3 * (amplitudes @ (torch.sin(pi * k[:, None] * x) / (pi * k[:, None])))[:, None]
    options = deeponet.Options(**{**SMALL, "branch_hidden": (32,), "trunk_hidden": (32, 32), "basis": 20})
    model = deeponet.build(options, OperatorSpec(1, 1, domain, (33,)))
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 400)
    for _ in range(400):
        chosen, points = torch.randint(200, (64,)), torch.rand(64, 33).topk(8).indices
        batch = FieldBatch(u[chosen], domain, s[chosen]).at(Draw(points))
        loss = (model(batch) - batch.target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        error = model(FieldBatch(u[200:], domain)) - s[200:]
    assert error.norm() < 0.1 * s[200:].norm()


def test_the_published_examples_can_be_asked_for():
    """Widths of arXiv 2409.13280."""

    def widths(module):
        return [tuple(p.shape) for p in module.parameters() if p.ndim > 1]

    square = ((40, 40),) * 3
    one = make(LINE, (100,), (1, 1), branch_hidden=(40,) * 3, trunk_hidden=(40,) * 3, basis=40).networks
    assert widths(one.branch) == [(40, 100), *square]
    assert widths(one.trunk) == [(40, 1), *square]
    two = make(PLANE, (1, 100), (1, 1), branch_hidden=(64,) * 3, trunk_hidden=(64,) * 3, basis=128).networks
    assert widths(two.branch) == [(64, 100), (64, 64), (64, 64), (128, 64)]
    assert widths(two.trunk) == [(64, 2), (64, 64), (64, 64), (128, 64)]
    three = deeponet.build(deeponet.Options(), OperatorSpec(1, 1, Domain.unit(2), (32, 32))).networks
    convolutions = [(40, 1, 3, 3), (60, 40, 3, 3), (100, 60, 3, 3)]
    assert widths(three.branch) == [*convolutions, (150, 1600), (150, 150), (150, 150)]
    assert widths(three.trunk) == [(150, 2), *((150, 150),) * 5]


def test_the_part_is_registered_and_described():
    assert "deeponet" in registry.names("nolab.models")
    assert deeponet.CONSISTENCY.endswith(".")
    assert deeponet.NEVAL_SAVES.endswith(".")


def test_options_from_plain_mappings():
    options = from_mapping(
        deeponet.Options, {"hard_boundary": [None, "both"], "sensors": [9, 5], "branch_hidden": []}, "model"
    )
    assert options.hard_boundary == (None, "both")
    assert options.sensors == (9, 5)
    assert options.branch_hidden == ()
    assert from_mapping(deeponet.Options, {"hard_boundary": "stop"}, "model").hard_boundary == "stop"


GATED = {"variant": "gated", "branch": "mlp", "trunk": "mlp"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "pod"}, r"model\.variant: 'pod'.* no trunk to sample; use vanilla or gated"),
        ({"variant": "two_step"}, r"model\.variant: 'two_step'.* all points.*; use vanilla or gated"),
        ({"variant": "gatd"}, r"model\.variant: .*Did you mean 'gated'"),
        ({"branch": "mpl"}, r"model\.branch: .*Did you mean 'mlp'"),
        ({"trunk": "resent"}, r"model\.trunk: .*Did you mean 'resnet'"),
        ({"activation": "rleu"}, r"model\.activation: .*Did you mean 'relu'"),
        ({"outputs": "split_trunk"}, r"model\.outputs: .*split_both, split_branch"),
        ({"hard_boundary": "ends"}, r"model\.hard_boundary: 'ends'.*start, stop, both"),
        ({"hard_boundary": ["bth"]}, r"model\.hard_boundary: .*'bth'.*start, stop, both"),
        ({"basis": 0}, r"model\.basis: must be at least 1, got 0"),
        ({"branch_hidden": [40, 0]}, r"model\.branch_hidden: .*\(40, 0\)"),
        ({"trunk_hidden": []}, r"model\.trunk_hidden"),
        ({"cnn_channels": []}, r"model\.cnn_channels"),
        ({"cnn_channels": [8, -1]}, r"model\.cnn_channels"),
        ({"cnn_kernel": 4}, r"model\.cnn_kernel: must be odd"),
        ({"trunk_width": 0}, r"model\.trunk_width"),
        ({"trunk_blocks": 0}, r"model\.trunk_blocks"),
        ({"trunk_layers": 0}, r"model\.trunk_layers"),
        ({"fourier_features": -1}, r"model\.fourier_features"),
        ({"width": 3}, r"model\.width"),
        ({**GATED, "branch": "cnn"}, r"model\.branch: must be mlp where variant=gated, got 'cnn'"),
        ({**GATED, "trunk": "resnet"}, r"model\.trunk: must be mlp where variant=gated"),
        ({**GATED, "branch_hidden": [40, 40]}, r"model\.branch_hidden: .*one width with trunk_hidden"),
        ({**GATED, "branch_hidden": []}, r"model\.branch_hidden"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        from_mapping(deeponet.Options, options, "model")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sensors": (5,)}, r"sensors: must be one number or one per axis of the domain \(2\), got \(5,\)"),
        ({"sensors": 1}, r"sensors: must be at least 2 \(axis 0\)"),
        ({"sensors": (5, 0)}, r"sensors: must be at least 2 \(axis 1\)"),
        ({"sensors": (5, 4), "shape": (1, 5)}, r"sensors: must be 1, .* \(axis 0\), got \(5, 4\)"),
        (
            {"hard_boundary": ("both",)},
            r"hard_boundary: must be one value or one per axis of the domain \(2\)",
        ),
        ({"hard_boundary": "both", "domain": Domain.unit(2, "periodic")}, "axis 0, which is periodic"),
    ],
)
def test_options_that_do_not_fit(options, message):
    with pytest.raises(InputError, match=message):
        make(**options)


def test_the_batch_is_checked():
    model = make()
    with pytest.raises(InputError, match="domain"):
        model(FieldBatch(torch.randn(1, 2, 6, 5), Domain.unit(2)))
    with pytest.raises(InputError, match=r"queries: .*\(Q, 2\)"):
        model(FieldBatch(make_batch().input, PLANE, queries=torch.rand(7, 1)))
