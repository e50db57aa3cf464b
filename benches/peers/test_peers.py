"""Tests of the bench itself; none needs a peer installed, or depends on how fast anything is.

python3 -B -m unittest discover -s benches/peers
"""

from __future__ import annotations

import argparse
import contextlib
import email
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import bench_peers
import caller
from figures import FAILED, MISSING, Outcome, quantile, ratio, report, table
from peers import Peer, Setup, all_peers
from running import Bench, PeerError, read_line, stop
from subjects import Subject
from subjects.deepface import form

PADAN = Outcome(
    name="padan",
    match=True,
    versions={"padan": "0.1.0"},
    models={"sface": "ab"},
    latency_ms=[[10.0, 11.0, 12.0], [20.0, 21.0, 22.0]],
    pairs_per_s=[40.0, 20.0],
    setup="4 callers",
    trials={"4 callers": 39.0},
)
# In each round three times as slow for one caller, and a quarter of the pairs: the machine was slower in the second.
SLOWER = Outcome(
    name="slower",
    match=False,
    latency_ms=[[30.0, 33.0, 36.0], [60.0, 63.0, 66.0]],
    pairs_per_s=[10.0, 5.0],
    setup="2 processes",
)
ABSENT = Outcome(name="absent", status=MISSING, reason="ERROR: No matching distribution found")
CONTEXT = {
    "machine": {"cpu": "A processor", "cores_used": [0, 1], "load_1min": 0.25},
    "pictures": {"probe": {"file": "probe.jpg", "bytes": 151490, "sha256": "cd"}},
    "rounds": 2,
    "runs": 3,
    "seconds": 6,
}


class ReportTest(unittest.TestCase):
    def test_a_quantile_is_a_value_that_was_measured(self) -> None:
        values = [float(value) for value in range(10, 0, -1)]
        self.assertEqual(quantile(values, 0.9), 9.0)
        self.assertEqual(quantile(values, 0.5), 5.0)
        self.assertEqual(quantile([7.0], 0.9), 7.0)

    def test_a_ratio_is_taken_in_each_round(self) -> None:
        # The second round was ten times as slow for both; the ratio of the medians would be 6.
        self.assertEqual(ratio([2.0, 20.0, 6.0], [1.0, 10.0, 1.0]), 2.0)
        with self.assertRaises(ValueError):
            ratio([1.0, 2.0], [1.0])

    def test_ratios_above_one_say_that_padan_is_faster(self) -> None:
        padan, slower, _ = report([PADAN, SLOWER, ABSENT], CONTEXT)["subjects"]
        self.assertEqual(slower["ratio"], {"latency": 3.0, "throughput": 4.0})
        self.assertEqual(padan["ratio"], {"latency": 1.0, "throughput": 1.0})

    def test_the_json_has_what_a_reader_needs_to_repeat_it(self) -> None:
        told = json.loads(json.dumps(report([PADAN, SLOWER, ABSENT], CONTEXT)))
        self.assertLessEqual({"machine", "pictures", "rounds", "runs", "seconds", "subjects"}, set(told))
        padan, _, absent = told["subjects"]
        self.assertEqual(
            set(padan), {"name", "status", "match", "versions", "models", "latency_ms", "throughput", "ratio"}
        )
        self.assertEqual(padan["latency_ms"], {"median": 16.0, "p90": 17.0, "runs": 6, "round_medians": [11.0, 21.0]})
        self.assertEqual(padan["throughput"]["pairs_per_s"], 30.0)
        self.assertEqual(padan["throughput"]["trials"], {"4 callers": 39.0})
        self.assertEqual(absent, {"name": "absent", "status": MISSING, "reason": ABSENT.reason})

    def test_the_table_has_a_row_for_each_subject_and_says_what_is_missing(self) -> None:
        lines = table(report([PADAN, SLOWER, ABSENT], CONTEXT)).splitlines()
        (slower,) = [line.split() for line in lines if line.startswith("slower")]
        self.assertEqual(slower, ["slower", "48.0", "51.0", "3.00", "7.50", "4.00", "no", "match", "2", "processes"])
        self.assertIn("absent               not installed", lines)
        self.assertEqual(lines[-1], "absent: not installed: ERROR: No matching distribution found")
        self.assertEqual(lines[0], "A processor, 2 cores used, load 0.2 at the start")
        self.assertIn("probe: probe.jpg, 151,490 bytes", lines)


class PeersTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_a_peer_without_its_environment_is_missing_and_says_why(self) -> None:
        peer = Peer(name="x", subject="opencv", environment=self.folder / "opencv")
        self.assertIn("set-up did not run", peer.why_missing())
        (self.folder / "opencv.log").write_text("Collecting x\nERROR: No matching distribution\n\n")
        self.assertEqual(peer.why_missing(), "ERROR: No matching distribution")
        peer.environment.mkdir()
        (peer.environment / ".installed").write_text("digest")
        self.assertIsNone(peer.why_missing())

    def test_padan_comes_first_and_every_peer_has_set_ups_for_all_cores(self) -> None:
        peers = all_peers(2, self.folder)
        self.assertEqual(peers[0].subject, "padan")
        self.assertLessEqual({peer.subject for peer in peers}, set(caller.SUBJECTS))
        for peer in peers:
            described = [peer.described(setup) for setup in peer.saturation]
            self.assertEqual(len(set(described)), 3, described)
            busiest = max(setup.processes * setup.threads for setup in peer.saturation)
            self.assertGreaterEqual(busiest, 2, peer.name)

    def test_a_set_up_is_described_by_what_matters_to_the_subject(self) -> None:
        padan, _, opencv, *_, deepface = all_peers(2, self.folder)
        self.assertEqual(padan.described(Setup(threads=4)), "4 callers")
        self.assertEqual(opencv.described(Setup()), "1 process × 1 thread, OpenCV's default threads each")
        self.assertEqual(
            opencv.described(Setup(processes=2, cv_threads=1)), "2 processes × 1 thread, 1 OpenCV thread each"
        )
        self.assertEqual(deepface.described(Setup(workers=1, threads=2)), "1 server worker, 2 callers")


class RunningTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.picture = self.folder / "picture.jpg"
        self.picture.write_bytes(b"not looked at")

    def bench(self, binary: str = sys.executable) -> Bench:
        return Bench(self.picture, self.picture, pathlib.Path(binary), self.folder)

    def test_what_a_subject_throws_arrives_as_the_reason(self) -> None:
        (self.folder / "bin").mkdir()
        (self.folder / "bin" / "python").symlink_to(sys.executable)
        # Without an address deepface cannot be prepared; and that needs nothing but the standard library.
        peer = Peer(name="x", subject="deepface", environment=self.folder)
        reason = "ValueError: deepface needs its server's address"
        with self.assertRaisesRegex(PeerError, reason), self.bench().callers(peer, Setup(processes=2), None):
            self.fail("it cannot be ready")

    def test_a_server_that_ends_says_why(self) -> None:
        binary = self.folder / "padan"
        binary.write_text("#!/bin/sh\necho starting >&2\necho the model manifest is malformed >&2\nexit 2\n")
        binary.chmod(0o755)
        reason = "it ended by itself: the model manifest is malformed"
        with self.assertRaisesRegex(PeerError, reason), self.bench(str(binary)).padan_server(()):
            self.fail("it cannot be ready")

    def test_a_process_that_says_nothing_is_ended(self) -> None:
        sleeper = subprocess.Popen(["sleep", "600"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(stop, sleeper)
        with self.assertRaisesRegex(PeerError, "no answer in 0.1 s"):
            read_line(sleeper, 0.1, self.folder / "no.log")
        self.assertIsNotNone(sleeper.wait(timeout=60))

    def fake_padan(self, result: dict) -> str:
        """A program that knows `load`, and writes this result where it is told to."""
        binary = self.folder / "padan"
        (self.folder / "result").write_text(json.dumps(result))
        copy = f'while [ $# -gt 1 ]; do [ "$1" = --json ] && cp "{self.folder}/result" "$2"; shift; done'
        binary.write_text(f"#!/bin/sh\n{copy}\nexit 0\n")
        binary.chmod(0o755)
        return str(binary)

    def test_the_throughput_of_padan_load_is_taken_only_when_every_call_was_served(self) -> None:
        self.assertFalse(self.bench().has_load)
        bench = self.bench(self.fake_padan({"throughput_per_s": 42.5, "ok": 255, "refused": 0, "failed": 0}))
        self.assertTrue(bench.has_load)
        self.assertEqual(bench.load("127.0.0.1:1", 4, 6), 42.5)
        bench = self.bench(self.fake_padan({"throughput_per_s": 42.5, "ok": 255, "refused": 3, "failed": 0}))
        with self.assertRaisesRegex(PeerError, "0 failed, 3 refused"):
            bench.load("127.0.0.1:1", 4, 6)

    def test_the_form_for_deepface_has_both_files_and_both_names(self) -> None:
        head = b"Content-Type: multipart/form-data; boundary=line\r\n\r\n"
        parsed = email.message_from_bytes(head + form("line", b"\xff\xd8 one", b"\xff\xd8 two"))
        parts = {part.get_param("name", header="content-disposition"): part for part in parsed.get_payload()}
        found = {name: part.get_payload(decode=True) for name, part in parts.items()}
        expected = {
            "model_name": b"SFace",
            "detector_backend": b"yunet",
            "img1": b"\xff\xd8 one",
            "img2": b"\xff\xd8 two",
        }
        self.assertEqual(found, expected)
        self.assertEqual(parts["img1"].get_filename(), "img1.jpg")


class CallerTest(unittest.TestCase):
    def callers(self, number: int) -> list[caller.Caller]:
        subject = Subject(connect=lambda: lambda: True, versions={}, models={})
        callers = [caller.Caller(subject) for _ in range(number)]
        for one in callers:
            self.addCleanup(one.thread.shutdown)
        self.assertEqual(caller.all_at_once(callers, caller.Caller.warm_up), [{True}] * number)
        return callers

    def test_every_run_of_one_caller_is_timed(self) -> None:
        taken = caller.answer({"do": "latency", "runs": 7}, self.callers(2))["ms"]
        self.assertEqual(len(taken), 7)
        self.assertGreaterEqual(min(taken), 0)

    def test_the_pairs_of_all_threads_are_counted(self) -> None:
        callers = self.callers(2)
        with mock.patch.object(caller.Caller, "count_until", side_effect=[3, 4]):
            self.assertEqual(caller.answer({"do": "throughput", "seconds": 1}, callers)["pairs"], 7)

    def test_an_unknown_command_is_an_error(self) -> None:
        with self.assertRaisesRegex(ValueError, "there is no command 'sleep'"):
            caller.answer({"do": "sleep"}, self.callers(1))


class MeasureTest(unittest.TestCase):
    """bench_peers.measure with invented times instead of a bench."""

    def measured(self, broken: str, missing: str = "") -> list[Outcome]:
        peers = [Peer(name, "opencv", pathlib.Path(name), saturation=(Setup(),)) for name in ("padan", "a", "b")]
        options = argparse.Namespace(rounds=3, runs=2, seconds=1, trial_seconds=1)

        def latency(_bench: None, peer: Peer, outcome: Outcome, runs: int) -> None:
            if peer.name == broken and outcome.latency_ms:
                raise PeerError("it broke in the second round")
            outcome.latency_ms.append([1.0] * runs)

        with (
            mock.patch.object(bench_peers, "latency", latency),
            mock.patch.object(bench_peers, "throughput", return_value=2.0),
            mock.patch.object(Peer, "why_missing", lambda peer: "no network" if peer.name == missing else None),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            return bench_peers.measure(None, peers, options)

    def test_a_peer_that_fails_or_is_missing_leaves_the_others_alone(self) -> None:
        padan, a, b = self.measured(broken="a", missing="b")
        self.assertEqual((a.status, a.reason), (FAILED, "it broke in the second round"))
        self.assertEqual((b.status, b.reason, b.latency_ms), (MISSING, "no network", []))
        self.assertEqual((len(padan.latency_ms), len(padan.pairs_per_s)), (3, 3))

    def test_without_padan_there_is_nothing_to_compare(self) -> None:
        padan, a, _ = self.measured(broken="padan")
        self.assertEqual(padan.status, FAILED)
        self.assertEqual(len(a.latency_ms), 2)


if __name__ == "__main__":
    unittest.main()
