"""Compose a config from ``conf/`` without the command line, for notebooks and tests."""

from collections.abc import Sequence
from typing import Any, cast

from hydra import compose as hydra_compose
from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from nolab.explain import explained


def compose(overrides: Sequence[str] = ()) -> DictConfig:
    """The config of `nolab train` with the given overrides, e.g. ``["sampling=fine", "seed=1"]``.

    Raises
    ------
    InputError : an override that does not fit, with the nearest valid name.
    """
    overrides = list(overrides)
    if GlobalHydra.instance().is_initialized():  # inside a Hydra job: its search path is in place
        with explained():
            return hydra_compose("config", overrides)
    with explained(), initialize_config_module("nolab.conf", version_base="1.3"):
        return hydra_compose("config", overrides)


def resolved(config: DictConfig) -> dict[str, Any]:
    """The config in plain values, its interpolations resolved."""
    return cast(dict[str, Any], OmegaConf.to_container(config, resolve=True))
