"""FFT or matrix products: whichever a table of measurements says is faster.

The table, transforms.json, comes with the package, so that the choice, and with it every bit of a
result, is the same in every run. scripts/measure_transforms.py measures it anew.
"""

import json
import math
from importlib.resources import files

import torch

_UNMEASURED = 32
"""Most modes for products on a device that the table does not have."""


def most_modes(device: torch.device, dtype: torch.dtype, order: int, n: int) -> int:
    """Most modes per axis with which products are the faster transform.

    Parameters
    ----------
    device, dtype : of the field; float32 or float64.
    order : number of axes.
    n : most points on an axis; the table's nearest size counts.
    """
    return _lookup(device.type, str(dtype).removeprefix("torch."), order, n)


@torch.compiler.assume_constant_result
def _lookup(device: str, dtype: str, order: int, n: int) -> int:
    sizes = _limits().get(f"{device} {dtype}", {}).get(str(order))
    if not sizes:
        return _UNMEASURED
    nearest = min(sizes, key=lambda size: abs(math.log(int(size) / n)))
    return sizes[nearest]


_read: dict[str, dict] = {}


def _limits() -> dict:
    """{"cpu float32": {order: {n: most modes}}}."""
    if not _read:
        _read.update(json.loads(files("nolab.spectral").joinpath("transforms.json").read_text())["limits"])
    return _read
