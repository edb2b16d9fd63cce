"""Hydra's and OmegaConf's errors in nolab's words: the key, what was given, what is allowed."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from traceback import walk_tb

import yaml
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from nolab.errors import InputError, unknown

_LIBRARIES = ("hydra", "omegaconf", "antlr4", "yaml")
_NO_GROUPS = ("hydra", "__pycache__")
_MOST_NAMES = 32


@contextmanager
def explained(config_name: str = "config") -> Iterator[None]:
    """Raise config errors of the libraries as :class:`InputError`, for the primary config of that name."""
    try:
        yield
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        raise explain(error, config_name) from error
    except Exception as error:
        if _raised_in(error) not in _LIBRARIES:
            raise
        raise explain(error, config_name) from error


def _raised_in(error: Exception) -> str:
    """The package whose code raised an error: the libraries check little of what overrides say."""
    frames = list(walk_tb(error.__traceback__))
    return frames[-1][0].f_globals.get("__name__", "").partition(".")[0] if frames else ""


def explain(error: Exception, config_name: str = "config") -> InputError:
    """An InputError that says what `error` says, with the nearest valid name where one is near."""
    text = str(error).strip()
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, choice = str(error.missing_cfg_file).rpartition("/")
        if group == "hydra/launcher" and choice.startswith(("joblib", "submitit")):
            return InputError(f"hydra/launcher={choice}: not installed; pip install 'nolab[launchers]'")
        return unknown(group or "config", choice, error.options or [])
    if isinstance(error, OverrideParseException):
        return InputError(
            f"override '{error.override}': can't be read; write key=value, e.g. delta=2 seed=0,1"
        )
    if match := re.search(r"Could not override '([^']+)'", text):
        detail = error.__cause__
        if detail is None or "is not in struct" in text or "Key" in str(detail):
            return _unknown_key(match[1], config_name)
    if match := re.search(r"Key '([^']+)' is not in struct", text):
        return _unknown_key(match[1], config_name)
    if match := re.search(r"Could not append to config\. An item is already at '([^']+)'", text):
        return InputError(f"{match[1]}: exists already; write {match[1]}=… without the +")
    if match := re.search(r"[Mm]ultiple values for ([\w/]+)", text):
        return InputError(f"{match[1]}: given twice")
    return InputError(text.split("\n\n")[0].replace("\n", " "))


def _unknown_key(key: str, config_name: str) -> InputError:
    keys = config_keys(config_name)
    # A near name at the same depth reads better than any other.
    peers = [k for k in keys if k.count(".") == key.count(".")] or keys
    near = get_close_matches(key, peers, n=1, cutoff=0.5) or get_close_matches(key, keys, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    parent = key.rpartition(".")[0]
    siblings = sorted({k for k in keys if k.rpartition(".")[0] == parent}) or [
        k for k in keys if "." not in k
    ]
    return InputError(f"{key}: no such key.{hint} Valid here: {_listed(siblings, key)}.")


def _listed(names: list[str], given: str) -> str:
    """The names, or the nearest of them where there are too many to read."""
    if len(names) <= _MOST_NAMES:
        return ", ".join(names)
    nearest = get_close_matches(given, names, n=_MOST_NAMES // 2, cutoff=0)
    return f"{', '.join(nearest)} and {len(names) - len(nearest)} more, see the files in conf/"


@cache
def group_choices() -> dict[str, list[str]]:
    """Every config group and its choices."""
    root = resources.files("nolab.conf")
    groups = [folder for folder in root.iterdir() if folder.is_dir() and folder.name not in _NO_GROUPS]
    return {
        group.name: sorted(c.name.removesuffix(".yaml") for c in group.iterdir() if c.name.endswith(".yaml"))
        for group in sorted(groups, key=lambda group: group.name)
    }


@cache
def config_keys(config_name: str = "config") -> tuple[str, ...]:
    """Every key of the default config and of the groups' choices, dotted, and those that a primary config adds."""
    root = resources.files("nolab.conf")
    keys = {key for name in ("config", config_name) for key in _flatten(_read_yaml(root / f"{name}.yaml"))}
    for group, choices in group_choices().items():
        if group in ("experiment", "debug"):
            continue
        keys.add(group)
        for choice in choices:
            keys.update(f"{group}.{key}" for key in _flatten(_read_yaml(root / group / f"{choice}.yaml")))
    return tuple(sorted(key for key in keys if key.split(".")[0] not in ("defaults", "hydra")))


def _read_yaml(file: Traversable) -> dict:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def _flatten(node: object, prefix: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        for key, child in node.items():
            yield f"{prefix}{key}"
            yield from _flatten(child, f"{prefix}{key}.")
