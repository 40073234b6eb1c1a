"""The generated program's parts behind one long-lived process, so that a thousand questions are quick."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgepack.catalog.paths import data
from edgepack.compile.render import TEMPLATE
from edgepack.compile.toolchains.select import toolchain
from edgepack.tools.qemu import host_arch
from edgepack.tools.runner import command, run

# What reads or writes beyond an array, or overflows, ends the driver instead of passing by.
_CHECKED = ("-U_LIBCPP_HARDENING_MODE", "-D_LIBCPP_HARDENING_MODE=_LIBCPP_HARDENING_MODE_EXTENSIVE")
STRICT = ("-O1", "-fsanitize=undefined", "-fsanitize-trap=undefined", *_CHECKED)


class Driver:
    """Answers of the C++: one question, one JSON value."""

    def __init__(self, program: Path, env: Mapping[str, str] | None = None) -> None:
        self.program = program
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([program], stdin=pipe, stdout=pipe, text=True, env=env)

    def ask(self, *words: object) -> Any:
        """The answer to a question; ``{"error": …}`` is what the C++ threw."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"the driver ended on: {words} with {self._process.wait()}"
        return json.loads(answer)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def listed(values: Iterable[float]) -> str:
    """Numbers as the driver reads them: how many, then each to the last bit."""
    known = [float(value) for value in values]
    return " ".join([str(len(known)), *(repr(value) for value in known)])


def tensor(shape: Sequence[int], values: Iterable[float]) -> str:
    """A tensor as the driver reads it."""
    assert math.prod(shape) >= 0
    return f"{listed(shape)} {listed(values)}"


HERE = Path(__file__).parent / "program_driver.cpp"


def compiled(
    folder: Path,
    driver: Path = HERE,
    *,
    libraries: Sequence[Path] = (),
    decoders: Sequence[str] = (),
    words: Sequence[str] = (),
) -> Path:
    """Compile a driver for this host against the template's own sources; returns the program.

    libraries: of C, with ``include/`` and ``lib/``; decoders: formats of images that it is to have;
    words: more for the compiler.
    """
    source = data(TEMPLATE)
    parts = [source / "src" / f"{name}.cpp" for name in ("file", "image", "json", "npy")]
    parts += [source / "src" / f"decode_{name}.cpp" for name in decoders]
    tools = toolchain("zig", host_arch())
    whole = folder / "driver.cpp"
    whole.write_text("".join(f'#include "{path}"\n' for path in (*parts, driver)))
    program = folder / "driver"
    warnings = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror")
    includes = ("-I", source / "include", "-I", source / "src")
    others = [word for place in libraries for word in ("-isystem", place / "include")]
    archives = [archive for place in libraries for archive in sorted((place / "lib").glob("*.a"))]
    defines = [f"-DEDGEPACK_{name.upper()}" for name in decoders]
    words = (*STRICT, *warnings, *words, *defines, *includes, *others)
    argv = (*tools.cxx, "-std=c++17", *words, whole, *archives, "-o", program)
    done = run(command(*argv, env=tools.env))
    assert done.ok, done.text()
    return program
