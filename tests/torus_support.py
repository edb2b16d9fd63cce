"""Flow on the torus written out in plain numpy, after the formulas and not after nolab's code."""

from collections.abc import Callable

import numpy as np
import torch


def wave_numbers(n: int, length: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """k₁ and k₂ of a complex transform, each (n, n)."""
    k = 2 * np.pi / length * np.fft.fftfreq(n, 1 / n)
    return np.meshgrid(k, k, indexing="ij")


def rate(w: np.ndarray, f: np.ndarray, length: float) -> np.ndarray:
    """f - u·∇w at the points, its transport cut off at 2/3 of the longest wave number."""
    k1, k2 = wave_numbers(len(w), length)
    squares = k1**2 + k2**2
    psi = np.fft.fft2(w) / np.where(squares == 0, 1, squares)

    def at_points(coefficients: np.ndarray) -> np.ndarray:
        return np.fft.ifft2(coefficients).real

    w_x, w_y = at_points(1j * k1 * np.fft.fft2(w)), at_points(1j * k2 * np.fft.fft2(w))
    product = at_points(1j * k2 * psi) * w_x - at_points(1j * k1 * psi) * w_y
    limit = 2 / 3 * (len(w) // 2) * 2 * np.pi / length * (1 + 1e-12)
    kept = (abs(k1) <= limit) & (abs(k2) <= limit)
    return f - at_points(kept * np.fft.fft2(product))


def crank_nicolson(w: np.ndarray, f: np.ndarray, nu: float, h: float, steps: int, length: float = 1.0):
    """(1 + hν|k|²/2) w₊ = (1 - hν|k|²/2) w + h (f - u·∇w)."""
    k1, k2 = wave_numbers(len(w), length)
    half = h / 2 * nu * (k1**2 + k2**2)
    for _ in range(steps):
        right = (1 - half) * np.fft.fft2(w) + h * np.fft.fft2(rate(w, f, length))
        w = np.fft.ifft2(right / (1 + half)).real
    return w


def ifrk4(w: np.ndarray, f: np.ndarray, nu: float, h: float, steps: int, length: float = 1.0):
    """The classical method for v = exp(νt|k|²)ŵ, step after step from t = 0."""
    k1, k2 = wave_numbers(len(w), length)
    decay = nu * (k1**2 + k2**2)

    def slope(t: float, v: np.ndarray) -> np.ndarray:
        values = np.fft.ifft2(np.exp(-decay * t) * v).real
        return np.exp(decay * t) * np.fft.fft2(rate(values, f, length))

    for _ in range(steps):
        v = runge_kutta(slope, np.fft.fft2(w), h)
        w = np.fft.ifft2(np.exp(-decay * h) * v).real
    return w


def runge_kutta(slope: Callable, v: np.ndarray, h: float) -> np.ndarray:
    """One step of the classical fourth-order method from t = 0."""
    a = slope(0, v)
    b = slope(h / 2, v + h / 2 * a)
    c = slope(h / 2, v + h / 2 * b)
    d = slope(h, v + h * c)
    return v + h / 6 * (a + 2 * b + 2 * c + d)


def points(n: int, length: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Coordinates x and y of the n×n points, float64."""
    x = torch.arange(n, dtype=torch.float64) * length / n
    return torch.meshgrid(x, x, indexing="ij")


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    """‖a - b‖ / ‖b‖."""
    return float((a - b).norm() / b.norm())
