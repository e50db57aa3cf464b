#!/usr/bin/env python3
"""Makes the golden data in this folder with OpenCV, which shares no code with padan's pipeline.

  make models       # fetches what this needs, once
  .runtime/venv/bin/python -B tests/golden/generate.py .runtime/published

For each portrait in tests/portraits it writes the face crop of OpenCV's alignCrop (crops/NAME.png), and into golden.json
what OpenCV's FaceDetectorYN found at two sizes, the landmarks used for the crop, and the unit-length embedding of the
crop by OpenCV's FaceRecognizerSF. Needs opencv-python-headless, numpy, and the two models as OpenCV Zoo publishes them.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import sys

import cv2
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
PORTRAITS = HERE.parent / "portraits"
DETECTOR = "face_detection_yunet_2023mar.onnx"
RECOGNIZER = "face_recognition_sface_2021dec.onnx"
LANDMARKS = ["right_eye", "left_eye", "nose_tip", "right_mouth_corner", "left_mouth_corner"]

# The longer side that the detector sees: padan's first pass, and the picture as it is (0).
SIDES = [320, 0]
CONFIDENCE_MIN = 0.7
OVERLAP_MAX = 0.3


def number(value: float) -> float:
    """A value with eight significant digits."""
    return float(f"{float(value):.8g}")


def seen_at(image: np.ndarray, side: int) -> np.ndarray:
    """The picture whose longer side is `side`: by area when it shrinks, bilinear when it grows, as padan does."""
    height, width = image.shape[:2]
    if side == 0 or side == max(height, width):
        return image
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def detect(detector: cv2.FaceDetectorYN, picture: np.ndarray) -> np.ndarray:
    """OpenCV's faces, best first: box, five landmarks, confidence."""
    detector.setInputSize((picture.shape[1], picture.shape[0]))
    _, faces = detector.detect(picture)
    if faces is None:
        raise SystemExit("generate: OpenCV found no face in a portrait; are these the published models?")
    return faces[np.argsort(-faces[:, 14])]


def as_record(face: np.ndarray) -> dict:
    points = face[4:14].reshape(5, 2)
    return {
        "box": [number(v) for v in face[:4]],
        "landmarks": {name: [number(x), number(y)] for name, (x, y) in zip(LANDMARKS, points)},
        "confidence": number(face[14]),
    }


def record_of(path: pathlib.Path, detector: cv2.FaceDetectorYN, recognizer: cv2.FaceRecognizerSF) -> dict:
    image = cv2.imread(str(path))
    detections = []
    for side in SIDES:
        seen = seen_at(image, side)
        faces = [as_record(face) for face in detect(detector, seen)]
        detections.append({"width": seen.shape[1], "height": seen.shape[0], "faces": faces})
    # What was written is what is used, so that whoever reads it can repeat it.
    landmarks = detections[-1]["faces"][0]["landmarks"]
    face = np.zeros(15, np.float32)
    face[4:14] = [value for name in LANDMARKS for value in landmarks[name]]
    crop = recognizer.alignCrop(image, face)
    (HERE / "crops").mkdir(exist_ok=True)
    cv2.imwrite(str(HERE / "crops" / f"{path.stem}.png"), crop, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    raw = recognizer.feature(crop)[0].astype(np.float64)
    return {
        "detections": detections,
        "landmarks": landmarks,
        "embedding": [number(value) for value in raw / np.linalg.norm(raw)],
    }


def compact(record: dict) -> str:
    """Indented JSON whose lists of numbers stay on one line."""
    text = json.dumps(record, indent=1)
    lines: list[str] = []
    for line in text.splitlines():
        if lines and lines[-1].rstrip().endswith("[") and line.strip()[:1] in "-0123456789":
            lines[-1] += line.strip()
        elif lines and lines[-1].rstrip()[-1:] in "0123456789," and "[" in lines[-1] and line.strip()[:1] in "-0123456789]":
            lines[-1] += (" " if line.strip()[0] != "]" else "") + line.strip()
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    published = pathlib.Path(sys.argv[1])
    digests = {}
    for name in (DETECTOR, RECOGNIZER):
        if not (published / name).is_file():
            raise SystemExit(f"generate: {published / name} is missing; `make models` fetches it")
        digests[name] = hashlib.sha256((published / name).read_bytes()).hexdigest()
    detector = cv2.FaceDetectorYN.create(str(published / DETECTOR), "", (320, 320), CONFIDENCE_MIN, OVERLAP_MAX, 1000)
    recognizer = cv2.FaceRecognizerSF.create(str(published / RECOGNIZER), "")
    portraits = {path.stem: record_of(path, detector, recognizer) for path in sorted(PORTRAITS.glob("*.jpg"))}
    record = {"opencv": cv2.__version__, "models": digests, "portraits": portraits}
    (HERE / "golden.json").write_text(compact(record), encoding="utf-8")
    print(f"{len(portraits)} portraits written to {HERE / 'golden.json'}")


if __name__ == "__main__":
    main()
