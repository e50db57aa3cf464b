"""What the scripts here say when a Python package that they need is missing."""

from __future__ import annotations

import pathlib
import sys

REQUIREMENTS = pathlib.Path(__file__).resolve().parent / "requirements.txt"


def stop(script: str, target: str, error: ImportError) -> None:
    """Ends `script`, which `make target` sets up."""
    print(
        f"{script}: the Python package {error.name!r} is missing. Run `make {target}`, which sets everything up, or\n"
        f"  python3 -m pip install --require-hashes -r {REQUIREMENTS}",
        file=sys.stderr,
    )
    sys.exit(2)
