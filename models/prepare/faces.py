"""Aligned face crops from photographs, with nothing but YuNet, numpy and pillow: input for `prepare.py check`.

This is a yardstick, not padan's pipeline: one face per picture, no quality checks, no suppression of overlaps.
"""

from __future__ import annotations

import pathlib

import numpy as np
from PIL import Image, ImageOps

SIDE = 112
DETECTION_SIDE_MAX = 320
STRIDES = (8, 16, 32)
# Where ArcFace-style networks expect the eyes, the nose tip and the mouth corners in a 112×112 crop
# (the template of InsightFace and of OpenCV's FaceRecognizerSF), from left to right as seen in the picture.
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)


def photographs(folder: pathlib.Path) -> dict[str, Image.Image]:
    """The JPEG files of a folder, upright, by name."""
    found = {path.name: photograph(path) for path in sorted(folder.glob("*.jpg"))}
    if not found:
        raise ValueError(f"{folder} holds no .jpg file: name a folder with photographs of one face each (--portraits).")
    return found


def photograph(path: pathlib.Path) -> Image.Image:
    """One photograph, upright, RGB."""
    return ImageOps.exif_transpose(Image.open(path)).convert("RGB")


def crops(images: dict[str, Image.Image], detector) -> np.ndarray:
    """One aligned RGB crop per photograph, [n, 3, 112, 112] with values 0–255. `detector` is a YuNet session."""
    return np.stack([crop(image, landmarks(image, detector, name)) for name, image in images.items()])


def detector_input(image: Image.Image, height: int, width: int) -> np.ndarray:
    """The picture, as large as fits, at the top left of a black BGR canvas [1, 3, height, width]."""
    scale = min(height / image.height, width / image.width)
    size = (max(1, int(image.width * scale)), max(1, int(image.height * scale)))
    canvas = np.zeros((height, width, 3), np.float32)
    canvas[: size[1], : size[0]] = np.asarray(image.resize(size, Image.Resampling.BILINEAR), np.float32)[:, :, ::-1]
    return np.ascontiguousarray(canvas.transpose(2, 0, 1)[None])


def landmarks(image: Image.Image, detector, name: str) -> np.ndarray:
    """Five points [5, 2] in pixels of the picture, of the face the detector is surest of."""
    height = width = DETECTION_SIDE_MAX
    scale = min(height / image.height, width / image.width)
    names = [output.name for output in detector.get_outputs()]
    values = dict(zip(names, detector.run(names, {detector.get_inputs()[0].name: detector_input(image, height, width)})))
    best, points = 0.0, None
    for stride in STRIDES:
        score = np.sqrt(values[f"cls_{stride}"][0, :, 0].clip(0, 1) * values[f"obj_{stride}"][0, :, 0].clip(0, 1))
        index = int(score.argmax())
        if score[index] > best:
            row, column = divmod(index, width // stride)
            best = float(score[index])
            points = (values[f"kps_{stride}"][0, index].reshape(5, 2) + (column, row)) * stride / scale
    if points is None or best < 0.6:
        raise ValueError(f"No face was found in {name}: --portraits takes photographs with one clear face each.")
    return points


def crop(image: Image.Image, points: np.ndarray) -> np.ndarray:
    """The face turned and scaled so that `points` fall on `TEMPLATE`: [3, 112, 112] RGB."""
    # Least squares for (a, b, tx, ty) of the similarity x = a·u − b·v + tx, y = b·u + a·v + ty from crop to picture.
    u, v = TEMPLATE.T
    one, zero = np.ones(5), np.zeros(5)
    rows = np.concatenate([np.stack([u, -v, one, zero], 1), np.stack([v, u, zero, one], 1)])
    a, b, tx, ty = np.linalg.lstsq(rows, np.concatenate(points.T), rcond=None)[0]
    warped = image.transform(
        (SIDE, SIDE), Image.Transform.AFFINE, (a, -b, tx, b, a, ty), resample=Image.Resampling.BILINEAR
    )
    return np.asarray(warped, np.float32).transpose(2, 0, 1)
