"""The record of how a result was obtained."""

import json

import torch

from nolab.tracking.environment import environment


def test_environment_says_how_a_result_was_obtained():
    record = environment(torch.device("cpu"))
    assert {"command", "python", "device", "threads", "packages", "git", "started"} <= set(record)
    assert record["packages"]["torch"] == torch.__version__
    json.dumps(record)
