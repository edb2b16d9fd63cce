"""Errors that a user can act on: one short message, no traceback."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

# Control characters steer a terminal, NUL ends a path, half a surrogate pair can't be written.
_STRANGE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class InputError(ValueError):
    """Bad input from the user (config, file, command line); the CLI exits with code 2."""


class RunFailure(RuntimeError):
    """A run that started well and could not be finished; the CLI exits with code 1."""


def unknown(what: str, given: object, allowed: Iterable[object]) -> InputError:
    """Error for a name that is not among the allowed ones, with the nearest valid name.

    Parameters
    ----------
    what : the key or the kind of thing that was named, e.g. ``"model.norm"``.
    given : the name that was given.
    allowed : the valid names, listed in the message.
    """
    names = [str(name) for name in allowed]
    near = get_close_matches(str(given), names, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return InputError(f"{what}: '{given}' is not known.{hint} Valid: {', '.join(names) or '(none)'}.")


def first_line(error: BaseException) -> str:
    """What an error says in one line; its type where it says nothing."""
    return (str(error) or type(error).__name__).splitlines()[0]


def printable(text: str) -> str:
    """`text` with what would steer a terminal, or can't be written, as escapes."""
    return _STRANGE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
