"""A converted model on the simulator of its chip; the tensors between the layers by tpu_mlir's
interpreter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import overlay
import toolkit
from edgepack_recipe import Refused, Simulation, trained


def run(simulation: Simulation) -> dict[str, np.ndarray]:
    """Outputs, and taps. Raises Refused."""
    file = simulation.model / str(simulation.report["files"][0])
    if simulation.taps:
        return _with_taps(simulation, file)
    tree = overlay.make(simulation.work / "tpu_mlir")
    answers = toolkit.simulate(tree, file, simulation.inputs, simulation.work / "look")
    return _outputs(simulation, answers)


def _outputs(simulation: Simulation, answers: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """By ONNX name and in ONNX's shape, as convert found them."""
    found = {}
    for output in simulation.report["outputs"]:
        if output["name"] not in answers:
            raise Refused("converter-failed", f"the model has no output {output['name']}")
        array = answers[output["name"]]
        found[output["tensor"]] = array.reshape(len(array), *output["shape"][1:])
    return found


def _with_taps(simulation: Simulation, file: Path) -> dict[str, np.ndarray]:
    """The model is made again, for a .bmodel has no tensors but its outputs; it must be the one that
    ships."""
    asked = simulation.report["asked"]
    if simulation.trained is None:
        raise Refused("converter-failed", "its tensors need the ONNX model that this was made of")
    model = trained.read(simulation.trained, (1, 99))
    again = toolkit.Asked(
        *(model, str(simulation.chip), asked["precision"], asked["quantisation"], simulation.calibration),
        tuple(asked["keep"]),
    )
    deployed = toolkit.deploy(again, simulation.work)
    answers = toolkit.simulate(deployed.tree, file, simulation.inputs, simulation.work / "look")
    if file.read_bytes() != deployed.file.read_bytes():
        raise Refused(
            "parity", "the model that ships is not the one whose tensors are asked for", fix="build it anew"
        )
    found = _outputs(simulation, answers)
    inside = toolkit.simulate(deployed.tree, deployed.mlir, simulation.inputs, simulation.work / "inside")
    names = toolkit.onnx_names(model)
    whole = onnx.shape_inference.infer_shapes(onnx.load(str(model.file))).graph.value_info
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in whole}
    for theirs, array in inside.items():
        tensor = names.get(theirs)
        wanted = simulation.taps == ("*",) or tensor in simulation.taps
        if tensor and wanted and array[0].size == int(np.prod(shapes.get(tensor, [0]))):
            found[f"tap:{tensor}"] = array.reshape(len(array), *shapes[tensor][1:])
    return found
