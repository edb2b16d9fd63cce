"""What makes two jobs, or two sweeps, the same one."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

_NOT_PART = ("output_dir", "data_dir", "tracking", "resume", "trust")
"""Where a run writes, what it tells whom: nothing that changes its result."""


def job_identity(config: Mapping[str, Any]) -> str:
    """Hash of a resolved config without paths and tracking: equal for jobs with the same result."""
    return _hash({key: value for key, value in config.items() if key not in _NOT_PART})


def sweep_identity(overrides: Sequence[str]) -> str:
    """Hash of a multirun's overrides, in any order, without paths, tracking and Hydra's own keys."""
    kept = []
    for override in overrides:
        key = override.partition("=")[0].lstrip("+~")
        if key.partition(".")[0] not in _NOT_PART and not key.startswith("hydra"):
            kept.append(override)
    return _hash(sorted(kept))


def _hash(data: Any) -> str:
    text = json.dumps(data, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
