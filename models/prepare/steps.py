"""What the bytes of an 8-bit network mean: steps before and after each PRelu, and rounding."""

from __future__ import annotations

import dataclasses

import numpy as np

# A channel's step before its PRelu and the one after: independent, the same, or in the ratio of the slope.
TIES = UNTIED, TIED_ABOVE, TIED_BELOW = 0, 1, 2
# Processors without VNNI add two products of a byte (0 to 255) and a weight in 16 bits, and saturate: two weights that
# are multiplied as a pair must not sum up to more than this, so that the network computes the same everywhere.
PAIR_MAX = (2**15 - 1) // 255


@dataclasses.dataclass
class Steps:
    """What a layer's bytes mean, by channel. Convolution: real = (byte − threshold) × before. PRelu: (byte − zero) × after."""

    before: np.ndarray
    threshold: np.ndarray
    after: np.ndarray  # below 0 where the sign is turned
    zero: int


def channel_steps(slope, low, high, tie, zero: int) -> Steps:
    """The smallest steps that reach over the ranges; where `tie` says so, made so that one side of 0 needs no rounding."""
    low, high = np.minimum(low, 0), np.maximum(high, 1e-6)
    before = (high - low) / 255
    # Zero is one byte for all channels, so all must reach further up than down: some are stored with the sign turned.
    sign, down, up = _reaches(slope, low, high)
    after = np.maximum(_steps_around(zero, down, up), 1e-12)
    steepness = np.maximum(np.abs(slope), 1e-6)
    above, below = np.maximum(before, after), np.maximum(before, after / steepness)
    tied_before = np.where(tie == TIED_BELOW, below, above)
    tied_after = np.where(tie == TIED_BELOW, below * steepness, above)
    before, after = np.where(tie == UNTIED, before, tied_before), np.where(tie == UNTIED, after, tied_after)
    threshold = np.clip(rounded(-low / before), 0, 255)
    return Steps(before, threshold.astype(np.uint8), sign * after, zero)


def middle_of(slope, low, high) -> int:
    """The zero byte that makes the steps after a PRelu smallest."""
    _, down, up = _reaches(slope, np.minimum(low, 0), np.maximum(high, 1e-6))
    cost = lambda zero: np.log(np.maximum(_steps_around(zero, down, up), 1e-12)).mean()
    return min(range(129), key=cost)


def prelu_factors(slope, steps: Steps) -> tuple[np.ndarray, np.ndarray]:
    """What `padan.QuantizedPRelu` multiplies distances above and below the threshold by."""
    return (steps.before / steps.after).astype(np.float32), (slope * steps.before / steps.after).astype(np.float32)


def _reaches(slope, low, high) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """After a PRelu: the sign that makes a channel reach further up than down; and how far it reaches down and up."""
    after_low, after_high = np.minimum(slope * low, 0), np.maximum(high, slope * low)
    sign = np.where(-after_low > after_high, -1.0, 1.0)
    return sign, np.minimum(after_high, -after_low), np.maximum(after_high, -after_low)


def _steps_around(zero: int, down: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Steps that reach as far with 0 at byte `zero`; infinite where that cannot be."""
    below = np.divide(down, zero, out=np.where(down > 0, np.inf, 0.0), where=zero > 0)
    return np.maximum(up / (255 - zero), below)


def rounded(values: np.ndarray) -> np.ndarray:
    return np.floor(values + 0.5)


def nearest_bytes(values: np.ndarray) -> np.ndarray:
    """Values in steps, as bytes from −127 to 127."""
    return np.clip(rounded(values), -127, 127).astype(np.int8)


def partners(inputs: int, cells: int) -> np.ndarray:
    """For each input of a convolution, channel after channel, the one that is multiplied with it; itself where none is.

    The kernels read NHWC, so cell after cell, and pair what they read: first and second, third and fourth, ….
    """
    read = np.arange(inputs).reshape(-1, cells).T.reshape(-1)
    partner = np.arange(inputs)
    even = inputs // 2 * 2
    partner[read[0:even:2]], partner[read[1:even:2]] = read[1:even:2], read[0:even:2]
    return partner


def weight_step(weight: np.ndarray, partner: np.ndarray) -> np.ndarray:
    """The smallest step of each output channel, of weights [channels, inputs], that every weight and every pair fits in."""
    pairs = np.where(partner == np.arange(len(partner)), 0, weight + weight[:, partner])
    return np.maximum(np.maximum(np.abs(weight).max(1) / 127, np.abs(pairs).max(1) / (PAIR_MAX - 1)), 1e-12)
