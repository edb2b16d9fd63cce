"""The spectral convolution, a drop-in for neuraloperator's ``conv_module``."""

from nolab.spectral.conv import SpectralConv

__all__ = ["SpectralConv"]
