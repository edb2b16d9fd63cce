"""Checkpointed models: the same numbers from less memory."""

import pytest
import torch
from tests_support import spec
from torch import nn

from nolab.errors import InputError
from nolab.fields import FieldBatch
from nolab.grid import Domain
from nolab.metrics.memory import saved_bytes
from nolab.models import Checkpointed, deeponet, fno, set_checkpointing, sfno, tfno
from nolab.precision import arithmetic, autocast

CPU = torch.device("cpu")
BOX = Domain.unit(2, "nodal")
SMALL = {"hidden_channels": 8, "n_modes": 4, "n_layers": 3}
MODELS = {
    "fno": lambda: fno.build(fno.Options(**SMALL, norm="group_norm"), spec(BOX)),
    "tfno": lambda: tfno.build(tfno.Options(**SMALL), spec(BOX)),
    "sfno": lambda: sfno.build(sfno.Options(**SMALL), spec(Domain.sphere())),
    "deeponet": lambda: deeponet.build(deeponet.Options(cnn_channels=(4, 6), activation="gelu"), spec(BOX)),
    "deeponet mlp": lambda: deeponet.build(
        deeponet.Options(branch="mlp", trunk="mlp", activation="gelu"), spec(BOX)
    ),
    "deeponet gated": lambda: deeponet.build(
        deeponet.Options(
            variant="gated",
            branch="mlp",
            trunk="mlp",
            branch_hidden=(16, 16),
            trunk_hidden=(16, 16),
            activation="gelu",
        ),
        spec(BOX),
    ),
}


def make(name):
    torch.manual_seed(0)
    return MODELS[name]()


def outcome(model, mode, batch):
    """Prediction and gradients, and the bytes that the forward keeps."""

    def forward():
        with arithmetic(mode, CPU), autocast(mode, CPU):
            return model(batch)

    forward()  # builds constants
    kept = saved_bytes(forward)
    with arithmetic(mode, CPU):
        prediction = forward()
        prediction.float().square().mean().backward()
    gradients = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    model.zero_grad(set_to_none=True)
    return prediction.detach(), gradients, kept


@pytest.mark.parametrize("mode", ["fp32", "amp_bf16", "half", "mixed"])
@pytest.mark.parametrize("name", MODELS)
def test_same_bits_from_less_memory(name, mode):
    if mode == "half" and name.startswith("deeponet"):
        pytest.skip("has no spectral layers")
    model = make(name)
    batch = FieldBatch(torch.randn(4, 1, 17, 17), model.domain)
    plain = outcome(model, mode, batch)
    set_checkpointing(model)
    checkpointed = outcome(model, mode, batch)
    assert torch.equal(checkpointed[0], plain[0])
    for a, b in zip(checkpointed[1], plain[1], strict=True):
        assert (a is None and b is None) or torch.equal(a, b)
    assert checkpointed[2] < (0.95 if "mlp" in name or "gated" in name else 0.7) * plain[2]


def test_nothing_is_recomputed_where_no_gradient_is_asked_for(monkeypatch):
    model = make("fno")
    set_checkpointing(model)
    monkeypatch.setattr("nolab.models._checkpointing.checkpoint", None)  # a call would fail
    with torch.no_grad():
        model(FieldBatch(torch.randn(1, 1, 9, 9), BOX))


def test_a_model_without_blocks_is_refused_with_the_way_out():
    with pytest.raises(InputError, match=r"checkpointing: Linear has no blocks.*checkpointing=false"):
        set_checkpointing(nn.Linear(2, 2))


def test_a_users_model_may_have_blocks():
    class Mine(Checkpointed, nn.Linear):
        def forward(self, x):
            return self.run_block(super().forward, x)

    model = Mine(2, 2)
    set_checkpointing(model)
    x = torch.randn(3, 2)
    assert torch.equal(model(x), nn.Linear.forward(model, x))
