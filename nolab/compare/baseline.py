"""Which group the others are compared with."""

from collections.abc import Sequence

from nolab.compare.groups import Group
from nolab.compare.keys import matching, value
from nolab.errors import InputError

_MOST_LISTED = 10


def only_fine(groups: Sequence[Group]) -> Group | None:
    """The group with ``sampling=fine``; None where there are several or none, or no other group."""
    fine = [group for group in groups if all(value(run, "sampling") == "fine" for run in group.runs)]
    return fine[0] if len(fine) == 1 < len(groups) else None


def selected(groups: Sequence[Group], conditions: Sequence[str]) -> Group:
    """The one group that has runs for which every ``KEY=VALUE`` holds.

    Raises
    ------
    InputError : no group has such runs, or several have.
    """
    runs = {id(run) for run in matching([run for group in groups for run in group.runs], conditions)}
    chosen = [group for group in groups if any(id(run) in runs for run in group.runs)]
    if len(chosen) != 1:
        labels = [group.label for group in chosen or groups]
        more = f" and {len(labels) - _MOST_LISTED} more" if len(labels) > _MOST_LISTED else ""
        raise InputError(
            f"baseline: {' '.join(conditions)} selects {len(chosen) or 'none'} of the groups, and one is needed: "
            f"{'; '.join(labels[:_MOST_LISTED])}{more}"
        )
    return chosen[0]
