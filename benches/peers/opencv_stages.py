"""Yardsticks for other benches: the stages of OpenCV's face pipeline, one thread, medians in milliseconds.

  .runtime/peers/opencv/bin/python benches/peers/opencv_stages.py [--json FILE|-] [--runs N]

The stages take turns, one run each, so that noise hits all of them. Models: as published, .runtime/published.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from peers import REPOSITORY, RUNTIME
from subjects import digest
from subjects.opencv import DETECTOR, EMBEDDER

SELFIE = REPOSITORY / "benches" / "pictures" / "selfie_1280x960.jpg"
WARM_UP = 10


def fitted(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """The picture with its longer side fitted in, black below or beside it."""
    scale = min(width / pixels.shape[1], height / pixels.shape[0])
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    below, beside = height - small.shape[0], width - small.shape[1]
    return cv2.copyMakeBorder(small, 0, below, 0, beside, cv2.BORDER_CONSTANT)


class Detection:
    """FaceDetectorYN on one input size, in which it finds exactly one face."""

    def __init__(self, model: pathlib.Path, pixels: np.ndarray, width: int, height: int) -> None:
        self.detector = cv2.FaceDetectorYN.create(str(model), "", (width, height))
        self.small = fitted(pixels, width, height)
        _, faces = self.run()
        if faces is None or len(faces) != 1:
            raise RuntimeError(f"OpenCV does not find exactly one face at {width}×{height}")
        self.face = faces[0].copy()

    def run(self) -> tuple[int, np.ndarray | None]:
        """How many faces, and a row for each."""
        return self.detector.detect(self.small)


def stages(models: pathlib.Path, selfie: pathlib.Path) -> dict[str, Callable[[], Any]]:
    """Each stage by name, ready to run."""
    encoded = np.frombuffer(selfie.read_bytes(), np.uint8)
    pixels = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    height, width = pixels.shape[:2]
    embedder = cv2.FaceRecognizerSF.create(str(models / EMBEDDER), "")
    flat = Detection(models / DETECTOR, pixels, 320, 240)
    square = Detection(models / DETECTOR, pixels, 320, 320)
    # Found in the small picture: a face this near is not found in the whole one.
    face = flat.face
    face[:14] *= width / 320
    aligned = embedder.alignCrop(pixels, face)
    return {
        f"imdecode_{width}x{height}": lambda: cv2.imdecode(encoded, cv2.IMREAD_COLOR),
        "imdecode_reduced_2": lambda: cv2.imdecode(encoded, cv2.IMREAD_REDUCED_COLOR_2),
        "imdecode_reduced_4": lambda: cv2.imdecode(encoded, cv2.IMREAD_REDUCED_COLOR_4),
        "detect_320x240": flat.run,
        "detect_320x320": square.run,
        "align_crop": lambda: embedder.alignCrop(pixels, face),
        "feature_112x112": lambda: embedder.feature(aligned),
    }


def medians_ms(work: dict[str, Callable[[], Any]], runs: int) -> dict[str, float]:
    """The median time of each stage over `runs` turns."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(WARM_UP + runs):
        for name, run in work.items():
            started = time.perf_counter()
            run()
            if turn >= WARM_UP:
                taken[name].append((time.perf_counter() - started) * 1000)
    return {name: statistics.median(values) for name, values in taken.items()}


def serve(work: dict[str, Callable[[], Any]]) -> None:
    """Runs the stage that each line of standard input names, and answers how long it took, milliseconds.

    So that another program can take turns with OpenCV, run by run.
    """
    for line in sys.stdin:
        run = work[line.strip()]
        started = time.perf_counter()
        run()
        print((time.perf_counter() - started) * 1000, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE", help="write the medians to this file; -: to standard output")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--serve", action="store_true", help="take turns: run the stages that standard input names")
    parser.add_argument("--models", type=pathlib.Path, default=RUNTIME / "published")
    parser.add_argument("--selfie", type=pathlib.Path, default=SELFIE)
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs must be above 0")
    cv2.setNumThreads(1)
    if options.serve:
        serve(stages(options.models, options.selfie))
        return 0
    told = {
        "opencv": cv2.__version__,
        "threads": 1,
        "runs": options.runs,
        "selfie_sha256": digest(options.selfie),
        "models": {name: digest(options.models / name) for name in (DETECTOR, EMBEDDER)},
        "median_ms": medians_ms(stages(options.models, options.selfie), options.runs),
    }
    text = json.dumps(told, indent=2)
    if options.json == "-":
        print(text)
        return 0
    for name, median in told["median_ms"].items():
        print(f"{name:20} {median:8.3f} ms")
    if options.json:
        pathlib.Path(options.json).write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
