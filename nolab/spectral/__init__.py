"""The spectral convolutions, of boxes and of the sphere, drop-ins for neuraloperator's ``conv_module``."""

from nolab.spectral.conv import SpectralConv
from nolab.spectral.spherical_conv import SphericalConv

__all__ = ["SpectralConv", "SphericalConv"]
