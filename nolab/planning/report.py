"""The plan as files."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from nolab.planning.outlook import Outlook
from nolab.planning.picture import draw
from nolab.planning.run import Planned
from nolab.tracking.environment import environment
from nolab.tracking.run_directory import create_run_directory, write_json
from nolab.training.setup import Setup


def write_report(planned: Planned, setup: Setup, config: dict[str, Any]) -> Path:
    """A folder ``<output_dir>/plan/<time>-<random>`` with plan.json and plan.png.

    Parameters
    ----------
    config : the resolved config, the block `plan` included.
    """
    folder = create_run_directory(Path(setup.config.output_dir), "plan")
    write_json(
        folder / "plan.json",
        {
            "stages": [_stage(outlook) for outlook in planned.outlooks],
            "advice": asdict(planned.advice),
            "config": config,
            "environment": environment(setup.device),
        },
    )
    draw(folder / "plan.png", planned.outlooks)
    return folder


def _stage(outlook: Outlook) -> dict[str, Any]:
    """The outlook with what to type for each choice."""
    ranking = [{**asdict(choice), "overrides": choice.candidate.overrides} for choice in outlook.ranking]
    return {**asdict(outlook), "ranking": ranking, "chosen": ranking[outlook.ranking.index(outlook.chosen)]}
