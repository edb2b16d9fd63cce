"""`nolab train`: train a model as the config says."""

import sys
from collections.abc import Sequence

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from nolab import processes
from nolab.commands._hydra import run_under_hydra
from nolab.commands._tables import print_table
from nolab.sweeps.job import Job


def main(arguments: Sequence[str]) -> int:
    """Exit code of `nolab train`; the last line on stdout is the run directory, or the sweep's folder."""
    return run_under_hydra("train", _train, arguments, work=_train_job)


def _train(config: DictConfig) -> None:
    from nolab.training.train import resume, train

    overrides = [str(override) for override in HydraConfig.get().overrides.task]
    if config.resume:
        run = resume(config.resume, overrides, trust=config.trust is True)
    else:
        run = train(config, overrides=overrides)
    if processes.rank() == 0:
        _report(run.summary)
        print(run.path, flush=True)


def _train_job(config: DictConfig, job: Job) -> None:
    """One job of a sweep: finished ones are left alone, interrupted ones go on."""
    from contextlib import ExitStack

    from nolab.config import validate
    from nolab.device import prefer_gpu
    from nolab.errors import InputError
    from nolab.runs import Run
    from nolab.sweeps.claims import claim
    from nolab.sweeps.gpus import take_gpu
    from nolab.training.ranks import joined
    from nolab.training.train import resume, train
    from nolab.training.trainer import Interrupted

    if config.resume:
        raise InputError("resume: a run goes on by itself, without -m; a sweep goes on by its own command")
    plain = OmegaConf.to_container(config, resolve=True)
    validate(plain)
    if config.device == "auto" and processes.count() == 1:
        prefer_gpu(take_gpu)
    with joined(str(config.device)) as ranks, ExitStack() as stack:
        claimed = ranks.from_first(lambda: stack.enter_context(claim(plain)))
        job.uses(claimed.run_dir)
        finished, resumable = ranks.from_first(lambda: (claimed.finished, claimed.resumable))
        if finished:
            job.end("skipped", Run(claimed.run_dir).summary)
            return
        try:
            if resumable:
                # Its config is this job's own: what code it names is what the user has just asked for.
                run = resume(claimed.run_dir, config=config, trust=True, view=job)
            else:
                run = train(
                    config, run_dir=claimed.run_dir, overrides=job.overrides, sweep=job.sweep, view=job
                )
        except Interrupted as error:
            raise KeyboardInterrupt(str(error)) from error  # the signal was meant for the whole sweep
        job.end("finished", run.summary)
        _report(run.summary)


def _report(summary: dict) -> None:
    prefix = "final/rel_l2/"
    rows = []
    for key, error in summary.items():
        if key.startswith(prefix):
            level = key.removeprefix(prefix)
            cost = summary.get(f"mlmc/C/{level}")
            rows.append(
                [
                    level,
                    _number(error, "{:.4f}"),
                    f"{summary[f'cost/samples/{level}']:,}" if cost is not None else "zero-shot",
                    "" if cost is None else f"{1e3 * cost:.2f}",
                ]
            )
    print_table(["level", "test rel. L2", "samples", "ms/sample"], rows, file=sys.stdout)
    target = summary["target/rel_l2"]
    reached = summary["target/train_s"]
    h1, r2 = (summary[f"final/{name}"] for name in ("h1", "r2"))
    on_grids = "" if h1 is None and r2 is not None else f"H1 {_number(h1, '{:.4f}')}, "
    print(f"{on_grids}R² {_number(r2, '{:.4f}')} at the finest level")
    print(
        f"{summary['cost/train_s']:.1f} s training ({summary['cost/steps']} steps, "
        f"{summary['cost/fine_equivalents']:.0f} fine-equivalents, {summary['cost/flops'] / 1e12:.2f} TFLOP), "
        f"{summary['cost/eval_s']:.1f} s evaluation, {summary['cost/peak_mem_gib']:.2f} GiB at peak"
    )
    if target is not None:
        print(f"target {target}: " + (f"reached after {reached:.1f} s" if reached else "missed"))


def _number(value: float | None, form: str) -> str:
    return "not finite" if value is None else form.format(value)
