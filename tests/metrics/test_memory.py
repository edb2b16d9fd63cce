"""What autograd keeps for the backward."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from nolab.metrics.memory import saved_bytes

N = 1000


@pytest.fixture
def x():
    return torch.linspace(-1, 1, N, requires_grad=True)


def test_a_known_graph(x):
    """x·x keeps x, which was there before; sin keeps the product, exp its own result."""
    assert saved_bytes(lambda: x * x) == 0
    assert saved_bytes(lambda: (x * x).sin()) == 4 * N
    assert saved_bytes(lambda: (x * x).sin().exp()) == 2 * 4 * N


def test_a_storage_counts_once_and_in_full(x):
    def run():
        y = x + 1
        return y.sin() + y.cos() + y[: N // 2].exp().sum() + y[:3].square().sum()

    assert saved_bytes(run) == 4 * N + 4 * N // 2  # y, and the result of exp


def test_parameters_inputs_and_constants_do_not_count():
    layer, features = nn.Linear(8, 4), torch.ones(5, 8)
    assert saved_bytes(lambda: layer(features).sum()) == 0
    assert saved_bytes(lambda: layer(features.double().float()).sum()) == 4 * 5 * 8


def test_constants_of_a_model_count_at_the_first_call_only(x):
    built = []

    def run():
        if not built:
            built.append(torch.ones(N))
        return x * built[0]

    assert saved_bytes(run) == 4 * N
    assert saved_bytes(run) == 0


def test_no_gradient_keeps_nothing(x):
    with torch.no_grad():
        assert saved_bytes(lambda: (x * x).sin().exp()) == 0


def test_half_keeps_half(x):
    def run(dtype):
        return (x.to(dtype) + 1).sin().exp().sum()

    assert saved_bytes(lambda: run(torch.float32)) == 2 * 4 * N
    assert saved_bytes(lambda: run(torch.float16)) == 2 * 2 * N


def test_a_checkpoint_keeps_its_input_only(x):
    def block(y):
        return y.sin().exp().cos()

    def plain():
        return block(block(x * 2)).sum()

    def checkpointed():
        y = checkpoint(block, x * 2, use_reentrant=False)
        return checkpoint(block, y, use_reentrant=False).sum()

    assert saved_bytes(plain) == 4 * 4 * N  # the results of exp and the inputs of sin
    assert saved_bytes(checkpointed) == 2 * 4 * N


def test_terms_that_run_one_after_the_other_count_as_the_largest(x):
    def term(n):
        (x[:n] * 2).sin().exp().sum().backward()

    def both():
        term(N)
        term(N // 2)

    assert saved_bytes(both) == saved_bytes(lambda: term(N)) == 2 * 4 * N
    assert saved_bytes(lambda: term(N // 2)) == 4 * N


def test_gradients_are_those_without_counting(x):
    (x * x).sin().sum().backward()
    expected, x.grad = x.grad, None
    saved_bytes(lambda: (x * x).sin().sum().backward())
    torch.testing.assert_close(x.grad, expected, rtol=0, atol=0)
