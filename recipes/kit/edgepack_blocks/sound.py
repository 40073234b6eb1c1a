"""Sound for a model: log-mel spectra, by the formulas that training libraries use.

Frames and bands as in torchaudio's ``MelSpectrogram`` and librosa's ``melspectrogram``: a periodic Hann
window of ``window`` samples in the middle of ``fft`` ones; |STFT| to a power; triangles whose corners lie
evenly on a mel scale. htk: mel = 2595 log10(1 + f / 700) (O'Shaughnessy 1987; The HTK Book, 5.4). slaney:
linear to 1000 Hz, 15 mel there, and logarithmic above, 27 mel for a factor of 6.4 (Slaney, Auditory
Toolbox, 1998).
"""

from __future__ import annotations

import numpy as np


def to_mel(hertz: np.ndarray, scale: str) -> np.ndarray:
    """``htk`` or ``slaney``."""
    if scale == "htk":
        return np.asarray(2595 * np.log10(1 + hertz / 700))
    above = 15 + 27 * np.log(np.maximum(hertz, 1000) / 1000) / np.log(6.4)
    return np.where(hertz < 1000, hertz * 3 / 200, above)


def to_hertz(mel: np.ndarray, scale: str) -> np.ndarray:
    """The inverse of `to_mel`."""
    if scale == "htk":
        return np.asarray(700 * (10 ** (mel / 2595) - 1))
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


def bands_of(rate: int, fft: int, bands: int, low: float, high: float, scale: str, area: bool) -> np.ndarray:
    """The weights (bands, fft // 2 + 1) of the FFT's bins; ``area``: over half of a band's width in Hz."""
    ends = to_mel(np.array([low, high], np.float64), scale)
    corners = to_hertz(np.linspace(ends[0], ends[1], bands + 2), scale)
    left, middle, right = (corners[i : i + bands, None] for i in range(3))
    hertz = np.arange(fft // 2 + 1) * rate / fft
    weights = np.minimum((hertz - left) / (middle - left), (right - hertz) / (right - middle)).clip(0)
    return np.asarray(weights * 2 / (right - left) if area else weights)


def logmel(
    sound: np.ndarray,
    rate: int,
    window: int,
    hop: int,
    bands: int,
    fft: int | None = None,
    samples: int | None = None,
    low: float = 0.0,
    high: float | None = None,
    scale: str = "htk",
    area: bool = False,
    center: bool = True,
    power: float = 2.0,
    log: str = "natural",
    floor: float = 1e-10,
    offset: float = 0.0,
) -> np.ndarray:
    """Sound (channels, samples) of ``rate`` a second to (bands, frames): log(max(x, floor) + offset).

    samples: cut, or filled with silence, to so many. center: a frame's middle lies at its time, and the
    ends are mirrored. log: ``natural``, ``ten`` or ``decibel`` (10 log10). Raises ValueError for too
    short a sound.
    """
    size = fft or window
    mono = sound.astype(np.float64).mean(0)
    if samples:
        mono = np.pad(mono[:samples], (0, max(0, samples - len(mono))))
    if center:
        if len(mono) <= size // 2:
            raise ValueError("too short to be mirrored")
        mono = np.pad(mono, size // 2, mode="reflect")
    if len(mono) < size:
        raise ValueError("shorter than a frame")
    before = (size - window) // 2
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    shape = np.pad(hann, (before, size - window - before))
    frames = np.lib.stride_tricks.sliding_window_view(mono, size)[::hop] * shape
    strength = np.abs(np.fft.rfft(frames, axis=1)) ** power
    weights = bands_of(rate, size, bands, low, high or rate / 2, scale, area)
    held = np.maximum(strength @ weights.T, floor) + offset
    logs = {"natural": np.log(held), "ten": np.log10(held), "decibel": 10 * np.log10(held)}
    return np.asarray(logs[log].T)
