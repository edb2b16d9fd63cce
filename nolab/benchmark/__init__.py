"""What each precision mode costs and errs on one model, beside neuraloperator's own implementation."""

from nolab.benchmark.options import BenchOptions, read_options
from nolab.benchmark.report import COLUMNS, remarks, tables, write_report
from nolab.benchmark.rows import Row
from nolab.benchmark.run import benchmark

__all__ = ["COLUMNS", "BenchOptions", "Row", "benchmark", "read_options", "remarks", "tables", "write_report"]
