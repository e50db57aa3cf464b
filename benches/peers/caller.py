"""Runs one subject in the subject's own environment and times it; bench_peers.py starts this and tells it what to do.

  python caller.py SUBJECT --probe FILE --reference FILE
      [--models DIR] [--address HOST:PORT] [--cv-threads N] [--threads N]

Speaks JSON, one object a line. It says first what it is: {"match", "versions", "models"}. Then it reads commands:
{"do": "latency", "runs": N} gives {"ms": [...]}; {"do": "throughput", "seconds": S} gives {"pairs", "seconds"}.
Anything that goes wrong gives {"error": ...} and ends it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pathlib
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from subjects import Subject, Task

SUBJECTS = ("deepface", "opencv", "padan", "verifyface")
# Comparisons that every thread makes before anything is timed.
WARM_UP = 5

Compare = Callable[[], bool]


class Caller:
    """One thread that compares, with what the subject keeps for a thread: some load their networks for each."""

    def __init__(self, subject: Subject) -> None:
        self.thread = ThreadPoolExecutor(max_workers=1)
        self.compare: Compare | None = None
        self.subject = subject

    def warm_up(self) -> set[bool]:
        """What it says about the pair, over some comparisons."""
        self.compare = self.subject.connect()
        return {self.compare() for _ in range(WARM_UP)}

    def latencies_ms(self, runs: int) -> list[float]:
        """Milliseconds of each of `runs` comparisons, one after the other."""
        taken = []
        for _ in range(runs):
            started = time.perf_counter()
            self.compare()
            taken.append((time.perf_counter() - started) * 1000)
        return taken

    def count_until(self, end: float) -> int:
        """Comparisons begun before `end`; the last one is completed."""
        count = 0
        while time.perf_counter() < end:
            self.compare()
            count += 1
        return count


def all_at_once(callers: list[Caller], do: Callable[[Caller], Any]) -> list[Any]:
    """What each of the threads makes of it."""
    futures = [caller.thread.submit(do, caller) for caller in callers]
    return [future.result() for future in futures]


def prepared(options: argparse.Namespace) -> tuple[Subject, list[Caller], bool]:
    """The subject, its callers, warm, and whether it calls the pair a match."""
    probe, reference = options.probe.read_bytes(), options.reference.read_bytes()
    task = Task(probe, reference, options.models, options.address, options.cv_threads)
    subject = importlib.import_module(f"subjects.{options.subject}").prepare(task)
    callers = [Caller(subject) for _ in range(options.threads)]
    # All at once, as they will be timed: every worker of a server gets its share.
    matches = set().union(*all_at_once(callers, Caller.warm_up))
    if len(matches) != 1:
        raise RuntimeError("the same two photographs were a match once, and once not")
    return subject, callers, matches.pop()


def answer(command: dict[str, Any], callers: list[Caller]) -> dict[str, Any]:
    """Does one command."""
    if command["do"] == "latency":
        (taken,) = all_at_once(callers[:1], lambda caller: caller.latencies_ms(command["runs"]))
        return {"ms": taken}
    if command["do"] == "throughput":
        started = time.perf_counter()
        end = started + command["seconds"]
        pairs = sum(all_at_once(callers, lambda caller: caller.count_until(end)))
        return {"pairs": pairs, "seconds": time.perf_counter() - started}
    raise ValueError(f"there is no command {command['do']!r}")


def parsed() -> argparse.Namespace:
    """What bench_peers.py asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subject", choices=SUBJECTS)
    parser.add_argument("--probe", type=pathlib.Path, required=True)
    parser.add_argument("--reference", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path)
    parser.add_argument("--address")
    parser.add_argument("--cv-threads", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def main() -> int:
    options = parsed()
    # Libraries print what they like: standard output is for answers only, theirs goes to standard error.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    try:
        subject, callers, match = prepared(options)
        print(json.dumps({"match": match, "versions": subject.versions, "models": subject.models}), file=answers)
        for line in sys.stdin:
            print(json.dumps(answer(json.loads(line), callers)), file=answers)
    # Whatever a peer throws, the bench reports it and goes on with the others.
    except Exception as error:  # noqa: BLE001
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), file=answers)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
