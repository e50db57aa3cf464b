"""OpenCV's stages for another program that takes turns with them, run by run, one thread.

  .runtime/peers/opencv/bin/python benches/peers/opencv_stages.py

Each line of standard input names a stage; the answer is how long one run of it took, in milliseconds. Models: as
published, .runtime/published.
"""

from __future__ import annotations

import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from peers import REPOSITORY, RUNTIME
from subjects.opencv import DETECTOR, EMBEDDER

SELFIE = REPOSITORY / "benches" / "pictures" / "selfie_1280x960.jpg"


def fitted(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """The picture with its longer side fitted in, black below or beside it."""
    scale = min(width / pixels.shape[1], height / pixels.shape[0])
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    below, beside = height - small.shape[0], width - small.shape[1]
    return cv2.copyMakeBorder(small, 0, below, 0, beside, cv2.BORDER_CONSTANT)


def stages(models: pathlib.Path, selfie: pathlib.Path) -> dict[str, Callable[[], Any]]:
    """Each stage by name, ready to run."""
    pixels = cv2.imread(str(selfie), cv2.IMREAD_COLOR)
    small = fitted(pixels, 320, 320)
    detector = cv2.FaceDetectorYN.create(str(models / DETECTOR), "", (320, 320))
    _, faces = detector.detect(small)
    if faces is None or len(faces) != 1:
        raise RuntimeError("OpenCV does not find exactly one face in the selfie")
    # Found in the small picture: a face this near is not found in the whole one.
    face = faces[0].copy()
    face[:14] *= max(pixels.shape[:2]) / 320
    embedder = cv2.FaceRecognizerSF.create(str(models / EMBEDDER), "")
    aligned = embedder.alignCrop(pixels, face)
    return {
        "detect_320x320": lambda: detector.detect(small),
        "feature_112x112": lambda: embedder.feature(aligned),
    }


def main() -> None:
    cv2.setNumThreads(1)
    work = stages(RUNTIME / "published", SELFIE)
    for line in sys.stdin:
        run = work[line.strip()]
        started = time.perf_counter()
        run()
        print((time.perf_counter() - started) * 1000, flush=True)


if __name__ == "__main__":
    main()
