"""A small project with a model whose every weight is known, and the same computation in NumPy.

raw RGB (6, 5) → ``mine::gray`` (the user's) → resize 4×4 → normalize → convolution 2×2, 2 channels ("heat",
{2, 3, 3}) → fully connected ("logits", {3}) → softmax → ``decode`` (the user's).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgepack.catalog.ncnn_build import NcnnSpec
from edgepack.compile.blocks import Block
from edgepack.compile.ncnn import build_ncnn
from edgepack.compile.program import ProgramBuild, build_program
from edgepack.compile.render import Gates, ProgramSpec, TensorSpec
from edgepack.compile.toolchains.select import toolchain
from edgepack.tools import cache
from edgepack.tools.qemu import host_arch

PRE = """\
#include <edgepack/edgepack.h>

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include "weights.hpp"

namespace mine {

volatile int nothing = 0;

__attribute__((noinline)) int deeper(int depth) {
  volatile char much[512] = {};
  if (nothing != 0) return depth;  // never; without it the compiler warns of what is wanted here
  return deeper(depth + 1) + much[depth & 255];  // until the stack ends
}

inline void plant(int how) {
  if (how == 1) *reinterpret_cast<volatile int*>(static_cast<std::uintptr_t>(nothing)) = 1;  // a null pointer
  if (how == 2) std::abort();
  if (how == 3) nothing = deeper(0);
  if (how == 4) reinterpret_cast<void (*)()>(static_cast<std::uintptr_t>(nothing))();  // called
  if (how == 5) __builtin_trap();
  if (how == 6) std::thread(plant, 1).join();
  if (how == 7) std::thread(plant, 3).join();
}

edgepack::Tensor gray(const edgepack::Tensor& image) {
  if (image.shape.at(0) != 3) throw std::invalid_argument("not a colour image");
  if (image.shape[1] == 13) plant(image.shape[2]);  // crashes of all kinds: an image 13 high
  edgepack::Tensor out{{1, image.shape[1], image.shape[2]}, {}};
  const std::size_t plane = image.data.size() / 3;
  if (plane == 7) throw 7;  // what a careless library throws
  for (std::size_t i = 0; i < plane; ++i) {
    const float* red = image.data.data() + i;
    out.data.push_back(RED * red[0] + GREEN * red[plane] + BLUE * red[2 * plane]);
  }
  return out;
}

}  // namespace mine
"""

WEIGHTS = "constexpr float RED = 0.5f, GREEN = 0.3f, BLUE = 0.2f;\n"

POST = """\
#include <edgepack/edgepack.h>

#include <algorithm>

void decode(const std::vector<edgepack::Tensor>& outputs, edgepack::Record& record) {
  const std::vector<float>& chances = outputs.at(0).data;
  const auto best = std::max_element(chances.begin(), chances.end());
  record.set("class", best - chances.begin());
  record.set("confidence", *best);
  record.set("name", "n\\u00e4me \\"quoted\\"");
  record.set("sure", *best > 0.5f);
  record.set("chances", chances);
  record.set("hottest", *std::max_element(outputs.at(1).data.begin(), outputs.at(1).data.end()));
}
"""

SPEC = ProgramSpec(
    name="tiny",
    version='1.0-"quoted"',
    target="test-box",
    arch=host_arch(),
    runtime="ncnn",
    pre=(
        Block("code", file="src/pre.cpp", entry="mine::gray"),
        Block("resize", {"size": [4, 4]}),
        Block("normalize", {"scale": 1 / 255, "mean": [0.5], "std": [0.25]}),
    ),
    post=(Block("softmax"), Block("code", file="src/post.cpp", entry="decode")),
    inputs=(TensorSpec("in0", "image", (1, 1, 4, 4)),),
    outputs=(TensorSpec("out0", "logits", (1, 3)), TensorSpec("out1", "heat", (1, 2, 3, 3))),
    gates=Gates(0.9999, 0.001),
)

_PARAM = """\
7767517
5 6
Input          in0    0 1 in0
Convolution    conv   1 1 in0 heat 0=2 1=2 5=1 6=8
Split          split  1 2 heat out1 flat
Flatten        flat   1 1 flat flattened
InnerProduct   fc     1 1 flattened out0 0=3 1=1 2=54
"""


@dataclass(frozen=True)
class Weights:
    """kernel (2, 2, 2), kernel_bias (2,), full (3, 18), full_bias (3,): float32."""

    kernel: Any
    kernel_bias: Any
    full: Any
    full_bias: Any


def weights() -> Weights:
    """The same ones each time."""
    source = np.random.default_rng(1)
    shapes = ((2, 2, 2), (2,), (3, 18), (3,))
    return Weights(*(source.normal(size=shape).astype(np.float32) for shape in shapes))


def write_project(folder: Path) -> Path:
    """The user's files."""
    (folder / "src").mkdir(parents=True)
    for name, text in (("pre.cpp", PRE), ("weights.hpp", WEIGHTS), ("post.cpp", POST)):
        (folder / "src" / name).write_text(text)
    return folder


def write_model(release: Path, known: Weights) -> None:
    """The model in ncnn's own format: a text, and float32 weights, each set after a flag of 0 (raw)."""
    model = release / "model"
    model.mkdir(parents=True, exist_ok=True)
    (model / "model.param").write_text(_PARAM)
    flag = np.zeros(1, np.uint32).tobytes()
    parts = [flag, known.kernel, known.kernel_bias, flag, known.full, known.full_bias]
    (model / "model.bin").write_bytes(b"".join(p if isinstance(p, bytes) else p.tobytes() for p in parts))


def images(count: int) -> Any:
    """Raw images, uint8 (count, 6, 5, 3)."""
    return np.random.default_rng(2).integers(0, 256, (count, 6, 5, 3), dtype=np.uint8)


def taps(length: int, out: int) -> tuple[Any, Any, Any]:
    at = np.clip((np.arange(out) + 0.5) * (length / out) - 0.5, 0, length - 1)
    low = at.astype(int)
    return low, np.minimum(low + 1, length - 1), at - low


def resized(image: Any, height: int, width: int) -> Any:
    """Bilinear, half-pixel centres, clamped: PyTorch's ``interpolate`` with align_corners=False."""
    top, bottom, down = taps(image.shape[1], height)
    left, right, across = taps(image.shape[2], width)
    columns = image[:, :, left] * (1 - across) + image[:, :, right] * across
    return columns[:, top] * (1 - down)[:, None] + columns[:, bottom] * down[:, None]


def computed(raw: Any, known: Weights) -> dict[str, Any]:
    """What the trained model's own pipeline says: the golden arrays by their names."""
    logits, heats = [], []
    for image in raw.astype(np.float64):
        gray = image @ np.float32([0.5, 0.3, 0.2]).astype(np.float64)
        small = (resized(gray[None], 4, 4)[0] / 255 - 0.5) / 0.25
        heat = np.zeros((2, 3, 3))
        for (c, y, x), _ in np.ndenumerate(heat):
            heat[c, y, x] = np.sum(small[y : y + 2, x : x + 2] * known.kernel[c]) + known.kernel_bias[c]
        heats.append(heat)
        logits.append(known.full @ heat.ravel() + known.full_bias)
    scores = np.array(logits)
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return {
        "input": raw,
        "output.logits": scores.astype(np.float32),
        "output.heat": np.array(heats).astype(np.float32),
        "record.class": chances.argmax(axis=1).astype(np.int64),
        "record.confidence": chances.max(axis=1).astype(np.float32),
        "record.hottest": np.array(heats).reshape(len(raw), -1).max(axis=1).astype(np.float32),
    }


def write_golden(folder: Path, arrays: Mapping[str, Any]) -> Path:
    """The arrays as a release has them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)
    return folder


def ppm(image: Any) -> bytes:
    """An image (H, W, 3) or (H, W) as a file."""
    kind = "P6" if image.ndim == 3 else "P5"
    return f"{kind}\n{image.shape[1]} {image.shape[0]}\n255\n".encode() + image.tobytes()


def runtime() -> Path:
    """ncnn for this host: one that a build left in the cache and that is still current, else built now."""
    for marker in sorted((cache.root() / "runtimes").glob("*/ncnn-build.json")):
        about = json.loads(marker.read_bytes())
        spec = NcnnSpec(**about["spec"])
        if (spec.arch, spec.toolchain) == (host_arch(), "zig") and spec.key() == about["key"]:
            return marker.parent
    spec = NcnnSpec(host_arch())
    dest = cache.root() / "ncnn" / f"{spec.arch}-{spec.key()[:16]}"
    if not dest.exists():
        build_ncnn(spec, dest, dest.with_suffix(".log"), lambda _line: None)
    return dest


def build(project: Path, work: Path, spec: ProgramSpec = SPEC) -> ProgramBuild:
    """The program of ``project``, built in ``work`` (kept between calls) into ``work/release/bin``."""
    return build_program(
        spec,
        project=project,
        build=work / "build",
        toolchain=toolchain("zig", spec.arch),
        runtime=runtime(),
        dest=work / "release" / "bin",
        log=work / "log.txt",
    )
