"""What is measured: each module prepares one way to compare the two photographs, in that way's own environment."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Task:
    """The same work for every subject: two JPEG files, encoded, as bytes."""

    probe: bytes
    reference: bytes
    # Folder of the model files. None: the subject brings its own.
    models: pathlib.Path | None
    # Where the subject's server listens, HOST:PORT. None: the subject works in this process.
    address: str | None
    # Threads OpenCV may use for one call. 0: its default, all cores.
    cv_threads: int


@dataclasses.dataclass(frozen=True)
class Subject:
    """A subject that is ready to compare."""

    # Makes what one thread needs; the result compares the pair once and says whether it is a match.
    connect: Callable[[], Callable[[], bool]]
    versions: dict[str, str]
    # SHA-256 of each model file, by the file's name.
    models: dict[str, str]


def digest(file: pathlib.Path) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
