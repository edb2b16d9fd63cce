"""A real tiny run to be damaged, and the command line that has to refuse it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests_support import tiny_overrides

import nolab
from nolab.cli import main


@pytest.fixture(scope="package")
def finished(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Path:
    """A finished tiny run; tests copy it before they damage it."""
    return nolab.train(nolab.compose(tiny_overrides(data_dir, tmp_path_factory.mktemp("runs")))).path


@pytest.fixture
def run_dir(finished: Path, tmp_path: Path) -> Path:
    """A copy of the run."""
    return shutil.copytree(finished, tmp_path / "run")


@pytest.fixture
def refused(capsys: pytest.CaptureFixture) -> Callable[..., str]:
    """Run the command line and return its message; it must be one, with exit code 2."""

    def run(*arguments: str) -> str:
        code = main(list(arguments))
        said = capsys.readouterr().err
        assert code == 2, said
        assert "Traceback" not in said
        (message,) = [line for line in said.splitlines() if line.startswith("nolab: ")]
        return message

    return run
