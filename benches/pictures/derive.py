"""Makes the two pictures of this folder from tests/portraits: run `python3 derive.py` (needs Pillow and NumPy).

The same versions of Pillow and NumPy write the same bytes; README.md holds the digests of the committed files.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = Path(__file__).resolve().parent
PORTRAITS = FOLDER.parents[1] / "tests" / "portraits"

SELFIE_SIZE = (1280, 960)
# A camera's own noise, in grey levels (standard deviation), so that the enlarged picture is as hard to decode as one
# from a phone: enlarging alone leaves hardly any high frequencies.
NOISE_LEVELS = 3.0
NOISE_SEED = 20260101
# Chosen for some 150 KB.
SELFIE_QUALITY = 75

REFERENCE_SIZE = (240, 320)
REFERENCE_QUALITY = 85


def selfie() -> bytes:
    """person_b_2.jpg as a phone held at arm's length would frame it: 4:3, face over half of the height."""
    with Image.open(PORTRAITS / "person_b_2.jpg") as portrait:
        pixels = np.asarray(portrait.convert("RGB"))[:620]
    width = round(pixels.shape[0] * SELFIE_SIZE[0] / SELFIE_SIZE[1])
    missing = width - pixels.shape[1]
    # The portrait is narrower than 4:3: a strip of background at each side is continued by its mirror image.
    sides = (missing // 2, missing - missing // 2)
    widened = np.pad(pixels, ((0, 0), sides, (0, 0)), mode="reflect")
    enlarged = Image.fromarray(widened).resize(SELFIE_SIZE, Image.Resampling.LANCZOS)
    noise = np.random.default_rng(NOISE_SEED).normal(0.0, NOISE_LEVELS, (SELFIE_SIZE[1], SELFIE_SIZE[0], 1))
    noisy = np.clip(np.asarray(enlarged) + noise, 0, 255).astype(np.uint8)
    return jpeg(Image.fromarray(noisy), SELFIE_QUALITY)


def reference() -> bytes:
    """person_b_1.jpg as an identity card's portrait: head and shoulders, 3:4, small."""
    with Image.open(PORTRAITS / "person_b_1.jpg") as portrait:
        height = min(portrait.height, portrait.width * 4 // 3)
        width = height * 3 // 4
        left = (portrait.width - width) // 2
        cut = portrait.convert("RGB").crop((left, 0, left + width, height))
        return jpeg(cut.resize(REFERENCE_SIZE, Image.Resampling.LANCZOS), REFERENCE_QUALITY)


def jpeg(image: Image.Image, quality: int) -> bytes:
    """A baseline JPEG with chroma at half resolution, as phones write it."""
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=quality, subsampling="4:2:0")
    return encoded.getvalue()


def main() -> None:
    (FOLDER / "selfie_1280x960.jpg").write_bytes(selfie())
    (FOLDER / "reference_240x320.jpg").write_bytes(reference())


if __name__ == "__main__":
    main()
