"""The project's page on Weights & Biases: sections and panels by code."""

from typing import TYPE_CHECKING, Any

from nolab.errors import InputError, RunFailure, first_line
from nolab.tracking.wandb_login import logged_in

if TYPE_CHECKING:
    from wandb_workspaces.reports.v2 import LinePlot, ParallelCoordinatesPlotColumn, ScatterPlot
    from wandb_workspaces.workspaces import Section, Workspace

NAME = "nolab"
_ERROR = "final/rel_l2"
_SECONDS = "cost/train_s"
_STEP = "Step"  # W&B's own, which counts optimizer steps
_AXIS = {_SECONDS: "training seconds", _STEP: "steps"}
_SWEPT = ("delta", "neval", "sampling.estimator", "precision.mode")
_UNREACHED = ("in time", "timed out", "timeout", "deadline", "connection", "no such host")


def save_workspace(entity: str | None, project: str) -> str:
    """Save the workspace as a new view of a project on W&B; its address.

    Parameters
    ----------
    entity : user or team, None: the default one of the user who is logged in.

    Raises
    ------
    InputError : a package is missing, nobody is logged in, or W&B refuses the key, the entity or the project.
    RunFailure : W&B does not answer.
    """
    _check_installed()
    if not logged_in():
        raise InputError("W&B: not logged in; run `wandb login`, or set WANDB_API_KEY")
    import wandb

    try:
        workspace = build_workspace(entity or wandb.Api().default_entity or "", project)
        return workspace.save().url
    except Exception as error:  # wandb's errors have no base class in common
        reason = first_line(error)
        where = f"{entity}/{project}" if entity else project
        if any(words in reason.lower() for words in _UNREACHED):
            raise RunFailure(f"W&B does not answer ({reason}); check the network and try again") from error
        raise InputError(
            f"W&B refuses to save a workspace in {where} ({reason}); check the entity, the project and the key"
        ) from error


def build_workspace(entity: str, project: str) -> "Workspace":
    """The workspace of a project's runs, made here alone: nothing is sent.

    Raises
    ------
    InputError : wandb-workspaces is not installed.
    """
    _check_installed()
    import wandb_workspaces.workspaces as ws

    return ws.Workspace(
        entity=entity,
        project=project,
        name=NAME,
        sections=[_pareto(), _curves(), _what_matters(), _mlmc(), _pictures()],
        # The best runs first: panels show the first ones only.
        runset_settings=ws.RunsetSettings(order=[ws.Ordering(ws.Summary(_ERROR))]),
        settings=ws.WorkspaceSettings(max_runs=100),
    )


def _check_installed() -> None:
    try:
        import wandb_workspaces.workspaces  # noqa: F401
    except ImportError as error:
        raise InputError("W&B workspaces need a package: pip install 'nolab[dashboard]'") from error


def _pareto() -> "Section":
    """Error over each cost; the line along the lowest error so far is the front."""
    import wandb_workspaces.workspaces as ws

    return ws.Section(
        name="Pareto",
        is_open=True,
        panels=[
            _front("Error over training seconds", _SECONDS),
            _front("Error over FLOPs", "cost/flops"),
            _front("Error over peak memory (GiB)", "cost/peak_mem_gib"),
        ],
    )


def _curves() -> "Section":
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws

    estimator = {
        "groupby": wr.Config("sampling.estimator"),
        "groupby_aggfunc": "mean",
        "groupby_rangefunc": "minmax",
    }
    return ws.Section(
        name="Curves",
        is_open=True,
        panels=[
            _curve("Test error over training seconds", _SECONDS, y=["eval/rel_l2"]),
            _curve("Test error over steps", _STEP, y=["eval/rel_l2"]),
            _curve("Test error, mean and range per estimator", _SECONDS, y=["eval/rel_l2"], **estimator),
            _curve("Training loss over training seconds", _SECONDS, y=["train/loss"]),
        ],
    )


def _what_matters() -> "Section":
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws

    columns = [_column(wr.Config(key), key) for key in _SWEPT]
    columns += [_column(wr.SummaryMetric(name), name, log=True) for name in (_SECONDS, _ERROR)]
    return ws.Section(
        name="What matters",
        is_open=True,
        panels=[
            wr.ParameterImportancePlot(with_respect_to=_ERROR),
            wr.ParallelCoordinatesPlot(title="What leads to which error", columns=columns),
        ],
    )


def _mlmc() -> "Section":
    """Level by level; the names of levels are the runs', so patterns find them."""
    import wandb_workspaces.workspaces as ws

    return ws.Section(
        name="MLMC",
        panels=[
            _curve("Samples per level", _STEP, metric_regex="^cost/samples/.+"),
            _curve("Training loss per level", _STEP, metric_regex="^train/loss/.+"),
            _curve("Test error per level", _SECONDS, metric_regex="^eval/rel_l2/.+"),
        ],
    )


def _pictures() -> "Section":
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws

    return ws.Section(
        name="Pictures",
        panels=[wr.MediaBrowser(title="Predictions", media_keys=["plots/prediction"], num_columns=1)],
    )


def _front(title: str, cost: str) -> "ScatterPlot":
    import wandb_workspaces.reports.v2 as wr

    return wr.ScatterPlot(
        title=title,
        x=wr.SummaryMetric(cost),
        y=wr.SummaryMetric(_ERROR),
        log_x=True,
        log_y=True,
        running_ymin=True,
    )


def _curve(title: str, x: str, **lines: Any) -> "LinePlot":
    import wandb_workspaces.reports.v2 as wr

    return wr.LinePlot(title=title, x=x, log_y=True, title_x=_AXIS[x], **lines)


def _column(metric: Any, name: str, *, log: bool = False) -> "ParallelCoordinatesPlotColumn":
    import wandb_workspaces.reports.v2 as wr

    return wr.ParallelCoordinatesPlotColumn(metric=metric, display_name=name, log=log)
