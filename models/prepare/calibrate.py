"""Measures what quantise.py has to know of a network: the range of every channel on real faces, and what rounding shifts."""

from __future__ import annotations

import hashlib
import pathlib
import sys

import numpy as np

import faces
import quantise
from check import session

# Pictures for the shifts; a mean needs fewer than an extreme.
SHIFT_PICTURES = 100


def calibrate(model, folder: pathlib.Path, detector: pathlib.Path, count: int, output: pathlib.Path) -> dict:
    """Measures `count` photographs, evenly spread over the sorted names below `folder`, and writes the ranges."""
    network = quantise.read_network(model)
    paths = chosen(folder, count)
    digest = hashlib.sha256("".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths).encode()).hexdigest()
    crops = aligned(paths, session(detector))
    ranges, means = extremes(network, crops)
    correct(network, ranges, means, crops[:: max(1, len(crops) // SHIFT_PICTURES)])
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


def extremes(network, crops) -> tuple[quantise.Ranges, list[np.ndarray]]:
    """Ranges without shifts, and each channel's mean over the pictures that the shifts are measured on."""
    model = session_of(quantise.float_model(network))
    names = [f"z{index}" for index in range(len(network.layers))]
    lows, highs = [[] for _ in names], [[] for _ in names]
    every, sums, counted = max(1, len(crops) // SHIFT_PICTURES), None, 0
    for number, crop in enumerate(crops):
        pixels = ((crop.astype(np.float32) - network.mean) * network.scale).transpose(2, 0, 1)[None].astype(np.float32)
        *maps, embedding = model.run([*names, "y"], {"x": pixels})
        for index, values in enumerate(maps):
            lows[index].append(values.min((0, 2, 3)))
            highs[index].append(values.max((0, 2, 3)))
        if number % every == 0:
            means = [values.astype(np.float64).mean((0, 2, 3)) for values in maps] + [embedding[0].astype(np.float64)]
            sums = means if sums is None else [a + b for a, b in zip(sums, means)]
            counted += 1
        progress("measured", number + 1, len(crops))
    share = quantise.EXTREMES_PERCENTILE
    ranges = quantise.Ranges(
        low=[np.percentile(values, 100 - share, axis=0) for values in lows],
        high=[np.percentile(values, share, axis=0) for values in highs],
        shift=[np.zeros(len(layer.bias)) for layer in network.layers] + [np.zeros(len(network.bias))],
    )
    return ranges, [total / counted for total in sums]


def correct(network, ranges, means, crops) -> None:
    """Sets the shifts, layer after layer: each is measured with those in front of it already put right."""
    last = len(network.layers)
    for index in range(last + 1):
        builder = quantise.Builder(network, ranges)
        model = session_of(builder.build([f"q{index}"] if index < last else None))
        total = 0.0
        for crop in crops:
            [values] = model.run(None, {network.input: crop[None]})
            total = total + (values.astype(np.float64).mean((0, 1, 2)) if index < last else values[0].astype(np.float64))
        found = total / len(crops)
        if index < last:
            found = (found - builder.zero[index]) * builder.step[index]
        ranges.shift[index] = means[index] - found
        progress("corrected", index + 1, last + 1)


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
