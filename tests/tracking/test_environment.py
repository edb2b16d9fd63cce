"""The record of how a result was obtained."""

import json

import torch

from nolab.tracking.environment import environment


def test_environment_says_how_a_result_was_obtained():
    record = environment(torch.device("cpu"))
    assert {"command", "python", "device", "threads", "packages", "git", "started"} <= set(record)
    assert record["packages"]["torch"] == torch.__version__
    assert record["processes"] == 1
    assert record["deterministic"] is torch.are_deterministic_algorithms_enabled()
    json.dumps(record)


def test_environment_counts_the_processes_of_a_run(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert environment(torch.device("cpu"))["processes"] == 4
