"""Shared fixtures: small data, small configs, the command line as a subprocess."""

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests_support import tiny_overrides

if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)  # one process per core already


def pytest_collection() -> None:
    """Thousands of tests are made and none is dropped: a quarter of the time would go into looking for garbage."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.enable()


@pytest.fixture(autouse=True)
def _no_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take longer than a tiny run: only tests that are marked so draw them."""
    if request.node.get_closest_marker("pictures") is None:
        monkeypatch.setattr("nolab.training.execution.draw_pictures", lambda *_: None)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stores that the whole session shares."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def tiny(data_dir: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """Overrides of a tiny run in this test's own output folder, and then the given ones."""

    def overrides(*more: str) -> list[str]:
        return tiny_overrides(data_dir, tmp_path / "outputs", *more)

    return overrides


@pytest.fixture
def nolab(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess]:
    """The command line in a process of its own, in an empty folder."""

    def run(*arguments: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "nolab", *arguments],
            cwd=cwd or tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1", **env},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run
