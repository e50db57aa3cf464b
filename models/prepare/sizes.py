#!/usr/bin/env python3
"""How many faces YuNet finds, by the side of its input and by the face's share of the picture.

  sizes.py DIR [--count N]     photographs of one face near the middle each; those below DIR count too

Each photograph is put, smaller and smaller, in the middle of a grey one: what is found at the smallest share tells how
far the detection's passes reach. One thread; times are medians.
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
import sys
import time

import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import calibrate  # noqa: E402
import faces  # noqa: E402
from check import session  # noqa: E402

SIDES = (128, 160, 192, 256, 320, 640)
SHRINKS = (1.0, 0.5, 0.25)
GREY = (127, 127, 127)
# What padan believes, and what it takes for upright without a look at the turns.
BELIEVED, UPRIGHT = 0.70, 0.92


def shrunk(image: Image.Image, factor: float) -> Image.Image:
    """The picture at `factor` of its size in the middle of a grey one of its size."""
    if factor == 1.0:
        return image
    canvas = Image.new("RGB", image.size, GREY)
    small = image.resize([max(1, round(side * factor)) for side in image.size], Image.Resampling.BOX)
    canvas.paste(small, [(whole - part) // 2 for whole, part in zip(image.size, small.size)])
    return canvas


def best(detector, names, image: Image.Image, side: int) -> tuple[float, float]:
    """The greatest confidence, and how long the network took, milliseconds."""
    pixels = faces.detector_input(image, side, side)
    started = time.perf_counter()
    values = dict(zip(names, detector.run(names, {detector.get_inputs()[0].name: pixels})))
    took = (time.perf_counter() - started) * 1e3
    score = lambda s: np.sqrt(values[f"cls_{s}"].clip(0, 1) * values[f"obj_{s}"].clip(0, 1)).max()
    return max(float(score(stride)) for stride in faces.STRIDES), took


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--count", type=int, default=300, metavar="N", help="photographs to take (default: %(default)s)")
    parser.add_argument("--detector", type=pathlib.Path, default=HERE.parent / "yunet_2023mar.onnx", metavar="FILE")
    args = parser.parse_args()
    try:
        paths = calibrate.chosen(args.folder, args.count)
        detector = session(args.detector)
    except ValueError as error:
        print(f"sizes: {error}", file=sys.stderr)
        return 2
    names = [output.name for output in detector.get_outputs()]
    images = [faces.photograph(path) for path in paths]
    print(f"{len(images)} photographs; found at {BELIEVED}, upright beyond doubt at {UPRIGHT}")
    print("| side | " + " | ".join(f"picture at {shrink}" for shrink in SHRINKS) + " | ms, square |")
    print("|---|" + "---|" * (len(SHRINKS) + 1))
    for side in SIDES:
        cells, times = [], []
        for shrink in SHRINKS:
            scores = []
            for image in images:
                score, took = best(detector, names, shrunk(image, shrink), side)
                scores.append(score)
                times.append(took)
            share = lambda least: 100 * sum(score >= least for score in scores) / len(scores)
            cells.append(f"{share(BELIEVED):.1f} %, {share(UPRIGHT):.1f} %")
        print(f"| {side} | " + " | ".join(cells) + f" | {statistics.median(times):.1f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
