"""FNO: the Fourier neural operator with dense spectral weights (Li et al., arXiv 2010.08895)."""

from dataclasses import dataclass

from torch import nn

from nolab.fields import OperatorSpec
from nolab.models._fno import CONSISTENCY, NEVAL_SAVES, FourierOperator, FourierOptions
from nolab.models._rollout import rolled_out

__all__ = ["CONSISTENCY", "NEVAL_SAVES", "Options", "build"]


@dataclass(frozen=True)
class Options(FourierOptions):
    """Options of the FNO, see :class:`nolab.models._fno.FourierOptions`."""


def build(options: Options, spec: OperatorSpec) -> nn.Module:
    """The FNO between the fields of `spec`.

    Raises
    ------
    InputError : options that do not fit the domain or one another.
    """
    return rolled_out(lambda fields: FourierOperator(options, fields), spec, options.rollout)
