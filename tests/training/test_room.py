"""Models that the machine can't hold are refused while they are built, before the memory is taken."""

import pytest
import torch
from torch import nn

from nolab.errors import InputError
from nolab.training.room import built_within_memory

CPU = torch.device("cpu")
GIB = 2**30


@pytest.fixture
def free(monkeypatch):
    """Say how much memory is free."""

    def set_free(size):
        monkeypatch.setattr("nolab.training.room.free_memory", lambda device: size)

    return set_free


def test_a_model_that_fits_is_the_one_that_would_be_built_anyway(free):
    free(GIB)
    torch.manual_seed(3)
    model = built_within_memory(lambda: nn.Linear(100, 100), CPU, training=True)
    torch.manual_seed(3)
    assert torch.equal(model.weight, nn.Linear(100, 100).weight)


@pytest.mark.parametrize(("training", "room"), [(True, 4), (False, 1)])
def test_the_limit_is_what_weights_gradient_and_moments_take(free, training, room):
    size = 4 * (100 * 100 + 100)
    free(room * size)
    assert built_within_memory(lambda: nn.Linear(100, 100), CPU, training=training)
    free(room * size - 1)
    with pytest.raises(InputError, match=r"model: its weights take .* GiB or more"):
        built_within_memory(lambda: nn.Linear(100, 100), CPU, training=training)


def test_several_layers_add_up(free):
    free(4 * 3 * 4 * 10_000)
    with pytest.raises(InputError, match="its weights take"):
        built_within_memory(
            lambda: nn.Sequential(*(nn.Linear(100, 100) for _ in range(3))), CPU, training=True
        )


@pytest.mark.parametrize("size", [(10**9, 10**9), (2**62,), (10**400,)])
def test_nothing_is_allocated_first(size):
    with pytest.raises(InputError, match="its weights take"):
        built_within_memory(lambda: nn.ParameterList([torch.empty(*size)]), CPU, training=False)


def test_layers_without_end():
    with pytest.raises(InputError, match="more than 4000 arrays of weights; give it fewer layers"):
        built_within_memory(
            lambda: nn.Sequential(*(nn.Linear(1, 1) for _ in range(10**12))), CPU, training=False
        )


def test_memory_that_something_else_takes():
    def build():
        raise MemoryError

    with pytest.raises(InputError, match="does not fit the memory"):
        built_within_memory(build, CPU, training=False)
