"""The examples as a backend would run them, against a server that keeps references.

  cargo build && .runtime/venv/bin/python -B -m unittest discover -s tests/python
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import pathlib
import subprocess
import sys
import tempfile
import types
import unittest

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PORTRAITS = REPOSITORY / "tests" / "portraits"
BINARY = pathlib.Path(os.environ.get("PADAN_BINARY", REPOSITORY / "target" / "debug" / "padan"))
WOMAN = "3171014101909999"
STRANGER = "3171011505999997"
TIMEOUT_S = 120


def run_example(server: str, nik: str, selfie: str) -> tuple[int, str]:
    """Exit code and output of the example against this server."""
    command = [sys.executable, "-B", REPOSITORY / "examples" / "activate.py", "--server", server]
    run = subprocess.run(
        [*command, "--nik", nik, "--selfie", PORTRAITS / selfie],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_S, check=False,
    )
    return run.returncode, run.stdout


class ActivationTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory(prefix="padan-activation-")
        cls.addClassCleanup(folder.cleanup)
        path = pathlib.Path(folder.name)
        subprocess.run([BINARY, "keys", "init", "--keys", path / "keys"], check=True, stdout=subprocess.DEVNULL)
        config = path / "padan.toml"
        config.write_text(f"[store]\nfile = '{path}/padan.db'\n[keys]\nfolder = '{path}/keys'\n", encoding="utf-8")
        command = [BINARY, "--config", config, "--log", "error", "serve", "--listen", "127.0.0.1:0"]
        cls.server = subprocess.Popen(
            [*command, "--metrics-listen", "127.0.0.1:0"], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
        )
        cls.addClassCleanup(cls.stop_server)
        announced = cls.server.stdout.readline().strip()
        cls.address = announced.removeprefix("padan listens on ")
        assert cls.address and cls.address != announced, f"the server did not start: {announced!r}"
        cls.enrol()

    @classmethod
    def stop_server(cls) -> None:
        cls.server.terminate()
        cls.server.wait(timeout=TIMEOUT_S)
        cls.server.stdout.close()

    @classmethod
    def enrol(cls) -> None:
        with grpc.insecure_channel(cls.address) as channel:
            pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
            method = pool.FindServiceByName("padan.v1.Enrollment").FindMethodByName("Put")
            request = message_factory.GetMessageClass(method.input_type)(
                meta={"request_id": "enrol-1"},
                subject={"nik": WOMAN},
                portrait={"image": (PORTRAITS / "person_a_1.jpg").read_bytes()},
                source="REFERENCE_SOURCE_REGISTRY",
            )
            call = channel.unary_unary(
                "/padan.v1.Enrollment/Put",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
            )
            assert call(request, timeout=TIMEOUT_S).reference_version == 1

    def activate(self, nik: str, selfie: str) -> tuple[int, str]:
        """Exit code and output of the example."""
        return run_example(self.address, nik, selfie)

    def test_the_enrolled_person_is_activated(self) -> None:
        code, output = self.activate(WOMAN, "person_a_2.jpg")
        self.assertEqual(code, 0, output)
        self.assertIn("activated: subject", output)
        self.assertNotIn(WOMAN, output)

    def test_somebody_else_is_not(self) -> None:
        code, output = self.activate(WOMAN, "impostor_1.jpg")
        self.assertEqual(code, 1, output)
        self.assertIn("NO_MATCH: not activated", output)
        self.assertIn("Wajah tidak cocok", output)

    def test_a_number_that_nobody_enrolled_says_what_to_do(self) -> None:
        code, output = self.activate(STRANGER, "person_a_2.jpg")
        self.assertEqual(code, 1, output)
        self.assertIn("CANNOT_VERIFY", output)
        self.assertIn("Belum ada foto rekaman", output)

    def test_a_server_that_is_not_there_is_a_technical_failure(self) -> None:
        code, output = run_example("127.0.0.1:1", WOMAN, "person_a_2.jpg")
        self.assertEqual(code, 3, output)
        self.assertNotIn("Traceback", output)

    def test_plain_text_stays_on_this_machine(self) -> None:
        example = load_example()
        for server in ("127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1"):
            self.assertTrue(example.is_loopback(server), server)
        for server in ("padan.example:1", "10.0.0.1:1", "0.0.0.0:1", "localhost.example:1", "dns:///127.0.0.1:1"):
            self.assertFalse(example.is_loopback(server), server)
        code, output = run_example("padan.example:1", WOMAN, "person_a_2.jpg")
        self.assertEqual(code, 2, output)
        self.assertIn("--ca", output)

    def test_a_result_of_unknown_use_is_not_redeemed_again(self) -> None:
        example = load_example()
        for code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            padan = Gone(code)
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                self.assertEqual(example.redeem(padan, "token", "device"), 1)
            self.assertIn("verify again", output.getvalue())
            self.assertNotIn(code, padan.again)


class Gone(grpc.RpcError):
    """A server that ends each call with one code, and its error."""

    def __init__(self, code: grpc.StatusCode) -> None:
        super().__init__()
        self.code = lambda: code
        self.again = None

    def call(self, service: str, name: str, again: set[grpc.StatusCode], **fields: object) -> object:
        self.again = again
        raise self


def load_example() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("activate", REPOSITORY / "examples" / "activate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    unittest.main()
