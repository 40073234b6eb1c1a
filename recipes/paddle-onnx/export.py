"""``export.py MODEL ONNX OPSET``: a Paddle model, its weights beside it, by paddle2onnx.

A ``.pdmodel`` becomes a ``.json`` first, with what paddle2onnx has for that, so that it can be set right as
well.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(model: Path, onnx_file: Path, opset: int) -> None:
    import paddle2onnx
    import paddle2onnx.convert as inside
    from convert import single

    plain = inside.c_p2o.export

    def export(program: str, *rest: object) -> bytes:
        said = single(json.loads(Path(program).read_text("utf-8")))
        mended = Path("mended.json").resolve()
        mended.write_text(json.dumps(said), "utf-8")
        return bytes(plain(str(mended), *rest))

    inside.c_p2o.export = export  # after a .pdmodel became a program of today's format, before it is read
    paddle2onnx.export(
        str(model),
        str(model.with_suffix(".pdiparams")),
        str(onnx_file),
        opset_version=opset,
        optimize_tool="None",
    )


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
