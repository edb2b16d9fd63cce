"""What multi-level gradients would gain on a config, measured before training."""

from nolab.planning.options import PlanOptions, read_options
from nolab.planning.report import write_report
from nolab.planning.run import plan
from nolab.planning.text import Table, paragraphs

__all__ = ["PlanOptions", "Table", "paragraphs", "plan", "read_options", "write_report"]
