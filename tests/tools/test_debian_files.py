"""Single files out of a pinned package, and a glibc to start another architecture's programs with."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgepack.catalog.architectures import ARCHITECTURES, architecture
from edgepack.errors import Exit, ToolError
from edgepack.tools import debian_files, qemu, sysroot
from edgepack.tools.runner import command, run
from tests.tools import packages

HELLO = """\
#include <gnu/libc-version.h>
#include <stdio.h>
int main(void) { puts(gnu_get_libc_version()); }
"""
CONTENT = packages.deb({"usr/include/x.h": b"#define X\n", "usr/lib/x.so": b"x"})


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    file = tmp_path / "archive/pool/main/x.deb"
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    return tmp_path / "archive"


def test_a_file_is_taken_from_the_first_archive_that_has_the_package(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header, said = tmp_path / "include" / "x.h", list[str]()
    with packages.archive(archive) as base:
        monkeypatch.setenv("EDGEPACK_DEBIAN_MIRROR", f"http://127.0.0.1:1 {base}")
        package = packages.package("pool/main/x.deb", CONTENT)
        debian_files.take(package, {"usr/include/x.h": header}, said.append)
    assert header.read_bytes() == b"#define X\n"
    assert said == ["fetching thing 2.0-1"]


REFUSED = {
    "no archive": ("", CONTENT, "x.h", "names no Debian archive", "EDGEPACK_DEBIAN_MIRROR"),
    "not there": ("pool/gone.deb", CONTENT, "x.h", "no Debian archive of this host has it", "404"),
    "another package": ("pool/main/x.deb", CONTENT + b" ", "x.h", "has it", "their digest is not thing"),
    "another file": ("pool/main/x.deb", CONTENT, "y.h", "thing 2.0-1 holds no usr/include/y.h", ""),
}


@pytest.mark.parametrize(("path", "content", "name", "why", "more"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_had_is_said(
    archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    content: bytes,
    name: str,
    why: str,
    more: str,
) -> None:
    package, wanted = packages.package(path or "x", content), {f"usr/include/{name}": tmp_path / name}
    with packages.archive(archive) as base:
        monkeypatch.setenv("EDGEPACK_DEBIAN_MIRROR", base if path else "nowhere")
        with pytest.raises(ToolError) as refused:
            debian_files.take(package, wanted, lambda _line: None)
    error = refused.value
    assert error.exit_code == Exit.TOOL
    assert why in f"{error.what} {error.why}"
    assert more in f"{error.fix} {error.detail}"


def test_an_architecture_without_a_pinned_glibc_is_refused() -> None:
    with pytest.raises(ToolError, match="no glibc for armhf"):
        sysroot.glibc("armhf", lambda _line: None)
    with pytest.raises(ToolError, match=r"no glibc 2\.99 or newer for aarch64"):
        sysroot.glibc("aarch64", lambda _line: None, "2.99")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arch", "least", "version"),
    [("x86_64", "", "2.31"), ("aarch64", "2.28", "2.31"), ("aarch64", "2.34", "2.36")],
)
def test_a_glibc_starts_its_architectures_programs(
    arch: str, least: str, version: str, tmp_path: Path
) -> None:
    from edgepack.compile.toolchains.select import toolchain

    root = sysroot.glibc(arch, lambda _line: None, least)
    assert (root / architecture(arch).loader.removeprefix("/")).is_file()
    source, program = tmp_path / "hello.c", tmp_path / "hello"
    source.write_text(HELLO)
    tool = toolchain("zig", arch, glibc=ARCHITECTURES[arch].glibc)
    made = run(command(*tool.cc, "-O2", source, "-o", program, env=tool.env, cwd=tmp_path))
    assert made.ok, made.text()
    emulator = qemu.find(arch)
    if emulator is None:
        pytest.skip(f"no emulator for {arch} here")
    done = run(command(emulator, "-L", root, program))
    assert done.stdout.decode() == f"{version}\n", done.text()
