"""SFNO: parity with neuraloperator, levels, points, features, options."""

import subprocess
import sys

import pytest
import torch
from neuralop.models import SFNO
from tests_support import spec

from nolab import registry
from nolab.errors import InputError
from nolab.fields import Draw, FieldBatch, take_points
from nolab.grid import Axis, Domain
from nolab.models import deeponet, fno, sfno
from nolab.models.sfno import _directions
from nolab.schema import from_mapping
from nolab.spectral.precision import SpectralPrecision, spectral_precision
from nolab.spectral.sphere import synthesise

SPHERE = Domain.sphere()
SMALL = {"n_modes": 6, "hidden_channels": 8, "n_layers": 2}


def make(domain=SPHERE, channels=(2, 3), **options):
    torch.manual_seed(0)
    return sfno.build(sfno.Options(**{**SMALL, **options}), spec(domain, channels, (17, 32)))


def smooth_batch(shape, degrees=6, channels=2):
    """The same field of few degrees on a grid of any shape."""
    torch.manual_seed(1)
    pairs = torch.randn(2, channels, degrees, degrees, 2)
    pairs *= torch.ones(degrees, degrees).tril()[..., None]
    pairs[..., 0, 1] = 0
    return FieldBatch(synthesise(pairs, shape), SPHERE)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"norm": "group_norm", "fno_skip": "soft-gating", "non_linearity": "relu"},
        {"norm": "instance_norm", "use_channel_mlp": False, "fno_skip": None},
    ],
)
def test_parity_with_neuraloperator_both_ways(options):
    """One layer on fields whose transforms are exact: the same function to rounding, norms and all."""
    options = {**SMALL, "n_layers": 1, "n_modes": (6, 8), "lifting_channel_ratio": 0, **options}
    ours = make(positional_embedding=False, **options)
    activation = getattr(torch.nn.functional, options.pop("non_linearity", "gelu"))
    torch.manual_seed(0)
    theirs = SFNO(
        in_channels=2, out_channels=3, positional_embedding=None, non_linearity=activation, **options
    )
    batch = smooth_batch((17, 32))

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
    theirs.load_state_dict(ours.state_dict())


def test_deep_models_agree_with_neuraloperators_as_the_grid_is_refined():
    """Activations make degrees that neither quadrature integrates exactly on a coarse grid."""
    ours = make(positional_embedding=False)
    theirs = SFNO(in_channels=2, out_channels=3, **{**SMALL, "n_modes": (6, 12)}, positional_embedding=None)
    state = theirs.state_dict()
    state.pop("_metadata")
    ours.load_state_dict(state)
    for shape, bound in (((17, 32), 1e-3), ((65, 128), 1e-6)):
        batch = smooth_batch(shape)
        expected = theirs(batch.input)
        assert (ours(batch) - expected).norm() < bound * expected.norm()


def test_levels_are_one_operator():
    model = make(n_modes=12)
    with torch.no_grad():
        fine = model(smooth_batch((65, 128)))
        errors = []
        for n in (9, 17, 33):
            coarse, stride = model(smooth_batch((n, 2 * (n - 1)))), 64 // (n - 1)
            errors.append(((coarse - fine[..., ::stride, ::stride]).norm() / coarse.norm()).item())
    assert errors[0] < 0.2
    assert errors[1] < errors[0] / 5
    assert errors[2] < errors[1] / 5


def test_predictions_are_single_valued_at_the_poles():
    prediction = make()(smooth_batch((17, 32)))
    for pole in (0, -1):
        assert (prediction[:, :, pole] - prediction[:, :, pole, :1]).abs().max() < 1e-5


def test_without_positions_the_operator_commutes_with_rotations_about_the_axis():
    model = make(positional_embedding=False)
    batch = FieldBatch(torch.randn(1, 2, 9, 15), SPHERE)
    turned = model(FieldBatch(batch.input.roll(4, -1), SPHERE))
    assert torch.allclose(turned, model(batch).roll(4, -1), atol=1e-5)


@pytest.mark.parametrize("per_sample", [False, True])
def test_points_are_a_gather_of_the_full_prediction(per_sample):
    model = make()
    batch = FieldBatch(torch.randn(4, 2, 9, 16), SPHERE)
    points = torch.randint(144, (4, 7) if per_sample else (7,))
    few, full = model(batch.at(Draw(points))), take_points(model(batch), points)
    assert few.shape == (4, 3, 7)
    assert torch.allclose(few, full, atol=1e-6)


def test_features_are_the_points_of_the_unit_sphere():
    directions = _directions((9, 16), torch.float64, torch.device("cpu"))
    assert torch.allclose(directions.square().sum(0), torch.ones(9, 16, dtype=torch.float64))
    assert torch.allclose(directions[:, 0, 5], torch.tensor([1.0, 0, 0], dtype=torch.float64))
    assert torch.allclose(directions[:, 4, 4], torch.tensor([0, 0, 1.0], dtype=torch.float64))
    with_features, without = make(), make(positional_embedding=False)
    batch = smooth_batch((9, 16))
    assert with_features(batch).shape == without(batch).shape == (2, 3, 9, 16)
    first = [next(model.lifting.parameters()).shape[1] for model in (with_features, without)]
    assert first == [5, 2]


def test_half_precision_is_near_float32():
    model, batch = make(), smooth_batch((17, 32))
    with torch.no_grad():
        expected = model(batch)
        with spectral_precision(SpectralPrecision(torch.float16, torch.float16, torch.float16)):
            assert (model(batch) - expected).norm() < 2e-3 * expected.norm()


def test_compiles_without_graph_breaks():
    model = make()
    compiled = torch.compile(model, backend="eager", fullgraph=True, dynamic=False)
    for shape in ((9, 16), (17, 32)):
        batch = FieldBatch(torch.randn(2, 2, *shape), SPHERE)
        assert torch.allclose(compiled(batch), model(batch), atol=1e-6)


@pytest.mark.parametrize(
    ("n_modes", "shape", "said"),
    [
        (12, (17, 32), None),
        (12, (9, 16), "8x8 of 12x12 degrees and orders"),
        ((12, 8), (9, 16), "8x4 of 12x4 degrees and orders"),
        ((12, 8), (17, 32), None),
    ],
)
def test_a_coarse_grid_is_remarked_on(n_modes, shape, said):
    remark = make(n_modes=n_modes).remark(shape)
    assert remark is None if said is None else said in remark


def test_needs_no_torch_harmonics():
    code = """
import sys
sys.modules["torch_harmonics"] = None
import torch
from nolab.fields import FieldBatch, OperatorSpec
from nolab.grid import Domain
from nolab.models import sfno
from nolab.problems import shallow_water
model = sfno.build(sfno.Options(n_modes=4, hidden_channels=4), OperatorSpec(1, 1, Domain.sphere(), (9, 16)))
assert model(FieldBatch(torch.randn(1, 1, 9, 16), Domain.sphere())).isfinite().all()
assert shallow_water.describe(shallow_water.Options()).shape == (33, 64)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_part_is_registered_and_described():
    assert "sfno" in registry.names("nolab.models")
    assert sfno.CONSISTENCY.endswith(".")
    assert sfno.NEVAL_SAVES.endswith(".")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_modes": 0}, r"model\.n_modes"),
        ({"hidden_channels": 0}, r"model\.hidden_channels"),
        ({"period": 1.5}, r"model\.period: .*not known"),
        ({"discretization": "index"}, r"model\.discretization: .*not known"),
        ({"n_mods": 8}, "Did you mean 'n_modes'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        from_mapping(sfno.Options, options, "model")


@pytest.mark.parametrize("n_modes", [(4,), (4, 1), (4, 4, 4)])
def test_n_modes_that_are_no_pair(n_modes):
    with pytest.raises(InputError, match="n_modes: must be the number of degrees, or"):
        make(n_modes=n_modes)


@pytest.mark.parametrize(
    "domain",
    [
        Domain.unit(2),
        Domain.unit(1),
        Domain((Axis("latitude", 0, torch.pi), Axis("periodic", 0, 1))),
        Domain((Axis("nodal", 0, torch.pi), Axis("periodic", 0, 2 * torch.pi))),
    ],
)
def test_a_domain_that_is_no_sphere_is_refused(domain):
    with pytest.raises(InputError, match=r"sfno maps fields on the sphere.*use model=fno"):
        make(domain)


def test_the_fno_refuses_the_sphere():
    with pytest.raises(InputError, match="model=sfno or deeponet"):
        fno.build(fno.Options(n_modes=4), spec(SPHERE))


def test_deeponet_takes_the_sphere():
    model = deeponet.build(deeponet.Options(sensors=9), spec(SPHERE, (2, 3), (17, 32)))
    assert model(smooth_batch((17, 32))).shape == (2, 3, 17, 32)
    with pytest.raises(InputError, match=r"hard_boundary.*null on axis 0, which is latitude"):
        deeponet.build(deeponet.Options(hard_boundary="both"), spec(SPHERE, (2, 3), (17, 32)))
