"""padan: `Verify` over gRPC with two photographs, through grpcio and the types that the server's reflection tells."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from subjects import Subject, Task

SERVICE = "padan.v1.FaceVerification"
# Longest time for one answer, seconds.
TIMEOUT_S = 120


def prepare(task: Task) -> Subject:
    """Asks the server at the task's address."""
    if task.address is None:
        raise ValueError("padan needs its server's address")
    channel = grpc.insecure_channel(task.address)
    pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))

    def message(name: str) -> type:
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"padan.v1.{name}"))

    def method(name: str) -> Callable:
        answer = message(f"{name}Response")
        return channel.unary_unary(
            f"/{SERVICE}/{name}",
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=answer.FromString,
        )

    request = message("VerifyRequest")()
    request.probe.image = task.probe
    request.reference_sample.image = task.reference
    match = pool.FindEnumTypeByName("padan.v1.Decision").values_by_name["DECISION_MATCH"].number
    verify = method("Verify")

    def connect() -> Callable[[], bool]:
        return lambda: verify(request, timeout=TIMEOUT_S).decision == match

    info = method("GetServiceInfo")(message("GetServiceInfoRequest")(), timeout=TIMEOUT_S)
    versions = {"padan": info.version, "onnxruntime": info.runtime_version, "grpcio": version("grpcio")}
    return Subject(connect, versions, {model.id: model.sha256 for model in info.models})
