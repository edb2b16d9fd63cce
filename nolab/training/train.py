"""`train` and `resume`: from a config to a finished run directory."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from nolab.composition import compose, resolved
from nolab.config import RunConfig, validate
from nolab.errors import InputError
from nolab.runs import Run, read_config, refuse_code
from nolab.tracking import run_directory as folder
from nolab.tracking.environment import environment
from nolab.tracking.progress import ProgressView, View
from nolab.tracking.run_files import check_no_links_within, read_mapping
from nolab.training.checkpoint import Found, newest_checkpoint, set_aside_damaged
from nolab.training.execution import carry_out
from nolab.training.ranks import Ranks, joined
from nolab.training.resuming import refuse_finished, way_out_of_failed_writes
from nolab.training.setup import Setup, prepare

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

    Under torchrun all of its processes carry out one run; the first one writes its files.

    Parameters
    ----------
    run_dir : an existing folder that is to be the run directory; None makes a new one.
    overrides : what tells `config` from the default, recorded so that the run can be repeated.
    sweep : id of the sweep that the run belongs to, W&B's group.
    view : shows the progress; None shows it on stderr.

    Raises
    ------
    InputError : the config, the data or the device do not fit, found before training.
    RunFailure : training ended without a result (signal, loss not finite, disk full); its state is saved.
    """
    if config.get("resume"):
        raise InputError("resume: use `nolab train resume=RUN`, or nolab.resume(RUN) in Python")
    checked, plain = _checked(config)
    origin = {"overrides": None if overrides is None else list(overrides), "sweep": sweep}
    with joined(checked.device) as ranks:
        setup = prepare(checked, ranks)
        data = setup.load()
        run_dir = ranks.from_first(
            lambda: run_dir or folder.create_run_directory(Path(checked.output_dir), checked.name)
        )
        with _held(run_dir, ranks):
            ranks.from_first(lambda: _begin(run_dir, setup, plain, origin))
            return carry_out(run_dir, setup, data, plain, sweep, view or ProgressView())


def _begin(run_dir: Path, setup: Setup, plain: dict[str, Any], origin: dict[str, Any]) -> None:
    with folder.reported(run_dir / folder.ENVIRONMENT):
        folder.write_json(run_dir / folder.ENVIRONMENT, {**environment(setup.device), **origin})
    _write_config(run_dir, plain)  # from here on the run can be resumed


def resume(
    run_dir: str | Path,
    overrides: Sequence[str] = (),
    *,
    config: DictConfig | None = None,
    trust: bool = False,
    view: View | None = None,
) -> Run:
    """Go on with an unfinished run from its last whole checkpoint, in the same directory.

    A run that was killed before its first checkpoint starts at step 0.

    Parameters
    ----------
    overrides : Hydra overrides of the keys in :data:`RESUMABLE`, e.g. a longer budget.
    config : the run's config as composed anew, from which its keys in :data:`RESUMABLE` are taken; None: its own.
    trust : allow the run's config to name Python code outside nolab. Only for runs of your own.
    view : shows the progress; None shows it on stderr.

    Raises
    ------
    InputError : no such run, nothing left to do, no whole checkpoint, one that does not fit the config, another
        process trains it, or an override that may not change.
    RunFailure : as of :func:`train`.
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
    with joined(checked.device) as ranks, _held(path, ranks):
        found = newest_checkpoint(path / folder.CHECKPOINTS)
        setup = prepare(checked, ranks)
        refuse_finished(path, setup, found)
        data = setup.load()
        ranks.from_first(lambda: _go_on(path, plain, found))
        state = None if found is None else found.state
        return carry_out(path, setup, data, plain, _sweep_of(path), view or ProgressView(), state)


def _go_on(path: Path, plain: dict[str, Any], found: Found | None) -> None:
    _write_config(path, plain)
    if found is None:
        log.warning("%s has no checkpoint yet: starting at step 0", path)
    else:
        set_aside_damaged(found)
        log.info("resuming %s at step %.20s", path, found.state["step"])


@contextmanager
def _held(run_dir: Path, ranks: Ranks) -> Iterator[None]:
    """The run directory is the run's alone, and a full disk ends the run with what is left and how to go on."""
    with ExitStack() as stack, way_out_of_failed_writes(run_dir):
        ranks.from_first(lambda: stack.enter_context(folder.held(run_dir)))
        yield


def _checked(config: DictConfig) -> tuple[RunConfig, dict[str, Any]]:
    plain = resolved(config)
    return validate(plain), plain


def _write_config(run_dir: Path, plain: dict[str, Any]) -> None:
    with folder.reported(run_dir / folder.CONFIG):
        folder.write_text(
            run_dir / folder.CONFIG, OmegaConf.to_yaml({**plain, "resume": None, "trust": False})
        )


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
