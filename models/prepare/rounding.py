"""What calibrate.py decides per channel and per weight: which steps go together, and which way a weight is rounded."""

from __future__ import annotations

import numpy as np

from steps import PAIR_MAX, TIES, channel_steps, middle_of, nearest_bytes, prelu_factors

# Weights are rounded against some so many positions of feature maps; more change nothing that is seen. Whole pictures
# are left out for it: of the first, large maps only a few pictures count.
POSITIONS = 80_000
# Share of the mean variance that is added to each input's own: keeps weights that no picture speaks of where they are.
DAMPING = 0.01
SWEEPS = 4
# Places for the common zero byte that are tried around the one that makes steps smallest.
ZEROS = (-30, -15, 0, 15)


def choose_steps(samples, layer, low, high, reading) -> tuple[np.ndarray, int]:
    """Each channel's tie and the layer's zero byte with the least error after the PRelu, squared.

    `samples` [n, channels] are the convolution's results; `reading` is how strongly each channel is read.
    """
    slope = layer.slope.astype(np.float32)
    wanted, best = prelu(samples, slope), None
    middle = middle_of(layer.slope, low, high)
    for zero in sorted({int(np.clip(middle + distance, 1, 128)) for distance in ZEROS}):
        errors = []
        for tie in TIES:
            steps = channel_steps(layer.slope, low, high, np.full(len(low), tie), zero)
            before = np.clip(np.rint(samples / steps.before.astype(np.float32)) + steps.threshold, 0, 255)
            after = prelu_bytes(before.astype(np.uint8), layer.slope, steps).astype(np.float32)
            errors.append((((after - zero) * steps.after.astype(np.float32) - wanted) ** 2).mean(0))
        cost = (np.min(errors, axis=0) * reading).sum()
        if best is None or cost < best[0]:
            best = (cost, np.argmin(errors, axis=0).astype(np.uint8), zero)
    return best[1], best[2]


def prelu(values: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Channels last."""
    return np.where(values > 0, values, values * slope.astype(np.float32))


def prelu_bytes(x: np.ndarray, slope: np.ndarray, steps) -> np.ndarray:
    """What `padan.QuantizedPRelu` makes of bytes, channels last."""
    positive, negative = prelu_factors(slope, steps)
    distance = x.astype(np.float32) - steps.threshold.astype(np.float32)
    values = distance * np.where(distance > 0, positive, negative) + np.float32(steps.zero)
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)


def windows(x: np.ndarray, layer) -> np.ndarray:
    """What each result of a convolution reads: [positions, kernel cells, channels], from [n, height, width, channels]."""
    [rows, columns], [down, right] = layer.weight.shape[2:], layer.strides
    top, left, bottom, far = layer.pads
    x = np.pad(x, ((0, 0), (top, bottom), (left, far), (0, 0)))
    height, width = (x.shape[1] - rows) // down + 1, (x.shape[2] - columns) // right + 1
    cells = [
        x[:, row : row + down * (height - 1) + 1 : down, column : column + right * (width - 1) + 1 : right]
        for row in range(rows) for column in range(columns)
    ]
    return np.stack([cell.reshape(-1, x.shape[3]) for cell in cells], 1)


def covariance(layer, source: np.ndarray, zero: int) -> np.ndarray:
    """[groups, inputs, inputs]: how the inputs of a convolution, bytes minus `zero`, vary together."""
    every = max(1, -(-source[..., 0].size // POSITIONS))
    x = windows(source[::every].astype(np.float32) - zero, layer)
    if layer.group > 1:
        x = np.ascontiguousarray(x.transpose(2, 1, 0))
    else:
        x = x.transpose(2, 1, 0).reshape(1, -1, len(x))
    x -= x.mean(2, keepdims=True)
    return x @ x.transpose(0, 2, 1) / x.shape[2]


def round_weights(weight: np.ndarray, covariance: np.ndarray, partner: np.ndarray) -> np.ndarray:
    """Weights, in steps, as bytes: rounded so that the errors of weights that are read together cancel each other.

    Least squares on what the layer reads, as in GPTQ (Frantar et al., 2022), by coordinate descent: in turn, each
    weight becomes the byte that is best as long as all others stay, until none changes or `SWEEPS` times. `partner` says
    which inputs are multiplied as a pair.
    """
    groups, inputs = covariance.shape[:2]
    wanted = weight.reshape(groups, len(weight) // groups, inputs)
    damping = DAMPING * np.trace(covariance, axis1=1, axis2=2) / inputs + 1e-6
    square = (covariance + np.eye(inputs) * damping[:, None, None]).astype(np.float32)
    found = nearest_bytes(wanted).astype(np.float32)
    slope = (wanted - found).astype(np.float32) @ square
    for _ in range(SWEEPS):
        changed = False
        for cell in range(inputs):
            row = square[:, None, cell, :]
            better = np.rint(found[:, :, cell] + slope[:, :, cell] / row[:, :, cell])
            other = found[:, :, partner[cell]] if partner[cell] != cell else np.zeros_like(better)
            better = np.clip(better, np.maximum(-127, -PAIR_MAX - other), np.minimum(127, PAIR_MAX - other))
            change = better - found[:, :, cell]
            if change.any():
                found[:, :, cell], changed = better, True
                slope -= change[:, :, None] * row
        if not changed:
            break
    return found.reshape(weight.shape).astype(np.int8)
