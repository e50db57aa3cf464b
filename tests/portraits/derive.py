"""Makes the files in derived/ that the `image` crate cannot write: run `python3 derive.py` (needs Pillow) in this folder.

Each shows person_a_1.jpg (CC BY-SA 3.0 FR, see CREDITS.md) in another encoding; the face stays as it is.
"""

from pathlib import Path

from PIL import Image

FOLDER = Path(__file__).parent
NAME = "person_a_1"


def main() -> None:
    derived = FOLDER / "derived"
    derived.mkdir(exist_ok=True)
    with Image.open(FOLDER / f"{NAME}.jpg") as portrait:
        portrait.convert("CMYK").save(derived / f"{NAME}_cmyk.jpg", quality=75)
        portrait.save(derived / f"{NAME}_progressive.jpg", quality=85, progressive=True)
        palette = portrait.quantize(colors=96, dither=Image.Dither.NONE)
        palette.save(derived / f"{NAME}_palette.png", optimize=True)


if __name__ == "__main__":
    main()
