"""Measures what quantise.py has to know of a network on real faces: ranges of channels, ways to round, and shifts."""

from __future__ import annotations

import hashlib
import pathlib
import sys

import numpy as np

import faces
import quantise
import rounding
from check import session
from steps import nearest_bytes

# A channel's range covers this share of the pictures' extremes: the rarest per cent would cost all others resolution.
EXTREMES_PERCENTILE = 99
# Positions that steps are chosen on.
SAMPLES = 2000


def calibrate(model, folder: pathlib.Path, detector: pathlib.Path, count: int, output: pathlib.Path) -> dict:
    """Measures `count` photographs, evenly spread over the sorted names below `folder`, and writes the ranges."""
    network = quantise.read_network(model)
    paths = chosen(folder, count)
    digest = hashlib.sha256("".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths).encode()).hexdigest()
    crops = aligned(paths, session(detector))
    ranges = walk(network, crops)
    ranges.save(output, digest, len(paths))
    return {"pictures": len(paths), "pictures_sha256": digest, "ranges": str(output)}


def chosen(folder: pathlib.Path, count: int) -> list[pathlib.Path]:
    """Photographs from all over the folder, the same ones each time."""
    paths = sorted(folder.rglob("*.jpg"))
    if not paths:
        raise ValueError(f"{folder} holds no .jpg file: --faces takes a folder with photographs of one clear face each.")
    return [paths[int(index)] for index in np.linspace(0, len(paths) - 1, min(count, len(paths)))]


def aligned(paths, detector) -> np.ndarray:
    """[n, 112, 112, 3] bytes, RGB."""
    crops = []
    for path in paths:
        image = faces.photograph(path)
        crops.append(faces.crop(image, faces.landmarks(image, detector, path.name)))
        progress("aligned", len(crops), len(paths))
    return np.stack(crops).transpose(0, 2, 3, 1).round().astype(np.uint8)


def walk(network, crops) -> quantise.Ranges:
    """All that quantisation has to know, layer after layer: each is measured behind those that are 8-bit already."""
    ranges, last = quantise.no_ranges(network), len(network.layers)
    source = crops
    exact = ((crops.astype(np.float32) - network.mean) * network.scale).astype(np.float32)
    for index, layer in enumerate(network.layers):
        exact = convolved(layer, exact)
        lowest, highest = exact.min((1, 2)), exact.max((1, 2))
        ranges.low[index] = kept(np.percentile(lowest, 100 - EXTREMES_PERCENTILE, axis=0))
        ranges.high[index] = kept(np.percentile(highest, EXTREMES_PERCENTILE, axis=0))
        ranges.tie[index], ranges.zero[index] = rounding.choose_steps(
            sample(exact), layer, ranges.low[index], ranges.high[index], reading(network, index)
        )
        builder = quantise.Builder(network, ranges)
        weight, _ = builder.weight(index)
        covariance = rounding.covariance(layer, source, builder.reads(index)[1])
        better = rounding.round_weights(weight, covariance, layer.partners())
        ranges.correction[index] = np.clip(better.astype(int) - nearest_bytes(weight), -127, 127)
        steps = builder.steps(index)
        found = eight_bits(network, ranges, index, source)
        mean = (found.mean((0, 1, 2), dtype=np.float64) - steps.threshold) * steps.before
        ranges.shift[index] = kept(exact.mean((0, 1, 2), dtype=np.float64) - mean)
        found = eight_bits(network, ranges, index, source)
        source = np.concatenate([rounding.prelu_bytes(part[None], layer.slope, steps) for part in found])
        exact = np.concatenate([rounding.prelu(part[None], layer.slope) for part in exact])
        progress("measured layers", index + 1, last + 1)
    cells = exact.mean(0, dtype=np.float64).reshape(-1, exact.shape[3]).T  # Channels first, as the weights are.
    wanted = (network.weight * cells).sum((1, 2)) + network.bias
    ranges.shift[last] = wanted - eight_bits(network, ranges, last, source).mean(0, dtype=np.float64)
    progress("measured layers", last + 1, last + 1)
    return ranges


def kept(values) -> np.ndarray:
    """As the file of ranges holds them, so that what is measured behind them fits what `quantise` makes."""
    return values.astype(np.float32).astype(np.float64)


def convolved(layer, source) -> np.ndarray:
    """A convolution in 32 bits, channels last."""
    model = session_of(quantise.float_part(layer))
    run = lambda picture: model.run(None, {"x": np.ascontiguousarray(picture.transpose(2, 0, 1)[None])})[0]
    return np.concatenate([run(picture).transpose(0, 2, 3, 1) for picture in source])


def eight_bits(network, ranges, index, source) -> np.ndarray:
    """What the 8-bit network makes of the bytes that one layer reads."""
    model = session_of(quantise.Builder(network, ranges).part(index, *source.shape[1:3]))
    return np.concatenate([model.run(None, {network.input: picture[None]})[0] for picture in source])


def sample(values) -> np.ndarray:
    """[n, channels]: some positions of all pictures, the same ones each time."""
    flat = values.reshape(-1, values.shape[3])
    return flat[np.random.default_rng(0).choice(len(flat), min(len(flat), SAMPLES), replace=False)]


def reading(network, index) -> np.ndarray:
    """For each channel behind a layer, the sum of the squared weights that read it."""
    if index + 1 == len(network.layers):
        return (network.weight**2).sum((0, 2))
    following = network.layers[index + 1]
    return (following.weight**2).sum((1, 2, 3) if following.group > 1 else (0, 2, 3))


def session_of(model):
    """A session of a model in memory."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def progress(what: str, done: int, total: int) -> None:
    """One line that is written over."""
    if sys.stderr.isatty() or done == total:
        print(f"\r{what} {done}/{total}", end="\n" if done == total else "", file=sys.stderr, flush=True)
