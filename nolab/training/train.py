"""`train` and `resume`: from a config to a finished run directory."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from nolab.composition import compose
from nolab.config import RunConfig, validate
from nolab.errors import InputError
from nolab.runs import Run, read_config, refuse_code
from nolab.tracking import run_directory as folder
from nolab.tracking.environment import environment
from nolab.tracking.progress import ProgressView, View
from nolab.tracking.run_files import check_no_links_within, read_mapping
from nolab.tracking.sinks import FileSink, Record, Sink, WandbSink
from nolab.training.budget import Budget
from nolab.training.checkpoint import check_progress, load_checkpoint
from nolab.training.evaluation import MEASURES, measures_on
from nolab.training.pictures import draw_pictures
from nolab.training.setup import Data, Setup, prepare
from nolab.training.stopping import stop_on_signals
from nolab.training.trainer import Interrupted, Trainer

log = logging.getLogger(__name__)

RESUMABLE = ("budget", "tracking", "device", "data_dir", "evaluation")
"""Keys that may change when a run is resumed; everything else stays as it was."""


def train(
    config: DictConfig,
    *,
    run_dir: Path | None = None,
    overrides: Sequence[str] | None = None,
    sweep: str | None = None,
    view: View | None = None,
) -> Run:
    """Train as `config` (see :func:`nolab.compose`) says and return the finished run.

    Parameters
    ----------
    run_dir : an existing folder that is to be the run directory; None makes a new one.
    overrides : what tells `config` from the default, recorded so that the run can be repeated.
    sweep : id of the sweep that the run belongs to, W&B's group.
    view : shows the progress; None shows it on stderr.

    Raises
    ------
    InputError : the config, the data or the device do not fit, found before training.
    RunFailure : training ended without a result (signal, loss not finite); its state is saved.
    """
    if config.get("resume"):
        raise InputError("resume: use `nolab train resume=RUN`, or nolab.resume(RUN) in Python")
    checked, plain = _checked(config)
    setup = prepare(checked)
    data = setup.load()
    run_dir = run_dir or folder.create_run_directory(Path(checked.output_dir), checked.name)
    _write_config(run_dir, plain)
    origin = {"overrides": None if overrides is None else list(overrides), "sweep": sweep}
    folder.write_json(run_dir / folder.ENVIRONMENT, {**environment(setup.device), **origin})
    return _run(run_dir, setup, data, plain, sweep, view or ProgressView())


def resume(
    run_dir: str | Path,
    overrides: Sequence[str] = (),
    *,
    config: DictConfig | None = None,
    trust: bool = False,
    view: View | None = None,
) -> Run:
    """Go on with an unfinished run from its last checkpoint, in the same directory.

    Parameters
    ----------
    overrides : Hydra overrides of the keys in :data:`RESUMABLE`, e.g. a longer budget.
    config : the run's config as composed anew, from which its keys in :data:`RESUMABLE` are taken; None: its own.
    trust : allow the run's config to name Python code (`_target_`). Only for runs of your own.
    view : shows the progress; None shows it on stderr.

    Raises
    ------
    InputError : no such run, nothing left to do, or an override that may not change.
    """
    path = Path(run_dir)
    own = read_config(path)
    check_no_links_within(path)
    if config is not None:
        own.update({key: config[key] for key in RESUMABLE})
    config = _overridden(own, overrides)
    if not trust:
        refuse_code(config, path, "trust=true, or nolab.resume(…, trust=True)")
    checked, plain = _checked(config)
    state = load_checkpoint(file := path / folder.CHECKPOINTS / "last.pt")
    check_progress(file, state)
    setup = prepare(checked)
    finished = (path / folder.SUMMARY).is_file()  # else it ended between its last step and its summary
    if finished and not _something_left(checked, state, setup):
        raise InputError(
            f"resume: {path} is finished at step {state['step']}; to train on, raise its budget, "
            f"e.g. budget.steps={2 * state['step']}"
        )
    data = setup.load()
    _write_config(path, plain)
    log.info("resuming %s at step %d", path, state["step"])
    return _run(path, setup, data, plain, _sweep_of(path), view or ProgressView(), state)


def _run(
    run_dir: Path,
    setup: Setup,
    data: Data,
    plain: dict[str, Any],
    sweep: str | None,
    view: View,
    state: dict[str, Any] | None = None,
) -> Run:
    config = setup.config
    log.info("run directory: %s", run_dir)
    with _sinks(run_dir, config, plain, sweep, state) as sinks:
        try:
            trainer = Trainer(setup, data, sinks, run_dir / folder.CHECKPOINTS, state)
            (run_dir / folder.SUMMARY).unlink(missing_ok=True)  # a finished run that trains on is unfinished
            with stop_on_signals() as stop, view:
                trainer.fit(stop, view)
                view.show(trainer.status(1.0), force=True)
        except Interrupted as error:
            raise Interrupted(f"{error}; to go on: nolab train resume={run_dir}") from None
        finally:
            data.batcher.close()
        summary = _summarise(trainer)
        draw_pictures(run_dir, trainer, sinks)
        for sink in sinks:
            sink.finish(summary)
    return Run(run_dir)


@contextmanager
def _sinks(
    run_dir: Path, config: RunConfig, plain: dict[str, Any], sweep: str | None, state: dict[str, Any] | None
) -> Iterator[list[Sink]]:
    """The run's sinks; when the block fails they are told that the run did not finish."""
    sinks: list[Sink] = [FileSink(run_dir, 0 if state is None else int(state["step"]))]
    tracking = config.tracking
    if tracking.sink == "wandb":
        sinks.append(
            WandbSink(
                run_dir,
                plain,
                project=tracking.project,
                entity=tracking.entity,
                group=tracking.group or sweep,
            )
        )
    try:
        yield sinks
    except BaseException:
        for sink in sinks:
            sink.finish(None)
        raise


def _summarise(trainer: Trainer) -> Record:
    with trainer.clock.running("eval"):
        levels = trainer.evaluate_levels(finer=True, measures=measures_on(trainer.setup.hierarchy.domain))
        names = trainer.setup.source.output_names
        channels = trainer.channel_errors() if len(names) > 1 else []
    final = levels[trainer.setup.hierarchy.finest.name]
    record = {
        **{f"final/{name}": final.get(name) for name in MEASURES},
        **{f"final/rel_l2/{level}": values["rel_l2"] for level, values in levels.items()},
        **{f"final/rel_l2_of/{name}": error for name, error in zip(names, channels, strict=False)},
        "best/rel_l2": min(trainer.progress.best, final["rel_l2"]),
        "target/rel_l2": trainer.setup.config.budget.target_error,
        "target/train_s": trainer.progress.target_seconds,
        **trainer.figures(),
    }
    for level, samples in zip(trainer.setup.hierarchy.levels, trainer.progress.samples, strict=True):
        record[f"mlmc/n/{level.name}"] = samples / max(1, trainer.progress.step)
    return record


def _checked(config: DictConfig) -> tuple[RunConfig, dict[str, Any]]:
    plain = OmegaConf.to_container(config, resolve=True)
    return validate(plain), plain


def _write_config(run_dir: Path, plain: dict[str, Any]) -> None:
    folder.write_text(run_dir / folder.CONFIG, OmegaConf.to_yaml({**plain, "resume": None, "trust": False}))


def _sweep_of(run_dir: Path) -> str | None:
    try:
        sweep = read_mapping(run_dir / folder.ENVIRONMENT).get("sweep")
    except InputError:
        return None
    return sweep if isinstance(sweep, str) else None


def _overridden(config: DictConfig, overrides: Sequence[str]) -> DictConfig:
    overrides = [o for o in overrides if not o.startswith(("resume=", "trust="))]
    keys = [o.partition("=")[0].lstrip("+~") for o in overrides]
    for key in keys:
        if key.partition(".")[0] not in RESUMABLE:
            raise InputError(
                f"{key}: a resumed run keeps its config; only these may change: {', '.join(RESUMABLE)}"
            )
    changed = compose(overrides)
    for key in keys:
        OmegaConf.update(config, key, OmegaConf.select(changed, key), merge=False)
    return config


def _something_left(config: RunConfig, state: dict[str, Any], setup: Setup) -> bool:
    """Whether the budget leaves something to do after the checkpoint."""
    budget = Budget.of(config.budget, setup.estimator.steps_per_epoch)
    unreached = state["target_seconds"] is None
    return unreached and budget.progress(state["step"], state["clock"]["train"]) < 1.0
