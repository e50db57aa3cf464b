"""A whole activation in Python: consent, verification by NIK, redeeming the result, and what to do about each decision.

  python3 examples/activate.py --nik 3171014101909999 --selfie selfie.jpg
  python3 examples/activate.py --nik … --selfie … --server padan.example:50051 --ca ca.pem --cert backend.pem --key backend.key

Needs grpcio and grpcio-reflection; the messages come from the server itself. Exit codes: 0 activated, 1 not activated (the
output says what to do), 2 usage, 3 padan could not be asked.
"""

from __future__ import annotations

import argparse
import ipaddress
import pathlib
import sys
import time
import uuid

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

TIMEOUT_S = 20
TRIES = 4
# Nothing was done.
REFUSED_FOR_NOW = {grpc.StatusCode.RESOURCE_EXHAUSTED}
# Nobody knows whether it was done.
UNKNOWN = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
# What this backend does about each decision. One that it does not know is never an activation.
NEXT_STEP = {
    "DECISION_NO_MATCH": "not activated: check the NIK and try again, or ask for a manual check",
    "DECISION_RETRY_CAPTURE": "not activated: capture again as the reasons say; this cost no attempt",
    "DECISION_MANUAL_REVIEW": "not activated yet: an officer has to look",
    "DECISION_CANNOT_VERIFY": "not activated: nothing was compared; the reasons say what is missing",
    "DECISION_SUSPECTED_ATTACK": "not activated yet: a senior officer has to look",
}


class Padan:
    """padan's methods, by what the server says about itself."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))

    def call(self, service: str, name: str, again: set[grpc.StatusCode], **fields: object) -> object:
        """Calls a method; tries again, with the same message, after the codes in `again`."""
        method = self.pool.FindServiceByName(f"padan.v1.{service}").FindMethodByName(name)
        request = message_factory.GetMessageClass(method.input_type)(**fields)
        call = self.channel.unary_unary(
            f"/padan.v1.{service}/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
        )
        for attempt in range(1, TRIES + 1):
            try:
                return call(request, timeout=TIMEOUT_S)
            except grpc.RpcError as error:
                if error.code() not in again or attempt == TRIES:
                    raise
                time.sleep(0.2 * 2**attempt)
        raise AssertionError("the loop returns or raises")


def name_of(message: object, field: str) -> str:
    """An enum's value by name; values of a newer server are numbers."""
    values = message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number
    number = getattr(message, field)
    return values[number].name if number in values else str(number)


def activate(padan: Padan, arguments: argparse.Namespace) -> int:
    response = padan.call(
        "FaceVerification",
        "Verify",
        # The same request id gives the one answer: asked again also when nobody knows.
        again=REFUSED_FOR_NOW | UNKNOWN,
        # Made before the first try: a repetition is recognised by it.
        meta={"request_id": str(uuid.uuid4())},
        probe={"image": arguments.selfie.read_bytes()},
        subject={"nik": arguments.nik},
        context={
            "purpose": "PURPOSE_ACTIVATION",
            "channel": "CHANNEL_COUNTER",
            "office": arguments.office,
            "operator": arguments.operator,
            "device": arguments.device,
            "session": arguments.session,
        },
        # What the office took down when the citizen agreed, before the camera was switched on.
        consent={
            "id": str(uuid.uuid4()),
            "basis": "LEGAL_BASIS_CONSENT",
            "notice_version": "pemberitahuan-2026-03",
            "given_at": {"seconds": int(time.time())},
        },
    )
    decision = name_of(response, "decision")
    for reason in response.reasons:
        print(f"  {reason.text_id}\n  {reason.text_en}")
    if decision != "DECISION_MATCH":
        print(f"{decision.removeprefix('DECISION_')}: {NEXT_STEP.get(decision, 'not activated: an unknown decision')}")
        if response.review_id:
            print(f"  case {response.review_id}")
        return 1
    return redeem(padan, response.result_token, arguments.device)


def redeem(padan: Padan, token: str, device: str) -> int:
    """What counts is what the token says, not what the app showed."""
    try:
        result = padan.call("Results", "RedeemResult", again=REFUSED_FOR_NOW, result_token=token, device=device)
    except grpc.RpcError as error:
        # A token is good for one use: another try could only say that it was used.
        if error.code() not in UNKNOWN:
            raise
        print("not activated: whether the result was used is not known; verify again")
        return 1
    if name_of(result, "decision") != "DECISION_MATCH" or name_of(result, "purpose") != "PURPOSE_ACTIVATION":
        print("not activated: the result is for something else")
        return 1
    print(f"activated: subject {result.subject_hash[:16]}…, request {result.request_id}")
    return 0


def is_loopback(server: str) -> bool:
    """Whether HOST:PORT is on this machine."""
    host = server.rpartition(":")[0] or server
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def channel(arguments: argparse.Namespace) -> grpc.Channel:
    if arguments.ca is None:
        return grpc.insecure_channel(arguments.server)
    credentials = grpc.ssl_channel_credentials(
        arguments.ca.read_bytes(), arguments.key.read_bytes(), arguments.cert.read_bytes()
    )
    return grpc.secure_channel(arguments.server, credentials)


def main() -> int:
    parser = argparse.ArgumentParser(description="Activates a digital identity through padan.")
    parser.add_argument("--server", default="127.0.0.1:50051", metavar="HOST:PORT")
    parser.add_argument("--nik", required=True)
    parser.add_argument("--selfie", required=True, type=pathlib.Path, metavar="FILE")
    parser.add_argument("--office", default="3171")
    parser.add_argument("--operator", default="officer-7")
    parser.add_argument("--device", default="counter-2")
    parser.add_argument("--session", default=str(uuid.uuid4()), help="the citizen's visit (default: a new one)")
    for name in ("ca", "cert", "key"):
        parser.add_argument(f"--{name}", type=pathlib.Path, metavar="FILE", help="PEM, for mutual TLS")
    arguments = parser.parse_args()
    if len({arguments.ca is None, arguments.cert is None, arguments.key is None}) > 1:
        parser.error("--ca, --cert and --key go together")
    if arguments.ca is None and not is_loopback(arguments.server):
        parser.error(
            "without --ca, --cert and --key the NIK and the face would cross the network in plain text: give them, "
            "or ask a server on this machine (127.0.0.1:PORT)"
        )
    try:
        with channel(arguments) as connection:
            return activate(Padan(connection), arguments)
    except OSError as error:
        parser.error(str(error))
    except grpc.RpcError as error:
        print(f"padan could not be asked ({error.code().name}): {error.details()}", file=sys.stderr)
    except Exception as error:  # The descriptor pool wraps what the channel raises.
        print(f"padan could not be asked: {error}", file=sys.stderr)
    return 3


if __name__ == "__main__":
    sys.exit(main())
