"""Compares a prepared model with the original: outputs on real faces, and speed on one thread."""

from __future__ import annotations

import platform
import statistics
import time

import numpy as np
import onnxruntime

import faces

# Free sizes to try, (height, width): multiples of YuNet's largest stride.
SIZES = ((320, 320), (256, 192), (640, 480), (96, 128))
# Largest difference of a detector output that other rounding may cause, relative to the output's own range.
DETECTOR_ERROR_MAX = 1e-5


def session(path) -> onnxruntime.InferenceSession:
    """A model on one CPU thread, as a lane of padan runs it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # The published SFace warns once for each of its 174 weights.
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own types are not public.
        raise ValueError(f"{path} could not be loaded: {error}") from error


def compare(args) -> dict:
    """Runs the comparison that fits the model: one output is an embedder, several a detector."""
    original, prepared = session(args.original), session(args.prepared)
    images = faces.photographs(args.portraits)
    if len(original.get_outputs()) == 1:
        mean, scale = args.normalise
        inputs = (faces.crops(images, session(args.detector)) - np.float32(mean)) * np.float32(scale)
        result = compare_embedders(original, prepared, inputs, args.cosine_min)
        timed = [inputs[:1]]
    else:
        result = compare_detectors(original, prepared, images)
        height, width = original.get_inputs()[0].shape[2:]
        timed = [faces.detector_input(next(iter(images.values())), height, width)]
    return {
        **result,
        "original": args.original.name,
        "prepared": args.prepared.name,
        "runtime": f"onnxruntime {onnxruntime.__version__}",
        "machine": f"{processor()}, 1 thread",
        "runs": args.runs,
        "milliseconds": time_in_turn(original, prepared, timed[0], args.runs),
    }


def compare_embedders(original, prepared, inputs: np.ndarray, cosine_min: float) -> dict:
    """The cosine of each face's two embeddings, and whether a batch gives what its members give alone."""
    single = lambda model: np.concatenate([run(model, row[None])[0] for row in inputs])
    before, after = unit(single(original)), unit(single(prepared))
    together = unit(run(prepared, inputs)[0])
    cosine = (before * after).sum(axis=1)
    batch_cosine = (after * together).sum(axis=1)
    change = np.abs(before @ before.T - after @ after.T).max()
    return {
        "kind": "embedder",
        "faces": len(inputs),
        "cosine_min": float(cosine.min()),
        "similarity_change_max": float(change),
        "batch_cosine_min": float(batch_cosine.min()),
        "passed": bool(cosine.min() >= cosine_min and batch_cosine.min() >= cosine_min),
    }


def compare_detectors(original, prepared, images) -> dict:
    """Every output at the published size, and the shapes (and a batch of two) at free ones."""
    height, width = original.get_inputs()[0].shape[2:]
    worst = 0.0
    for image in images.values():
        pixels = faces.detector_input(image, height, width)
        for before, after in zip(run(original, pixels), run(prepared, pixels), strict=True):
            worst = max(worst, difference(before, after))
    batch_worst = 0.0
    for size in SIZES:
        rows = [faces.detector_input(image, *size) for image in list(images.values())[:2]]
        alone = [run(prepared, row) for row in rows]
        for output, together in enumerate(run(prepared, np.concatenate(rows))):
            expected = np.concatenate([one[output] for one in alone])
            batch_worst = max(batch_worst, difference(expected, together))
    return {
        "kind": "detector",
        "faces": len(images),
        "published_size": [height, width],
        "free_sizes": [list(size) for size in SIZES],
        "difference_max": worst,
        "batch_difference_max": batch_worst,
        "passed": worst <= DETECTOR_ERROR_MAX and batch_worst <= DETECTOR_ERROR_MAX,
    }


def difference(expected: np.ndarray, found: np.ndarray) -> float:
    """The largest difference, relative to the range of what is expected; infinite where something is no number."""
    with np.errstate(invalid="ignore"):
        largest = float(np.abs(found - expected).max() / max(np.ptp(expected), 1e-6))
    return largest if np.isfinite(largest) else np.inf  # `max` of Python would lose what is no number.


def run(model, pixels: np.ndarray) -> list[np.ndarray]:
    """All outputs for one input."""
    return model.run(None, {model.get_inputs()[0].name: pixels})


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows scaled to unit length, in float64 so that the cosine itself does not round."""
    rows = rows.astype(np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def time_in_turn(original, prepared, pixels: np.ndarray, runs: int) -> dict:
    """Median milliseconds of each, taken in turn so that a busy machine is equally busy for both."""
    taken = {"original": [], "prepared": []}
    for count in range(runs + 5):
        for name, model in (("original", original), ("prepared", prepared)):
            start = time.perf_counter()
            run(model, pixels)
            if count >= 5:  # The first few warm the caches.
                taken[name].append((time.perf_counter() - start) * 1e3)
    return {name: statistics.median(values) for name, values in taken.items()}


def processor() -> str:
    """The processor's name."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            return next(line.split(":", 1)[1].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def as_text(result: dict) -> str:
    """The result for people: a markdown table and one line of verdict."""
    lines = [f"\n{result['prepared']} against {result['original']}, {result['faces']} photographs\n"]
    if result["kind"] == "embedder":
        facts = [
            ("least cosine to the original", f"{result['cosine_min']:.8f}"),
            ("greatest change of a similarity between two faces", f"{result['similarity_change_max']:.1e}"),
            ("least cosine, batch against single", f"{result['batch_cosine_min']:.8f}"),
        ]
    else:
        size = "{}×{}".format(*result["published_size"])
        sizes = ", ".join("{}×{}".format(*free) for free in result["free_sizes"])
        facts = [
            (f"greatest difference at {size} (of the output's range)", f"{result['difference_max']:.1e}"),
            (f"the same, batch against single, at {sizes}", f"{result['batch_difference_max']:.1e}"),
        ]
    spent = result["milliseconds"]
    facts += [
        ("original, median ms", f"{spent['original']:.2f}"),
        ("prepared, median ms", f"{spent['prepared']:.2f}"),
        ("speed-up", f"{spent['original'] / spent['prepared']:.2f}×"),
    ]
    lines += ["| measure | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts)]
    lines.append(f"\n{result['runtime']}, {result['machine']}, {result['runs']} runs of each in turn.")
    lines.append("PASSED: the prepared model may be served." if result["passed"] else
                 "FAILED: the prepared model does not compute what the original does; do not serve it.")
    return "\n".join(lines)
