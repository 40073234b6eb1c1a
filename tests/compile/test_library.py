"""C libraries are built for real, for two architectures, and what comes out decodes there."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgepack.catalog.libraries import LibrarySpec
from edgepack.compile.library import MARKER, build_library, folder
from edgepack.compile.toolchains.select import toolchain
from edgepack.tools import qemu
from edgepack.tools.runner import command, run

pytestmark = pytest.mark.slow

PROGRAM = """
#include <stdio.h>
#include <spng.h>
#include <zlib.h>
#include <jpeglib.h>
int main(void) {
    struct jpeg_error_mgr errors;
    struct jpeg_decompress_struct jpeg;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&jpeg);
    jpeg_destroy_decompress(&jpeg);
    spng_ctx *png = spng_ctx_new(0);
    unsigned char from[256] = {0}, to[64];
    uLongf size = sizeof to;
    int packed = compress(to, &size, from, sizeof from);
    printf("%s %d %d %d\\n", spng_version_string(), png != NULL, packed, size < 20);
    spng_ctx_free(png);
    return 0;
}
"""


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_a_program_of_that_architecture_uses_them(arch: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    names = ("libspng", "zlib", "libjpeg-turbo")
    places = [build_library(LibrarySpec(name, arch), log, lambda _line: None) for name in names]
    assert all((place / MARKER).is_file() for place in places)
    texts = {path.name: path.read_text() for place in places for path in (place / "licences").iterdir()}
    assert {"zlib.txt", "libspng.txt", "libjpeg-turbo-LICENSE.txt", "libjpeg-turbo-README.ijg.txt"} == set(
        texts
    )
    assert "Mark Adler" in texts["zlib.txt"]
    source = tmp_path / "main.c"
    source.write_text(PROGRAM)
    tools = toolchain("zig", arch)
    words = [f"-I{place}/include" for place in places]
    archives = [archive for place in places for archive in (place / "lib").iterdir()]
    flags = (*tools.flags.compile, *tools.flags.release, *tools.flags.link)
    program = tmp_path / "main"
    made = run(command(*tools.cc, *flags, *words, source, *archives, "-o", program, env=tools.env))
    assert made.ok, made.text()
    runner = () if arch == qemu.host_arch() else (qemu.find(arch),)
    if None in runner:
        pytest.fail(f"no qemu-user for {arch} here")
    assert run(command(*runner, program)).text() == "0.7.4 1 0 1\n"  # type: ignore[arg-type]


# RFC 8032, 7.1, TEST 2; and the same with one bit of the message changed.
VERIFIES = """
#include <stdio.h>
#include <sodium/crypto_sign_ed25519.h>
static void unhex(const char *hex, unsigned char *to) {
    for (unsigned byte; sscanf(hex, "%2x", &byte) == 1; hex += 2) *to++ = (unsigned char)byte;
}
int main(void) {
    unsigned char key[32], signature[64], message = 0x72;
    unhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", key);
    unhex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da", signature);
    unhex("085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00", signature + 32);
    int right = crypto_sign_ed25519_verify_detached(signature, &message, 1, key);
    message ^= 1;
    printf("%d %d\\n", right, crypto_sign_ed25519_verify_detached(signature, &message, 1, key));
    return 0;
}
"""


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "armhf", "riscv64"])
def test_signatures_are_checked_on_every_architecture(arch: str, tmp_path: Path) -> None:
    place = build_library(LibrarySpec("libsodium", arch), tmp_path / "log", lambda _line: None)
    (tmp_path / "main.c").write_text(VERIFIES)
    tools, program = toolchain("zig", arch), tmp_path / "main"
    flags = (*tools.flags.compile, *tools.flags.release, *tools.flags.link, "-Wl,--gc-sections")
    words = (f"-I{place}/include", tmp_path / "main.c", place / "lib/libsodium.a", "-o", program)
    made = run(command(*tools.cc, *flags, *words, env=tools.env))
    assert made.ok, made.text()
    runner = () if arch == qemu.host_arch() else (qemu.find(arch),)
    if None in runner:
        pytest.fail(f"no qemu-user for {arch} here")
    assert run(command(*runner, program)).text() == "0 -1\n"  # type: ignore[arg-type]


def test_a_build_is_made_once_and_without_the_folders_name_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, said = LibrarySpec("zlib", "x86_64"), list[str]()
    first = build_library(spec, tmp_path / "log", lambda _line: None)
    assert build_library(spec, tmp_path / "log", said.append) == first == folder(spec)
    assert said == []
    monkeypatch.setattr("edgepack.compile.library.root", lambda: tmp_path / "kept")
    monkeypatch.setattr("edgepack.compile.library.workshop", lambda: tmp_path / "another place")
    anew = build_library(spec, tmp_path / "log", said.append)
    assert anew != first
    assert (anew / "lib/libz.a").read_bytes() == (first / "lib/libz.a").read_bytes()
