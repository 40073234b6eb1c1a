"""Stand-in for TNN's `converter.py onnx2tnn`, from github.com/Tencent/TNN (BSD 3-Clause), tools/convert2tnn.

utils/args_parser.py: the arguments; onnx_converter/onnx2tnn.py: what is written, and where it must be
started, as it calls ../onnx2tnn/onnx-converter; utils/checker.py; converter.py: every exception is caught
there, said, and ends in exit code 0.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(next(f for f in Path(__file__).resolve().parents if (f / "standin.py").is_file())))
import standin

CONVERT_FAILED = 255  # sys.exit(-1)
LOST = "Conversion to  tnn failed :(\n"


def parser():
    """utils/args_parser.py, onnx2tnn."""
    top = argparse.ArgumentParser(prog="convert")
    sub = top.add_subparsers(dest="sub_command")
    onnx = sub.add_parser("onnx2tnn")
    onnx.add_argument(dest="onnx_path")
    onnx.add_argument("-in", metavar="input_info", dest="input_names", nargs="+")
    onnx.add_argument("-optimize", action="store_true")
    onnx.add_argument("-half", action="store_true")
    onnx.add_argument("-int8", action="store_true")
    onnx.add_argument("-v", dest="version", default="v1.0.0")
    onnx.add_argument("-o", dest="output_dir")
    onnx.add_argument("-align", nargs="?", const="output", default="")
    onnx.add_argument("-align_batch", action="store_true")
    onnx.add_argument("-input_file", dest="input_file_path")
    onnx.add_argument("-ref_file", dest="refer_file_path")
    onnx.add_argument("-debug", action="store_true")
    return top


def check_dims(graph, said):
    """checker.check_onnx_dim, onnx2tnn.check_input_names"""
    if graph.dynamic() and said is None:
        standin.fail(
            "You should use -in to specify input's name and shape. e.g.: -in name:1,3,32,32", CONVERT_FAILED
        )
    if said is not None:
        names = [text.rpartition(":")[0] for text in said]
        if len(names) != len(graph.inputs):
            standin.fail("The specified input does not match the input of the ONNX model.", CONVERT_FAILED)


def convert(args):
    onnx = Path(args.onnx_path)
    for place in (onnx, Path(args.output_dir or onnx.parent)):
        if not place.exists():
            standin.fail(f"the {place} does not exist! please make sure the file exist!\n", CONVERT_FAILED)
    graph = standin.Graph(onnx)
    check_dims(graph, args.input_names)
    if not Path("../onnx2tnn/onnx-converter").is_dir():
        raise FileNotFoundError("[Errno 2] No such file or directory: '../onnx2tnn/onnx-converter/'")
    if bad := graph.unsupported(standin.CONTROL_FLOW):
        print(f"error::op convert failed onnx:{bad[0].type}")
        standin.fail("Converter ONNX to TNN model failed!\n", CONVERT_FAILED)
    if args.half and args.align:
        raise ValueError("align needs fp32")
    stem = onnx.name[: -len(".onnx")] + (".opt" if args.optimize else "")
    inputs = "".join(f"input: {','.join(map(str, dims))}\n" for dims in graph.inputs.values())
    for suffix in (".tnnproto", ".tnnmodel"):
        made = Path(args.output_dir or onnx.parent) / (stem + suffix)
        standin.artifact(made, "TNN", [onnx, args.half, args.int8], more=inputs)


def main():
    standin.begin()
    args = parser().parse_args()
    print(f"\n{'-' * 10}  convert model, please wait a moment {'-' * 10}\n")
    if args.sub_command != "onnx2tnn":
        sys.exit(parser().print_help())
    print("Converter ONNX to TNN Model...\n")
    try:
        convert(args)
    except Exception as error:  # noqa: BLE001 - as the real one does
        print(f"{LOST}{type(error).__name__}: {error}")
        sys.exit(0)
    standin.succeed("Converter ONNX to TNN model succeed!\n", LOST)


main()
