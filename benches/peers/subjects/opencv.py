"""OpenCV in Python: FaceDetectorYN and FaceRecognizerSF with the published models, strung as in OpenCV's tutorial."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from subjects import Subject, Task, digest

DETECTOR = "face_detection_yunet_2023mar.onnx"
EMBEDDER = "face_recognition_sface_2021dec.onnx"
# Longer side of the picture that detection gets, pixels: the smaller, the faster. Enough for a selfie and a portrait,
# and far below what a user who follows the tutorial gets, which is the whole picture.
DETECT_SIDE_PX = 320
# Least cosine similarity for a match, from OpenCV's tutorial.
THRESHOLD = 0.363


class Pipeline:
    """One thread's own networks: OpenCV's are not safe to share."""

    def __init__(self, detector: str, embedder: str) -> None:
        self.detector = cv2.FaceDetectorYN.create(detector, "", (DETECT_SIDE_PX, DETECT_SIDE_PX))
        self.embedder = cv2.FaceRecognizerSF.create(embedder, "")

    def embed(self, encoded: bytes) -> np.ndarray:
        """The embedding of the largest face."""
        pixels = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
        scale = min(1.0, DETECT_SIDE_PX / max(pixels.shape[:2]))
        small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        self.detector.setInputSize((small.shape[1], small.shape[0]))
        _, faces = self.detector.detect(small)
        if faces is None:
            raise RuntimeError("OpenCV found no face")
        largest = max(faces, key=lambda face: face[2] * face[3])
        # Box and landmarks are pixels of the small picture, the last number is the confidence.
        largest[:14] /= scale
        aligned = self.embedder.alignCrop(pixels, largest)
        # OpenCV hands out its own buffer, which the next call overwrites.
        return self.embedder.feature(aligned).copy()

    def is_match(self, probe: bytes, reference: bytes) -> bool:
        """Whether both show the same person."""
        pair = self.embed(probe), self.embed(reference)
        return self.embedder.match(*pair, cv2.FaceRecognizerSF_FR_COSINE) >= THRESHOLD


def prepare(task: Task) -> Subject:
    """Compares in this process."""
    if task.models is None:
        raise ValueError("OpenCV needs the folder of the published models")
    files = task.models / DETECTOR, task.models / EMBEDDER
    if task.cv_threads:
        cv2.setNumThreads(task.cv_threads)

    def connect() -> Callable[[], bool]:
        pipeline = Pipeline(*map(str, files))
        return lambda: pipeline.is_match(task.probe, task.reference)

    versions = {"opencv-python-headless": cv2.__version__, "numpy": np.__version__}
    return Subject(connect, versions, {file.name: digest(file) for file in files})
