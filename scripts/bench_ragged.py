"""Two layouts of message passing between scattered points, timed on the layer of model=mp_pde.

    python scripts/bench_ragged.py [--repeats 9] [--points 1000] [--batch 8] [--hidden 64] [--device cpu]
                                   [--output ragged.json]

* *list over table*: neighbours as a flat list of edges, summed with index_add, against a table with K places per point,
  of which some are empty and computed all the same;
* *joined over padded*: samples whose sizes vary by ±20 % one after the other, with norms by index_add, against samples
  padded to the largest.

Forward and backward; tasks take turns in one process; median of the paired ratios, below 1 where the alternative wins.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from _measuring import alternate, median_ratio
from torch import Tensor
from torch.nn import functional as F

from nolab.models._message_passing import MessageLayer
from nolab.models._points import Edges


@dataclass
class Case:
    """Inputs of a layer: h (B, N, H), values (B, N, 1), neighbours (B, N, K) and weights (B, N)."""

    h: Tensor
    values: Tensor
    table: Tensor
    measure: Tensor


def case(sizes: list[int], neighbours: int, empty: float, hidden: int, device: torch.device) -> Case:
    """Random neighbours, a share of them missing, for samples of these sizes, padded to the largest."""
    room = max(sizes)
    counts = torch.tensor(sizes)[:, None]
    table = (torch.rand(len(sizes), room, neighbours) * counts[..., None]).long()
    table[torch.rand(table.shape) < empty] = -1
    there = torch.arange(room) < counts
    table[~there] = -1
    h = torch.randn(len(sizes), room, hidden)
    values = torch.randn(len(sizes), room, 1)
    tensors = (h, values, table, there / counts)
    return Case(*(tensor.to(device) for tensor in tensors))


def edges_of(case: Case) -> Edges:
    """The table as the model has it; offsets do not matter for the time."""
    n_samples, n_points, _ = case.table.shape
    start = n_points * torch.arange(n_samples, device=case.table.device)[:, None, None]
    there = case.table >= 0
    share = there / there.sum(2, keepdim=True).clamp_min(1)
    offset = torch.zeros(*case.table.shape, 2, device=case.table.device)
    return Edges((case.table.clamp_min(0) + start).flatten(), share, offset)


def by_table(layer: MessageLayer, case: Case) -> Callable[[], None]:
    """The layer as it is."""
    edges = edges_of(case)
    return lambda: layer(case.h, case.values, edges, case.measure).square().sum().backward()


def by_list(layer: MessageLayer, case: Case, *, joined: bool) -> Callable[[], None]:
    """The layer on a list of edges; `joined`: and on the points that are there, else on padded samples too."""
    edges, there = edges_of(case), case.measure > 0
    if not joined:
        there = torch.ones_like(there)
    place = there.flatten().cumsum(0) - 1
    kept = case.table >= 0  # (B, N, K)
    target = torch.arange(there.numel(), device=there.device).view(*there.shape, 1).expand_as(kept)[kept]
    target, source = place[target], place[edges.index.view(kept.shape)[kept]]
    share, offset = edges.share[kept][:, None], edges.offset[kept]
    sample = torch.arange(len(there), device=there.device)[:, None].expand_as(there)[there]
    h, values, measure = case.h[there], case.values[there], case.measure[there][:, None]

    def mean(field: Tensor) -> Tensor:
        sums = field.new_zeros(len(there), field.shape[1]).index_add(0, sample, measure * field)
        return sums[sample]

    def step() -> None:
        own, other, value, space = layer.first.weight.split(layer.parts, dim=1)
        by_value = F.linear(values, value)
        at_target = F.linear(h, own, layer.first.bias) + by_value
        at_source = F.linear(h, other) - by_value
        first = (
            F.linear(offset, space) + at_source.index_select(0, source) + at_target.index_select(0, target)
        )
        message = F.silu(layer.second(F.silu(first))) * share
        changed = h + layer.update(torch.cat([h, torch.zeros_like(h).index_add(0, target, message)], dim=1))
        centred = changed - mean(changed)
        normed = centred * torch.rsqrt(mean(centred.square()) + 1e-5)
        normed.square().sum().backward()

    return step


def varied(points: int, batch: int, spread: float) -> list[int]:
    """Sizes of the samples, evenly spread about `points`."""
    return [round(points * (1 + s)) for s in torch.linspace(-spread, spread, batch).tolist()]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("repeats", 9), ("points", 1000), ("batch", 8), ("hidden", 64), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    layer = MessageLayer(options.hidden, 1, 2).to(device)
    rows = {}
    for neighbours in (8, 16):
        for empty in (0.0, 0.3, 0.6):
            even = case([options.points] * options.batch, neighbours, empty, options.hidden, device)
            tasks = {"table": by_table(layer, even), "list": by_list(layer, even, joined=False)}
            seconds = alternate(tasks, options.repeats, device)
            name = f"list over table, K={neighbours}, {empty:.0%} empty"
            rows[name] = median_ratio(seconds["list"], seconds["table"])
        sizes = varied(options.points, options.batch, 0.2)
        ragged = case(sizes, neighbours, 0.3, options.hidden, device)
        tasks = {"padded": by_table(layer, ragged), "joined": by_list(layer, ragged, joined=True)}
        seconds = alternate(tasks, options.repeats, device)
        name = f"joined over padded, K={neighbours}, 30% empty"
        rows[name] = median_ratio(seconds["joined"], seconds["padded"])
    for name, ratio in rows.items():
        print(f"{name:45s} {ratio:6.2f}")
    if options.output is not None:
        given = {key: value for key, value in vars(options).items() if key != "output"}
        options.output.write_text(json.dumps({"options": given, "ratios": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
