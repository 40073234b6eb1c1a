"""The static SDK for arm64, linked by Debian's cross gcc: the C++ library inside meets libstdc++."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from .project import Project
from .test_toolchain_gcc import QEMU

ROOT = Path(__file__).parents[2]
OUTSIDE = ROOT / "tests" / "package" / "outside"
KINDS = {
    "in C": (["answers.c"], []),
    "beside libstdc++": (["answers.c", "throws.cpp"], ["-DBESIDE"]),
    "without any shared library": (["answers.c", "throws.cpp"], ["-DBESIDE", "-static"]),
}


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = Project(tmp_path_factory.mktemp("sdk") / "digits")
    manifest = project.folder / "edgepack.yaml"
    manifest.write_text(manifest.read_text().replace("form: app", "form: sdk", 1))
    project.said("build", "aarch64")
    return project.folder / "dist" / "digits@aarch64.sdk"


@pytest.mark.parametrize("kind", KINDS)
def test_it_gives_the_golden_outputs(sdk: Path, kind: str, tmp_path: Path) -> None:
    sources, words = KINDS[kind]
    objects = []
    for name in sources:
        objects.append(tmp_path / f"{name}.o")
        compiler = "aarch64-linux-gnu-g++" if name.endswith(".cpp") else "aarch64-linux-gnu-gcc"
        flags = [word for word in words if word.startswith("-D")]
        argv = [compiler, *flags, "-I", sdk / "include", "-c", OUTSIDE / name, "-o", objects[-1]]
        subprocess.run(argv, check=True)
    linker = "aarch64-linux-gnu-g++" if len(sources) > 1 else "aarch64-linux-gnu-gcc"
    ends = [sdk / "lib" / "libdigits.a", "-Wl,--eh-frame-hdr", "-pthread", "-ldl", "-lm"]
    program = tmp_path / "program"
    subprocess.run([linker, *words, *objects, *ends, "-o", program], check=True)
    with np.load(ROOT / "examples" / "digits" / "data" / "golden.npz") as golden:
        images, wanted = golden["input"], golden["output.logits"]
    argv = [*QEMU, program, sdk / "model", *(str(axis) for axis in images.shape[1:3])]
    said = subprocess.run(argv, input=images.tobytes(), capture_output=True, check=True).stdout
    np.testing.assert_allclose(np.frombuffer(said, np.float32).reshape(wanted.shape), wanted, atol=1e-3)
