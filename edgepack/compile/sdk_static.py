"""The form `sdk` as a static library: one object with the C++ library inside, closed but for its interface.

Whoever links it may have another C++ library, and gcc. zig's linker makes one object of all; what that one
defines and is not the interface becomes local (``elf_local``).
"""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

from edgepack.compile import elf
from edgepack.compile.errors import CompileError, LoadError
from edgepack.compile.quoting import c_name
from edgepack.compile.render import ProgramSpec
from edgepack.compile.toolchains.toolchain import Toolchain
from edgepack.tools.runner import Command, command, run

PARTS = ("interface", "backend", "generated", "user")  # CMake's object libraries that the library is made of
_CPP = ("libc++abi.a", "libc++.a", "libunwind.a", "libcompiler_rt.a")


def archive(
    spec: ProgramSpec,
    tools: Toolchain,
    objects: Sequence[Path],
    archives: Sequence[Path],
    dest: Path,
    log: Path,
) -> dict[str, Path]:
    """``lib/lib<name>.a`` below ``dest``, by its path in the SDK.

    objects: of the build, of which those of the library are taken. Raises CompileError where a tool fails,
    LoadError where it would ask its user for a C++ library after all.
    """
    from edgepack.compile.elf_local import localise  # NumPy, which a build with nothing to do has no use for

    own = [path for path in objects if any(f"{part}.dir" in path.parts for part in PARTS)]
    with tempfile.TemporaryDirectory(prefix="edgepack-static-") as temporary:
        work = Path(temporary)
        one = work / "whole.o"
        whole = [*own, *archives, *_cpp_library(tools, work, log)]
        # Without groups: a linker that has seen another one of the same name would leave ours out.
        merge: list[str | Path] = ["ld.lld", "-r", "--force-group-allocation", "-o", one, *whole]
        _run(command(tools.cxx[0], *merge, env=tools.env), "make one object of the SDK", log)
        public = f"{c_name(spec.name)}_"
        named = work / f"{spec.name}.o"
        named.write_bytes(localise(one.read_bytes(), lambda name: name.startswith(public)))
        asked = sorted(name for name in elf.undefined(named) if name.startswith("_Z"))
        if asked:
            raise LoadError(
                f"lib{spec.name}.a asks for C++ that is not inside it",
                where=str(named.name),
                why=f"{', '.join(asked[:5])} would come from the C++ library of whoever links it",
                fix="define it in the project's C++",
            )
        made = dest / "lib" / f"lib{spec.name}.a"
        made.parent.mkdir(parents=True, exist_ok=True)
        made.unlink(missing_ok=True)
        _run(command(*tools.ar, "rcsD", made, named, env=tools.env), "make the static library", log)
    return {made.relative_to(dest).as_posix(): made}


def _cpp_library(tools: Toolchain, work: Path, log: Path) -> list[Path]:
    """zig's C++ library for objects of a shared library, by what zig itself gives its linker."""
    source = work / "empty.cpp"
    source.write_text("#include <string>\nstd::string of(int n) { return std::string(n, 'a'); }\n")
    link = (word for word in (*tools.flags.release, *tools.flags.link) if not word.endswith("pie"))
    words: list[str | Path] = [*tools.cxx, *link, "-fPIC", "-shared", source, "-o", work / "empty.so"]
    said = _run(command(*words, env={**tools.env, "ZIG_VERBOSE_LINK": "1"}), "link with its C++ library", log)
    line = next((line for line in said.splitlines() if line.startswith("ld.lld ")), "")
    found = {Path(word).name: Path(word) for word in shlex.split(line) if word.endswith(".a")}
    missing = [name for name in _CPP if name not in found]
    if missing:
        raise CompileError(
            f"zig does not say where its {missing[0]} lies", where=str(log), why="it links in another way"
        )
    return [found[name] for name in _CPP]


def _run(asked: Command, what: str, log: Path) -> str:
    done = run(asked, log=log)
    if not done.ok:
        raise CompileError(
            f"zig cannot {what}",
            where=str(log),
            why=f"it ended with {done.returncode}",
            fix="see the log",
            detail=done.text().strip()[-2000:],
        )
    return done.text()
