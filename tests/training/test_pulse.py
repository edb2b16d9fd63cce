"""What all processes of a run know alike after a step."""

import pytest
import torch

from nolab.training.clock import Clock
from nolab.training.pulse import Pulse
from nolab.training.ranks import ALONE, Ranks
from nolab.training.stopping import StopRequest

CPU = torch.device("cpu")


@pytest.fixture
def clock():
    clock = Clock(CPU)
    clock.load_state_dict({"train": 5.0, "eval": 0.0, "log": 0.0, "warmup": 0.0})
    return clock


def pulses(clock, size=3):
    made = [Pulse(Ranks(rank, size), clock, CPU) for rank in range(size)]
    requests = [StopRequest() for _ in made]
    for pulse, request in zip(made, requests, strict=True):
        pulse.listen(request)
    return made, requests


def exchange(made):
    notes = [pulse.sent() for pulse in made]
    total = sum(note for (note,) in notes)
    for pulse in made:
        pulse.receive((total.clone(),))


def test_all_go_by_the_first_ones_clock(clock):
    made, _ = pulses(clock)
    assert [pulse.seconds for pulse in made] == [5.0] * 3  # of a checkpoint
    clock.load_state_dict({"train": 7.5, "eval": 0.0, "log": 0.0, "warmup": 0.0})
    assert [pulse.seconds for pulse in made] == [5.0] * 3  # until the next step
    exchange(made)
    assert [pulse.seconds for pulse in made] == [7.5] * 3


@pytest.mark.parametrize("asked", [0, 1, 2])
def test_one_that_is_asked_stops_all_after_the_same_step(clock, asked):
    made, requests = pulses(clock)
    exchange(made)
    requests[asked].signal = "SIGTERM"
    assert not any(pulse.stop for pulse in made)
    exchange(made)
    assert all(pulse.stop for pulse in made)


def test_alone_all_is_as_it_is_now(clock):
    pulse, request = Pulse(ALONE, clock, CPU), StopRequest()
    pulse.listen(request)
    assert pulse.sent() == ()
    clock.load_state_dict({"train": 7.5, "eval": 0.0, "log": 0.0, "warmup": 0.0})
    assert pulse.seconds == 7.5
    request.signal = "SIGINT"
    assert pulse.stop
