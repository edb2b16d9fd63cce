"""Find the parts of nolab that stand in a file of their own: models, problems, estimators.

A part named `x` of the package `nolab.models` is the module `nolab.models.x` that defines
``Options``; a new part is a new file, and nothing else has to know of it.
"""

import importlib
import pkgutil
from types import ModuleType
from typing import Any

from nolab.errors import InputError, unknown


def names(package: str) -> list[str]:
    """Names of the parts in `package` (without importing them)."""
    paths = importlib.import_module(package).__path__
    return sorted(m.name for m in pkgutil.iter_modules(paths) if not m.name.startswith("_") and not m.ispkg)


def load(package: str, name: str, key: str) -> ModuleType:
    """The module of part `name`; an unknown name is answered with the valid ones.

    Helper modules of a package start with an underscore and are no parts.
    """
    if name not in (valid := names(package)):
        raise unknown(key, name, valid)
    return importlib.import_module(f"{package}.{name}")


def instantiate(target: str, options: dict[str, Any], key: str, **given: Any) -> Any:
    """Call the user's class or function `target` ("package.module.name") with its options.

    Raises
    ------
    InputError : it can't be imported, or does not take these arguments.
    """
    module_name, _, name = target.rpartition(".")
    try:
        factory = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise InputError(
            f"{key}._target_: '{target}' can't be imported ({error}); it must be importable, "
            "e.g. PYTHONPATH=. nolab train …"
        ) from error
    try:
        return factory(**options, **given)
    except TypeError as error:
        raise InputError(
            f"{key}._target_: {target} can't be called with {sorted({**options, **given})}: {error}"
        ) from error
