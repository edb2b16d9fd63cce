"""FNO: the Fourier neural operator with dense spectral weights (Li et al., arXiv 2010.08895)."""

from dataclasses import dataclass

from torch import nn

from nolab.grid import Domain
from nolab.models._fno import CONSISTENCY, NEVAL_SAVES, FourierOperator, FourierOptions

__all__ = ["CONSISTENCY", "NEVAL_SAVES", "Options", "build"]


@dataclass(frozen=True)
class Options(FourierOptions):
    """Options of the FNO, see :class:`nolab.models._fno.FourierOptions`."""


def build(options: Options, in_channels: int, out_channels: int, domain: Domain) -> nn.Module:
    """The FNO for fields of `in_channels` and `out_channels` on grids of `domain`.

    Raises
    ------
    InputError : options that do not fit the domain or one another.
    """
    return FourierOperator(options, in_channels, out_channels, domain)
