"""What autograd keeps for the backward, by precision and checkpointing: the network of arXiv 2307.15034.

    python scripts/bench_memory.py

FNO, 64 modes, width 64, 4 layers, 128², batch 4, on a CPU: MiB a sample that a forward keeps, dense and with CP
weights of rank 0.05. What a checkpointed block recomputes in the backward comes on top, one block at a
time. Beside it the gradient: equal bits with and without checkpointing, and its distance from float32's.
"""

import torch
from _measuring import write_result

from nolab.fields import FieldBatch, OperatorSpec
from nolab.grid import Domain
from nolab.metrics.memory import saved_bytes
from nolab.models import fno, set_checkpointing, tfno
from nolab.precision import MODES, Mode, arithmetic, autocast

CPU, BATCH, N = torch.device("cpu"), 4, 128
SIZE = {"n_modes": 64, "hidden_channels": 64, "n_layers": 4}
CP = {"factorization": "cp", "rank": 0.05}
NETWORKS = {
    "dense": (fno, {}),
    "CP, factorized, flops": (tfno, CP),
    "CP, factorized, memory": (tfno, {**CP, "contraction": "memory"}),
    "CP, reconstructed": (tfno, {**CP, "implementation": "reconstructed"}),
}


def measure(network: str, mode: Mode, checkpointing: bool) -> tuple[float, torch.Tensor]:
    """MiB kept per sample, and the flat gradient."""
    torch.manual_seed(0)
    part, options = NETWORKS[network]
    domain = Domain.unit(2, "periodic")
    model = part.build(part.Options(**SIZE, **options), OperatorSpec(1, 1, domain, (N, N)))
    if checkpointing:
        set_checkpointing(model)
    batch = FieldBatch(torch.randn(BATCH, 1, N, N), domain)
    with arithmetic(mode, CPU):

        def forward():
            with autocast(mode, CPU):
                return model(batch)

        prediction = forward()
        scale = 2.0**12 if MODES[mode].has_float16 else 1.0
        (prediction.float().square().mean() * scale).backward()
        kept = saved_bytes(forward) / BATCH / 2**20
    parts = [p.grad for p in model.parameters()]
    flat = torch.cat([(torch.view_as_real(g) if g.is_complex() else g).flatten() for g in parts])
    return kept, flat / scale


def main():
    result = {}
    for network in NETWORKS:
        _, exact = measure(network, "fp32", False)
        for mode in ("fp32", "amp_bf16", "half", "mixed"):
            plain, gradient = measure(network, mode, False)
            less, again = measure(network, mode, True)
            result[f"{network}, {mode}"] = row = {
                "MiB a sample": plain,
                "MiB a sample, checkpointing": less,
                "gradients have equal bits": torch.equal(gradient, again),
                "gradient's distance from fp32": ((gradient - exact).norm() / exact.norm()).item(),
            }
            print(network, mode, row, flush=True)
    print(write_result("bench_memory", {"kept for the backward": result}))


if __name__ == "__main__":
    main()
