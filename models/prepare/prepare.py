#!/usr/bin/env python3
"""Makes the models padan serves from the ones their authors publish, and checks the two against each other.

  prepare.py all PUBLISHED_DIR MODELS_DIR      all served models, from files checked by SHA-256
  prepare.py embedder IN OUT [--store-fp16]    any ArcFace-style network: one face crop in, one embedding out
  prepare.py detector IN OUT                   YuNet, or any detector whose height and width may be freed
  prepare.py quantise IN RANGES OUT            an 8-bit network from a chain of Conv, PRelu and Gemm
  prepare.py calibrate IN RANGES --faces DIR   measures the ranges that `quantise` needs, on photographs of faces
  prepare.py check ORIGINAL PREPARED           compares outputs and speed on faces from real photographs

The same input gives the same bytes, on every machine; only `calibrate` rounds as the processor does. `check` and
`calibrate` also need onnxruntime and pillow; the rest needs onnx.
Exit codes: 0 done, 1 the check found a difference, 2 it could not be done (the message says what to do).
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import missing

try:
    import onnx

    import graph
    import quantise
except ImportError as error:
    missing.stop("prepare", "models", error)


class PrepareError(Exception):
    """Something the caller can put right; the message says how."""


@dataclasses.dataclass(frozen=True)
class Published:
    """A file as its authors publish it, and what is made of it."""

    file: str
    sha256: str
    kind: str
    served: str
    store_fp16: bool = False
    ranges: str = ""


PUBLISHED = (
    Published(
        file="face_detection_yunet_2023mar.onnx",
        sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
        kind="detector",
        served="yunet_2023mar.onnx",
    ),
    Published(
        file="face_recognition_sface_2021dec.onnx",
        sha256="0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
        kind="embedder",
        served="sface_2021dec.onnx",
        store_fp16=True,
    ),
    Published(
        file="face_recognition_sface_2021dec.onnx",
        sha256="0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
        kind="quantised",
        served="sface_2021dec_int8.onnx",
        ranges="sface_2021dec_int8.ranges.npz",
    ),
)


@dataclasses.dataclass
class Prepared:
    """What was done to one model."""

    source: str
    source_sha256: str
    output: str
    output_sha256: str
    output_bytes: int
    inputs: dict[str, list]
    outputs: dict[str, list]
    operators: str
    initializer_inputs_dropped: int = 0
    prelus_rewritten: int = 0
    weights_stored_fp16: int = 0
    notes: list[str] = dataclasses.field(default_factory=list)


def prepare(kind: str, source: pathlib.Path, output: pathlib.Path, store_fp16: bool) -> Prepared:
    """Rewrites `source` to `output`; `kind` is "embedder" or "detector"."""
    content, model = load(source)
    notes: list[str] = []
    dropped = graph.drop_initializer_inputs(model)
    require_one_image(model, source)
    rewritten, left = graph.rewrite_prelus(model) if kind == "embedder" else (0, [])
    notes += left
    size = {2: "height", 3: "width"} if kind == "detector" else {}
    graph.free_dimensions(model, {0: graph.BATCH, **size})
    stored = 0
    if store_fp16:
        stored, left = graph.store_fp16(model)
        notes += left
    done = {"initializer_inputs_dropped": dropped, "prelus_rewritten": rewritten, "weights_stored_fp16": stored}
    return finish(model, source, content, output, {}, notes=notes, **done)


def prepare_quantised(source: pathlib.Path, ranges: pathlib.Path, output: pathlib.Path) -> Prepared:
    """Writes the 8-bit network of `source` to `output`."""
    content, model = load(source)
    quantised, provenance = quantise.quantise(model, ranges)
    return finish(quantised, source, content, output, provenance)


def load(source: pathlib.Path) -> tuple[bytes, onnx.ModelProto]:
    """The file's bytes and the model in them."""
    content = read(source)
    try:
        model = onnx.load_from_string(content)
        onnx.checker.check_model(model)
    except Exception as error:  # onnx and protobuf raise several unrelated types for a damaged file.
        raise PrepareError(f"{source} is not a valid ONNX model ({error}). Fetch it again.") from error
    return content, model


def finish(model, source: pathlib.Path, content: bytes, output: pathlib.Path, provenance, **done) -> Prepared:
    """Checks and writes a model, with where it comes from."""
    source_sha256 = hashlib.sha256(content).hexdigest()
    graph.tidy(model, {"padan.source": source.name, "padan.source_sha256": source_sha256, **provenance})
    onnx.checker.check_model(model, full_check=not model.functions)
    written = model.SerializeToString(deterministic=True)
    write(output, written)
    return Prepared(
        source=source.name,
        source_sha256=source_sha256,
        output=str(output),
        output_sha256=hashlib.sha256(written).hexdigest(),
        output_bytes=len(written),
        inputs={value.name: dimensions(value) for value in model.graph.input},
        outputs={value.name: dimensions(value) for value in model.graph.output},
        operators=graph.operators(model),
        **done,
    )


def require_one_image(model: onnx.ModelProto, source: pathlib.Path) -> None:
    """Refuses a network whose input is not one picture [batch, channels, height, width]."""
    inputs = model.graph.input
    if len(inputs) == 1 and len(inputs[0].type.tensor_type.shape.dim) == 4:
        return
    found = ", ".join(f"{value.name} {dimensions(value)}" for value in inputs) or "none"
    raise PrepareError(f"{source} must have one input [batch, channels, height, width]; it has: {found}.")


def dimensions(value: onnx.ValueInfoProto) -> list:
    """A tensor's shape: numbers, names, and "?" for a dimension that is free and has no name."""
    return [d.dim_param or d.dim_value or "?" for d in value.type.tensor_type.shape.dim]


def read(path: pathlib.Path) -> bytes:
    """The file's bytes, or an error that names it."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise PrepareError(f"{path} could not be read: {error.strerror}.") from error


def write(path: pathlib.Path, content: bytes) -> None:
    """Writes all or nothing, so that an interrupted run leaves no half model behind."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise PrepareError(f"{path} could not be written: {error.strerror}.") from error


def prepare_all(published: pathlib.Path, models: pathlib.Path) -> list[Prepared]:
    """All served models. A published file with another digest is refused."""
    for item in PUBLISHED:
        digest = hashlib.sha256(read(published / item.file)).hexdigest()
        if digest != item.sha256:
            raise PrepareError(
                f"{published / item.file} is not the published file: its SHA-256 is {digest}, not {item.sha256}. "
                "Delete it and run `make models` again."
            )
    return [
        prepare_quantised(published / item.file, HERE / item.ranges, models / item.served)
        if item.ranges
        else prepare(item.kind, published / item.file, models / item.served, item.store_fp16)
        for item in PUBLISHED
    ]


def show(done: Prepared) -> None:
    """One model, for people."""
    shape = lambda named: ", ".join(f"{name} [{', '.join(map(str, dims))}]" for name, dims in named.items())
    print(f"\n{done.source}  →  {done.output}")
    for label, value in (
        ("size", f"{done.output_bytes:,} bytes"),
        ("SHA-256", done.output_sha256),
        ("input", shape(done.inputs)),
        ("output", shape(done.outputs)),
        ("PRelu rewritten", done.prelus_rewritten),
        ("fp16 weights", done.weights_stored_fp16),
        ("operators", done.operators),
        *(("note", note) for note in done.notes),
    ):
        print(f"  {label:<16}{value}")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    path = pathlib.Path
    for kind in ("embedder", "detector"):
        command = commands.add_parser(kind, help=f"prepare one {kind}")
        command.add_argument("source", type=path, metavar="IN")
        command.add_argument("output", type=path, metavar="OUT")
        if kind == "embedder":
            command.add_argument("--store-fp16", action="store_true", help="store large weights in half the bytes")
    command = commands.add_parser("quantise", help="prepare an 8-bit embedder")
    command.add_argument("source", type=path, metavar="IN")
    command.add_argument("ranges", type=path, metavar="RANGES")
    command.add_argument("output", type=path, metavar="OUT")
    command = commands.add_parser("calibrate", help="measure the ranges of an embedder on faces")
    command.add_argument("source", type=path, metavar="IN")
    command.add_argument("ranges", type=path, metavar="RANGES")
    command.add_argument("--faces", type=path, required=True, metavar="DIR",
                         help="folder with JPEG photographs of one clear face each; those below it count too")
    command.add_argument("--count", type=int, default=400, metavar="N",
                         help="photographs to take, evenly spread over the names (default: %(default)s)")
    command.add_argument("--detector", type=path, default=HERE.parent / "yunet_2023mar.onnx", metavar="FILE",
                         help="the prepared YuNet that finds the faces (default: the served one)")
    command = commands.add_parser("all", help="prepare all served models")
    command.add_argument("published", type=path, metavar="PUBLISHED_DIR")
    command.add_argument("models", type=path, metavar="MODELS_DIR")
    command = commands.add_parser("check", help="compare a prepared model with the original")
    command.add_argument("original", type=path, metavar="ORIGINAL")
    command.add_argument("prepared", type=path, metavar="PREPARED")
    command.add_argument("--portraits", type=path, default=HERE.parent.parent / "tests" / "portraits", metavar="DIR",
                         help="JPEG photographs with one clear face each (default: tests/portraits)")
    command.add_argument("--detector", type=path, default=HERE.parent / "yunet_2023mar.onnx", metavar="FILE",
                         help="the prepared YuNet that finds the faces (default: the served one)")
    command.add_argument("--normalise", type=float, nargs=2, default=(0.0, 1.0), metavar=("MEAN", "SCALE"),
                         help="what the network expects of a pixel 0–255: (pixel − MEAN) × SCALE (default: 0 1)")
    command.add_argument("--cosine-min", type=float, default=0.99999, metavar="C",
                         help="least cosine to the original that passes (default: %(default)s)")
    command.add_argument("--runs", type=int, default=100, metavar="N", help="timed runs of each (default: %(default)s)")
    for command in commands.choices.values():
        command.add_argument("--json", action="store_true", help="print JSON in place of text")
    return parser.parse_args()


def run(args: argparse.Namespace) -> int:
    """Does what was asked and prints it; returns the exit code."""
    if args.command in ("check", "calibrate"):
        try:
            import calibrate
            import check
        except ImportError as error:
            raise PrepareError(
                f"`{args.command}` needs the Python package {error.name!r} too: install {missing.REQUIREMENTS}."
            ) from error
        if args.command == "calibrate":
            _, model = load(args.source)
            print(json.dumps(calibrate.calibrate(model, args.faces, args.detector, args.count, args.ranges), indent=2))
            return 0
        result = check.compare(args)
        print(json.dumps(result, indent=2) if args.json else check.as_text(result))
        return 0 if result["passed"] else 1
    if args.command == "all":
        done = prepare_all(args.published, args.models)
    elif args.command == "quantise":
        done = [prepare_quantised(args.source, args.ranges, args.output)]
    else:
        done = [prepare(args.command, args.source, args.output, getattr(args, "store_fp16", False))]
    if args.json:
        print(json.dumps([dataclasses.asdict(item) for item in done], indent=2))
    else:
        for item in done:
            show(item)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(run(arguments()))
    except (PrepareError, ValueError) as problem:
        print(f"prepare: {problem}", file=sys.stderr)
        sys.exit(2)
