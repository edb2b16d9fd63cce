"""Find the parts that stand in a file of their own: models, problems, estimators, schemes of points.

A part named `x` of the package `nolab.models` is the module `nolab.models.x`; a new part is a new file, and nothing
else has to know of it. A name with a dot, `mine.x`, is a module of the user's own, of the same form.
"""

import importlib
import pkgutil
import traceback
from dataclasses import is_dataclass
from types import ModuleType
from typing import Any

from nolab.errors import InputError, unknown

FORM = {
    "nolab.estimators": ("Options", "build"),
    "nolab.models": ("Options", "build", "CONSISTENCY", "NEVAL_SAVES"),
    "nolab.points": ("Options", "build"),
    "nolab.problems": ("Options", "VERSION", "describe", "generate"),
}
"""What a module defines to be a part of the package, see docs/extending.md."""


def names(package: str) -> list[str]:
    """Names of nolab's own parts in `package` (without importing them)."""
    paths = importlib.import_module(package).__path__
    return sorted(m.name for m in pkgutil.iter_modules(paths) if not m.name.startswith("_") and not m.ispkg)


def is_outside(name: object) -> bool:
    """Whether a part's name is that of a module of the user's own; nolab's own have no dot."""
    return isinstance(name, str) and "." in name and not name.startswith("nolab.")


def load(package: str, name: str, key: str) -> ModuleType:
    """The module of part `name`, nolab's own or the user's.

    Helper modules of a package start with an underscore and are no parts.

    Raises
    ------
    InputError : no part has the name, which is answered with the valid ones; a user's module can't be imported or
        lacks something of the package's :data:`FORM`.
    """
    if is_outside(name):
        return _load_outside(package, name, key)
    if name not in (valid := names(package)):
        raise unknown(key, name, valid)
    return importlib.import_module(f"{package}.{name}")


def instantiate(target: str, options: dict[str, Any], key: str, **given: Any) -> Any:
    """Call the user's class or function `target` ("package.module.name") with its options.

    Raises
    ------
    InputError : it can't be imported, or does not take these arguments.
    """
    module, _, name = target.rpartition(".")
    factory = getattr(_import(module, f"{key}._target_: '{target}'"), name, None)
    if factory is None:
        raise InputError(f"{key}._target_: '{target}' can't be imported (module '{module}' has no '{name}')")
    try:
        return factory(**options, **given)
    except TypeError as error:
        raise InputError(
            f"{key}._target_: {target} can't be called with {sorted({**options, **given})}: {error}"
        ) from error


def _load_outside(package: str, name: str, key: str) -> ModuleType:
    what = f"{key}: '{name}'"
    module = _import(name, what)
    if missing := [member for member in FORM[package] if not hasattr(module, member)]:
        raise InputError(
            f"{what} lacks {', '.join(missing)}; such a module defines {', '.join(FORM[package])} "
            "(docs/extending.md)"
        )
    if not (isinstance(module.Options, type) and is_dataclass(module.Options)):
        raise InputError(f"{what}: its Options must be a dataclass (docs/extending.md)")
    return module


def _import(module: str, what: str) -> ModuleType:
    """A module of the user's own; `what` begins the message where that fails."""
    if not all(part.isidentifier() for part in module.split(".")):
        raise InputError(f"{what} can't be imported ('{module}' is no name of a module)")
    try:
        return importlib.import_module(module)
    except Exception as error:  # the user's code runs here, and may raise anything
        if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
            raise InputError(
                f"{what} can't be imported ({error}); it must be importable, e.g. PYTHONPATH=. nolab train …"
            ) from error
        raise InputError(f"{what} can't be imported ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    """An error of the user's module in a line: what, and where."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = "" if isinstance(error, SyntaxError) else f", {place.filename} line {place.lineno}"
    return f"{type(error).__name__}: {error}{where}"
