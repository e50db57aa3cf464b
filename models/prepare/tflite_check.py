"""Compares a converted model with the TensorFlow Lite file it was made from, which LiteRT runs."""

from __future__ import annotations

import hashlib
import pathlib
import tomllib

import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter

import calibrate
import check
import faces
import prepare
import tflite_file
import tflite_to_onnx

# Besides faces: noise reaches ranges that faces do not.
NOISE = 6


class Original:
    """The TensorFlow Lite file on one thread, called as an ONNX Runtime session is: pictures channels first."""

    def __init__(self, path: pathlib.Path):
        self.interpreter = Interpreter(model_content=prepare.read(path), num_threads=1)
        self.interpreter.allocate_tensors()
        (self.input,), (self.output,) = self.interpreter.get_input_details(), self.interpreter.get_output_details()
        self.batch = int(self.input["shape"][0])
        self.name, self.shape = self.input["name"], self.output["shape"]

    def get_inputs(self) -> list[Original]:
        """The only input, which has a name."""
        return [self]

    def get_outputs(self) -> list[Original]:
        """The only output, which has a shape."""
        return [self]

    def run(self, _, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Embeddings of any number of pictures; the file's fixed batch is filled up with the last."""
        pictures = feed[self.name].transpose(0, 2, 3, 1)
        found = []
        for start in range(0, len(pictures), self.batch):
            part = pictures[start : start + self.batch]
            filled = np.concatenate([part, np.repeat(part[-1:], self.batch - len(part), axis=0)])
            self.interpreter.set_tensor(self.input["index"], np.ascontiguousarray(filled))
            self.interpreter.invoke()
            found.append(self.interpreter.get_tensor(self.output["index"])[: len(part)].copy())
        return [np.concatenate(found)]


def compare(args) -> dict:
    """Embeddings of aligned faces and of noise, the digest in the manifest, and what rewriting PReLU gains."""
    entry = manifest_entry(args.manifest, args.output.name)
    digest = hashlib.sha256(prepare.read(args.output)).hexdigest()
    original, converted = Original(args.source), check.session(args.output)
    crops = faces.crops(faces.photographs(args.portraits), check.session(args.detector))
    noise = np.random.default_rng(0).integers(0, 256, (NOISE, *crops.shape[1:])).astype(np.float32)
    if dimension(converted) != dimension(original):
        raise prepare.PrepareError(f"{args.output} is not made from {args.source}: its embeddings have another length.")
    normalised = lambda pixels: (pixels - np.float32(entry["mean"])) * np.float32(entry["scale"])
    on_faces = check.compare_embedders(original, converted, normalised(crops), args.cosine_min)
    on_noise = check.compare_embedders(original, converted, normalised(noise), args.cosine_min)
    plain = calibrate.session_of(tflite_to_onnx.convert(tflite_file.read(prepare.read(args.source))))
    spent = check.time_in_turn(plain, converted, normalised(crops[:1]), args.runs)
    return {
        "original": args.source.name,
        "converted": args.output.name,
        "faces": len(crops),
        "noise": NOISE,
        "cosine_min": min(on_faces["cosine_min"], on_noise["cosine_min"]),
        "batch_cosine_min": min(on_faces["batch_cosine_min"], on_noise["batch_cosine_min"]),
        "similarity_change_max": on_faces["similarity_change_max"],
        "difference_max": difference(original, converted, normalised(np.concatenate([crops, noise]))),
        "sha256": digest,
        "sha256_in_manifest": entry["sha256"],
        "computes_the_same": on_faces["passed"] and on_noise["passed"],
        "passed": on_faces["passed"] and on_noise["passed"] and digest == entry["sha256"],
        "runtime": f"onnxruntime {onnxruntime.__version__}",
        "machine": f"{check.processor()}, 1 thread",
        "runs": args.runs,
        "milliseconds": {"with_prelu": spent["original"], "converted": spent["prepared"]},
    }


def manifest_entry(path: pathlib.Path, file: str) -> dict:
    """What the manifest says of a file."""
    models = tomllib.loads(prepare.read(path).decode())["model"]
    found = next((entry for entry in models if entry["file"] == file), None)
    if found is None:
        raise prepare.PrepareError(f"{path} has no entry for {file}: add one, with its SHA-256, mean and scale.")
    return found


def dimension(model) -> int:
    """The length of its embeddings."""
    return int(model.get_outputs()[0].shape[-1])


def difference(original, converted, pictures: np.ndarray) -> float:
    """The largest difference between numbers of two embeddings, relative to the largest number of the original's."""
    before, after = check.run(original, pictures)[0], check.run(converted, pictures)[0]
    return float(np.abs(before - after).max() / np.abs(before).max())


def as_text(result: dict) -> str:
    """The result for people: a markdown table and one line of verdict."""
    spent = result["milliseconds"]
    facts = (
        ("least cosine to the original", f"{result['cosine_min']:.8f}"),
        ("greatest difference, relative to the greatest number", f"{result['difference_max']:.1e}"),
        ("greatest change of a similarity between two faces", f"{result['similarity_change_max']:.1e}"),
        ("least cosine, batch against single", f"{result['batch_cosine_min']:.8f}"),
        ("with PRelu as one operator, median ms", f"{spent['with_prelu']:.2f}"),
        ("as converted, median ms", f"{spent['converted']:.2f}"),
        ("speed-up", f"{spent['with_prelu'] / spent['converted']:.2f}×"),
    )
    pictures = f"{result['faces']} faces and {result['noise']} pictures of noise"
    lines = [f"\n{result['converted']} against {result['original']}, {pictures}\n"]
    lines += ["| measure | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts)]
    lines.append(f"\n{result['runtime']}, {result['machine']}, {result['runs']} runs of each in turn.")
    if not result["computes_the_same"]:
        lines.append("FAILED: the converted model does not compute what the original does; do not use it.")
    if result["sha256"] != result["sha256_in_manifest"]:
        lines.append(f"FAILED: the SHA-256 is {result['sha256']}, but the manifest pins {result['sha256_in_manifest']}.")
    if result["passed"]:
        lines.append("PASSED: the converted model computes what the original does, and is the one in the manifest.")
    return "\n".join(lines)
