"""Hydra's and OmegaConf's errors in nolab's words: the key, what was given, what is allowed."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from functools import cache
from importlib import resources

import yaml
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nolab.errors import InputError, unknown


@contextmanager
def explained() -> Iterator[None]:
    """Raise config errors of the libraries as :class:`InputError`."""
    try:
        yield
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        raise explain(error) from error


def explain(error: Exception) -> InputError:
    """An InputError that says what `error` says, with the nearest valid name where one is near."""
    text = str(error).strip()
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, choice = str(error.missing_cfg_file).rpartition("/")
        return unknown(group or "config", choice, error.options or [])
    if isinstance(error, OverrideParseException):
        return InputError(
            f"override '{error.override}': can't be read; write key=value, e.g. delta=2 seed=0,1"
        )
    if match := re.search(r"Could not override '([^']+)'", text):
        detail = error.__cause__
        if detail is None or "is not in struct" in text or "Key" in str(detail):
            return _unknown_key(match[1])
    if match := re.search(r"Key '([^']+)' is not in struct", text):
        return _unknown_key(match[1])
    if match := re.search(r"Could not append to config\. An item is already at '([^']+)'", text):
        return InputError(f"{match[1]}: exists already; write {match[1]}=… without the +")
    if match := re.search(r"[Mm]ultiple values for ([\w/]+)", text):
        return InputError(f"{match[1]}: given twice")
    return InputError(text.split("\n\n")[0].replace("\n", " "))


def _unknown_key(key: str) -> InputError:
    keys = config_keys()
    # A near name at the same depth reads better than any other.
    peers = [k for k in keys if k.count(".") == key.count(".")] or keys
    near = get_close_matches(key, peers, n=1, cutoff=0.5) or get_close_matches(key, keys, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    parent = key.rpartition(".")[0]
    siblings = sorted({k for k in keys if k.rpartition(".")[0] == parent}) or [
        k for k in keys if "." not in k
    ]
    return InputError(f"{key}: no such key.{hint} Valid here: {', '.join(siblings)}.")


@cache
def config_keys() -> tuple[str, ...]:
    """Every key of the default config and of every group's choices, dotted."""
    root = resources.files("nolab.conf")
    keys = set(_flatten(OmegaConf.create((root / "config.yaml").read_text(encoding="utf-8"))))
    for group in root.iterdir():
        if group.is_dir() and group.name not in ("experiment", "debug", "hydra", "__pycache__"):
            keys.add(group.name)
            for file in group.iterdir():
                if file.name.endswith(".yaml"):
                    choice = OmegaConf.create(file.read_text(encoding="utf-8"))
                    keys.update(f"{group.name}.{key}" for key in _flatten(choice))
    return tuple(
        sorted(k for k in keys if k.split(".")[0] not in ("defaults", "hydra") and ".defaults" not in k)
    )


def _flatten(node: object, prefix: str = "") -> Iterator[str]:
    if not isinstance(node, DictConfig):
        return
    for key in node:
        yield f"{prefix}{key}"
        child = OmegaConf.to_container(node, resolve=False)[key]
        if isinstance(child, dict):
            yield from _flatten(OmegaConf.create(child), f"{prefix}{key}.")
