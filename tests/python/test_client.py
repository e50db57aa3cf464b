"""A client that shares nothing with padan but the wire: grpcio, and what the server says about itself by reflection.

  cargo build && .runtime/venv/bin/python -B -m unittest discover -s tests/python

PADAN_BINARY names another binary than target/debug/padan.
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import struct
import subprocess
import unittest
import zlib

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PORTRAITS = REPOSITORY / "tests" / "portraits"
BINARY = pathlib.Path(os.environ.get("PADAN_BINARY", REPOSITORY / "target" / "debug" / "padan"))
SERVICE = "padan.v1.FaceVerification"
PAIRS = [
    ("person_a_2.jpg", "person_a_1.jpg", "MATCH"),
    ("person_b_2.jpg", "person_b_1.jpg", "MATCH"),
    ("impostor_1.jpg", "person_a_1.jpg", "NO_MATCH"),
]
# Longest time for one call or command, so that a hanging server fails the test instead of holding it up.
TIMEOUT_S = 120


def grey_png(side: int) -> bytes:
    """A picture without anything in it: 8-bit grey, all pixels 127."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    rows = (b"\0" + b"\x7f" * side) * side
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def error_messages() -> dict[str, type]:
    """google.rpc.Status and BadRequest, which no reflection tells; their field numbers are those of the public API."""
    file = descriptor_pb2.FileDescriptorProto(name="errors.proto", package="google.rpc", syntax="proto3")
    field = descriptor_pb2.FieldDescriptorProto

    def message(name: str, *fields: tuple[str, int, int, int, str | None]) -> None:
        added = file.message_type.add(name=name)
        for field_name, number, label, kind, type_name in fields:
            added.field.add(name=field_name, number=number, label=label, type=kind, type_name=type_name)

    one, many = field.LABEL_OPTIONAL, field.LABEL_REPEATED
    message("Any", ("type_url", 1, one, field.TYPE_STRING, None), ("value", 2, one, field.TYPE_BYTES, None))
    message(
        "Status",
        ("code", 1, one, field.TYPE_INT32, None),
        ("message", 2, one, field.TYPE_STRING, None),
        ("details", 3, many, field.TYPE_MESSAGE, ".google.rpc.Any"),
    )
    message(
        "FieldViolation",
        ("field", 1, one, field.TYPE_STRING, None),
        ("description", 2, one, field.TYPE_STRING, None),
    )
    message("BadRequest", ("field_violations", 1, many, field.TYPE_MESSAGE, ".google.rpc.FieldViolation"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    names = ("Status", "BadRequest")
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"google.rpc.{name}")) for name in names}


class ServerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        if not BINARY.is_file():
            raise FileNotFoundError(f"{BINARY} is missing: run `cargo build`, or name a binary with PADAN_BINARY")
        command = [BINARY, "serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--log", "warn"]
        cls.server = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(cls.stop_server)
        announcement = cls.server.stdout.readline().strip()
        prefix = "padan listens on "
        assert announcement.startswith(prefix), f"no announcement: {announcement!r}"
        cls.address = announcement.removeprefix(prefix)
        cls.channel = grpc.insecure_channel(cls.address)
        cls.addClassCleanup(cls.channel.close)
        cls.reflection = ProtoReflectionDescriptorDatabase(cls.channel)
        cls.pool = descriptor_pool.DescriptorPool(cls.reflection)

    @classmethod
    def stop_server(cls) -> None:
        """Idempotent, so that a test may stop the server and look at its exit code."""
        if cls.server.poll() is None:
            cls.server.send_signal(signal.SIGTERM)
        cls.exit_code = cls.server.wait(timeout=TIMEOUT_S)
        cls.server.stdout.close()

    def message(self, name: str) -> type:
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(name))

    def call(self, service: str, method: str, request):
        """Calls a method with the types that the reflected service names."""
        described = self.pool.FindServiceByName(service).methods_by_name[method]
        self.assertEqual(request.DESCRIPTOR.full_name, described.input_type.full_name)
        answer = message_factory.GetMessageClass(described.output_type)
        stub = self.channel.unary_unary(
            f"/{service}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return stub(request, timeout=TIMEOUT_S)

    def verify_request(self, probe: bytes, reference: bytes):
        request = self.message("padan.v1.VerifyRequest")()
        request.probe.image = probe
        request.reference_sample.image = reference
        return request

    @staticmethod
    def name_of(message, field: str) -> str:
        """The name of an enum field's value."""
        return message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number[getattr(message, field)].name

    def test_reflection_lists_the_services(self) -> None:
        services = set(self.reflection.get_services())
        self.assertLessEqual({SERVICE, "grpc.health.v1.Health"}, services)
        methods = set(self.pool.FindServiceByName(SERVICE).methods_by_name)
        self.assertEqual(methods, {"Verify", "AssessCapture", "GetServiceInfo"})

    def test_decisions_are_those_of_the_command_line(self) -> None:
        for probe, reference, expected in PAIRS:
            with self.subTest(probe=probe, reference=reference):
                request = self.verify_request((PORTRAITS / probe).read_bytes(), (PORTRAITS / reference).read_bytes())
                request.meta.request_id = "python-1"
                answer = self.call(SERVICE, "Verify", request)
                command = [BINARY, "verify", PORTRAITS / probe, PORTRAITS / reference, "--json"]
                local = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, timeout=TIMEOUT_S)
                told = json.loads(local.stdout)
                self.assertEqual(self.name_of(answer, "decision"), f"DECISION_{expected}")
                self.assertEqual(told["decision"], expected)
                self.assertEqual(local.returncode, 0 if expected == "MATCH" else 1)
                self.assertTrue(answer.HasField("similarity"))
                self.assertAlmostEqual(answer.similarity, told["similarity"], places=5)
                self.assertEqual(answer.policy_version, told["policy_version"])
                self.assertEqual(answer.model_contract_id, told["model_contract_id"])
                self.assertEqual(answer.request_id, "python-1")
                self.assertEqual(len(answer.reasons) == 0, expected == "MATCH")

    def test_a_capture_without_a_face_is_a_result_with_advice(self) -> None:
        request = self.message("padan.v1.AssessCaptureRequest")()
        request.sample.image = grey_png(200)
        answer = self.call(SERVICE, "AssessCapture", request)
        self.assertFalse(answer.acceptable)
        self.assertEqual([self.name_of(reason, "code") for reason in answer.reasons], ["REASON_CODE_NO_FACE"])
        self.assertIn("Wajah", answer.reasons[0].text_id)
        self.assertIn("face", answer.reasons[0].text_en)
        self.assertEqual((answer.sample.width, answer.sample.height, len(answer.sample.faces)), (200, 200, 0))

    def test_a_bad_request_names_every_bad_field(self) -> None:
        request = self.message("padan.v1.VerifyRequest")()
        request.meta.request_id = "not allowed: a space"
        request.probe.image = b""
        with self.assertRaises(grpc.RpcError) as raised:
            self.call(SERVICE, "Verify", request)
        error = raised.exception
        self.assertEqual(error.code(), grpc.StatusCode.INVALID_ARGUMENT)
        messages = error_messages()
        trailers = dict(error.trailing_metadata())
        status = messages["Status"].FromString(trailers["grpc-status-details-bin"])
        self.assertEqual(status.code, grpc.StatusCode.INVALID_ARGUMENT.value[0])
        wanted = [detail for detail in status.details if detail.type_url.endswith("google.rpc.BadRequest")]
        self.assertEqual(len(wanted), 1)
        violations = messages["BadRequest"].FromString(wanted[0].value).field_violations
        self.assertEqual([v.field for v in violations], ["meta.request_id", "probe.image", "reference_sample"])
        self.assertTrue(all(violation.description for violation in violations))

    def test_bytes_that_are_no_image_are_the_callers_mistake(self) -> None:
        portrait = (PORTRAITS / "person_a_1.jpg").read_bytes()
        with self.assertRaises(grpc.RpcError) as raised:
            self.call(SERVICE, "Verify", self.verify_request(portrait, b"GIF89a" + bytes(100)))
        self.assertEqual(raised.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertIn("reference_sample.image", raised.exception.details())
        self.assertIn("a GIF file", raised.exception.details())

    def test_health_says_serving_for_the_server_and_its_service(self) -> None:
        for service in ("", SERVICE):
            request = self.message("grpc.health.v1.HealthCheckRequest")(service=service)
            answer = self.call("grpc.health.v1.Health", "Check", request)
            self.assertEqual(self.name_of(answer, "status"), "SERVING")

    def test_service_info_names_models_policies_and_limits(self) -> None:
        answer = self.call(SERVICE, "GetServiceInfo", self.message("padan.v1.GetServiceInfoRequest")())
        self.assertEqual([model.task for model in answer.models], ["detector", "embedder"])
        self.assertTrue(all(len(model.sha256) == 64 and model.licence for model in answer.models))
        self.assertIn("activation", [policy.id for policy in answer.policies])
        self.assertIn("image/jpeg", answer.limits.image_formats)


class StopTest(unittest.TestCase):
    def test_sigterm_ends_the_server_with_exit_code_0(self) -> None:
        command = [BINARY, "serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--log", "warn"]
        with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as server:
            try:
                self.assertIn("padan listens on ", server.stdout.readline())
                server.send_signal(signal.SIGTERM)
                self.assertEqual(server.wait(timeout=TIMEOUT_S), 0)
            finally:
                server.kill()


if __name__ == "__main__":
    unittest.main()
