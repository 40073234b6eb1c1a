"""tpu_mlir's programs, one after the other: transform, calibrate, deploy, simulate."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import overlay
from edgepack_recipe import Refused, step, tensors, trained

HERE = Path(__file__).resolve().parent
MODES = {"fp32": "F32", "fp16": "F16", "bf16": "BF16", "int8": "INT8"}
CALIBRATED = ("int8",)
METHODS = {"kl": "use_kl", "minmax": "use_max", "percentile": "use_percentile9999", "mse": "use_mse"}
CV18XX = ("cv183x", "cv182x", "cv181x", "cv180x")
ACTIVATIONS = ("Relu", "LeakyRelu", "Sigmoid", "Clip", "PRelu", "BatchNormalization", "Add")
BUILT = re.compile(rb"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\n")  # asctime(3)
CVI_BUILT = re.compile(rb"(\x13\x00\x00\x00)\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
CVI_HEADER = 48
UNSAID = ("alpha", "beta", "gamma")
COMPLAINT = re.compile(r"error|assert|not support|not implement|unsupport|Exception", re.IGNORECASE)
TIMEOUT_S = 1500


@dataclass(frozen=True)
class Asked:
    """A model to deploy to a chip. keep: nodes that stay in floating point."""

    model: trained.Trained
    chip: str
    precision: str
    quantisation: Mapping[str, str] = field(default_factory=dict)
    calibration: Path | None = None
    keep: tuple[str, ...] = ()

    @property
    def suffix(self) -> str:
        return "cvimodel" if self.chip in CV18XX else "bmodel"

    @property
    def float_mode(self) -> str:
        """What layers that are kept are computed in: BM1684 has no half precision, CV18xx only bfloat16."""
        if self.chip in CV18XX:
            return "BF16"
        return "F32" if self.chip == "bm1684" else "F16"


@dataclass(frozen=True)
class Deployed:
    """file: the model; mlir: its twin for the interpreter, with a name for each tensor; kept: as far as it
    went."""

    file: Path
    mlir: Path
    kept: tuple[str, ...]
    tree: overlay.Overlay


def deploy(asked: Asked, work: Path) -> Deployed:
    """Raises Refused."""
    tree = overlay.make(work / "tpu_mlir")
    folder = work / "model"
    folder.mkdir()
    onnx.save(_spelt_out(asked.model), str(folder / "trained.onnx"))
    shapes = [list(value.shape) for value in asked.model.inputs]
    transform = ("--model_name", "model", "--model_def", "trained.onnx", "--input_shapes", json.dumps(shapes))
    _tool(asked, tree, folder, "model_transform", *transform, "--mlir", "model.mlir", makes="model.mlir")
    deployed = f"model.{asked.suffix}"
    options = ["--mlir", "model.mlir", "--quantize", MODES[asked.precision], "--chip", asked.chip]
    options += ["--skip_validation", "--debug", "--model", deployed]
    kept: dict[str, str] = {}
    if asked.precision in CALIBRATED:
        _calibrate(asked, tree, folder)
        options += ["--calibration_table", "table"]
        if asked.quantisation.get("scheme") == "asymmetric":
            options += ["--asymmetric"]
        kept = _kept(asked, (folder / "model.mlir").read_text())
        lines = [f"{layer} {asked.float_mode}" for layer in kept.values()]
        (folder / "layers").write_text("\n".join(["# layer mode", *lines]) + "\n")
        options += ["--quantize_table", "layers"] if kept else []
    _tool(asked, tree, folder, "model_deploy", *options, makes=deployed)
    _without_time(folder / deployed)
    twin = next(iter(sorted(folder.glob("model_*_tpu.mlir"))), folder / "missing")
    return Deployed(folder / deployed, twin, tuple(kept), tree)


def _spelt_out(trained_model: trained.Trained) -> onnx.ModelProto:
    """The model with ONNX's defaults written where it leaves them out: tpu_mlir takes a missing `alpha` of
    Elu and LeakyRelu for 0, and has another one for HardSigmoid (measured with 1.15)."""
    model = onnx.load(str(trained_model.file))
    for node in model.graph.node:
        if node.domain in ("", "ai.onnx") and onnx.defs.has(node.op_type):
            said = {attribute.name for attribute in node.attribute}
            known = onnx.defs.get_schema(node.op_type, trained_model.opset, "").attributes
            node.attribute.extend(
                known[name].default_value
                for name in UNSAID
                if name in known and name not in said and known[name].default_value.type
            )
    return model


def _tool(asked: Asked, tree: overlay.Overlay, folder: Path, name: str, *options: str, makes: str) -> None:
    done = step(tree.tool(name), *options, cwd=folder, timeout_s=TIMEOUT_S, env=tree.environment)
    if done.code != 0 or not (folder / makes).is_file():
        raise _failed(asked, done.ended(f"tpu_mlir's {name}"), done.noise)


def _without_time(file: Path) -> None:
    """The moment of the build, which the file has in words, is set to one: the same bytes each time.

    A .bmodel has it as asctime(3) does. A .cvimodel has it as ``2026-01-31 12:00:00``, in the description
    whose size
    is at byte 8, and at byte 14 the MD5 of all that follows its header of 48 bytes: measured with 1.15.
    """
    data = bytearray(file.read_bytes())
    if data[:8] == b"CviModel":
        end = CVI_HEADER + int.from_bytes(data[8:12], "little")
        if hashlib.md5(data[CVI_HEADER:]).digest() != data[14:30]:
            return  # another layout: left as it is
        data[CVI_HEADER:end] = CVI_BUILT.sub(rb"\g<1>1970-01-01 00:00:00", bytes(data[CVI_HEADER:end]))
        data[14:30] = hashlib.md5(data[CVI_HEADER:]).digest()
    else:
        data[:65536] = BUILT.sub(b"Thu Jan  1 00:00:00 1970\n", bytes(data[:65536]))
    file.write_bytes(data)


def _calibrate(asked: Asked, tree: overlay.Overlay, folder: Path) -> None:
    if asked.calibration is None:
        what = f"{asked.precision} needs calibration data"
        raise Refused("unsupported-input", what, fix="name some in edgepack.yaml: model.calibration.data")
    names = [value.name for value in asked.model.inputs]
    files = []
    for number, sample in enumerate(tensors.samples(asked.calibration)):
        missing = [name for name in names if name not in sample]
        if missing:
            raise Refused("unsupported-input", f"the calibration data has nothing for the input {missing[0]}")
        files.append(f"calibration-{number:05}.npz")
        np.savez(str(folder / files[-1]), **{name: sample[name] for name in names})
    (folder / "samples").write_text("\n".join(files) + "\n")
    method = METHODS[asked.quantisation.get("method", "kl")]
    options = ("--data_list", "samples", "--input_num", str(len(files)), "--cali_method", method)
    _tool(
        *(
            asked,
            tree,
            folder,
            "run_calibration",
            "model.mlir",
            *options,
            "--chip",
            asked.chip,
            "-o",
            "table",
        ),
        makes="table",
    )


def onnx_names(model: trained.Trained) -> dict[str, str]:
    """tpu_mlir's name of a tensor → ONNX's: it appends the operator to the output's name."""
    return {f"{out}_{node.op_type}": out for node in model.graph.node for out in node.output if out}


def _kept(asked: Asked, mlir: str) -> dict[str, str]:
    """Node → the layer that computes it, for those that there are: an activation is fused into what is
    before it."""
    layers = set(re.findall(r'loc\("([^"]*)"\)', mlir))
    readers: dict[str, list[object]] = {}
    for node in asked.model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    found = {}
    for node in asked.model.nodes_named(asked.keep):
        at = node
        while f"{at.output[0]}_{at.op_type}" not in layers:
            after = readers.get(at.output[0], [])
            if len(after) != 1 or after[0].op_type not in ACTIVATIONS:  # type: ignore[attr-defined]
                break
            at = after[0]  # type: ignore[assignment]
        else:
            found[node.name or node.output[0]] = f"{at.output[0]}_{at.op_type}"
    return found


def simulate(tree: overlay.Overlay, model: Path, inputs: Path, work: Path) -> dict[str, np.ndarray]:
    """What the chip's simulator gives, (N, 1, …) by tpu_mlir's names. Raises Refused."""
    work.mkdir(parents=True, exist_ok=True)
    copy = work / model.name
    if model.suffix != ".mlir":  # the tool writes beside the model
        shutil.copyfile(model, copy)
    answers = work / "answers.npz"
    asked = (copy if model.suffix != ".mlir" else model, inputs, answers)
    cwd = work if model.suffix != ".mlir" else model.parent
    done = step(HERE / "simulate.py", *asked, cwd=cwd, timeout_s=TIMEOUT_S, env=tree.environment)
    if not answers.is_file():
        what = f"tpu_mlir's simulator does not run the model: {done.ended('it')}"
        raise Refused("converter-failed", what, detail=done.noise[-1500:])
    found = tensors.load(answers)
    answers.unlink()
    return found


def named(model: trained.Trained, answers: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Outputs by ONNX name, (N, …): tpu_mlir keeps their order, and appends operator and type to the name.

    An output whose own node is folded away (Dropout, Cast) has the name of the layer before it.
    """
    if len(answers) != len(model.outputs):
        raise Refused(
            "converter-failed", f"the converted model has {len(answers)} outputs, not {len(model.outputs)}"
        )
    found = {}
    for output, (name, array) in zip(model.outputs, answers.items(), strict=True):
        if not _is_of(name, output.name) and any(_is_of(name, other.name) for other in model.outputs):
            said = f"{name} stands where {output.name} is to be"
            raise Refused("converter-failed", "tpu_mlir has the outputs in another order", said)
        found[output.name] = _shaped(array, output.shape)
    return found


def _is_of(theirs: str, output: str) -> bool:
    return bool(re.fullmatch(re.escape(output) + "(_[A-Za-z]+(_[a-z0-9]+)?)?", theirs))


def _shaped(array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """(N, 1, …) as (N, …); CV18xx's tensors have four dimensions, whatever ONNX has."""
    if array[0].size != int(np.prod(shape)):
        raise Refused("parity", f"an output has the shape {array.shape[1:]}, and not {tuple(shape)}")
    return array.reshape(len(array), *shape[1:])


def _failed(asked: Asked, ended: str, noise: str) -> Refused:
    """The tool's own complaint, with the model's nodes that it is about."""
    complaint = "\n".join(dict.fromkeys(line for line in noise.splitlines() if COMPLAINT.search(line)))
    lacking = re.search(r"Op not support: *\{([^}]+)\}", noise)  # its traceback shows the line with {} before
    if lacking:
        operators = asked.model.operators
        lost = re.findall(r"\w+", lacking.group(1))
        which = "; ".join(f"{op} (node {', '.join(operators.get(op, ['?'])[:5])})" for op in lost)
        raise Refused("unsupported-operator", f"tpu_mlir has nothing for {which}", detail=complaint[-1500:])
    return Refused("converter-failed", ended, detail=f"{(complaint or noise)[-1500:]}\n[{ended}]")
