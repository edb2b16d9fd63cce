"""Where matrix products are faster than the FFT: the table behind `transform=auto`.

    python scripts/measure_transforms.py [--device cpu] [--write]

Forward and backward of one SpectralConv (32 channels) by either path, taking turns, medians. For
every number of axes, size and type the table holds the most modes per axis up to which products
are at least as fast (halves and 3/4 of powers of two are tried). With --write the rows of this device replace
those in nolab/spectral/transforms.json; without, the ratios are only printed.
"""

import argparse
import json
from pathlib import Path
from statistics import median

import torch
from _measuring import alternate, median_ratio

import nolab.spectral
from nolab.device import keep_freed_memory
from nolab.grid import Domain
from nolab.spectral import SpectralConv
from nolab.tracking.environment import environment

SIZES = {1: (64, 256, 1024), 2: (16, 32, 64, 128, 256), 3: (16, 32)}
POINTS = 2**16  # of a batch
CHANNELS = 32
TABLE = Path(nolab.spectral.__file__).parent / "transforms.json"


def candidates(n):
    """Numbers of modes per axis, ascending."""
    return sorted({int(share * 2**k) for k in range(3, 9) for share in (1, 1.5) if share * 2**k <= n})


def task(transform, order, n, modes, dtype, device):
    torch.manual_seed(0)
    domain = Domain.unit(order, "nodal")
    conv = SpectralConv(CHANNELS, CHANNELS, (modes,) * order, domain=domain, transform=transform)
    conv = conv.to(device)
    batch = max(1, POINTS // n**order)
    x = torch.randn(batch, CHANNELS, *(n,) * order, dtype=dtype, device=device, requires_grad=True)

    def run():
        conv.zero_grad(set_to_none=True)
        conv(x).square().sum().backward()

    return run


def ratio(order, n, modes, dtype, device, repeats):
    """How many times faster products are."""
    tasks = {path: task(path, order, n, modes, dtype, device) for path in ("fft", "matmul")}
    seconds = alternate(tasks, repeats, device)
    return median_ratio(seconds["fft"], seconds["matmul"]), 1e3 * median(seconds["matmul"])


def limit(order, n, dtype, device, repeats):
    """Most modes with which products are at least as fast, and the ratios."""
    best, ratios = 0, {}
    for modes in candidates(n):
        faster, ms = ratio(order, n, modes, dtype, device, repeats)
        ratios[modes] = round(faster, 2)
        print(
            f"{order}-D, {n} points, {modes:3} modes, {dtype}: products {faster:.2f} times, {ms:.1f} ms",
            flush=True,
        )
        if faster < 1:
            break
        best = modes
    return best, ratios


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    device = torch.device(options.device)
    if device.type == "cpu":
        keep_freed_memory()
    table = json.loads(TABLE.read_text())
    for dtype in (torch.float32, torch.float64):
        key = f"{device.type} {str(dtype).removeprefix('torch.')}"
        found = {
            str(order): {str(n): limit(order, n, dtype, device, options.repeats) for n in sizes}
            for order, sizes in SIZES.items()
        }
        table["limits"][key] = {o: {n: best for n, (best, _) in row.items()} for o, row in found.items()}
        table.setdefault("times faster", {})[key] = {
            o: {n: ratios for n, (_, ratios) in row.items()} for o, row in found.items()
        }
    machine = environment(device)
    kept = ("platform", "device", "threads", "packages", "started")
    table.setdefault("machine", {})[device.type] = {name: machine[name] for name in kept}
    if options.write:
        TABLE.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
