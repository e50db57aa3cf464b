#!/usr/bin/env python3
"""Makes the seeds from which fuzzing starts: one tiny file of each kind that padan accepts.

  .runtime/venv/bin/python -B .fuzz/seeds.py        # after `.setup/setup.sh python`
"""

from __future__ import annotations

import pathlib
import shutil
import struct

from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
SEEDS = HERE / "seeds"
MODELS = HERE.parent / "models"


def put(target: str, name: str, content: bytes) -> bytes:
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return content


def flag(mode: str) -> Image.Image:
    """16×12: smooth in one direction, striped in the other."""
    picture = Image.new("RGBA", (16, 12))
    for x in range(16):
        for y in range(12):
            picture.putpixel((x, y), (x * 16, y * 20, 255 * (x % 2), 255 - 8 * y))
    return picture.convert("RGB").convert(mode) if mode != "RGBA" else picture


def save(name: str, picture: Image.Image, **options) -> bytes:
    path = SEEDS / "decode" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, **options)
    return path.read_bytes()


def decode() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    jpeg = save("baseline.jpg", flag("RGB"), quality=60)
    save("progressive.jpg", flag("RGB"), quality=60, progressive=True)
    save("grey.jpg", flag("L"), quality=60)
    save("cmyk.jpg", flag("CMYK"), quality=60)
    save("subsampled.jpg", flag("RGB"), quality=60, subsampling="4:2:0", restart_marker_blocks=1)
    save("turned.jpg", flag("RGB"), quality=60, exif=exif)
    save("rgb.png", flag("RGB"))
    save("rgba.png", flag("RGBA"))
    save("palette.png", flag("P"))
    save("bits.png", flag("1"))
    save("deep.png", flag("L").convert("I;16"))
    save("lossy.webp", flag("RGB"), quality=50)
    save("lossless.webp", flag("RGBA"), lossless=True)
    alpha = save("alpha.webp", flag("RGBA"), quality=50, exif=exif)
    # A metadata chunk that claims almost 4 GiB: found by fuzzing, when it was believed.
    size_of_exif = alpha.index(b"EXIF") + 4
    put("decode", "claims-4-gb.webp", alpha[: size_of_exif + 3] + b"\xff" + alpha[size_of_exif + 4 :])
    save("moving.webp", flag("RGB"), save_all=True, append_images=[flag("RGB").rotate(180)], quality=30)
    return jpeg


def field(number: int, content: bytes | int | str) -> bytes:
    """One protobuf field; everything here is shorter than 2^14."""

    def varint(value: int) -> bytes:
        return bytes([value]) if value < 128 else bytes([value & 127 | 128, value >> 7])

    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(content)) + content


def request() -> None:
    image = field(1, b"\xff\xd8\xff")
    meta = field(1, "request-1") + field(2, 3)
    put("request", "verify", field(1, meta) + field(2, image) + field(3, image) + field(5, "activation"))
    put("request", "verify-without-meta", field(2, image) + field(3, image))
    put("request", "verify-empty-image", field(2, field(1, b"")) + field(3, image))
    put("request", "assess", field(1, meta) + field(2, image) + field(3, 2))
    put("request", "assess-unknown-role", field(2, image) + field(3, 99))
    put("request", "timeout", b"30000m")


def manifest() -> None:
    folder = SEEDS / "manifest"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(MODELS / "manifest.toml", folder / "manifest.toml")
    shutil.copyfile(MODELS / "calibration" / "sface_2021dec.toml", folder / "calibration.toml")
    put("manifest", "pairs.txt", b"2\t1\nA_B\t1\t2\nA_B\t1\tC\t12\n")
    put(
        "manifest",
        "padan.toml",
        b'profile = "research"\n[engine]\nlanes = 2\n[server]\nlisten = "[::1]:50051"\n[log]\nformat = "json"\n'
        b'[[policy]]\nid = "activation"\nfmr = 1e-4\nreview_fmr = 1e-3\n',
    )


def yunet() -> None:
    """One cell of each grid with a face in it: class, object, box, landmarks."""
    cell = [0.9, 0.95, 0.5, 0.5, 2.0, 2.2] + [0.2, 0.1, 0.8, 0.1, 0.5, 0.5, 0.3, 0.9, 0.7, 0.9]
    put("yunet", "three-faces", bytes([1, 128]) + struct.pack("<48f", *cell * 3))
    put("yunet", "odd-numbers", bytes([3, 1]) + struct.pack("<48f", *[float("nan"), 1.0, float("inf"), 90.0] * 12))


if __name__ == "__main__":
    shutil.rmtree(SEEDS, ignore_errors=True)
    decode()
    request()
    manifest()
    yunet()
    files = [path for path in SEEDS.rglob("*") if path.is_file()]
    print(f"{len(files)} seeds, {sum(path.stat().st_size for path in files)} bytes")
