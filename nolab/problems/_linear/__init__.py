"""Solvers of sparse linear systems, one after the other or as a sequence of related ones.

They share one contract: a :class:`System` in, a :class:`Solution` out whose relative residual is at most
:data:`TOLERANCE`, a ``RunFailure`` where that is not reached.
"""

from nolab.problems._linear.sequence import Solver, solve_sequence
from nolab.problems._linear.system import TOLERANCE, Solution, System

__all__ = ["TOLERANCE", "Solution", "Solver", "System", "solve_sequence"]
