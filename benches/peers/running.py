"""Starting, asking and stopping what is measured: callers in their own environments, and servers."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

from peers import REPOSITORY, Peer, Setup, last_words

HERE = pathlib.Path(__file__).resolve().parent
# Longest time for a server or a caller to be ready, and for an answer beyond the time asked for, seconds.
PATIENCE_S = 180
STOP_S = 30


class PeerError(Exception):
    """A subject could not be started, or did not do its work; the message says what it said."""


def stop(process: subprocess.Popen) -> None:
    """Asks it to end, and ends it if it does not."""
    process.terminate()
    try:
        process.wait(timeout=STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in filter(None, (process.stdin, process.stdout)):
        # What was not read or sent any more is of no interest.
        with contextlib.suppress(BrokenPipeError):
            pipe.close()


def read_line(process: subprocess.Popen, seconds: float, log: pathlib.Path) -> str:
    """The next line it prints; if none comes in that time, it is ended."""
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    # A blocked read cannot be timed out, but it ends with its process.
    watchdog = threading.Timer(seconds, end)
    watchdog.start()
    line = process.stdout.readline()
    watchdog.cancel()
    if not line and late.is_set():
        raise PeerError(f"no answer in {seconds:g} s: {last_words(log)}")
    if not line:
        raise PeerError(f"it ended by itself: {last_words(log)}")
    return line


class CallerProcess:
    """One process of caller.py."""

    def __init__(self, process: subprocess.Popen, log: pathlib.Path) -> None:
        self.process = process
        self.log = log

    def tell(self, command: dict[str, Any]) -> None:
        """Starts a command; its answer is read later, so that several processes work at once."""
        try:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise PeerError(f"it ended by itself: {last_words(self.log)}") from None

    def read(self, seconds: float = 0) -> dict[str, Any]:
        """The next answer, to a command of so many seconds."""
        answer = json.loads(read_line(self.process, PATIENCE_S + seconds, self.log))
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer


class Bench:
    """What all measurements share: the pair, padan's binary, and where logs go."""

    def __init__(self, probe: pathlib.Path, reference: pathlib.Path, binary: pathlib.Path, logs: pathlib.Path) -> None:
        self.probe, self.reference, self.binary, self.logs = probe, reference, binary, logs
        self.has_load = subprocess.run([binary, "load", "--help"], capture_output=True, check=False).returncode == 0

    @contextlib.contextmanager
    def callers(self, peer: Peer, setup: Setup, address: str | None) -> Iterator[tuple[list[CallerProcess], dict]]:
        """Callers of a set-up, ready and warm, and what the first says the subject is."""
        command = [peer.environment / "bin" / "python", "-B", HERE / "caller.py", peer.subject]
        command += ["--probe", self.probe, "--reference", self.reference]
        command += ["--threads", str(setup.threads), "--cv-threads", str(setup.cv_threads)]
        command += ["--models", peer.models] if peer.models else []
        command += ["--address", address] if address else []
        log = self.logs / f"{peer.subject}.log"
        with contextlib.ExitStack() as stack:
            errors = stack.enter_context(log.open("w"))
            started = []
            for _ in range(setup.processes):
                process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=REPOSITORY
                )
                stack.callback(stop, process)
                started.append(CallerProcess(process, log))
            told = [caller.read() for caller in started]
            yield started, told[0]

    @contextlib.contextmanager
    def server(self, peer: Peer, setup: Setup) -> Iterator[str | None]:
        """The subject's own server and its address; None where the subject works in the callers' processes."""
        if peer.subject == "padan":
            with self.padan_server(peer.options) as address:
                yield address
        elif peer.subject == "deepface":
            with self.deepface_server(peer, setup.workers) as address:
                yield address
        else:
            yield None

    @contextlib.contextmanager
    def padan_server(self, options: tuple[str, ...]) -> Iterator[str]:
        """The release server as an operator starts it, but for free ports and a quiet log."""
        command = [self.binary, "serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--log", "warn"]
        command += options
        log = self.logs / "padan-server.log"
        with log.open("w") as errors:
            process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=errors, text=True)
            try:
                announcement = read_line(process, PATIENCE_S, log).strip()
                if not announcement.startswith("padan listens on "):
                    raise PeerError(f"the server announced {announcement!r}")
                yield announcement.removeprefix("padan listens on ")
            finally:
                stop(process)

    @contextlib.contextmanager
    def deepface_server(self, peer: Peer, workers: int) -> Iterator[str]:
        """deepface's API as its documentation starts it, with a number of workers and the models loaded at start."""
        home = str(peer.models)
        environment = os.environ | {
            "HOME": home,
            "DEEPFACE_HOME": home,
            "DEEPFACE_FACE_RECOGNITION_MODELS": "SFace",
            "DEEPFACE_FACE_DETECTION_MODELS": "yunet",
        }
        command = [peer.environment / "bin" / "gunicorn", f"--workers={workers}", "--timeout=3600"]
        command += ["--bind=127.0.0.1:0", "--no-control-socket", "deepface.api.src.app:create_app()"]
        log = self.logs / "deepface-server.log"
        with log.open("w") as output:
            process = subprocess.Popen(command, cwd=home, env=environment, stdout=output, stderr=subprocess.STDOUT)
            try:
                yield deepface_address(process, log, workers)
            finally:
                stop(process)

    def load(self, address: str, concurrency: int, seconds: float) -> float:
        """Pairs a second that `padan load` completes in a closed loop."""
        result = self.logs / "padan-load.json"
        command = [self.binary, "load", "--server", f"http://{address}", "--probe", self.probe]
        command += ["--reference", self.reference, "--mode", "closed", "--concurrency", str(concurrency)]
        command += ["--duration", str(seconds), "--json", result]
        log = self.logs / "padan-load.log"
        with log.open("w") as output:
            try:
                patience = PATIENCE_S + seconds
                done = subprocess.run(
                    command, cwd=REPOSITORY, stdout=output, stderr=output, timeout=patience, check=False
                )
            except subprocess.TimeoutExpired:
                raise PeerError(f"padan load did not end in {patience:g} s") from None
        if done.returncode != 0:
            raise PeerError(f"padan load ended with {done.returncode}: {last_words(log)}")
        told = json.loads(result.read_text())
        if told["failed"] or told["refused"]:
            raise PeerError(f"padan load: {told['failed']} failed, {told['refused']} refused")
        return told["throughput_per_s"]


def deepface_address(process: subprocess.Popen, log: pathlib.Path, workers: int) -> str:
    """HOST:PORT, once every worker has loaded its models."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and process.poll() is None:
        told = log.read_text(errors="replace")
        listening = re.search(r"Listening at: http://(\S+)", told)
        if listening and told.count("Welcome to DeepFace API") >= workers:
            return listening.group(1)
        time.sleep(0.1)
    raise PeerError(f"its server did not start: {last_words(log)}")
