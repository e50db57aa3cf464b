"""deepface: POST /verify of its API server with two files, model SFace, detector YuNet."""

from __future__ import annotations

import http.client
import json
import pathlib
import uuid
from collections.abc import Callable
from importlib.metadata import version

from subjects import Subject, Task, digest

# Longest time for one answer, seconds.
TIMEOUT_S = 120
# Where deepface looks for model files, below DEEPFACE_HOME.
WEIGHTS = pathlib.Path(".deepface") / "weights"


def form(boundary: str, probe: bytes, reference: bytes) -> bytes:
    """The request's body, multipart/form-data."""
    parts = []
    for name, value in (("model_name", "SFace"), ("detector_backend", "yunet")):
        parts += [f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()]
    for name, file in (("img1", probe), ("img2", reference)):
        header = f'Content-Disposition: form-data; name="{name}"; filename="{name}.jpg"\r\nContent-Type: image/jpeg'
        parts += [f"--{boundary}\r\n{header}\r\n\r\n".encode(), file, b"\r\n"]
    return b"".join([*parts, f"--{boundary}--\r\n".encode()])


def prepare(task: Task) -> Subject:
    """Asks the server at the task's address."""
    if task.address is None or task.models is None:
        raise ValueError("deepface needs its server's address and the folder of its models")
    boundary = uuid.uuid4().hex
    body = form(boundary, task.probe, task.reference)
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}

    def connect() -> Callable[[], bool]:
        # gunicorn's workers close a connection after each answer; http.client then opens another by itself.
        connection = http.client.HTTPConnection(task.address, timeout=TIMEOUT_S)

        def compare() -> bool:
            connection.request("POST", "/verify", body, headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                raise RuntimeError(f"deepface answered {answer.status}: {text[:200].decode(errors='replace')}")
            return bool(json.loads(text)["verified"])

        return compare

    files = sorted((task.models / WEIGHTS).glob("*.onnx"))
    names = ("deepface", "gunicorn", "onnxruntime", "opencv-contrib-python-headless", "numpy")
    return Subject(connect, {name: version(name) for name in names}, {file.name: digest(file) for file in files})
