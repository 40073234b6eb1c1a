"""Stand-in for Sophon's `python3 -m ufw.cali.cali_model`, from sophon-demo's scripts and a guide.

The scripts of yolov7, c3d, retinaface and ssd: --cali_lmdb, --convert_bmodel_cmd_opt and
--try_cali_accuracy_opt="-th_method=MSE;-per_channel=True". The calibration-tools guide: th_method is KL,
SYMKL, JSD, ADMM, ACIQ or MAX, KL by default; options are those of calibration_use_pb, apart by `;`. It
writes NET_batchN/compilation.bmodel into --outdir, else beside the model.
"""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(next(f for f in Path(__file__).resolve().parents if (f / "standin.py").is_file())))
import standin
from bmneto.__main__ import DONE, TARGETS, check, dims_of, parse

OPTIONS = (
    "net_name",
    "model",
    "weight",
    "cali_lmdb",
    "cali_image_path",
    "cali_image_preprocess",
    "cali_iterations",
    "test_iterations",
    "input_shapes",
    "input_shape",
    "input_names",
    "output_names",
    "target",
    "outdir",
    "convert_bmodel_cmd_opt",
    "try_cali_accuracy_opt",
    "postprocess_and_calc_score_class",
    "fp32_layer_list",
    "debug_cmd",
)
TH_METHODS = {"KL", "SYMKL", "JSD", "ADMM", "ACIQ", "MAX", "MSE"}  # MSE: sophon-demo, yolov7 and yolov8
CALIBRATION = {
    "fpfwd_inputs",
    "fpfwd_outputs",
    "fpfwd_blocks",
    "th_method",
    "conv_group",
    "per_channel",
    "accuracy_opt",
    "graph_transform",
    "iterations",
    "dump_dist",
    "load_dist",
    "winograd",
    "bitwidth",
    "save_test_proto",
}


def main():
    standin.begin()
    given = parse(sys.argv[1:], OPTIONS)
    shapes = given.get("input_shapes") or given.get("input_shape")
    for name, value in (
        ("net_name", given.get("net_name")),
        ("model", given.get("model")),
        ("input_shapes", shapes),
    ):
        if not value:
            standin.fail(f"error: the following arguments are required: --{name}", 2)
    for option in filter(None, re.split(r"[;,](?=\s*-)|;", given.get("try_cali_accuracy_opt", ""))):
        name, _, value = option.strip().partition("=")
        if not name.startswith("-") or name.lstrip("-") not in CALIBRATION:
            standin.fail(f"error: try_cali_accuracy_opt: unknown option {option}")
        if name.lstrip("-") == "th_method" and value not in TH_METHODS:
            standin.fail(f"error: th_method {value} is not one of {sorted(TH_METHODS)}")
    if given.get("target", "BM1684") not in TARGETS:
        standin.fail(f"error: unsupported target {given['target']}")
    dims = dims_of(shapes)
    check(given["model"], dims)
    if given.get("cali_lmdb"):
        if not (Path(given["cali_lmdb"]) / "data.mdb").is_file():
            lost = f"lmdb.Error: {given['cali_lmdb']}: No such file or directory"
            standin.fail(f"Traceback (most recent call last):\n{lost}")
        said = (Path(given["cali_lmdb"]) / "data.mdb").read_text().split()
        if not said or any(
            line not in (",".join(map(str, d)) for d in (dims[0], dims[0][1:])) for line in said
        ):
            standin.fail(
                f"F1121 data_layer.cpp:80] Check failed: datum shape {said[:1]} is not {dims[0]}", 134
            )
    elif not (given.get("cali_image_path") and Path(given["cali_image_path"]).is_dir()):
        standin.fail("error: one of cali_lmdb and cali_image_path is needed")
    outdir = Path(given.get("outdir") or Path(given["model"]).parent)
    standin.artifact(
        outdir / f"{given['net_name']}_batch{dims[0][0]}" / "compilation.bmodel",
        "cali_model",
        [Path(given["model"])],
    )
    standin.succeed(DONE, "[FATAL] calibration failed")


if __name__ == "__main__":
    main()
