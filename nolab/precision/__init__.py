"""Precision modes."""

from nolab.precision.modes import Mode, autocast, check_mode, matmul_mode

__all__ = ["Mode", "autocast", "check_mode", "matmul_mode"]
