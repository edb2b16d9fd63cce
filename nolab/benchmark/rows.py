"""A line of the report."""

from dataclasses import dataclass

from nolab.precision import Mode

NOLAB, NEURALOPERATOR = "nolab", "neuraloperator"


@dataclass(frozen=True)
class Row:
    """What one implementation costs and errs in one precision, on one grid with one batch size.

    None stands for what could not be measured; `failure` says why.
    """

    grid: str
    points: int
    """Grid points."""
    batch: int
    """Samples per step."""
    implementation: str
    """nolab or neuraloperator."""
    precision: str
    """nolab's mode, or what neuraloperator calls its own."""
    mode: Mode
    """nolab's mode, or the one beside which neuraloperator's precision stands."""
    ms_per_step: float | None = None
    """Median of the rounds: forward, loss, backward and optimizer step."""
    ms_min: float | None = None
    ms_max: float | None = None
    samples_per_s: float | None = None
    memory_mib: float | None = None
    """CUDA: peak of a step above what was allocated before it; CPU: what is kept for the backward."""
    output_error: float | None = None
    """Relative, against the same model and samples in float64, before any training."""
    gradient_error: float | None = None
    """The same of the gradient by all parameters."""
    speedup_reference: float | None = None
    """Times faster than neuraloperator's own in float32; median of the rounds' ratios."""
    speedup_fp32: float | None = None
    """Times faster than nolab's fp32."""
    memory_change: float | None = None
    """Memory over that of nolab's fp32, less 1."""
    note: str | None = None
    """What has to be known to read the figures."""
    failure: str | None = None

    @property
    def name(self) -> str:
        """As it stands in tables and pictures."""
        return self.precision if self.implementation == NOLAB else f"{self.implementation} {self.precision}"
