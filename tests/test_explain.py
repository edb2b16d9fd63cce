"""Errors of Hydra in nolab's words."""

import pytest
from hydra.errors import MissingConfigException

from nolab.explain import explain


@pytest.mark.parametrize("choice", ["joblib", "submitit_local", "submitit_slurm"])
def test_a_launcher_that_is_not_installed_says_how_to_install_it(choice):
    error = MissingConfigException("missing", f"hydra/launcher/{choice}", ["basic"])
    assert str(explain(error)) == f"hydra/launcher={choice}: not installed; pip install 'nolab[launchers]'"


def test_a_launcher_that_nobody_knows_has_no_such_remedy():
    error = MissingConfigException("missing", "hydra/launcher/basik", ["basic"])
    text = str(explain(error))
    assert "install" not in text
    assert "basic" in text
