"""Pictures of runs, small enough to travel inside the page."""

import base64
import io
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from nolab.compare.front import pareto_mask
from nolab.compare.records import RunRecord
from nolab.tracking.run_directory import PLOTS

PICTURE = "prediction.png"

_WIDTH = 1000
_HEIGHT = 4000
_QUALITY = 80
_MAX_PIXELS = 40_000_000


def pictures(runs: Sequence[RunRecord], limit: int) -> dict[int, str]:
    """Data URIs of at most `limit` runs' pictures, by the run's place in `runs`.

    The Pareto front of training seconds and error comes first, then the best by error. What is not a
    picture is passed over.
    """
    chosen: dict[int, str] = {}
    for place in _by_interest(runs):
        if len(chosen) >= limit:
            break
        uri = embedded(runs[place].path / PLOTS / PICTURE)
        if uri is not None:
            chosen[place] = uri
    return chosen


def embedded(file: Path) -> str | None:
    """A PNG as the data URI of a WebP at most 1000 pixels wide; None for a file that is none."""
    if not file.is_file() or file.is_symlink() or file.parent.is_symlink():  # another file's picture
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is stricter
            return _webp(file)
    except Exception:  # whoever made the file: a decoder may fail in any way
        return None


def _webp(file: Path) -> str | None:
    with Image.open(file, formats=["PNG"]) as image:
        if image.width * image.height > _MAX_PIXELS:
            return None
        small = image.convert("RGB")
    small.thumbnail((_WIDTH, _HEIGHT))
    content = io.BytesIO()
    small.save(content, "WEBP", quality=_QUALITY)
    return "data:image/webp;base64," + base64.b64encode(content.getvalue()).decode("ascii")


def _by_interest(runs: Sequence[RunRecord]) -> list[int]:
    points = np.array([(run.figure("cost/train_s"), run.figure("final/rel_l2")) for run in runs])
    front = pareto_mask(points.reshape(-1, 2))
    error = np.nan_to_num(points.reshape(-1, 2)[:, 1], nan=np.inf)
    return sorted(range(len(runs)), key=lambda i: (not front[i], error[i]))
