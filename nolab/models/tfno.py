"""TFNO: the Fourier neural operator with factorised spectral weights.

Kossaifi et al., Multi-Grid Tensorized Fourier Neural Operator for High-Resolution PDEs, TMLR 2024,
arXiv 2310.00120.
"""

from dataclasses import dataclass
from typing import Literal

from torch import nn

from nolab.fields import OperatorSpec
from nolab.models._fno import CONSISTENCY, NEVAL_SAVES, FourierOperator, FourierOptions
from nolab.models._rollout import rolled_out
from nolab.schema import check
from nolab.spectral.contraction import Order
from nolab.spectral.conv import Implementation

__all__ = ["CONSISTENCY", "NEVAL_SAVES", "Options", "build"]


@dataclass(frozen=True)
class Options(FourierOptions):
    """Options of the TFNO: those of the FNO and the factorisation of its weights."""

    factorization: Literal["tucker", "cp", "tt"] = "tucker"
    rank: float = 0.1
    """Parameters of the factorised weights as a share of the dense ones."""
    implementation: Implementation = "factorized"
    """Contract with the factors, or build the dense weight of the kept modes in every forward."""
    contraction: Order = "flops"
    """What the order of the contraction minimises: flops, or memory (its largest intermediate)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(0 < self.rank <= 1, "rank", self.rank, "in (0, 1]")


def build(options: Options, spec: OperatorSpec) -> nn.Module:
    """The TFNO between the fields of `spec`.

    Raises
    ------
    InputError : options that do not fit the domain or one another.
    """
    factorization = {
        "factorization": options.factorization,
        "rank": options.rank,
        "implementation": options.implementation,
    }
    return rolled_out(
        lambda fields: FourierOperator(options, fields, factorization, contraction=options.contraction),
        spec,
        options.rollout,
    )
