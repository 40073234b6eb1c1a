"""What every toolchain gives: programs, flags, and the CMake toolchain file that names them."""

from __future__ import annotations

import hashlib
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from edgepack.catalog.architectures import Architecture
from edgepack.catalog.toolchains import Flags

_NONE: Mapping[Path, str] = MappingProxyType({})


@dataclass(frozen=True)
class Toolchain:
    """A compiler for one architecture, ready to be called.

    cc, cxx, ar, ranlib: argv prefixes. cpu_flags are given when compiling only. prefix_maps: the
    toolchain's own folders, and the names they get in debug information and ``__FILE__``. sysroot: where
    CMake looks for libraries and packages; the compiler's argv has it too. Of one that is elsewhere only:
    identity tells it apart from others, facts are for the bundle's papers, texts are the licences that lie
    with it; cached: whether ccache can stand before it.
    """

    name: str
    version: str
    arch: Architecture
    cc: tuple[str, ...]
    cxx: tuple[str, ...]
    ar: tuple[str, ...]
    ranlib: tuple[str, ...]
    cmake: Path
    ninja: Path
    flags: Flags
    cpu_flags: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    prefix_maps: Mapping[Path, str] = field(default_factory=dict)
    sysroot: Path | None = None
    identity: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, bytes] = field(default_factory=dict)
    cached: bool = True

    def cmake_toolchain_file(
        self,
        folder: Path,
        *,
        maps: Mapping[Path, str] = _NONE,
        build_id: str = "",
        moves: Path | None = None,
        later: Path | None = None,
    ) -> Path:
        """Write ``toolchain.cmake`` and the programs it names into ``folder``; return its path.

        maps: source folders → their names in the program, so that the same sources in another place
        give the same bytes (the project's CMake source and build folders are mapped already).
        build_id: 40 hex digits made from the inputs' digest; a linker's own would differ with paths.
        moves: what lies below it, source and build among it, may lie elsewhere: ccache finds it there too.
        later: where ``folder`` will lie when it is used, if not here.
        A file that would not change is left alone, so that CMake does not configure again.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("cc", "cxx", "ar", "ranlib"):
            _write(folder / name, self._wrapper(getattr(self, name)), mode=0o755)
        path = folder / "toolchain.cmake"
        launcher = self._launched_by_ccache(folder, moves)
        if launcher and moves:
            launcher.append(_RELATIVE_TOO)
        _write(path, self._cmake({**self.prefix_maps, **maps}, build_id, later or folder, launcher))
        return path

    def configure(self, source: Path, build: Path, toolchain_file: Path) -> tuple[str, ...]:
        """The argv that configures a CMake project for Ninja; append ``-DNAME=VALUE`` words."""
        return (
            *(str(self.cmake), "-G", "Ninja", "-S", str(source), "-B", str(build)),
            *("-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_MAKE_PROGRAM={self.ninja}"),
            f"-DCMAKE_TOOLCHAIN_FILE={toolchain_file}",
        )

    def _wrapper(self, argv: tuple[str, ...]) -> str:
        # One file per program: CMake wants a path, and zig's tools are sub-commands of one.
        exports = "".join(f"export {k}={shlex.quote(v)}\n" for k, v in sorted(self.env.items()))
        return f'#!/bin/sh\n{exports}{_CMAKE_ON_ZIG}exec {shlex.join(argv)} "$@"\n'

    def _found_in_sysroot(self) -> list[str]:
        if self.sysroot is None:
            return []
        return [
            f"set(CMAKE_FIND_ROOT_PATH {_quote(self.sysroot)})",
            # Debian's, and what is made like it, has libraries below a folder of that name.
            f"set(CMAKE_LIBRARY_ARCHITECTURE {self.arch.gcc})",
        ]

    def _launched_by_ccache(self, folder: Path, moves: Path | None) -> list[str]:
        """What was compiled once, in any project, is taken from ccache where this host has it.

        It is told what the compiler is: the wrapper that it sees has no version in it, the same bytes for
        another gcc under the same name, and the architecture inside. One in a container sees the build's
        folder alone, and so ccache's own files for it lie there. Below CCACHE_BASEDIR it names files from
        the build's folder on, and so finds them again from another; ``_RELATIVE_TOO`` maps those names as
        the whole ones are mapped, so that an object has the bytes that it has without ccache.
        """
        ccache = shutil.which("ccache")
        if ccache is None or not self.cached:
            return []
        if self.identity:
            which, beside = f"{self.arch.name} {self.identity}", f"CCACHE_TEMPDIR={folder / 'ccache'};"
        else:
            about = Path(shutil.which(self.cxx[0]) or self.cxx[0]).resolve().stat()
            called = hashlib.sha256(repr((self.cc, self.cxx, sorted(self.env.items()))).encode()).hexdigest()
            which, beside = f"{about.st_size} {about.st_mtime_ns} {called[:32]}", ""
        told = f"{self.name} {self.version} {which}".replace(" ", "-")
        env = shutil.which("env") or "/usr/bin/env"
        if moves:
            beside += f"CCACHE_BASEDIR={moves};CCACHE_ABSSTDERR=1;"
        words = f"{env};CCACHE_COMPILERCHECK=string:{told};{beside}{ccache}"
        return [f"set(CMAKE_{lang}_COMPILER_LAUNCHER {_quote(words)})" for lang, _ in _COMPILERS]

    def _cmake(self, maps: Mapping[Path, str], build_id: str, folder: Path, launcher: Sequence[str]) -> str:
        mapped = [f"-ffile-prefix-map={path}={name}" for path, name in maps.items()]
        # With the same -O and -g at every link, zig makes its libraries once, whatever the configuration.
        link = [
            *self.flags.release,
            *self.flags.link,
            *([f"-Wl,--build-id=0x{build_id}"] if build_id else []),
        ]
        shared = [word for word in link if not word.endswith("pie")]
        compile_only = [*self.flags.compile, *self.cpu_flags, *mapped]
        lines = [
            "set(CMAKE_SYSTEM_NAME Linux)",
            f"set(CMAKE_SYSTEM_PROCESSOR {self.arch.machines[0]})",
            *(f"set(CMAKE_{lang}_COMPILER {_quote(folder / prog)})" for lang, prog in _COMPILERS),
            *(f"set(CMAKE_{tool.upper()} {_quote(folder / tool)})" for tool in ("ar", "ranlib")),
            # What CMake tries out is compiled, not linked: it cannot be run, and threads are in libc.
            # In the cache, because ncnn's CMakeLists.txt unsets the variable.
            'set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY CACHE STRING "")',
            'set(CMAKE_HAVE_LIBC_PTHREAD ON CACHE INTERNAL "")',
            *(f"set(CMAKE_FIND_ROOT_PATH_MODE_{kind} {how})" for kind, how in _SEARCH),
            *self._found_in_sysroot(),
            *(
                f'set(CMAKE_{lang}_FLAGS_RELEASE {_quote(" ".join(self.flags.release))} CACHE STRING "")'
                for lang, _ in _COMPILERS
            ),
            f"set(CMAKE_EXE_LINKER_FLAGS_INIT {_quote(' '.join(link))})",
            f"set(CMAKE_SHARED_LINKER_FLAGS_INIT {_quote(' '.join(shared))})",
            "add_compile_options(",
            *(f"  {_quote(word)}" for word in compile_only),
            # Later maps win: the project's own folders may lie inside one of those above.
            '  "-ffile-prefix-map=${CMAKE_SOURCE_DIR}=/project"',
            '  "-ffile-prefix-map=${CMAKE_BINARY_DIR}=/build"',
            ")",
            *launcher,
        ]
        return "\n".join(lines) + "\n"


# From the build's folder on, where CMake has files of its own (unity builds).
_RELATIVE_TOO = """\
file(RELATIVE_PATH edgepack_source "${CMAKE_BINARY_DIR}" "${CMAKE_SOURCE_DIR}")
string(REGEX REPLACE "/$" "" edgepack_source "${edgepack_source}")
if(NOT edgepack_source STREQUAL "")
  add_compile_options("-ffile-prefix-map=${edgepack_source}=/project")
  add_compile_options("-ffile-prefix-map=CMakeFiles=/build/CMakeFiles")
endif()"""

# CMake asks which compiler this is by linking a program without any of the project's flags. zig would
# build a second C and C++ library for that, minutes of it; an object file tells CMake the same.
# CMake asks for a precompiled header as an object (-c) and with clang's -emit-pch; zig adds the latter by
# itself and takes the former for a request to link. In its place goes a word that keeps the time out.
_CMAKE_ON_ZIG = """\
case "$*" in
*CMakeC*CompilerId.c*) set -- -c "$@" ;;
*-emit-pch*)
    for word do
        shift
        case "$word" in
        -c) ;;
        -emit-pch) set -- "$@" -fno-pch-timestamp ;;
        *) set -- "$@" "$word" ;;
        esac
    done ;;
esac
"""

_COMPILERS = (("C", "cc"), ("CXX", "cxx"))
_SEARCH = (("PROGRAM", "NEVER"), ("LIBRARY", "ONLY"), ("INCLUDE", "ONLY"), ("PACKAGE", "ONLY"))


def _quote(value: object) -> str:
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$") + '"'


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    if not path.is_file() or path.read_text() != text:
        path.write_text(text)
        path.chmod(mode)
