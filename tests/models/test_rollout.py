"""The roll-out: a network on its own predictions, frame by frame."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from tests_support import spec
from torch import nn

from nolab.errors import InputError
from nolab.fields import Draw, FieldBatch
from nolab.grid import Domain
from nolab.models import build_model
from nolab.models._rollout import Rollout
from nolab.models.fno import Options as Fno
from nolab.models.tfno import Options as Tfno

TORUS = Domain.unit(2, "periodic")
FRAMES = replace(spec(TORUS, (3, 4), (8, 8)), frames=True)
SMALL = {"n_modes": 4, "hidden_channels": 6, "n_layers": 2}


class Recurrence(nn.Module):
    """x_{t+1} = 2 x_t - x_{t-2}, of three frames."""

    def forward(self, batch):
        oldest, _, newest = batch.input.unbind(1)
        return (2 * newest - oldest)[:, None]


def batch_of(x, **more):
    return FieldBatch(x, TORUS, **more)


def test_every_frame_follows_from_the_three_before_it():
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    frames = [*x.unbind(1)]
    for _ in range(4):
        frames.append(2 * frames[-1] - frames[-3])
    rollout = Rollout(lambda fields: Recurrence(), FRAMES)
    torch.testing.assert_close(rollout(batch_of(x)), torch.stack(frames[3:], dim=1), rtol=0, atol=0)


@pytest.mark.parametrize(("name", "options"), [("fno", Fno), ("tfno", Tfno)])
def test_its_network_is_the_model_with_one_channel_out(name, options):
    torch.manual_seed(0)
    model = build_model(name, options(rollout=True, **SMALL), FRAMES)
    torch.manual_seed(0)
    one = build_model(name, options(**SMALL), replace(FRAMES, out_channels=1))
    x = torch.randn(2, 3, 8, 8)
    frames = model(batch_of(x))
    assert frames.shape == (2, 4, 8, 8)
    window = x
    for frame in frames.split(1, dim=1):
        torch.testing.assert_close(frame, one(batch_of(window)))
        window = torch.cat([window[:, 1:], frame], dim=1)


def test_gradients_go_through_the_whole_roll_out():
    """The last frame alone depends on what the first input frame did to the first prediction."""
    model = build_model("fno", Fno(rollout=True, **SMALL), FRAMES)
    x = torch.randn(1, 3, 8, 8, requires_grad=True)
    model(batch_of(x))[:, -1].sum().backward()
    assert x.grad[:, 0].abs().max() > 0


@pytest.mark.parametrize("index", [torch.tensor([0, 9, 63]), torch.tensor([[5, 1], [60, 33]])])
def test_chosen_points_are_those_of_the_whole_frames(index):
    model = build_model("fno", Fno(rollout=True, **SMALL), FRAMES)
    x, target = torch.randn(2, 3, 8, 8), torch.randn(2, 4, 8, 8)
    whole = batch_of(x, target=target)
    chosen = whole.at(Draw(index))
    torch.testing.assert_close(model(chosen), chosen.select(model(whole)))


def test_it_is_one_operator_on_all_grids():
    """On fields that both grids carry, and a network that adds no frequencies."""

    class Mean(nn.Module):
        def forward(self, batch):
            return batch.input.mean(dim=1, keepdim=True)

    rollout = Rollout(lambda fields: Mean(), FRAMES)
    angles = 2 * torch.pi * TORUS.coordinates((16, 16))
    fine = torch.stack([torch.sin(k * angles[0]) + torch.cos(angles[1]) for k in (1, 2, 3)])[None]
    torch.testing.assert_close(rollout(batch_of(fine[..., ::2, ::2])), rollout(batch_of(fine))[..., ::2, ::2])


def test_its_remark_is_the_networks():
    model = build_model("fno", Fno(rollout=True, **{**SMALL, "n_modes": 8}), FRAMES)
    plain = build_model("fno", Fno(**{**SMALL, "n_modes": 8}), FRAMES)
    assert model.remark((5, 5)) == plain.remark((5, 5)) is not None
    assert model.remark((16, 16)) is None


def test_channels_that_are_no_frames_are_refused():
    with pytest.raises(InputError, match=r"model\.rollout: .* rollout=false"):
        build_model("fno", Fno(rollout=True, **SMALL), replace(FRAMES, frames=False))


def test_weights_do_not_depend_on_the_number_of_frames():
    """A model trained on few frames can be rolled out further."""
    models = [build_model("fno", Fno(rollout=True, **SMALL), replace(FRAMES, out_channels=n)) for n in (2, 7)]
    for a, b in pairwise(models):
        b.load_state_dict(a.state_dict())
