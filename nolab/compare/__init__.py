"""Runs on disk -> Pareto front, tables, plots, report, W&B workspace. Knows no PyTorch."""
