"""A multirun as a sweep: one view while it lasts, one table and all failures at its end."""

import os
import sys
from collections.abc import Callable, Sequence

from omegaconf import DictConfig

from nolab.commands._tables import print_table
from nolab.errors import InputError, first_line
from nolab.sweeps.attempt import ENDED, JobRecord
from nolab.sweeps.hydra_callback import Refused
from nolab.sweeps.identity import sweep_identity
from nolab.sweeps.job import Job, SweepTask
from nolab.sweeps.view import SweepView, counts_line, result_table, shown_overrides, varying
from nolab.tracking.run_directory import new_id


def run_sweep(
    launch: Callable[[SweepTask], None],
    work: Callable[[DictConfig, Job], None],
    arguments: Sequence[str],
    *,
    show_output: bool,
) -> int:
    """Run `work` for every job; the last line on stdout is the sweep's folder.

    Parameters
    ----------
    launch : composes the jobs and has Hydra's launcher call the task for each.
    show_output : at the end, print what each job printed.

    Returns
    -------
    Exit code: 0, or of the worst failure.

    Raises
    ------
    InputError : the jobs can't be composed, or their records not be written.
    """
    overrides = [a for a in arguments if "=" in a and not a.startswith("-")]
    # Launchers hand the environment on, so the jobs of other processes find the same folder (conf/config.yaml).
    os.environ["NOLAB_SWEEP"] = f"{sweep_identity(overrides)}/{new_id()}"
    stopped = None
    try:
        launch(SweepTask(work))
    except Refused as refused:
        raise refused.reason from None
    except (KeyboardInterrupt, Exception) as error:
        if isinstance(error, InputError) or SweepView.current is None:
            raise
        stopped = error
    finally:
        view = SweepView.close()
    if show_output:
        _print_outputs(view)
    return _tell(view, stopped)


def without_job(task: Callable[[DictConfig], None], config: DictConfig, job: Job) -> None:
    """`task` as the work of a job whose progress it does not show."""
    task(config)


def _print_outputs(view: SweepView) -> None:
    keys = varying(view.records)
    for record in view.records:
        file = view.attempt.output_file(record.num)
        if file.is_file() and (output := file.read_text(encoding="utf-8")):
            print(f"job {record.num}: {shown_overrides(record, keys)}\n{output}")


def _tell(view: SweepView, stopped: BaseException | None) -> int:
    records = view.records
    print_table(*result_table(records), file=sys.stdout)
    print(view.attempt.sweep, flush=True)
    print(counts_line(records), file=sys.stderr)
    code = 0
    if isinstance(stopped, KeyboardInterrupt):
        print("interrupted; the same command goes on where this one stopped", file=sys.stderr)
        code = 1
    elif stopped is not None:
        print(f"nolab: the launcher failed: {first_line(stopped)}", file=sys.stderr)
        code = 1
    for record in records:
        if record.state == "failed":
            _tell_failure(view, record, record.error or "")
            code = max(code, 2 if record.bad_input else 1)
        elif record.state not in ENDED and stopped is None:
            _tell_failure(view, record, "its process ended without a word")
            code = max(code, 1)
    return code


def _tell_failure(view: SweepView, record: JobRecord, error: str) -> None:
    overrides = shown_overrides(record, varying(view.records))
    print(f"failed: {overrides}: {error} (its log: {view.attempt.log_file(record.num)})", file=sys.stderr)
