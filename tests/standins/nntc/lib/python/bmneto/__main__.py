"""Stand-in for Sophon's `python3 -m bmneto`, from the NNTC guide's "Compiling ONNX models" (3.2.6: arguments,
`Store bmodel of BMCompiler`, compilation.bmodel in --outdir). One dash does as well as two (sophon-demo).
"""

import ast
import sys
from pathlib import Path

sys.path.insert(0, str(next(f for f in Path(__file__).resolve().parents if (f / "standin.py").is_file())))
import standin

OPTIONS = (
    "model",
    "input_names",
    "shapes",
    "outdir",
    "target",
    "net_name",
    "opt",
    "dyn",
    "cmp",
    "mode",
    "descs",
    "enable_profile",
    "output_names",
    "list_ops",
    "v",
)
TARGETS = {"BM1682", "BM1684", "BM1684X"}  # BM1684X: SophonSDK 22.12, sophon-demo's scripts
BANNER = "#" * 38
DONE = f"{BANNER}\n# Store bmodel of BMCompiler.\n{BANNER}"


def parse(words, known):
    given = {}
    while words:
        name, has, value = words.pop(0).lstrip("-").partition("=")
        if name not in known:
            standin.fail(f"error: unrecognized arguments: --{name}", 2)
        given[name] = value if has else (words.pop(0) if words else "")
    return given


def dims_of(text):
    try:
        shapes = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        standin.fail(f"error: argument shapes: {text}", 2)
    return [list(s) for s in shapes] if isinstance(shapes[0], (list, tuple)) else [list(shapes)]


def check(model, shapes):
    try:
        graph = standin.Graph(model)
    except (OSError, standin.NotAModel) as error:
        standin.fail(f"Traceback (most recent call last):\nonnx load failed: {model}: {error}")
    if bad := graph.unsupported(standin.CONTROL_FLOW):
        standin.fail(
            f"[Error] op type {bad[0].type} is not supported\n"
            f"Traceback (most recent call last):\nNotImplementedError: {bad[0].type}"
        )
    if len(shapes) != len(graph.inputs) or any(
        len(s) != len(d) or any(f > 0 and f != g for f, g in zip(d, s, strict=False))
        for s, d in zip(shapes, graph.inputs.values(), strict=False)
    ):
        standin.fail(
            f"Traceback (most recent call last):\nAssertionError: shapes {shapes} do not fit {graph.inputs}"
        )
    return graph


def main():
    standin.begin()
    given = parse(sys.argv[1:], OPTIONS)
    for name in ("model", "shapes", "outdir"):
        if not given.get(name):
            standin.fail(f"error: the following arguments are required: --{name}", 2)
    if given.get("target", "BM1682") not in TARGETS:
        standin.fail(f"error: unsupported target {given['target']}, only {sorted(TARGETS)}")
    if given.get("opt", "1") not in ("0", "1", "2"):
        standin.fail("error: opt must be 0, 1 or 2")
    check(given["model"], dims_of(given["shapes"]))
    standin.artifact(
        Path(given["outdir"]) / "compilation.bmodel", "bmneto", [Path(given["model"]), given.get("target")]
    )
    standin.succeed(DONE, "[FATAL] compile failed")


if __name__ == "__main__":
    main()
