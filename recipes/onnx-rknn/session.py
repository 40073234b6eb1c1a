"""rknn-toolkit2 from the first call to the last, in a process of its own: ``session.py ASKED.json``.

The current folder holds ``model.onnx`` and, for a quantised model, ``dataset.txt``; ``model.rknn`` is
written to it.
With inputs in ``compute.json``, ``answers.npz`` is what the simulator computes: it only works on a model that
was built in the same process. ``done.json`` is written last; a process that ends without it has failed,
whatever its exit code.

The toolkit writes addresses of its memory into the model. They are the same from run to run as long as all
that happened before is: so ``compute.json`` is not looked at until the model is written, and Python is told
always the same number of the process, for the model of some chips was another where that had a digit more.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
from edgepack_recipe.steady import with_fixed_addresses
from no_torch import stand_in

ROW = re.compile(r"^\[\w+] (\S+) +(?:[\d.]+|nan) \|")
REWRITTEN = (
    r"(?:[-_](?:mm|rs|tp|conv|sq|usq|bn|reshape|rsh|sp))+"  # what the toolkit appends to a tensor's name
)
PROCESS = 12345
Names = dict[str, list[str]]


def main(asked: dict[str, Any]) -> None:
    fixed = with_fixed_addresses()  # the toolkit writes uninitialised memory into the model
    os.getpid = lambda: PROCESS
    stand_in()
    from rknn.api import RKNN

    rknn = RKNN(verbose=False)
    _must(rknn.config(target_platform=asked["chip"], **asked["config"]), "config")
    _must(rknn.load_onnx("model.onnx"), "load_onnx")
    kept: Names = {}
    if asked["keep"]:
        rknn, kept = _hybrid(RKNN, rknn, asked["keep"])
    else:
        quantised = asked["quantised"]
        _must(rknn.build(do_quantization=quantised, dataset="dataset.txt" if quantised else None), "build")
    _must(rknn.export_rknn("model.rknn"), "export_rknn")
    wanted: dict[str, Any] = json.loads(Path("compute.json").read_text())
    if wanted["inputs"]:
        _must(rknn.init_runtime(), "init_runtime")
        answers = _compute(rknn, wanted)
        if wanted["taps"]:
            answers.update(_taps(rknn, wanted))
        np.savez("answers.npz", **answers)
    Path("done.json").write_text(json.dumps({"fixed_addresses": fixed, "kept": kept}))


def _must(code: int, what: str) -> None:
    if code != 0:
        raise SystemExit(f"rknn-toolkit2: {what} returned {code}")


def _hybrid(new: Any, rknn: Any, keep: Names) -> tuple[Any, Names]:
    """Quantised, but for the tensors that the nodes in ``keep`` make: those stay float16.

    keep: ONNX node → its outputs. The toolkit fuses and renames; a node that it has no tensor of is left
    out of
    what is returned.
    """
    _must(rknn.hybrid_quantization_step1(dataset="dataset.txt"), "hybrid_quantization_step1")
    config = next(Path().glob("*.quantization.cfg"))
    text = config.read_text()
    known = re.findall(r"^    (\S.*):$", text.partition("quantize_parameters:")[2], re.MULTILINE)
    found: Names = {}
    for node, tensors in keep.items():
        own = [
            k
            for k in known
            for t in tensors
            if re.fullmatch(re.escape(t) + f"(?:{REWRITTEN})?", k.strip("'\""))
        ]
        if own:
            found[node] = own
    chosen = "".join(f"\n    {tensor}: float16" for tensors in found.values() for tensor in tensors)
    empty = "custom_quantize_layers: {}"
    if empty not in text:
        raise SystemExit(f"rknn-toolkit2: {config} has no {empty}")
    config.write_text(text.replace(empty, f"custom_quantize_layers:{chosen}" if chosen else empty))
    stem = config.name[: -len(".quantization.cfg")]
    again = new(verbose=False)
    done = again.hybrid_quantization_step2(f"{stem}.model", f"{stem}.data", config.name)
    _must(done, "hybrid_quantization_step2")
    return again, found


def _compute(rknn: Any, asked: dict[str, Any]) -> dict[str, np.ndarray]:
    """Outputs by ONNX name, (N, …)."""
    found: Names | dict[str, list[np.ndarray]] = {name: [] for name in asked["output_names"]}
    for sample in _samples(asked):
        formats = ["nchw"] * len(sample)  # looked at for four dimensions alone, and it may not be None
        for name, value in zip(found, rknn.inference(inputs=sample, data_format=formats), strict=True):
            found[name].append(np.asarray(value, np.float32))
    return {name: np.concatenate(values) for name, values in found.items()}


def _samples(asked: dict[str, Any]) -> list[list[np.ndarray]]:
    with np.load(asked["inputs"], allow_pickle=False) as inputs:
        arrays = [inputs[name].astype(np.float32) for name in asked["input_names"]]
    return [[array[n : n + 1] for array in arrays] for n in range(min(len(array) for array in arrays))]


def _taps(rknn: Any, asked: dict[str, Any]) -> dict[str, np.ndarray]:
    """``tap:<tensor>``, (N, …): what the simulator has between the layers, under the name that ONNX has
    for it.

    A tensor in the middle of a fused layer has no number in the toolkit's own table, and is not given.
    """
    found: dict[str, list[np.ndarray]] = {}
    for sample in _samples(asked):
        files = [f"tap{number}.npy" for number in range(len(sample))]
        for file, array in zip(files, sample, strict=True):
            np.save(file, array)
        _must(rknn.accuracy_analysis(inputs=files, output_dir="snapshot"), "accuracy_analysis")
        table = Path("snapshot/error_analysis.txt").read_text().splitlines()
        computed = {match.group(1) for match in map(ROW.match, table) if match}
        for name, shape in asked["taps"].items():
            file = Path("snapshot/simulator/npy") / f"{name.replace('/', '_')}.npy"
            if name in computed and file.is_file():
                array = np.load(file, allow_pickle=False)
                if list(array.shape) == shape:
                    found.setdefault(f"tap:{name}", []).append(array)
        shutil.rmtree("snapshot")
    return {name: np.concatenate(arrays) for name, arrays in found.items()}


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
